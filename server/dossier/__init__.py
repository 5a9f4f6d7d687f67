"""The dossier (DMP): what is in it, and who may see what of it.

    letter, API, patient  →  filing: documents + findings, one transaction  →  documents, findings: what one may see

| module | is about |
|---|---|
| **who** | |
| `habilitation`, `data/` | the one decision: reader × item → verdict with its reason; the matrix professions × types |
| `standing` | what a reader is to a dossier at this instant: grounds, blocks, choices |
| `choices`, `consents`, `things`, `asking` | what the holder settled; who may read what, until when; how one asks |
| `emergencies`, `volume`, `operating` | an emergency; one account opening many; what operators decide |
| `visibility`, `announcing` | hidden, secret, archived, not told yet: changed by record, shown when it is time |
| **documents** | |
| `filing`, `by_itself`, `adding`, `depositing`, `about` | how one comes in, by whom; that it is about them |
| `documents`, `contents` | the list, one document, what stands in it, as its reader may see them |
| `shelves`, `folders`, `titles` | the patient's shelf: order, folders, pins, names a person understands |
| `prescriptions` | their lines, and what was dispensed of them |
| `record` | the dossier on one page, for a professional |
| **what they say** | |
| `findings`, `sources` | results, vaccinations, treatments, allergies …, and who says each |
| `synthesis`, `results`, `vaccinations` | one's health on one page; results over time; vaccinations by disease |
| `profile` | what a person says of their own health, section by section |
| `measures`, `measure_kinds`, `measure_targets`, `measure_words`, `measure_letters`, `growth` | measures of health |
| **words** | |
| `named`, `words`, `delays` | how the log and the sentences name things; the delays of the law, as data |
"""
