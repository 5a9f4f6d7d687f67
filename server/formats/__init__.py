"""How documents and files are written: CDA, IHE_XDM.ZIP, XML, HL7 values, and what a file is by its octets. Pure: no
I/O, no mailbox, nothing of Pli; every door reads documents by these.

| file | holds |
|---|---|
| `package`, `parser_process` | what a parcel holds, read in a process of its own |
| `xdm`, `archive` | IHE_XDM.ZIP: METADATA.XML, hash and size; the guarded ZIP reader |
| `cda` | the header of a CDA, and the files it carries |
| `xml`, `hl7`, `words`, `malformed` | the guarded readers under them |
| `document_types`, `data/` | what a document code means: class, category, names, with their source |
| `sniff` | what a file is, by its first octets |
"""
