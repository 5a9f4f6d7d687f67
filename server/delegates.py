"""Who acts for whom: the legal representatives of a minor, the helpers an adult chose; what changes, and how it ends.

    change, end, resign, an operator's record  →  announce()  →  the change, its record with author and date, its audit
    row and a line for the holder in « Votre espace »: one transaction

Promises: a right ends at its stored instant, without anybody doing anything: a representative's when the child comes of
age, a helper's on the agreed day; `server.access` asks at every use. At most three helpers a person and five people a
helper, whatever happens at once.

Does not: invite (`server.invitations`), or decide what a delegation is for (`server.scopes`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from server import audit, people, reading, scopes, space_news
from server.audit import Act
from server.delegation_words import said
from server.delivery import Parcel
from server.drafts import Actor, Later, Receipt
from server.errors import Conflict, Invalid, Refused
from server.handles import MailboxHandle
from server.people import majority
from server.settings import PLACE
from storage import accounts, delegations, lifecycle
from storage.accounts import Account
from storage.database import Tx
from storage.delegations import EVERYTHING
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

HELPERS_PER_PERSON = 3  # product.md § 2.8 [APP], as the next
PEOPLE_PER_HELPER = 5
REPRESENTATIVES = 2  # both parents, equal (Code civil, art. 372)
HELPER, REPRESENTATIVE = "helper", "representative"
CHANNEL = "delegation"
OPERATOR = "operator"
PURPOSE = "delegation"  # what the facts of a change are sealed for

_ACTS = {
    "invited": Act.DELEGATION_INVITED,
    "withdrawn": Act.DELEGATION_WITHDRAWN,
    "accepted": Act.DELEGATION_ACCEPTED,
    "refused": Act.DELEGATION_REFUSED,
    "recorded": Act.DELEGATION_ACCEPTED,
    "changed": Act.DELEGATION_CHANGED,
    "ended": Act.DELEGATION_ENDED,
    "resigned": Act.DELEGATION_ENDED,
    "expired": Act.DELEGATION_ENDED,
    "majority": Act.DELEGATION_ENDED,
}


class Facts(msgspec.Struct, frozen=True):
    """What a change was about, as it was that day; sealed."""

    name: str
    by: str
    scopes: list[str]
    until: int | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What is announced of somebody. `name`: theirs. `by`: the name of who did it."""

    kind: str
    what: str
    account_id: str
    name: str
    by: str
    until: int | None = None
    scopes: frozenset[str] = EVERYTHING


def traits_of(app: App, tx: Tx, account_id: str) -> people.Traits | None:
    account = accounts.by_id(tx, account_id)
    return people.traits(app, tx, account.space_id) if account and account.kind == "holder" else None


def is_minor(app: App, tx: Tx, space_id: str) -> bool:
    """Whether the holder is a child today."""
    traits = people.traits(app, tx, space_id)
    of_age = majority(traits.birth_date) if traits else None
    return of_age is not None and of_age > now_ms()


def until_after(app: App, months: int) -> int:
    """The end of the same day that many months from now, in Paris: ms. Raises `Invalid` beyond the setting."""
    if not 1 <= months <= app.settings.helper_months:
        raise Invalid("bad_duration", f"Choisissez une durée de {app.settings.helper_months} mois au plus.")
    today = datetime.fromtimestamp(now_ms() / 1000, PLACE)
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    first = datetime(year, month + 1, 1, tzinfo=PLACE)
    after = datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=PLACE)
    end = min(first.replace(day=1) + timedelta(days=today.day), after)  # of the last day of a shorter month
    return int(datetime(end.year, end.month, end.day, tzinfo=PLACE).timestamp() * 1000)


def chosen(areas: frozenset[str]) -> frozenset[str]:
    """What a helper may, as chosen on a page. Raises `Invalid` when it is nothing to read."""
    if not areas <= EVERYTHING or not areas & frozenset(delegations.AREAS):
        raise Invalid("no_scope", "Choisissez au moins une chose que cette personne pourra lire.")
    return areas


