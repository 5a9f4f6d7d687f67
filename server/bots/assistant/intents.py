"""What is asked for: patterns of mended words, each with its weight for an intent (`data/intents.json`), and a sum.

The intent with the greatest sum is meant; `understanding` adds what names, dates and measures tell. A pattern may name
a piece, `<meeting>`, of the file or of `slots`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from server.bots.assistant import slots


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    source: str
    pieces: dict[str, str]
    patterns: tuple[tuple[str, int, str], ...]


_DATA: Final = msgspec.json.decode(
    files("server.bots.assistant").joinpath("data/intents.json").read_bytes(), type=_File
)
_PIECES: Final = {
    **_DATA.pieces,
    "seen": f"{slots.SEEN}|{slots.DONE_THERE}",
    **{
        name: "|".join(pattern for _, pattern in table)
        for name, table in (
            ("disease", slots.DISEASES),
            ("exam", slots.EXAMS),
            ("kind", slots.KINDS),
            ("analyte", slots.ANALYTES),
        )
    },
}
MEETING: Final = _PIECES["meeting"]
COMMANDS: Final = {
    "/rappel": "note_reminder", "/remind": "note_reminder",
    "/mesure": "measure", "/mesures": "measure", "/rdv": "appointments", "/vaccins": "vaccines", "/vaccin": "vaccines",
    "/document": "documents", "/documents": "documents", "/qui": "who_saw", "/aide": "help", "/personne": "person",
    "/measure": "measure", "/appointment": "appointments", "/appointments": "appointments", "/vaccines": "vaccines",
    "/who": "who_saw", "/help": "help", "/person": "person", "/prevention": "prevention", "/resultats": "results",
}  # fmt: skip
INTENTS: Final = tuple(
    dict.fromkeys(["measure", "note_appointment", "note_reminder", *(intent for intent, _, _ in _DATA.patterns)])
)


def _filled(pattern: str) -> str:
    """The pattern with its pieces; at its end a question mark may follow."""
    return re.sub(r"<(\w+)>", lambda match: _PIECES[match[1]], pattern)


@cache
def _compiled() -> tuple[tuple[str, int, re.Pattern[str]], ...]:
    return tuple(
        (intent, weight, re.compile(_filled(pattern).replace("$", r"(?: \?)*$")))
        for intent, weight, pattern in _DATA.patterns
    )


def spoken() -> tuple[str, ...]:
    """The words of this module, for mending."""
    return (*(_filled(pattern) for _, _, pattern in _DATA.patterns), "noter enregistrer ajouter rappelez")


def weigh(line: str) -> dict[str, int]:
    """The sum of every intent whose words are there."""
    sums: dict[str, int] = {}
    for intent, weight, pattern in _compiled():
        if pattern.search(line):
            sums[intent] = sums.get(intent, 0) + weight
    return sums
