"""Mail that is held: accepted, kept whole and sealed, and shown to nobody until a person decides.

A letter is held when it cannot be shown without danger (`Held`: another patient's document, a forged reference) or
when reading it failed three times by a fault of ours.
"""

from __future__ import annotations


class Held(Exception):
    """This letter must not reach the patient, and is not lost either: it is kept, and its sender told.

    `reason`: a stable word. `code`: of the MSSanté list (900-906, dossier integration), "" when none applies.
    `detail`: for the sender, in French, without a word of the content.
    """

    def __init__(self, reason: str, detail: str, code: str = "") -> None:
        self.reason, self.detail, self.code = reason, detail, code
        super().__init__(reason)