async def announce(
    app: App,
    space_id: str,
    actor: Actor,
    ground: str,
    news: News,
    effect: Callable[[Doing], None],
    later: tuple[Later, ...] = (),
    retry_key: str = "",
) -> Receipt:
    """Do it (`effect`), record it, and tell the holder: one transaction. Raises what `effect` raises, and as `post`."""
    fr, en = said(f"{news.kind}.{news.what}", by=news.by, name=news.name, until=news.until, scopes=news.scopes)

    def done(doing: Doing) -> None:
        effect(doing)
        change_id = new_id()
        facts = msgspec.json.encode(Facts(news.name, news.by, sorted(news.scopes), news.until))
        sealed = doing.to.keys.seal(PURPOSE, change_id, facts)
        by = actor.account_id or actor.kind
        delegations.record(doing.tx, space_id, change_id, news.kind, news.what, news.account_id, by, sealed)
        audit.record(doing.tx, _ACTS[news.what], actor, space_id, ground, news.account_id or change_id, news.what)

    return await space_news.tell(app, space_id, fr, en, done, later, retry_key)


async def change(app: App, box: MailboxHandle, account_id: str, areas: frozenset[str], months: int) -> None:
    """The holder says anew what a helper may, and until when. Raises `NotAllowed`, `Refused`, `Invalid`."""
    news = await _news(app, box, account_id, "changed", HELPER)
    news = replace(news, until=until_after(app, months), scopes=chosen(areas))

    def effect(doing: Doing) -> None:
        _still(doing.tx, box, account_id, HELPER)
        delegations.change(doing.tx, box.space_id, account_id, news.until, news.scopes)

    await announce(app, box.space_id, box.actor, box.ground, news, effect, ends(app, news))


async def end(app: App, box: MailboxHandle, account_id: str) -> None:
    """The holder ends what a helper may, now. Raises `NotAllowed`, `Refused`."""
    news = await _news(app, box, account_id, "ended", HELPER)

    def effect(doing: Doing) -> None:
        _still(doing.tx, box, account_id, HELPER)
        delegations.end(doing.tx, box.space_id, account_id)

    await announce(app, box.space_id, box.actor, box.ground, news, effect)


async def resign(app: App, box: MailboxHandle) -> None:
    """A helper acts no more for this person. Raises `Refused` for whoever is no helper there."""
    actor = box.actor
    news = await _news(app, box, actor.account_id, "resigned", HELPER)

    def effect(doing: Doing) -> None:
        known = delegations.in_force(doing.tx, box.space_id, actor.account_id)
        if known is None or known.kind != HELPER or not delegations.end(doing.tx, box.space_id, actor.account_id):
            raise Refused

    await announce(app, box.space_id, actor, HELPER, news, effect)


async def _news(app: App, box: MailboxHandle, account_id: str, what: str, kind: str) -> News:
    """Of somebody who acts in this space now. Raises `Refused`."""

    def find(tx: Tx) -> News:
        known, traits = delegations.in_force(tx, box.space_id, account_id), traits_of(app, tx, account_id)
        if known is None or known.kind != kind or traits is None:
            raise Refused
        return News(kind, what, account_id, traits.name, box.actor.name, known.until_at, known.scopes)

    return await app.db.read(find)


def _still(tx: Tx, box: MailboxHandle, account_id: str, kind: str) -> None:
    """Inside the write: who does it may, and whom it is done to still acts here."""
    scopes.own_affairs(tx, box)
    known = delegations.in_force(tx, box.space_id, account_id)
    if known is None or known.kind != kind:
        raise Refused


def ends(app: App, news: News) -> tuple[Later, ...]:
    """Tell of the end when it comes."""
    if news.until is None:
        return ()
    return (Later(CHANNEL, news.until, {"account": news.account_id, "until": news.until}),)


# ---- what an operator records ----


async def represent(app: App, space_id: str, account_id: str, until: int | None = None) -> str:
    """An operator records a legal representative, until that instant (ms) or the majority, whichever is first: that
    last day. Raises `Invalid`, `Conflict`, `Refused`.
    """

    def find(tx: Tx) -> tuple[News, int | None]:
        traits, whose = traits_of(app, tx, account_id), people.traits(app, tx, space_id)
        if traits is None or whose is None:
            raise Refused
        of_age = majority(whose.birth_date) if is_minor(app, tx, space_id) else None
        return News(REPRESENTATIVE, "recorded", account_id, traits.name, "Pli"), of_age

    news, of_age = await app.db.read(find)
    last = min(filter(None, (until, of_age)), default=None)
    if last is None:
        raise Invalid("no_end", "Cette personne est majeure : dites jusqu’à quand elle est représentée.")
    if last <= now_ms():
        raise Invalid("past_end", "Cette date est passée.")
    news = replace(news, until=last)

    def effect(doing: Doing) -> None:
        begin(doing.tx, space_id, account_id, REPRESENTATIVE, last, OPERATOR, EVERYTHING)

    await announce(app, space_id, Actor("", OPERATOR, "Pli"), OPERATOR, news, effect, ends(app, news))
    return reading.iso(last)


