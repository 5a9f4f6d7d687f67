"""Whether a document is about the person whose mailbox it came to. Pure.

Promises (security item 35): the mailbox, METADATA.XML and every document must agree on the INS, wherever it stands
among a patient's identifiers, and no strict trait may differ (birth name, birth date, sex when both are known; the
first given name leniently, since registers abbreviate and join). Otherwise the letter is `Held`, never shown and
never filed: 904 for somebody else, 903 when nothing says whom it is about, 905 when the traits that would have to say
it are incomplete. What its author hides from the patient, or from those who read for them, is held with 906: the
patient's mailbox never legitimately receives it (dossier facts § 1.5). Does not open anything.

The INS counts under the OIDs that the settings take; a wrong check key is a mismatch, but for test people
(`strict_ins_key` off), where the 13 characters before it decide. Codes: volet de transmission d'un document CDA par
messagerie, error codes 900-906.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from mail_gateway.quarantine import Held
from server.formats import hl7
from server.formats.package import Claim, Package
from server.people import Traits

_MISMATCH: Final = "Un document joint concerne une autre personne que le destinataire"
_NOBODY: Final = "Un document joint ne dit pas de quel patient il parle (INS absent ou non admis)"
_INCOMPLETE: Final = "Un document joint sans INS n’a pas les traits d’identité complets de son patient"
_HIDDEN: Final = "Un document joint est marqué invisible au patient (INVISIBLE_PATIENT)"
_HIDDEN_DELEGATES: Final = (
    "Un document joint est marqué invisible aux représentants légaux, qui lisent la messagerie de ce patient"
)
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


def check(package: Package, recipient: Recipient, *, established: bool = False) -> None:
    """Raises `Held` when what was sent must not be shown to the recipient. `established`: somebody looked, and it is
    about them whatever it says; what its author hides stays hidden.
    """
    if "INVISIBLE_PATIENT" in package.marks:
        raise Held("invisible_patient", _HIDDEN, "906")
    if recipient.represented and "INVISIBLE_REPRESENTANTS_LEGAUX" in package.marks:
        raise Held("invisible_representatives", _HIDDEN_DELEGATES, "906")
    if established:
        return
    named = Claim(ids=package.patients)
    if any(_contradicts(claim, recipient) for claim in (named, *package.claims)):
        raise Held("wrong_patient", _MISMATCH, "904")
    for paper in package.papers:
        if not (_named(named, recipient) or _named(paper.claim, recipient)):
            _by_traits(paper.claim, recipient)


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


def _by_traits(claim: Claim, recipient: Recipient) -> None:
    """Nothing contradicts, and no INS tells: the strict traits must, whole. Raises `Held`."""
    known = [claim.birth_name, claim.birth_date, *claim.given[:1]]
    if any(oid in _INS_OIDS for _, oid in claim.ids) or recipient.traits is None or not any(known):
        raise Held("wrong_patient", _NOBODY, "903")
    if not (claim.birth_name and claim.birth_date and claim.given and claim.sex in ("M", "F")):
        raise Held("wrong_patient", _INCOMPLETE, "905")


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
