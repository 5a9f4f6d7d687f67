"""What may happen to a space: opposed to, closed, opened again, deleted, suspended; its holder comes of age, or dies.

    change()  →  the record with its author and date, the state of the space, what ends with it, an audit row, a line
    for the holder in « Votre espace » and what time shall do: one transaction

Promises: a space that is closed is kept ten years, out of everybody's reach, its holder's too, then its key is
destroyed; opening it again within that time gives everything back; deletion asked for by the holder comes within three
months, and may be taken back until it does (CSP R.1111-36). Every way its holder was signed in ends with the closing.
Whoever wrote to the patient keeps their own mails.

Does not: do what time does by itself (`endings`), or decide who acts for whom after majority (`server.delegates`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, audit, scopes, space_news
from server.audit import Act
from server.dossier.delays import DAY, DELAYS
from server.drafts import Actor, Later
from server.errors import Conflict, Invalid, Refused
from server.handles import MailboxHandle
from storage import accounts, credentials, lifecycle
from storage.database import Tx
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

CHANNEL: Final = "lifecycle"
PURPOSE: Final = "space_change"
OPEN, CLOSED, OPPOSED, SUSPENDED, DIED, DESTROYED = "open", "closed", "opposed", "suspended", "died", "destroyed"
ASKED, WITHDRAWN, MAJORITY = "deletion_asked", "deletion_withdrawn", "majority"
SHUT: Final = frozenset({CLOSED, OPPOSED, SUSPENDED, DIED})
MAX_REASON: Final = 1000


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sealed part of a change. `reason`: in words. `on`: ISO 8601, when it happened, if not that day."""

    reason: str = ""
    on: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """`before`: the states it may follow; `state`: of the space afterwards, "" when it stays. `fr`, `en`: the line."""

    before: frozenset[str]
    state: str
    fr: str
    en: str


