"""Prescriptions of a dossier: their lines, what was dispensed of them, and the pharmacies they may be sent to.

A prescription is a document of the category; its lines are the treatments that it prescribes (INT), or none when it
is a picture or a PDF that nobody structured. What was dispensed answers a line by its identifier: it comes from the
dispensation that a pharmacy deposits (CI-SIS, eDISP), or from its word in the thread. The code drawn on the page holds
the prescription's own identifier and nothing else: what the national one holds is not public, so it is not imitated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from server.dossier import documents as shelf
from server.dossier import findings
from server.dossier.findings import Held
from server.errors import Refused
from server.formats.findings import Treatment
from storage import accounts, conversations
from storage.accounts import Account
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import DossierHandle

PHARMACIST: Final = "G15_21"
NOT_PRESCRIPTIONS: Final = frozenset({"60593-1", "DISP_AUT"})  # dispensations stand under the same category


@dataclass(frozen=True, slots=True)
class Dispensed:
    """Something given for a line. `at`: ISO 8601; `by`: who said so, "" when only a document does."""

    product: str
    quantity: str
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line. `id`: what a dispensation answers. `dose`, `quantity`, `until`: as a person reads them."""

    id: str
    product: str
    dose: str
    quantity: str
    until: str
    note: str
    dispensed: tuple[Dispensed, ...] = ()


@dataclass(frozen=True, slots=True)
class Prescription:
    """`document`: its id in the dossier. `number`: its producer's identifier, "" for one that has none."""

    document: str
    title: str
    author: str
    organisation: str
    created: str
    number: str
    obsolete: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Pharmacy:
    """`known`: one exchanged with it already."""

    account: str
    name: str
    organisation: str
    known: bool


async def of(app: App, handle: DossierHandle) -> list[Prescription]:
    """Every prescription that its reader may see, the newest act first."""
    return await app.db.read(_of, handle)


async def one(app: App, handle: DossierHandle, document_id: str) -> Prescription:
    """Raises `Refused`."""
    found = next((item for item in await of(app, handle) if item.document == document_id), None)
    if found is None:
        raise Refused
    return found


def _of(tx: Tx, handle: DossierHandle) -> list[Prescription]:
    treatments = [(held, held.finding) for held in findings.held(tx, handle, ["treatment"], current=False)]
    given: dict[str, list[Dispensed]] = {}
    for held, found in treatments:
        if isinstance(found, Treatment) and found.mood == "DISP" and found.answers and held.state == "current":
            by = "" if held.document else _name(tx, held.by)
            given.setdefault(found.answers, []).append(
                Dispensed(found.product.label, found.quantity, found.at or held.at, by)
            )
    made = []
    for item in shelf.seen(tx, handle):
        if item.facts.category != "prescriptions" or item.facts.document_type in NOT_PRESCRIPTIONS:
            continue
        own = [(held, found) for held, found in treatments if held.document == item.row.id]
        lines = tuple(
            _line(held, found, item.row.id, number, given)
            for number, (held, found) in enumerate(own, 1)
            if isinstance(found, Treatment) and found.mood != "DISP"
        )
        facts = item.facts
        made.append(
            Prescription(
                item.row.id, facts.title, facts.author, facts.organisation, facts.created, facts.unique_id,
                item.row.state != "current", lines,
            )
        )  # fmt: skip
    return sorted(made, key=lambda one: one.created, reverse=True)


def _line(held: Held, found: Treatment, document: str, number: int, given: dict[str, list[Dispensed]]) -> Line:
    line_id = found.line or f"{document}#{number}"
    return Line(
        line_id, found.product.label or found.atc.label, found.dose, found.quantity, found.until, found.note,
        tuple(given.get(line_id, ())),
    )  # fmt: skip


def _name(tx: Tx, account_id: str) -> str:
    found = accounts.even_ended(tx, account_id)
    return found[0].name if found else ""


async def pharmacies(app: App, handle: DossierHandle, sought: str = "") -> list[Pharmacy]:
    """Those that a prescription may be sent to: the teams of pharmacies hosted here whose name or place has these
    words, those one knows first. A patient may write to a pharmacy first: the one exception to « they write first ».
    """
    words = sought.casefold().split()

    def find(tx: Tx) -> list[Pharmacy]:
        return [
            Pharmacy(one.id, one.name, one.organisation, conversations.knows(tx, handle.space_id, one.id))
            for one in accounts.of_profession(tx, "team", PHARMACIST)
            if all(word in f"{one.name} {one.organisation}".casefold() for word in words)
        ]

    return sorted(await app.db.read(find), key=lambda one: (not one.known, one.name))


def pharmacy(tx: Tx, account_id: str) -> Account:
    """Raises `Refused` when it is none."""
    account = accounts.by_id(tx, account_id)
    if account is None or account.kind != "team" or account.profession.partition("/")[0] != PHARMACIST:
        raise Refused
    return account
