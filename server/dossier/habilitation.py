"""Who may see what of a dossier: one decision, with its reason. Pure: no I/O, no clock but the one it is given.

    decide(reader, item, now) → Verdict(allowed, reason, warning, ground)

A reader is somebody on a ground (how they came to this dossier); an item is a document, or what was found in one, or
what the patient said. Rules, the first that speaks wins:

    operator, other bots   never
    author                 sees what they deposited, also when it is hidden (CSP R.1111-49)
    R or V                 is in no shared record: its author and the holder's side only (CI-SIS, volet de transmission)
    holder                 everything, but what somebody must tell them first, for a month at most (CSP R.1111-53)
    delegate               for the scope dossier; never a minor's secret, nor what is untold (CSP L.1111-5, R.1111-33)
    professional           blocked or closed: never · no ground: never · the matrix professions × types, deny by default
                           (arrêté of 26 October 2023) · what the consent names · what is hidden: only the administrator
                           the patient named, or in an emergency when the patient allowed that

How a ground is given and ended: `server.dossier.consents`, `emergencies`. The matrix and the delays are data. Nothing
else in the house decides about an item of a dossier.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Final

from server.formats import document_types

DATA: Final = Path(__file__).parent / "data"

# Marks of an item.
HIDDEN: Final = "hidden"  # MASQUE_PS: from professionals
UNTOLD: Final = "untold"  # INVISIBLE_PATIENT: until somebody tells
SECRET: Final = "secret"  # noqa: S105 - a mark (INVISIBLE_REPRESENTANTS_LEGAUX), no password
ARCHIVED: Final = "archived"  # left out of lists; forbids nothing
RESTRICTED: Final = "restricted"  # R or V
MARKS: Final = {
    "MASQUE_PS": HIDDEN,
    "INVISIBLE_PATIENT": UNTOLD,
    "INVISIBLE_REPRESENTANTS_LEGAUX": SECRET,
    "R": RESTRICTED,
    "V": RESTRICTED,
}

# Grounds of a professional; of several the first of these is the one that counts.
ADMINISTRATOR, TREATING, CARE_TEAM, EXPLICIT = "administrator", "treating", "care_team", "explicit"
SAMU, EMERGENCY = "samu", "emergency"
GROUNDS: Final = (ADMINISTRATOR, TREATING, CARE_TEAM, EXPLICIT, SAMU, EMERGENCY)

# Types of what has none of its own.
UNTYPED, MEASURES, RECORD, PROFILE = "UNTYPED", "PLI-MEASURES", "PLI-RECORD", "PLI-PROFILE"
PSEUDO: Final = (UNTYPED, MEASURES, RECORD, PROFILE)


class Reason(Enum):
    """Why, for the log and for tests; what a person is told is the page's to say."""

    OWN_SPACE = "own_space"
    DELEGATED = "delegated"
    AUTHOR = "author"
    CONSENT = "consent"
    ADMINISTRATOR = "administrator"
    EMERGENCY = "emergency"
    SERVICE = "service"
    # refusals
    NEVER = "never"
    NO_SCOPE = "no_scope"
    NO_CONSENT = "no_consent"
    NOT_NAMED = "not_named"
    BLOCKED = "blocked"
    CLOSED = "closed"
    NOT_HABILITATED = "not_habilitated"
    HIDDEN = "hidden"
    UNTOLD = "untold"
    SECRET = "secret"  # noqa: S105 - a reason, no password
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Ground:
    """What lets a professional read: a kind of `GROUNDS`, and for `explicit` the `things` named (categories, or pseudo
    types; empty: all that may be shared). `id`: of the consent.
    """

    kind: str
    id: str = ""
    things: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads. kind: holder, representative, helper, professional, service, operator. `accounts`: their own and those
    of the teams they work in, by which they are known as an author. `profession`: G15 code, with a specialty or not.
    `areas`: of a delegation, or the scopes of a service. `hidden_in_emergency`: the patient allowed that.
    """

    kind: str
    accounts: frozenset[str] = frozenset()
    profession: str = ""
    grounds: tuple[Ground, ...] = ()
    areas: frozenset[str] = frozenset()
    blocked: bool = False
    closed: bool = False
    hidden_in_emergency: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """What is read. `type_code`: of the document, or a pseudo type; `category`: as shown. `author`: the account that
    deposited it, "" when it came from elsewhere. `marks`: those that are on, since when (ms). `told_by`: when what is
    untold shows by itself (ms).
    """

    type_code: str = UNTYPED
    category: str = ""
    author: str = ""
    marks: Mapping[str, int] = field(default_factory=dict)
    told_by: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`warning`: the mark that its reader must be warned of (DMP EX_3.2-1025), "" for none. `ground`: for the log."""

    allowed: bool
    reason: Reason
    warning: str = ""
    ground: Ground | None = None

    def __bool__(self) -> bool:
        return self.allowed


def decide(reader: Reader, item: Item, now: int) -> Verdict:
    """May this reader see this item at this instant (ms)?"""
    if reader.kind in {"holder", "representative", "helper"}:
        return _holders_side(reader, item, now)
    if reader.kind not in {"professional", "service"}:
        return Verdict(False, Reason.NEVER)
    if item.author and item.author in reader.accounts:
        return Verdict(True, Reason.AUTHOR, _warning(item, now))
    if RESTRICTED in item.marks:
        return Verdict(False, Reason.RESTRICTED)
    return _service(reader, item) if reader.kind == "service" else _professional(reader, item, now)


