"""Whether a document is about this patient. Pure.

    papers of a package × the traits of a space → "" (it is), or a problem: somebody_else, nobody, incomplete

Promises (security item 35): METADATA.XML and every document must agree with the patient on the INS, wherever it stands
among their identifiers, and no strict trait may differ (birth name, birth date, sex when both are known; the first
given name leniently, since registers abbreviate and join). One rule for what comes by mail and what is deposited.
Does not: open anything, or say what becomes of it.

The INS counts under the OIDs that the settings take; a wrong check key is a mismatch, but for test people
(`strict_ins_key` off), where the 13 characters before it decide.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from server.formats import hl7
from server.formats.package import Claim, Package
from server.people import Traits

SOMEBODY_ELSE, NOBODY, INCOMPLETE = "somebody_else", "nobody", "incomplete"
_INS_C: Final = "1.2.250.1.213.1.4.2"  # another number, of another length: nothing to compare
_INS_OIDS: Final = frozenset((*hl7.INS_OIDS, *hl7.TEST_INS_OIDS)) - {_INS_C}


@dataclass(frozen=True, slots=True)
class Recipient:
    """The patient of a mailbox. `represented`: a minor, or somebody for whom a legal representative reads. `oids`:
    under which an INS is taken.
    """

    ins: str
    traits: Traits | None
    represented: bool
    oids: frozenset[str]
    strict_key: bool


def problem(package: Package, recipient: Recipient) -> str:
    """Why what is in this package may not be taken for this patient's; "" when it may."""
    named = Claim(ids=package.patients)
    if any(_contradicts(claim, recipient) for claim in (named, *package.claims)):
        return SOMEBODY_ELSE
    unnamed = (paper.claim for paper in package.papers if not _named(paper.claim, recipient))
    return "" if _named(named, recipient) else next(filter(None, (_by_traits(one, recipient) for one in unnamed)), "")


def _contradicts(claim: Claim, recipient: Recipient) -> bool:
    if any(oid in _INS_OIDS and not _same_ins(value, recipient) for value, oid in claim.ids):
        return True
    traits = recipient.traits
    if traits is None:
        return False
    return (
        _differ(_plain(claim.birth_name), _plain(traits.birth_name))
        or _differ(claim.birth_date, traits.birth_date)
        or ({claim.sex, traits.sex} == {"M", "F"})
        or (bool(claim.given and _words(traits.given)) and not _same_given(claim, traits))
    )


def _same_ins(value: str, recipient: Recipient) -> bool:
    value = "".join(value.split()).upper()
    return value == recipient.ins or (
        not recipient.strict_key and len(value) == 15 and value[:13] == recipient.ins[:13]
    )


def _named(claim: Claim, recipient: Recipient) -> bool:
    """Whether it says by an INS under an OID we take that it is about the recipient; that it names nobody else is
    known by now.
    """
    return any(oid in recipient.oids and oid in _INS_OIDS for _, oid in claim.ids)


def _by_traits(claim: Claim, recipient: Recipient) -> str:
    """Nothing contradicts, and no INS tells: the strict traits must, whole."""
    known = [claim.birth_name, claim.birth_date, *claim.given[:1]]
    if any(oid in _INS_OIDS for _, oid in claim.ids) or recipient.traits is None or not any(known):
        return NOBODY
    whole = claim.birth_name and claim.birth_date and claim.given and claim.sex in ("M", "F")
    return "" if whole else INCOMPLETE


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and one != other


def _plain(name: str) -> str:
    """Letters only, without accents nor case: PAT-TROIS and Pat Trois are one name (référentiel INS)."""
    return "".join(char for char in unicodedata.normalize("NFKD", name.casefold()) if char.isalpha())


def _words(given: str) -> set[str]:
    """DOMINIQUE MARIE-LOUISE: each given name, and each part of a double one."""
    names = given.split()
    parts = {_plain(part) for name in names for part in (name, *name.split("-"))}
    return (parts | {_plain(given)}) - {""}


def _same_given(claim: Claim, traits: Traits) -> bool:
    """One given name in common, or one that begins the other: registers abbreviate them, join them, order them anew."""
    told = {word for given in claim.given for word in _words(given)}
    return not told or any(
        one.startswith(other) or other.startswith(one) for one in told for other in _words(traits.given)
    )
