"""What a consent may name, and for how long, in words: said the same by a card, a mail and a page. Pure.

A thing is a category of documents, or a type of what has no document of its own (`habilitation.PSEUDO`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from server.dossier.habilitation import MEASURES, PROFILE, RECORD
from server.dossier.words import named
from server.errors import Invalid
from server.formats import document_types

# thing → what it is called in a sentence, in French and in English; and the beginnings of words that mean it in a mail.
THINGS: Final[dict[str, tuple[str, str]]] = {
    "summaries": ("vos synthèses", "your summaries"),
    "prescriptions": ("vos ordonnances", "your prescriptions"),
    "reports": ("vos comptes rendus", "your reports"),
    "imaging": ("votre imagerie", "your imaging"),
    "biology": ("vos analyses", "your laboratory results"),
    "prevention": ("votre prévention", "your prevention"),
    "certificates": ("vos certificats", "your certificates"),
    "administrative": ("vos pièces administratives", "your administrative papers"),
    "reimbursements": ("vos remboursements", "your reimbursements"),
    "wishes": ("vos volontés", "your wishes"),
    "other": ("vos autres documents", "your other documents"),
    MEASURES: ("vos mesures", "your measures"),
    RECORD: ("vos vaccinations, traitements et allergies notés", "your noted vaccinations, treatments and allergies"),
    PROFILE: ("votre profil médical", "your medical profile"),
}
# thing → what it is called in a list.
LABELS: Final[dict[str, tuple[str, str]]] = {
    thing: (document_types.category_label(thing), document_types.category_label(thing, "en"))
    for thing in document_types.CATEGORIES
} | {
    "other": ("Autres documents", "Other documents"),
    MEASURES: ("Mesures de santé", "Health measures"),
    RECORD: ("Vaccinations, traitements et allergies notés", "Noted vaccinations, treatments and allergies"),
    PROFILE: ("Profil médical", "Medical profile"),
}
ALL: Final = ("tout ce qui peut être partagé", "all that may be shared")
EVERYTHING: Final = ("votre dossier", "your record")
_MEANT: Final = {
    "summaries": ("synthese",),
    "prescriptions": ("ordonnance", "soin"),
    "reports": ("compte", "cr"),
    "imaging": ("imagerie", "radio", "scanner", "irm", "echo"),
    "biology": ("analyse", "biologie", "bilan"),
    "prevention": ("prevention", "depistage"),
    "certificates": ("certificat",),
    "administrative": ("piece", "administrati"),
    "reimbursements": ("remboursement",),
    "wishes": ("volonte", "directive"),
    "other": ("autre",),
    MEASURES: ("mesure",),
    RECORD: ("vaccin", "traitement", "allergie"),
    PROFILE: ("profil",),
}
_ALL: Final = ("tout", "dossier")
_BETWEEN: Final = re.compile(r"\s*(?:,|;|\bet\b)\s*")
_ARTICLE: Final = re.compile(r"^(?:vos|votre|ses|son|sa|les|la|le|l['’])\s*")
_LASTING: Final = re.compile(r"(\d{1,4})\s*(jour|mois|an)")
_DAYS: Final = {"jour": 1, "mois": 30, "an": 365}


def checked(things: Iterable[str]) -> tuple[str, ...]:
    """In the order they are shown; empty: all that may be shared. Raises `Invalid`."""
    wanted = set(things)
    if wanted - THINGS.keys():
        raise Invalid("unknown_thing", f"Choisissez parmi : {', '.join(THINGS)}.")
    return tuple(thing for thing in THINGS if thing in wanted)


def phrase(things: Sequence[str], language: str = "fr") -> str:
    """« vos ordonnances et vos analyses »."""
    index = 0 if language == "fr" else 1
    return named([THINGS[thing][index] for thing in things], language) if things else EVERYTHING[index]


def listed(things: Sequence[str], language: str = "fr") -> str:
    """« Ordonnances et soins, Biologie »: said the same to the patient and to who reads."""
    index = 0 if language == "fr" else 1
    return ", ".join(LABELS[thing][index] for thing in things) if things else ALL[index]


def lasting(days: int, language: str = "fr") -> str:
    """« 3 mois »."""
    unit, size = ("an", 365) if days % 365 == 0 else ("mois", 30) if days % 30 == 0 else ("jour", 1)
    count = days // size
    if language == "fr":
        return f"{count} {unit}{'s' if count > 1 and unit != 'mois' else ''}"
    unit = {"an": "year", "mois": "month", "jour": "day"}[unit]
    return f"{count} {unit}{'s' if count > 1 else ''}"


def meant(text: str) -> tuple[str, ...]:
    """The things that somebody wrote in a mail: « ordonnances, analyses ». Raises `Invalid`, naming the word."""
    found = set()
    for word in filter(None, _BETWEEN.split(_plain(text).strip(" ."))):
        word = _ARTICLE.sub("", word)
        if word.startswith(_ALL):
            return ()
        thing = next((thing for thing, begins in _MEANT.items() if word.startswith(begins)), None)
        if thing is None:
            known = ", ".join(label.removeprefix("vos ").removeprefix("votre ") for label, _ in THINGS.values())
            raise Invalid("unknown_thing", f"« {word[:40]} » n’est pas compris. On peut demander : {known} ; ou tout.")
        found.add(thing)
    return checked(found)


def days(text: str) -> int:
    """« 3 mois » in days. Raises `Invalid`."""
    said = _LASTING.match(_plain(text).strip())
    if said is None:
        raise Invalid("bad_duration", "La durée s’écrit : 1 jour, 3 mois ou 1 an.")
    return int(said[1]) * _DAYS[said[2]]


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFD", text.lower())
    return "".join(char for char in folded if not unicodedata.combining(char))