async def unrepresent(app: App, space_id: str, account_id: str) -> None:
    """An operator ends what a legal representative may, now. Raises `Refused`."""

    def find(tx: Tx) -> News:
        traits = traits_of(app, tx, account_id)
        return News(REPRESENTATIVE, "ended", account_id, traits.name if traits else "", "Pli")

    def effect(doing: Doing) -> None:
        known = delegations.in_force(doing.tx, space_id, account_id)
        if known is None or known.kind != REPRESENTATIVE or not delegations.end(doing.tx, space_id, account_id):
            raise Refused("no_representative", "Cette personne ne représente pas ce titulaire.")

    await announce(app, space_id, Actor("", OPERATOR, "Pli"), OPERATOR, await app.db.read(find), effect)


def begin(tx: Tx, space_id: str, account_id: str, kind: str, until: int | None, by: str, areas: frozenset[str]) -> None:
    """Inside the write: somebody acts from now on, within the limits. Raises `Conflict`, `Refused`."""
    delegations.lock(tx, space_id, account_id)
    who: Account | None = accounts.by_id(tx, account_id)
    if who is None or who.kind != "holder" or who.space_id == space_id:
        raise Refused
    if delegations.in_force(tx, space_id, account_id) is not None:
        raise Conflict("already_acting", "Cette personne agit déjà dans cet espace.")
    now = now_ms()
    there = [one for one in delegations.of_space(tx, space_id) if one.kind == kind and not one.over(now)]
    if kind == HELPER and len(there) >= HELPERS_PER_PERSON:
        raise Conflict("helpers_full", f"Cette personne a déjà {HELPERS_PER_PERSON} aidants, le maximum.")
    if kind == REPRESENTATIVE and by != OPERATOR and len(there) >= REPRESENTATIVES:
        raise Conflict("representatives_full", f"Cet enfant a déjà {REPRESENTATIVES} représentants légaux.")
    helped = [one for one in delegations.of_account(tx, account_id) if one.kind == HELPER]
    if kind == HELPER and len(helped) >= PEOPLE_PER_HELPER:
        raise Conflict("helping_full", f"Une personne aide {PEOPLE_PER_HELPER} personnes au plus.")
    delegations.grant(tx, space_id, account_id, kind, until, by, areas)


# ---- what time ends ----


class DelegationEnds:
    """The channel named `delegation`: on the last instant of a right it tells the holder. The right itself needs
    nobody to end it. Its target is `{"account", "until"}`.
    """

    name = CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Tell it, unless it was renewed or ended otherwise meanwhile."""
        app, space_id = self._app, parcel.keys.space_id
        account_id, until = str(parcel.target["account"]), int(parcel.target["until"])

        def find(tx: Tx) -> News | None:
            known, traits = delegations.find(tx, space_id, account_id), traits_of(app, tx, account_id)
            if known is None or known.revoked_at is not None or known.until_at != until:
                return None
            whose, name = people.traits(app, tx, space_id), traits.name if traits else ""
            if known.kind == REPRESENTATIVE and whose is not None and majority(whose.birth_date) == until:
                everybody = [one for one in delegations.of_space(tx, space_id) if one.kind == REPRESENTATIVE]
                known_ones = [traits_of(app, tx, one.account_id) for one in everybody if one.until_at == until]
                name = ", ".join(one.name for one in known_ones if one)
                return News(known.kind, "majority", "", name, "Pli", until)
            return News(known.kind, "expired", account_id, name, "Pli", until, known.scopes)

        news = await app.db.read(find)
        if news is not None:  # at majority it is told once, of both parents
            key = f"delegation:{news.account_id}:{until}"
            effect = _of_age if news.what == "majority" else _nothing
            await announce(app, space_id, Actor("", "system", "Pli"), news.kind, news, effect, retry_key=key)


def _of_age(doing: Doing) -> None:
    """The space is handed over: from now on it is its holder's alone."""
    lifecycle.record(doing.tx, doing.to.space_id, new_id(), "majority", "")


def _nothing(_: Doing) -> None:
    """Time did it."""
