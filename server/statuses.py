"""What became of one's own message: sent, delivered, read, answered; by whom and when, recipient by recipient.

Promises: says no more than is known. *Delivered*: it stands in that person's mailbox here, or their operator said so;
*read*: a receipt says so; *answered*: somebody else wrote after it, in their own words, where its author reads them (an
answering machine does not count, nor a bot that was not asked). Of a correspondent elsewhere who sends no receipt, only
that it was sent. A page costs the same few statements whatever the length of the thread.

Each change reaches the author's devices as a change entry: readings by `reading.tell_author`, answers by
`tell_answered`, in the transaction of the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from server.drafts import Body, Draft
from server.handles import ConversationHandle
from server.views import RecipientView
from storage import conversations as talks
from storage import entries, pages
from storage.conversations import Participant
from storage.database import Tx
from storage.messages import Message
from storage.vault import CannotOpen, SpaceKeys

if TYPE_CHECKING:
    from server.reading import Contact

WORDS = frozenset({"text", "card"})
FOLLOWING = 60  # messages after one's own among which its answer is looked for
TOLD = 10  # messages before an answer whose authors are told
_body = msgspec.json.Decoder(Body)


@dataclass(frozen=True, slots=True)
class Status:
    """The furthest state, its time (ISO 8601) and who ('' for the patient a professional writes to)."""

    state: str = "delivered"
    at: str = ""
    by: str = ""
    recipients: tuple[RecipientView, ...] = ()


def of(
    tx: Tx, keys: SpaceKeys, conversation_id: str, mine: Sequence[Message], people: Iterable[Contact]
) -> dict[str, Status]:
    """The status of messages of one conversation for who wrote them, by their ids."""
    space_id = keys.space_id
    members = talks.participants(tx, space_id, conversation_id)
    known = pages.receipts_of(tx, [(space_id, message.id) for message in mine])
    there = pages.holding(tx, [(m.mailbox_id, message.id) for message in mine for m in members if m.mailbox_id])
    own = next((member.mailbox_id for member in members if member.member_id == mine[0].author_id), "")
    later = pages.following(tx, own, space_id, conversation_id, min(message.at for message in mine), FOLLOWING)
    contacts = {person.member_id: person for person in people}
    found = {}
    for message in mine:
        receipts = known.get((space_id, message.id), [])
        recipients = tuple(_recipients(message, members, receipts, there, contacts))
        found[message.id] = _status(recipients, receipts, contacts, _answer(keys, message, later))
    return found


def _recipients(
    message: Message,
    members: Sequence[Participant],
    receipts: Sequence[tuple[str, str, int]],
    there: set[tuple[str, str]],
    contacts: dict[str, Contact],
) -> Iterator[RecipientView]:
    """Everybody it went to, with what is known of each. Who joined later, or takes no letters, is not among them."""
    from server.reading import furthest

    for member in members:
        heard = [(state, at, "") for who, state, at in receipts if who == member.member_id]
        here = (member.mailbox_id, message.id) in there
        if member.member_id != message.author_id and (here or heard or member.kind == "contact"):
            person = contacts.get(member.member_id)
            yield RecipientView(person.name if person else "", *furthest(not here, heard)[:2])


def _status(
    recipients: tuple[RecipientView, ...],
    receipts: Sequence[tuple[str, str, int]],
    contacts: dict[str, Contact],
    answer: tuple[int, str] | None,
) -> Status:
    from server.reading import furthest, iso

    if answer is not None:
        return Status("answered", iso(answer[0]), answer[1], recipients)
    names = {member: person.name for member, person in contacts.items() if person.kind != "holder"}
    elsewhere = not recipients or any(recipient.state == "sent" for recipient in recipients)
    return Status(*furthest(elsewhere, [(told, at, names.get(who, "")) for who, told, at in receipts]), recipients)


def _answer(keys: SpaceKeys, message: Message, later: Sequence[Message]) -> tuple[int, str] | None:
    """(when, who): what answers it by name, else the first words of somebody else after it."""
    others = [m for m in later if m.at > message.at and m.author_id != message.author_id]
    named = [m for m in others if m.in_reply_to == message.id and (m.kind in WORDS or m.kind == "answer")]
    loose = [m for m in others if m.kind in WORDS and m.author_kind != "bot"]
    for candidate in (named + loose)[:TOLD]:
        try:
            body = _body.decode(keys.open("body", candidate.id, candidate.body))
        except CannotOpen:
            continue
        if body.mail is None or not body.mail.automatic:
            return candidate.at, body.author.name
    return None


def answers(draft: Draft) -> bool:
    """Whether what is being posted answers somebody: words, or an answer to a card, in a conversation that was open."""
    automatic = draft.mail is not None and draft.mail.automatic
    return isinstance(draft.to, ConversationHandle) and draft.kind in {*WORDS, "answer"} and not automatic


def tell_answered(
    tx: Tx, space_id: str, conversation_id: str, message_id: str, author: str, boxes: dict[str, str]
) -> set[str]:
    """A change entry for whoever wrote what this message answers: all since its author's last words. `boxes`: the
    mailbox of each member who was sent it. Returns those to wake.
    """
    wake = set()
    for known, writer, kind in pages.latest(tx, space_id, conversation_id, TOLD + 1):
        if known == message_id or kind not in WORDS:
            continue
        if writer == author:
            break
        if writer in boxes and entries.change(tx, boxes[writer], known) is not None:
            wake.add(boxes[writer])
    return wake