def _holders_side(reader: Reader, item: Item, now: int) -> Verdict:
    if reader.kind != "holder" and "dossier" not in reader.areas:
        return Verdict(False, Reason.NO_SCOPE)
    if reader.kind != "holder" and SECRET in item.marks:
        return Verdict(False, Reason.SECRET)
    if _untold(item, now):
        return Verdict(False, Reason.UNTOLD)
    return Verdict(True, Reason.OWN_SPACE if reader.kind == "holder" else Reason.DELEGATED)


def _service(reader: Reader, item: Item) -> Verdict:
    """A service of the catalogue: what it was granted, and nothing that anything hides."""
    if not {HIDDEN, UNTOLD, SECRET}.isdisjoint(item.marks):
        return Verdict(False, Reason.HIDDEN)
    wanted = {MEASURES: "measures", PROFILE: "profile"}.get(item.type_code, "documents")
    if all(scope.partition(":")[0] != wanted for scope in reader.areas):
        return Verdict(False, Reason.NO_SCOPE)
    return Verdict(True, Reason.SERVICE)


def _professional(reader: Reader, item: Item, now: int) -> Verdict:
    if reader.blocked:
        return Verdict(False, Reason.BLOCKED)
    if reader.closed:
        return Verdict(False, Reason.CLOSED)
    if not reader.grounds:
        return Verdict(False, Reason.NO_CONSENT)
    if not habilitated(reader.profession, item.type_code):
        return Verdict(False, Reason.NOT_HABILITATED)
    named = [ground for ground in reader.grounds if _names(ground, item)]
    if not named:
        return Verdict(False, Reason.NOT_NAMED)
    ground = min(named, key=lambda one: GROUNDS.index(one.kind))
    emergency = any(one.kind in {EMERGENCY, SAMU} for one in named)
    if HIDDEN in item.marks and ground.kind != ADMINISTRATOR:
        if not (emergency and reader.hidden_in_emergency):
            return Verdict(False, Reason.HIDDEN)
        ground = next(one for one in named if one.kind in {EMERGENCY, SAMU})
    reason = {ADMINISTRATOR: Reason.ADMINISTRATOR, SAMU: Reason.EMERGENCY, EMERGENCY: Reason.EMERGENCY}
    return Verdict(True, reason.get(ground.kind, Reason.CONSENT), _warning(item, now), ground)


def _names(ground: Ground, item: Item) -> bool:
    return ground.kind != EXPLICIT or not ground.things or not ground.things.isdisjoint({item.category, item.type_code})


def _untold(item: Item, now: int) -> bool:
    return UNTOLD in item.marks and now < item.told_by


def _warning(item: Item, now: int) -> str:
    """What a professional must not speak of unaware: what is untold, a minor's secret, what is hidden."""
    if _untold(item, now):
        return UNTOLD
    return next((mark for mark in (SECRET, HIDDEN, RESTRICTED) if mark in item.marks), "")


# ---- the matrix ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Matrix:
    """Profession × type, every pair written out. `version`, `source`, `illustrative` as its file says; `names`: of the
    professions, in French and in English.
    """

    version: str
    source: str
    illustrative: bool
    names: Mapping[str, tuple[str, str]]
    pairs: Mapping[str, frozenset[str]]


@lru_cache
def matrix(path: str = "") -> Matrix:
    """The matrix of a file, of the one shipped when "". Raises `ValueError` for a bad one."""
    try:
        read = json.loads((Path(path) if path else DATA / "habilitation.json").read_text())
        return Matrix(
            read["version"],
            read["source"],
            bool(read.get("illustrative", True)),
            {code: (row["fr"], row["en"]) for code, row in read["professions"].items()},
            {code: _types(row["allow"], row.get("except", ())) for code, row in read["professions"].items()},
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"the matrix of habilitations cannot be read: {error}") from error


_used: list[str] = [""]


ILLUSTRATIVE: Final = "illustrative"  # the setting that takes the shipped matrix knowingly


def use(setting: str) -> Matrix:
    """Decide by this file from now on; by the one shipped when "" or `ILLUSTRATIVE`. Raises `ValueError`."""
    path = "" if setting == ILLUSTRATIVE else setting
    found = matrix(path)
    _used[0] = path
    return found


def in_force() -> Matrix:
    """The matrix that is decided by."""
    return matrix(_used[0])


def habilitated(profession: str, type_code: str) -> bool:
    """Whether this profession may see documents of this type. A profession or a type nobody knows: no."""
    return type_code in in_force().pairs.get(profession.partition("/")[0], frozenset())


def _types(allow: Iterable[str], but: Iterable[str]) -> frozenset[str]:
    known = {code: document_types.category(code) for code in document_types.TYPES} | dict.fromkeys(PSEUDO, "")
    found: set[str] = set()
    for rule in allow:
        if rule == "*":
            found |= set(known)
        elif rule.startswith("category:"):
            found |= {code for code, category in known.items() if category == rule.removeprefix("category:")}
        elif rule in known:
            found.add(rule)
        else:
            raise KeyError(rule)
    return frozenset(found - set(but))
