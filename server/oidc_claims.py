"""What an identity provider says of somebody, read: pure.

Pro Santé Connect says who a professional is by their national number (claims of its userinfo); FranceConnect says a
patient's pivot identity, without any number. A claim of another type than expected counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server import strict_traits

MOST = 200  # characters of a claim that is shown
RPPS_DIGITS = 11
# TRE_G15-ProfessionSante, of which only these were seen in use; others are shown by their organisation alone.
PROFESSIONS = {"10": "Médecin", "21": "Pharmacien", "70": "Masseur-kinésithérapeute", "80": "Pédicure-podologue"}
_SEXES = {"female": "F", "male": "M"}
_FRANCE = "99100"  # COG code of the country: says no commune


@dataclass(frozen=True, slots=True)
class Professional:
    """`national_id`: « 8 » and the RPPS, or another register's (IDNPS). `role`, `organisation`: in plain words, or ''.
    `profession`: `G15_10/SM04`, as in the directory, or ''.
    """

    national_id: str
    name: str
    role: str
    organisation: str
    profession: str

    @property
    def written(self) -> tuple[str, ...]:
        """The ways an operator may have written this number: with its prefix, and an RPPS without."""
        if self.national_id.startswith("8") and len(self.national_id) == RPPS_DIGITS + 1:
            return self.national_id, self.national_id[1:]
        return (self.national_id,)


def professional(claims: Mapping[str, Any]) -> Professional | None:
    """None when nothing says who it is, or two claims disagree."""
    named = {_number(claims.get(name)) for name in ("SubjectNameID", "preferred_username")} - {""}
    if len(named) != 1:
        return None
    practice = _first(_mapping(claims.get("SubjectRefPro")).get("exercices"))
    activity = _first(practice.get("activities"))
    code, skill = _text(practice.get("codeProfession")), _text(practice.get("codeSavoirFaire"))
    return Professional(
        named.pop(),
        f"{_text(claims.get('given_name'))} {_text(claims.get('family_name'))}".strip(),
        PROFESSIONS.get(code, ""),
        _text(activity.get("raisonSocialeSite")) or _text(claims.get("SubjectOrganization")),
        f"G15_{code}" + (f"/{skill}" if skill else "") if code else "",
    )


def pivot(claims: Mapping[str, Any]) -> str:
    """The canonical strict traits of a pivot identity (FranceConnect); '' when one is missing."""
    country = _text(claims.get("birthcountry"))
    return strict_traits.canonical(
        _text(claims.get("family_name")),
        _text(claims.get("given_name")),
        _text(claims.get("birthdate")),
        _SEXES.get(_text(claims.get("gender")), ""),
        _text(claims.get("birthplace")) or (country if country != _FRANCE else ""),
    )


def _number(value: Any) -> str:
    """A national number, normalised: digits and letters alone; an RPPS gets its prefix."""
    text = "".join(_text(value).split())
    if not text.isascii() or not text.isalnum():
        return ""
    return f"8{text}" if text.isdecimal() and len(text) == RPPS_DIGITS else text


def _text(value: Any) -> str:
    return value.strip()[:MOST] if isinstance(value, str) and value.isprintable() else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(value: Any) -> Mapping[str, Any]:
    return _mapping(value[0]) if isinstance(value, list) and value else {}
