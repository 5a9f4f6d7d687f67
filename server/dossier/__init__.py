"""The dossier (DMP): what is in it, and who may see what of it.

    letter, API, patient  →  filing: documents + findings, one transaction  →  documents, findings: what one may see

| module | is about |
|---|---|
| `habilitation`, `data/` | the one decision: reader × item → verdict with its reason; the matrix professions × types |
| `standing` | what a reader is to a dossier at this instant: grounds, blocks, choices |
| `choices` | what the holder settled for the whole dossier, and what holds before they do |
| `filing` | how a document comes in: read apart, its findings, once |
| `documents` | the list, one document, as its reader may see them |
| `findings` | what was found in documents and what people said: results, vaccinations, measures … |
"""
