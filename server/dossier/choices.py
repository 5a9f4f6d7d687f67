"""What a holder settles for the whole dossier. Each change is a record with its author and date, a line in « Votre
espace » and a row of the audit; what was never settled is as the table says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from server import audit, scopes
from server.audit import Act
from server.errors import Invalid
from storage import visibilities
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.handles import MailboxHandle
    from server.posting import Doing

ON, OFF = "on", "off"


@dataclass(frozen=True, slots=True)
class Choice:
    """`default`: on or off, and where that comes from. `wider`: the state that lets more be read, which asks for a
    second factor first; "" when neither does. What is said once it is on, and once it is off, in both languages.
    """

    default: str
    source: str
    wider: str = ""
    on: tuple[str, str] = ("", "")
    off: tuple[str, str] = ("", "")


CHOICES: Final = {
    "emergency": Choice(
        ON,
        "CSP L.1111-17: a professional may read in an emergency unless opposed beforehand",
        ON,
        ("Un médecin peut ouvrir ce dossier en urgence.", "A doctor may open this record in an emergency."),
        ("Aucun médecin n’ouvre ce dossier en urgence.", "No doctor opens this record in an emergency."),
    ),
    "samu": Choice(
        ON,
        "CSP L.1111-17, R.1111-48: so may the SAMU regulator on a call; a separate opposition",
        ON,
        ("Le SAMU peut ouvrir ce dossier lors d’un appel.", "The SAMU may open this record on a call."),
        ("Le SAMU n’ouvre pas ce dossier.", "The SAMU does not open this record."),
    ),
    "hidden_in_emergency": Choice(
        OFF,
        "product.md § 2.7: a third switch; what is hidden stays so by default",
        ON,
        ("En urgence, les documents masqués se lisent aussi.", "In an emergency, hidden documents are read too."),
        ("En urgence, les documents masqués le restent.", "In an emergency, hidden documents stay hidden."),
    ),
    "hidden_by_default": Choice(
        OFF,
        "product.md § 2.7: visible to those who may, unless the holder says otherwise",
        OFF,
        ("Les nouveaux documents sont masqués aux professionnels.", "New documents are hidden from professionals."),
        ("Les nouveaux documents ne sont pas masqués.", "New documents are not hidden."),
    ),
    "measures_from_documents": Choice(
        ON,
        "product.md § 2.3: measures found in documents are copied unless opted out",
        "",
        ("Les mesures des documents sont reprises.", "Measures in documents are copied."),
        ("Les mesures des documents ne sont pas reprises.", "Measures in documents are not copied."),
    ),
    "file_by_itself": Choice(
        OFF,
        "ours: filing is the patient's gesture, until they say « always »",
        "",
        ("Les documents reçus se rangent d’eux-mêmes.", "Documents that arrive are filed by themselves."),
        ("Les documents reçus attendent d’être rangés.", "Documents that arrive wait to be filed."),
    ),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice as it stands. `since`: ms, 0 for what nobody ever changed; `by`: the account that did."""

    name: str
    on: bool
    since: int
    by: str


def chosen(tx: Tx, space_id: str) -> dict[str, bool]:
    """Every choice as it stands now."""
    return {one.name: one.on for one in stand(tx, space_id)}


def stand(tx: Tx, space_id: str) -> list[Chosen]:
    """As `chosen`, with who chose it and when."""
    known = visibilities.chosen(tx, space_id)
    found = []
    for name, choice in CHOICES.items():
        state, since, by = known.get(name, (choice.default, 0, ""))
        found.append(Chosen(name, state == ON, since, by))
    return found


def opens_wider(name: str, *, on: bool) -> bool:
    """Whether a second factor is to be asked for before that."""
    return name in CHOICES and CHOICES[name].wider == (ON if on else OFF)


async def change(app: App, box: MailboxHandle, name: str, *, on: bool) -> None:
    """The holder, or who represents them by law, chooses. What stands so already is nothing new. Raises `NotAllowed`,
    `Refused`, `Invalid`.
    """
    from server import space_news  # who tells it asks `standing` who may, which asks here

    if name not in CHOICES:
        raise Invalid("unknown_choice", "Ce choix n’existe pas.")

    def same(tx: Tx) -> bool:
        scopes.own_affairs(tx, box)
        return chosen(tx, box.space_id)[name] == on

    if await app.db.read(same):
        return

    def effect(doing: Doing) -> None:
        scopes.own_affairs(doing.tx, box)
        visibilities.choose(doing.tx, box.space_id, name, ON if on else OFF, box.actor.account_id)
        audit.record(doing.tx, Act.CHOICE_CHANGED, box.actor, box.space_id, box.ground, name, ON if on else OFF)

    fr, en = CHOICES[name].on if on else CHOICES[name].off
    await space_news.tell(app, box.space_id, f"Choix changé. {fr}", f"Choice changed. {en}", effect)
