"""Everything of a space, to take away and to bring back (GDPR art. 15 and 20).

    ask  →  a row and what is owed  →  the worker gathers, a volume at a time, each sealed as it is whole  →  fetched
    bring  →  a volume kept, sealed  →  the worker checks every hash and whose it is  →  filed, once

| module | is about |
|---|---|
| `exporting` | asking for a copy, how far it is, giving it, the work itself |
| `volumes` | the files of a copy as ZIP volumes, and the list of their hashes |
| `readable` | what a person reads of it without Pli: a page and a PDF |
| `importing` | a copy brought back: checked whole, then filed |
"""
