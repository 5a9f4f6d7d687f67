"""The mail door: letters come in by SMTP, answers go out by SMTP, professionals read by IMAP.

The pure half turns bytes into things and back, does no I/O, and raises `Malformed` only:

| file | holds |
|---|---|
| `mime`, `structure`, `headers`, `words`, `prose` | a raw mail as a `Letter`: offsets, fields, charsets, quotations |
| `compose` | an `OutLetter`, or a notice that a letter failed, as the bytes of a mail |
| `addresses` | whose mailbox an address names |
| `calendar`, `contentlines`, `timezones` | appointments by mail (iMIP) |
| `xdm`, `cda`, `archive`, `xml`, `hl7` | documents: IHE_XDM.ZIP, CDA headers, and the guarded readers under them |
| `whitelist`, `subjects` | the published list of operators, and the names of certificates compared |
| `documents`, `data/` | what a document code means, as data with its source |
| `sniff` | what a file is, by its first octets |

The rest speaks SMTP and IMAP and hands what it read to `server.posting.post()`, like every door:

| file | holds | |---|---| | `smtp`, `smtp_session`, `smtp_data`, `smtp_syntax` | our SMTP server: the protocol, and
nothing about patients | | `inbound` | the two doors where mail comes in: who may speak, for whom, to whom | |
`letterbox`, `enclosures`, `discretion` | what a letter becomes in each patient's space: thread, files, documents,
cards | | `reports` | what other servers say of our mail: not delivered, read | | `trust` | the operators we exchange
mail with, and the TLS that proves who they are | | `trust_lists`, `fetch` | the published lists trust stands on, kept
fresh | | `revocation` | certificates that their authority took back | | `outbound` | the channel by which a message
leaves for somebody elsewhere | | `rendition` | a message of ours as one mail that never changes | | `imap/` | the
professional's mailbox
|
"""
