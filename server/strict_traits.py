"""The strict traits of an identity (référentiel INS) in one form, whoever wrote them: pure.

Case, accents, hyphens, apostrophes and double spaces differ between registers and mean nothing; anything else does: a
given name that is missing is somebody else. Used to find a holder by a keyed hash, never by looking through spaces.
"""

from __future__ import annotations

import re
import unicodedata

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ł": "l"})


def canonical(birth_name: str, given: str, birth_date: str, sex: str, place: str) -> str:
    """One text for one identity; '' when a trait is missing. `given`: every given name, in order. `birth_date`: ISO
    8601. `sex`: F or M. `place`: COG code of the commune, of the country for who was born abroad.
    """
    parts = [_name(birth_name), _name(given), birth_date.strip(), sex.strip().upper(), place.strip().upper()]
    whole = all(parts) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", parts[2]) and parts[3] in {"F", "M"}
    return "|".join(parts) if whole else ""


def same_name(one: str, other: str) -> bool:
    """Whether two registers write the same name; nothing is the same as no name."""
    return bool(_name(one)) and _name(one) == _name(other)


def _name(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LIGATURES))
    letters = "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return " ".join(letters.split())
