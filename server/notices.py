"""Notices outside Pli: who is told that a message waits, by which way, when; never what it is, or from whom.

    a message arrives  →  the clock of each mailbox told (`storage.notices.owe`, in the message's transaction)
    Clock              →  what is still unread now, and what its people wish  →  one row a way that tells, or later
    push, mail, sms    →  once more, whether it is still unread and wished    →  out (`server.push`, `server.gateways`)

Promises: what leaves holds no name, no subject, no health word and no INS (security item 53): a sentence, the way in,
and a link that can only lessen these notices. Opening the message anywhere ends the chain: nothing has to be undone,
for each step looks first. A mail says that it is automatic (RFC 3834) and how to stop it in one step (RFC 8058). Who
acts for somebody is told in words that name nobody, while the delegation lets them read messages.

Does not: decide when (`server.wishes`), or try again by itself (`server.delivery`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server import gateways, people, wishes
from server.delivery import Held, Parcel, Permanent, Settled, Temporary
from server.errors import Throttled, Unauthorised, Unavailable
from server.wishes import Wishes
from storage import accounts, contact_points, delegations, entries, notices, subscriptions
from storage.accounts import Account
from storage.contact_points import ContactPoint
from storage.database import Tx
from storage.ids import now_ms
from storage.notices import Waiting

if TYPE_CHECKING:
    from server.app import App
    from server.delivery import Channel

LATE_MS = wishes.DAY_MS  # a notice that could not leave within a day says nothing new
TRIAL_EVERY_MS = 2 * wishes.MINUTE_MS
POINTS = {"mail": "email", "sms": "phone"}

# What leaves the house, whole: no other word does. {count}, {home} and {link} are all that is put in. An SMS keeps to
# its plain alphabet (GSM 03.38): one letter out of it, and it takes twice as many.
SAID: dict[str, dict[str, str]] = {
    "fr": {
        "one": "Un message vous attend dans votre espace Pli.",
        "many": "{count} messages vous attendent dans votre espace Pli.",
        "other": "Un message attend dans un espace dont vous vous occupez sur Pli.",
        "trial": "Ceci est un essai : vos avis de Pli arrivent bien ici.",
        "subject": "Pli : un message vous attend",
        "subject_trial": "Pli : essai de vos avis",
        "hello": "Bonjour,",
        "enter": "Pour le lire, entrez dans votre espace :",
        "why": "Par discrétion, cet avis ne dit rien de plus. Personne ne lit les réponses à cette adresse.",
        "urgent": "Pli ne sert pas aux urgences : appelez le 15 ou le 112, ou écrivez au 114 par SMS.",
        "less": "Recevoir moins d’avis, ou ne plus en recevoir, sans mot de passe :",
        "sms": "{said} {home} - Moins d'avis : {link}",
    },
    "en": {
        "one": "A message is waiting in your Pli space.",
        "many": "{count} messages are waiting in your Pli space.",
        "other": "A message is waiting in a space you look after on Pli.",
        "trial": "This is a test: your notices from Pli do reach you here.",
        "subject": "Pli: a message is waiting",
        "subject_trial": "Pli: a test of your notices",
        "hello": "Hello,",
        "enter": "To read it, enter your space:",
        "why": "To keep it private, this notice says nothing more. Nobody reads answers sent to this address.",
        "urgent": "Pli is not for emergencies: call 15 or 112, or text 114.",
        "less": "To get fewer notices, or none, without a password:",
        "sms": "{said} {home} - Fewer notices: {link}",
    },
}


class State(msgspec.Struct, frozen=True):
    """What a clock knows. `since`: the number below which nothing was ever to be told. `marks`: see `wishes`."""

    account: str
    mailbox: str
    since: int
    marks: dict[str, tuple[int, int]] = {}


class Told(msgspec.Struct, frozen=True):
    """One notice by one way, of what came after number `since`. `count`: of a digest. `subscription`: of a push.
    `trial`: asked for by the person.
    """

    account: str
    mailbox: str
    since: int = 0
    count: int = 1
    subscription: str = ""
    trial: bool = False


class Clock:
    """The channel named `notice`: looks whether anything is to be told, and when to look again."""

    name = notices.CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Raises `Settled`: it writes itself what becomes of the clock."""
        state = msgspec.convert(parcel.target, State)
        if await self._app.db.write(self._tick, parcel, state):
            self._app.delivery.wake()
        raise Settled

    def _tick(self, tx: Tx, parcel: Parcel, state: State) -> bool:
        """Whether anything is told now."""
        app, delivery = self._app, parcel.delivery
        account = accounts.by_id(tx, state.account)
        wish = wishes.of(app, tx, account.id) if account else Wishes()
        unread = news(tx, account, wish, state.mailbox, state.since) if account else []
        browsers = subscriptions.of_account(tx, state.account)
        ways = ["push"] * bool(browsers) + [way for way, found in points(app, tx, state.account).items() if found]
        found = wishes.decide(wish, ways, unread, state.since, state.marks, now_ms())
        after = msgspec.structs.replace(state, marks=found.marks)
        target = notices.seal_target(parcel.keys, delivery.id, msgspec.to_builtins(after))
        if not notices.settle(tx, delivery, target, found.due):
            return False
        count = len([one for one in unread if wishes.wanted(wish, one)]) if wish.digest != wishes.NEVER else 1
        for way in found.tell:
            since, _ = state.marks.get(way, (state.since, 0))
            for subscription in [one.id for one in browsers] if way == "push" else [""]:
                told = Told(state.account, state.mailbox, since, count, subscription)
                notices.owe_one(tx, parcel.keys, f"notice_{way}", delivery.message_id, msgspec.to_builtins(told))
        return bool(found.tell)


