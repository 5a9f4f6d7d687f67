"""Personal targets of measures: a record with its author, beside the measures, corrected and never overwritten.

A target is a statement of the section `TARGET`, about the code of its measure. Does not: ask who may write (`measures`
does), or say whether a value is good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from server.dossier import findings
from server.dossier import measure_kinds as kinds
from server.dossier.findings import Held
from server.errors import Invalid, NotAllowed
from server.formats.findings import Coded, Statement
from storage.database import Tx

if TYPE_CHECKING:
    from server.handles import DossierHandle

TARGET: Final = "measure-target"


class Target(msgspec.Struct, frozen=True):
    """A personal target, in the canonical unit: from `low` to `high`, "" for no end, « 135/85 » of a blood pressure.
    `by`: who set it, `at` when.
    """

    measure: str
    low: str
    high: str
    by: str
    at: str
    id: str


def aim(tx: Tx, handle: DossierHandle, slug: str, low: str, high: str) -> None:
    """From `low` to `high`, in the canonical unit ("" for no end): what stood before is corrected, and stays; both ""
    is none any more. Raises `Invalid`.
    """
    of = kinds.kind(slug)
    if low and high and kinds.pair(low) > kinds.pair(high):
        raise Invalid("target_turned", "Le premier nombre de l’objectif est plus petit que le second : vérifiez-les.")
    said = Statement(section=TARGET, what=Coded(of.codes[0], kinds.LOINC, of.fr), values={"low": low, "high": high})
    new = said if low or high else None
    known = next((one for one in _aims(tx, handle) if _slug(one) == slug), None)
    if known is not None:
        try:
            findings.correct(tx, handle, known.id, new)
        except NotAllowed:  # somebody else set it: theirs stays, and ours comes after it
            if new is not None:
                findings.enter(tx, handle, new)
    elif new is not None:
        findings.enter(tx, handle, new)


def of(tx: Tx, handle: DossierHandle, name: Callable[[str], str]) -> dict[str, Target]:
    """The latest of each measure. `name`: of an account."""
    found: dict[str, Target] = {}
    for one in _aims(tx, handle):
        slug = _slug(one)
        if slug and slug not in found and isinstance(one.finding, Statement):
            values = one.finding.values
            found[slug] = Target(slug, values.get("low", ""), values.get("high", ""), name(one.by), one.at, one.id)
    return found


def _aims(tx: Tx, handle: DossierHandle) -> list[Held]:
    """The newest first."""
    found = findings.held(tx, handle, ("statement",))
    return [one for one in reversed(found) if isinstance(one.finding, Statement) and one.finding.section == TARGET]


def _slug(one: Held) -> str:
    return kinds.known_codes().get(one.finding.what.code, "") if isinstance(one.finding, Statement) else ""