_KEPT_FR = "Tout est gardé pendant dix ans, sans que personne puisse le lire, puis détruit."
_KEPT_EN = "Everything is kept for ten years, out of everybody’s reach, then destroyed."
KINDS: Final = {
    OPPOSED: Kind(
        frozenset({OPEN}), CLOSED, f"Opposition à cet espace enregistrée. {_KEPT_FR}",
        f"Opposition to this space recorded. {_KEPT_EN}",
    ),
    CLOSED: Kind(frozenset({OPEN}), CLOSED, f"Cet espace est fermé. {_KEPT_FR}", f"This space is closed. {_KEPT_EN}"),
    SUSPENDED: Kind(
        frozenset({OPEN}), CLOSED, "Cet espace est suspendu par l’exploitation.", "This space is suspended."
    ),
    DIED: Kind(
        frozenset({OPEN, CLOSED}), CLOSED, f"Décès enregistré. {_KEPT_FR}", f"Death recorded. {_KEPT_EN}"
    ),
    OPEN: Kind(
        frozenset({CLOSED}), OPEN, "Cet espace est de nouveau ouvert. Tout ce qu’il contenait est là.",
        "This space is open again. Everything it held is there.",
    ),
    ASKED: Kind(
        frozenset({CLOSED}), "",
        "Suppression définitive demandée. Vous pouvez y renoncer jusqu’à ce qu’elle soit faite.",
        "Final deletion asked for. You may take that back until it is done.",
    ),
    WITHDRAWN: Kind(
        frozenset({CLOSED}), "", "La suppression définitive n’aura pas lieu.", "The final deletion will not take place."
    ),
    MAJORITY: Kind(
        frozenset({OPEN, CLOSED}), "", "Vous êtes majeur : cet espace est à vous seul.",
        "You are of age: this space is yours alone.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Life:
    """A space as it stands. `since`, `asked_at`, `destroyed_on`: ms; `asked_at` None unless deletion is asked for.
    `why`: the record that shut it (closed, opposed, suspended, died), "" while it is open.
    """

    state: str
    why: str
    since: int
    asked_at: int | None
    destroyed_on: int | None


def life(tx: Tx, space_id: str) -> Life:
    """Raises `Refused` when there is no such space."""
    space = accounts.space(tx, space_id)
    if space is None:
        raise Refused
    why, since, asked = "", 0, None
    for change in lifecycle.changes(tx, space_id):
        if change.state in SHUT:
            why, since = change.state, change.at
        elif change.state == OPEN:
            why, since, asked = "", change.at, None
        elif change.state in {ASKED, WITHDRAWN}:
            asked = change.at if change.state == ASKED else None
    due = [since + DELAYS.kept_after_closing_days * DAY] if why else []
    due += [asked + DELAYS.deletion_after_days * DAY] if asked is not None else []
    return Life(space.state, why, since, asked, min(due, default=None))


async def close(app: App, box: MailboxHandle, reason: str = "", *, delete: bool = False) -> None:
    """The holder, or who represents them by law, closes the space; `delete`: and asks for its deletion. Raises
    `NotAllowed` (a helper), `Conflict` (it is closed), `Invalid`.
    """
    await change(app, box.space_id, box.actor, CLOSED, box.ground, reason, lambda tx: scopes.own_affairs(tx, box))
    if delete:
        await ask_deletion(app, box)


async def reopen(app: App, box: MailboxHandle) -> None:
    """Everything is back. Raises as `close`; `Conflict` also for what an operator shut."""

    def may(tx: Tx) -> None:
        scopes.own_affairs(tx, box)
        if life(tx, box.space_id).why in {SUSPENDED, DIED}:
            raise Conflict("not_yours_to_open", "Cet espace ne peut être rouvert que par l’exploitation de Pli.")

    await change(app, box.space_id, box.actor, OPEN, box.ground, check=may)


async def ask_deletion(app: App, box: MailboxHandle) -> None:
    """Of a space that is closed. Raises as `close`."""
    await change(app, box.space_id, box.actor, ASKED, box.ground, check=lambda tx: scopes.own_affairs(tx, box))


async def keep_after_all(app: App, box: MailboxHandle) -> None:
    """Takes a deletion back. Raises as `close`."""

    def may(tx: Tx) -> None:
        scopes.own_affairs(tx, box)
        if life(tx, box.space_id).asked_at is None:
            raise Conflict("no_deletion", "Aucune suppression n’est prévue.")

    await change(app, box.space_id, box.actor, WITHDRAWN, box.ground, check=may)


async def change(
    app: App,
    space_id: str,
    actor: Actor,
    what: str,
    ground: str,
    reason: str = "",
    check: Callable[[Tx], None] = lambda _: None,
    on: str = "",
) -> None:
    """Record a change of `KINDS`, for somebody who may (`check`, inside the transaction). Raises `Conflict` when the
    space is not in a state it may follow; `Invalid`, `Refused`.
    """
    if len(reason) > MAX_REASON:
        raise Invalid("reason_too_long", f"Le motif est trop long ({MAX_REASON} caractères au plus).")
    kind = KINDS[what]

    def effect(doing: Doing) -> None:
        check(doing.tx)
        state = lifecycle.hold(doing.tx, space_id)
        if state not in kind.before or (what == ASKED and life(doing.tx, space_id).asked_at is not None):
            raise Conflict("already_so", "C’est déjà fait, ou cet espace n’est plus dans l’état que vous avez vu.")
        change_id = new_id()
        facts = doing.to.keys.seal(PURPOSE, change_id, msgspec.json.encode(Facts(reason.strip(), on)))
        lifecycle.record(doing.tx, space_id, change_id, what, actor.account_id or actor.kind, facts)
        audit.record(doing.tx, Act.SPACE_CHANGED, actor, space_id, ground, change_id, what)
        if kind.state:
            lifecycle.set_state(doing.tx, space_id, kind.state)
        if kind.state == CLOSED:
            _end_sign_ins(doing.tx, space_id)

    await space_news.tell(app, space_id, kind.fr, kind.en, effect, _later(what))


def _later(what: str) -> tuple[Later, ...]:
    """When time shall look at it again; what it does then is decided then."""
    days = DELAYS.kept_after_closing_days if what in SHUT else DELAYS.deletion_after_days if what == ASKED else 0
    return (Later(CHANNEL, now_ms() + days * DAY, {}),) if days else ()


def _end_sign_ins(tx: Tx, space_id: str) -> None:
    holder = accounts.holder_of(tx, space_id)
    if holder is not None:
        credentials.end_everything(tx, holder.id)


async def by_operator(app: App, space_id: str, what: str, reason: str, on: str = "") -> None:
    """`opposed`, `closed`, `suspended`, `died`, `open`: for who cannot do it themselves, by command."""
    await change(app, space_id, Actor("", "operator", "Exploitation de Pli"), what, "operator", reason, on=on)


async def of_closed(app: App, actor: Actor, mailbox_id: str = "") -> tuple[MailboxHandle, Life]:
    """A closed space, for who may open it again. Raises `Refused`."""
    box = await access.mailbox(app, actor, mailbox_id, (), closed=True)
    return box, await app.db.read(life, box.space_id)
