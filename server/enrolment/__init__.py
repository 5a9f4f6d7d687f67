"""The life of a space, from its opening to the day its key is destroyed.

| module | is about |
|---|---|
| `lifecycle` | opposed, closed, opened again, suspended, of age, died, deleted: each a dated record |
| `endings` | what time does by itself: the key destroyed at the end of ten years, or sooner when it was asked for |
"""
