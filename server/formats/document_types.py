"""What a document code means: its class, the category it is shown under, its name in French and in English.

Rules are data (law 8): `data/document_types.json` holds the type → class map of the CI-SIS and our ten categories,
with its source. The class is computed from the type; the class a sender wrote is provenance only, since example
packages of the ANS themselves disagree with the map. Reads its file once, at import; nothing else.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import msgspec


class _File(msgspec.Struct):
    source: str
    categories: dict[str, dict[str, str]]
    classes: dict[str, dict[str, str]]
    types: dict[str, dict[str, str]]


_DATA: Final = msgspec.json.decode(
    files("server.formats").joinpath("data/document_types.json").read_bytes(), type=_File
)

CATEGORIES: Final = tuple(_DATA.categories)  # slugs, in the order they are shown
SOURCE: Final = _DATA.source
TYPES: Final = frozenset(_DATA.types)


def class_code(type_code: str) -> str:
    """The TRE_A03 class of a type ("10" compte rendu …); "" for a type the map does not know."""
    return _DATA.types.get(type_code, {}).get("class", "")


def confidentiality(code: str) -> str:
    """A confidentiality code in the spelling of the CI-SIS (JDV_J08). Those of HL7 v2 (INVISIBLE_REP_LEGAUX) and small
    slips of pen (a space for the underscore, small letters) are known too: what a document must be hidden from is not
    shown for a misprint.
    """
    letters = "".join(char for char in code.upper() if char.isalpha())
    if letters.startswith("INVISIBLEREP"):
        return "INVISIBLE_REPRESENTANTS_LEGAUX"
    return {"INVISIBLEPATIENT": "INVISIBLE_PATIENT", "MASQUEPS": "MASQUE_PS"}.get(letters, code)


def category(type_code: str, class_code: str = "") -> str:
    """The slug of the category a document is shown under. A type not in the map goes by the class its sender gave,
    and without any by "reports", where a person looks first. "" for a technical document, which is never shown.
    """
    known = _DATA.types.get(type_code)
    if known is not None:
        return known["category"]
    return _DATA.classes.get(class_code, {}).get("category", "reports")


def type_label(type_code: str, language: str = "fr") -> str:
    """The name of a document type; "" when the map does not know it."""
    return _DATA.types.get(type_code, {}).get(language, "")


def class_label(code: str, language: str = "fr") -> str:
    """The name of a class; "" when the map does not know it."""
    return _DATA.classes.get(code, {}).get(language, "")


def category_label(slug: str, language: str = "fr") -> str:
    """The name of a category. Raises KeyError for a slug that is none."""
    return _DATA.categories[slug][language]
