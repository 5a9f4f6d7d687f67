"""« Qui a lu mon dossier »: a conversation of the space in which Pli tells, within a minute, who opened the dossier.

    an access and what it owes (`audit.owe_notice`, one transaction)  →  AccessTold  →  one line a person and a moment

Promises: every reader of that mailbox may know all that a line says: a minor's secret is in none of them, a title only
where everybody who reads it may see the document. Told of a professional, a team's member, and of whoever acts for an
adult; never of one's own reading, nor to a child that its parent looked. A line has its answer: « Je ne connais pas
cette personne » (`server.actions.journal`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from server import journal, posting, undelivered
from server.audit import Act
from server.delegates import is_minor
from server.delivery import Parcel
from server.dossier.habilitation import Reader
from server.dossier.words import named
from server.drafts import Author, Draft, MailFacts, Opening
from server.errors import Refused
from server.handles import ConversationHandle
from server.journal import Visit
from server.scopes import MESSAGES
from storage import access_notices, accounts, audit_rows, delegations, messages
from storage.database import Tx

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

SUBJECT: Final = "Qui a lu mon dossier"
TOLD: Final = frozenset({Act.DOSSIER_READ.value[0], Act.DOCUMENT_READ.value[0]})
TITLES: Final = 3  # named in a line; the others are counted


class AccessTold:
    """The channel named `access_notice`. Its target is `{"account", "since", "until"}`."""

    name = access_notices.CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Tell it, once, unless there is nothing that this mailbox may know."""
        account, since = str(parcel.target["account"]), int(parcel.target["since"])
        space_id, until = parcel.keys.space_id, int(parcel.target["until"])
        visit = await self._app.db.read(_visit, self._app, parcel, account, since, until)
        if visit is not None:
            await _tell(self._app, space_id, card_of(visit), f"access:{account}:{since}")


def _visit(tx: Tx, app: App, parcel: Parcel, account: str, since: int, until: int) -> Visit | None:
    space_id = parcel.keys.space_id
    rows = list(audit_rows.of_space(tx, space_id, TOLD, actor=account, since=since, until=until))
    if not rows or (rows[0].ground == "representative" and is_minor(app, tx, space_id)):
        return None
    found = journal.gathered(tx, app, parcel.keys, _readers(tx, space_id), rows)
    return found[0] if found else None


def _readers(tx: Tx, space_id: str) -> list[Reader]:
    """Whoever reads this mailbox: the holder, and those who read messages for them."""
    holder = accounts.holder_of(tx, space_id)
    readers = [Reader("holder", frozenset({holder.id} if holder else ()))]
    for one in delegations.of_space(tx, space_id):
        known = delegations.in_force(tx, space_id, one.account_id)
        if known is not None and MESSAGES in known.scopes:
            readers.append(Reader(known.kind, areas=known.scopes))
    return readers


def card_of(visit: Visit) -> dict[str, Any]:
    """The card of one visit: who, role, place, why, what, when."""
    person, (fr, en) = visit.person, _what(visit)
    why_fr, why_en = (named([said[n] for said in visit.why], lang) for n, lang in ((0, "fr"), (1, "en")))
    who = [", ".join(part for part in (person.role[n], person.place) if part) for n in (0, 1)]
    verb = ("a ouvert votre dossier en urgence", "opened your record in an emergency") if visit.emergency else (
        "a ouvert votre dossier", "opened your record")  # fmt: skip
    return {
        "type": "access",
        "title": f"{person.name[0]} {verb[0]}",
        "title_en": f"{person.name[1]} {verb[1]}",
        "text": _lines(who[0], "Pourquoi", why_fr, "Vu", fr, "fr", visit.until),
        "text_en": _lines(who[1], "Why", why_en, "Seen", en, "en", visit.until),
        "account": person.id,
        "row": visit.row,
    }


def _lines(who: str, why: str, reason: str, seen: str, what: str, language: str, at: str) -> str:
    colon = " : " if language == "fr" else ": "
    lines = [who, f"{why}{colon}{reason}" if reason else "", f"{seen}{colon}{what}"]
    return "\n".join(line for line in lines if line)


def _what(visit: Visit) -> tuple[str, str]:
    """« dossier ouvert, « Ordonnance » (5) et 3 autres documents »."""
    titles = Counter({one.title: 0 for one in visit.done if one.title[0]})
    titles.update({one.document or one.title: one.title for one in visit.done if one.title[0]}.values())
    often = titles.most_common()
    shown, others = often[:TITLES], sum(count for _, count in often[TITLES:])
    said: list[list[str]] = []
    for n, (before, after) in enumerate((("« ", " »"), ("“", "”"))):
        parts = [one.what[n][:1].lower() + one.what[n][1:] for one in visit.done if not one.title[0]]
        parts += [f"{before}{title[n]}{after}" + (f" ({count})" if count > 1 else "") for title, count in shown]
        said.append(parts + ([_more(others)[n]] if others else []))
    return named(said[0]), named(said[1], "en")


def _more(count: int) -> tuple[str, str]:
    if count == 1:
        return "un autre document", "one more document"
    return f"{count} autres documents", f"{count} more documents"


async def _tell(app: App, space_id: str, card: dict[str, Any], retry_key: str) -> None:
    """In the conversation of this space that is for it, opened with the first line."""
    reference = f"acces.{space_id}@{app.settings.mail_domain}"

    def opening(doing: Doing) -> None:
        """It is opened under a key of its own, once; what is said in it keeps its key too."""
        messages.claim_retry_key(doing.tx, space_id, retry_key, doing.conversation_id, doing.message_id)

    while True:
        try:
            to = await undelivered.to_holder(app, space_id, reference)
        except Refused:  # nobody is left to be told
            return
        there = isinstance(to, ConversationHandle)
        draft = Draft(
            to=to if isinstance(to, ConversationHandle) else Opening(to, SUBJECT),
            kind="card",
            text=card["text"],
            card=card,
            mail=None if there else MailFacts(message_id=reference),
            retry_key=retry_key if there else "access:opening",
            effect=None if there else opening,
            author=Author("system", "Pli"),
        )
        receipt = await posting.post(app, undelivered.SYSTEM, draft)
        if there or not receipt.again:
            return