class MailNotice:
    """The channel named `notice_mail`."""

    name = "notice_mail"

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Raises `Temporary`, `Permanent`."""
        app, told = self._app, msgspec.convert(parcel.target, Told)
        found = await still(app, parcel, "mail")
        if found is None:
            return
        account, wish = found
        home, link = home_of(app), link_of(app, wish)
        said = SAID[account.language if account.language in SAID else "fr"]
        parts = body_of(said, sentence(said, account, told), home, link)
        headers = {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        headers["Content-Language"] = account.language
        for address in await values(app, account.id, "mail"):
            subject = said["subject_trial" if told.trial else "subject"]
            await hand_over(gateways.send_mail(app, address, subject, text_of(parts), headers, html=html_of(parts)))


class SmsNotice:
    """The channel named `notice_sms`."""

    name = "notice_sms"

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Raises `Temporary`, `Permanent`."""
        app, told = self._app, msgspec.convert(parcel.target, Told)
        found = await still(app, parcel, "sms")
        if found is None:
            return
        account, wish = found
        said = SAID[account.language if account.language in SAID else "fr"]
        text = said["sms"].format(said=sentence(said, account, told), home=home_of(app), link=link_of(app, wish))
        for number in await values(app, account.id, "sms"):
            await hand_over(gateways.send_sms(app, number, text))


def channels(app: App) -> list[Channel]:
    """What `server.app` hands the delivery worker."""
    from server.push import PushNotice  # it says whether it still matters by `still`, below

    return [Clock(app), MailNotice(app), SmsNotice(app), PushNotice(app)]


def news(tx: Tx, account: Account, wish: Wishes, mailbox_id: str, since: int) -> list[Waiting]:
    """What is unread for them in this mailbox; of somebody else's, while they may read it and wish to hear of it."""
    if mailbox_id != account.mailbox_id:
        owner = accounts.by_mailbox(tx, mailbox_id)
        known = delegations.in_force(tx, owner.space_id, account.id) if owner else None
        if known is None or "messages" not in known.scopes or mailbox_id not in wish.spaces:
            return []
    return notices.unread(tx, mailbox_id, since)


def points(app: App, tx: Tx, account_id: str) -> dict[str, list[ContactPoint]]:
    """The proved addresses and numbers of somebody, by way; none for a way that is not open here."""
    found = [one for one in contact_points.of_account(tx, account_id) if one.verified_at is not None]
    is_open = {"mail": gateways.sends_mail(app), "sms": gateways.sends_sms(app)}
    return {way: [one for one in found if one.kind == kind and is_open[way]][-1:] for way, kind in POINTS.items()}


async def values(app: App, account_id: str, way: str) -> list[str]:
    """The address or number that a way leads to: the last one proved."""

    def find(tx: Tx) -> list[str]:
        keys = people.own_keys(app, tx, account_id)
        return [keys.open("contact", one.id, one.value).decode() for one in points(app, tx, account_id)[way]]

    return await app.db.read(find)


async def still(app: App, parcel: Parcel, way: str) -> tuple[Account, Wishes] | None:
    """Who is told and what they wish, when at this instant there is still something to tell by this way. Raises `Held`
    in the quiet hours, `Permanent` when it comes too late.
    """
    told, now = msgspec.convert(parcel.target, Told), now_ms()

    def find(tx: Tx) -> tuple[Account, Wishes, bool] | None:
        account = accounts.by_id(tx, told.account)
        wish = wishes.of(app, tx, account.id) if account else Wishes()
        if account is None:
            return None
        left = [one for one in news(tx, account, wish, told.mailbox, told.since) if wishes.wanted(wish, one)]
        return account, wish, bool(left)

    found = await app.db.read(find)
    if found is None or not (told.trial or (found[2] and getattr(found[1], way) != wishes.NEVER)):
        return None
    account, wish, _ = found
    if not told.trial:
        if parcel.delivery.created_at < now - LATE_MS:
            raise Permanent("notice_late", "")
        due = max(wish.paused_until, now)
        due = due if wish.digest != wishes.NEVER else wishes.quiet_until(wish, due)
        if due > now:
            raise Held("quiet", due)
    # Who never said a wish has no link yet: it begins with their first notice.
    return account, wish if wish.link else await wishes.save(app, account.id, lambda wish: wish)


async def hand_over(sending: Any) -> None:
    """Await a gateway. Raises `Temporary`, `Permanent`."""
    try:
        await sending
    except Unavailable as error:
        if error.code == "gateway_down":
            raise Temporary(error.code) from error
        raise Permanent(error.code, error.detail) from error


def sentence(said: dict[str, str], account: Account, told: Told) -> str:
    """The one thing that is told."""
    if told.trial:
        return said["trial"]
    if told.mailbox != account.mailbox_id:
        return said["other"]
    return said["many"].format(count=told.count) if told.count > 1 else said["one"]


def home_of(app: App) -> str:
    """Where one signs in."""
    here = f"http://{app.settings.host}:{app.ports.get('http', app.settings.http_port)}"
    return f"{(app.settings.public_url or here).rstrip('/')}/"


def link_of(app: App, wish: Wishes) -> str:
    """Where one lessens notices without signing in."""
    return f"{home_of(app)}notices/{wish.link}"


def body_of(said: dict[str, str], sentence: str, home: str, link: str) -> list[tuple[str, str]]:
    """(words, address) of each paragraph of a mail."""
    return [(said["hello"], ""), (sentence, ""), (said["enter"], home), (said["why"], ""), (said["urgent"], ""),
            (said["less"], link)]  # fmt: skip


def text_of(parts: list[tuple[str, str]]) -> str:
    return "\n\n".join(f"{words}\n{address}" if address else words for words, address in parts) + "\n"


def html_of(parts: list[tuple[str, str]]) -> str:
    """The same words. They are ours, and addresses are made of letters, digits and - _ : / . alone."""
    said = (f'{words}<br><a href="{address}">{address}</a>' if address else words for words, address in parts)
    return "<!doctype html><html><body>" + "".join(f"<p>{one}</p>" for one in said) + "</body></html>"


def again(app: App, tx: Tx, mailbox_id: str, message_id: str, way: str) -> bool:
    """Tell once more, by this way and now (after the quiet hours, and the pause), that a message of this mailbox is
    still unread: to its account and to who acts there and wishes to hear of it. False when that way leads to nobody:
    there is none, or they never want it.
    """
    owner, entry, owed = accounts.by_mailbox(tx, mailbox_id), entries.of_message(tx, mailbox_id, message_id), False
    if owner is None or entry is None:
        return False
    helpers = [one.account_id for one in delegations.of_space(tx, owner.space_id)]
    for account_id in dict.fromkeys((owner.id, *helpers)):
        account = accounts.by_id(tx, account_id)
        wish = wishes.of(app, tx, account_id) if account else Wishes()
        if (
            account is None
            or getattr(wish, way) == wishes.NEVER
            or not news(tx, account, wish, mailbox_id, entry.seq - 1)
        ):
            continue
        browsers = [one.id for one in subscriptions.of_account(tx, account_id)]
        keys = people.own_keys(app, tx, account_id)
        for subscription in browsers if way == "push" else [""] * len(points(app, tx, account_id)[way]):
            told = Told(account_id, mailbox_id, entry.seq - 1, subscription=subscription)
            notices.owe_one(tx, keys, f"notice_{way}", message_id, msgspec.to_builtins(told))
            owed = True
    return owed


async def trial(app: App, account_id: str) -> list[str]:
    """« Envoyer un essai », by each way that is open and wished: which ones. Raises `Throttled`, `Unauthorised`."""

    def owe(tx: Tx) -> list[str]:
        account = accounts.by_id(tx, account_id)
        wish = wishes.of(app, tx, account_id)
        if account is None:
            raise Unauthorised
        if wish.tried_at > now_ms() - TRIAL_EVERY_MS:
            raise Throttled("trial_again", "Un essai vient de partir. Attendez deux minutes avant le suivant.")
        keys = people.own_keys(app, tx, account_id)
        ways = {way: [""] * len(found) for way, found in points(app, tx, account_id).items()}
        ways["push"] = [one.id for one in subscriptions.of_account(tx, account_id)]
        wished = [way for way in wishes.WAYS if ways[way] and getattr(wish, way) != wishes.NEVER]
        for way in wished:
            for subscription in ways[way]:
                told = Told(account_id, account.mailbox_id, subscription=subscription, trial=True)
                notices.owe_one(tx, keys, f"notice_{way}", "", msgspec.to_builtins(told))
        wishes.change(app, tx, account_id, lambda wish: msgspec.structs.replace(wish, tried_at=now_ms()))
        return wished

    sent = await app.db.write(owe)
    app.delivery.wake()
    return sent
