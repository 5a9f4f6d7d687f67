"""What an organiser's letters do to the agenda and to the cards that came before: a newer version, a cancellation, a
wish not granted.

Promises: nothing is entered in an agenda here, where only the patient's gestures count: a proposal is known, not
listed. What moved is proposed again; a card that was replaced takes no answer and says where its successor is; what
arrives late changes nothing and says so. Only the same sender reaches an appointment (security item 30). Each function
runs in the transaction of the letter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from server.agenda import book
from storage import appointments as rows
from storage import conversations, entries, messages
from storage.appointments import Appointment
from storage.database import Tx
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing
    from storage.vault import SpaceKeys

_PLACE_AND_TIME = ("start", "end", "all_day", "location", *book.REPEATING)


def known(tx: Tx, app: App, keys: SpaceKeys, scope: str, uid: str, instance: str, state: str = "") -> bool:
    """Whether this sender's appointment came, one of its series, or the series that it is one of; in that state, if one
    is given.
    """
    found = _concerned(tx, app, keys, scope, uid, instance)
    whole = rows.by_uid(tx, keys.space_id, book.identity(app, keys.space_id, scope, uid)) if instance else None
    found += [whole] if whole is not None else []
    return any(
        (not state or one.state == state) and not book.facts_in(keys, one).get("only_cancelled") for one in found
    )


def offered(doing: Doing, card: dict[str, Any], scope: str, *, agreed: bool = False) -> None:
    """An invitation or an announcement arrives. `agreed`: a person noted what they and the patient agreed on."""
    keys, uid, instance = doing.to.keys, str(card["uid"]), str(card["instance"])
    uid_hash = book.identity(doing.app, keys.space_id, scope, uid, instance)
    series = book.identity(doing.app, keys.space_id, scope, uid) if instance else ""
    whole = rows.by_uid(doing.tx, keys.space_id, series) if series else None
    listed = agreed or (whole is not None and book.facts_in(keys, whole).get("listed", True))
    facts = book.facts_of(card) | {"listed": listed, "series": series}
    state = "accepted" if agreed else "proposed"
    row = Appointment(new_id(), int(card["sequence"]), state, doing.message_id, b"", doing.at, _organiser(doing))
    if book.enter(doing, row, uid_hash, facts):
        return
    was = rows.hold(doing.tx, keys.space_id, uid_hash)
    assert was is not None  # noqa: S101 - else it would have been added
    had = book.facts_in(keys, was)
    version = book.age(card, was, had)
    if version <= 0:
        late = version < 0 or was.state == "cancelled"
        _tell(doing, doing.message_id, "agenda.outdated" if late else "agenda.again", card, was.message_id)
        return
    # The patient's word was for that time and that place.
    stays = was.state in ("accepted", "added") and all(had.get(name) == facts.get(name) for name in _PLACE_AND_TIME)
    state = was.state if stays else state
    changed = replace(was, sequence=row.sequence, state=state, message_id=doing.message_id, changed_at=doing.at)
    book.put(doing, changed, facts | {"listed": agreed or had.get("listed", True)})
    _tell(doing, was.message_id, "agenda.moved", card, doing.message_id)


def cancelled(doing: Doing, card: dict[str, Any], scope: str) -> None:
    """The appointment, or every one of the series, will not be; one that never came is remembered, for mail may arrive
    in another order than it was sent in.
    """
    keys, uid, instance = doing.to.keys, str(card["uid"]), str(card["instance"])
    row = Appointment(new_id(), int(card["sequence"]), "cancelled", doing.message_id, b"", doing.at, _organiser(doing))
    uid_hash = book.identity(doing.app, keys.space_id, scope, uid, instance)
    series = book.identity(doing.app, keys.space_id, scope, uid) if instance else ""
    whole = rows.by_uid(doing.tx, keys.space_id, series) if series else None
    listed = whole is not None and bool(book.facts_in(keys, whole).get("listed", True))
    facts = _named_like(card, book.facts_in(keys, whole) if whole else {})
    book.enter(doing, row, uid_hash, facts | {"listed": listed, "only_cancelled": whole is None, "series": series})
    for found in _concerned(doing.tx, doing.app, keys, scope, uid, instance, hold=True):
        had = book.facts_in(keys, found)
        if book.age(card, found, had) < 0:
            _tell(doing, doing.message_id, "agenda.outdated", card, found.message_id)
        elif found.state != "cancelled":
            changed = replace(found, sequence=int(card["sequence"]), state="cancelled", changed_at=doing.at)
            book.put(doing, changed, had | {"stamp": card["stamp"]})
            _tell(doing, found.message_id, "agenda.cancelled", card, doing.message_id)


def kept(doing: Doing, card: dict[str, Any], scope: str) -> None:
    """The other moment the patient asked for is not to be; what was planned is offered again."""
    keys = doing.to.keys
    for found in _concerned(doing.tx, doing.app, keys, scope, str(card["uid"]), str(card["instance"]), hold=True):
        if found.state == "asked":
            changed = replace(found, state="proposed", changed_at=doing.at)
            book.put(doing, changed, book.facts_in(keys, found))
            _tell(doing, found.message_id, "agenda.kept", card, doing.message_id)


def _named_like(card: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """The facts of a cancellation; of one of a series, under the name of the series and not of its cancellation."""
    facts = book.facts_of(card)
    return facts | ({"title": whole["title"], "start": facts["start"] or facts.get("instance", "")} if whole else {})


def _organiser(doing: Doing) -> str:
    """The account that writes, a person's or a team's; "" for somebody elsewhere."""
    return doing.to.member if doing.actor.account_id else ""


def _concerned(
    tx: Tx, app: App, keys: SpaceKeys, scope: str, uid: str, instance: str, *, hold: bool = False
) -> list[Appointment]:
    """The appointment of that name; for a whole series also each of it that came by itself."""
    uid_hash = book.identity(app, keys.space_id, scope, uid, instance)
    look = rows.hold if hold else rows.by_uid
    found = look(tx, keys.space_id, uid_hash)
    every = [] if instance else rows.of_space(tx, keys.space_id)
    of_series = [one for one in every if book.facts_in(keys, one).get("series") == uid_hash]
    return [found, *of_series] if found else of_series


def _tell(doing: Doing, message_id: str, event: str, card: dict[str, Any], where: str) -> None:
    """Record on a card what happened, and show it to everybody who has it. `where`: the message to look at instead."""
    tx, keys = doing.tx, doing.to.keys
    place = doing.conversation_id
    if where != doing.message_id and (other := messages.find(tx, keys.space_id, where)) is not None:
        place = other.conversation_id
    detail = {"by": card.get("organizer_name") or doing.actor.name, "message": where, "conversation": place}
    answer_id = new_id()
    answer = messages.Answer(answer_id, event, doing.actor.account_id or doing.to.member, doing.at, b"")
    sealed = keys.seal("answer", answer_id, msgspec.json.encode(detail))
    messages.insert_answer(tx, keys.space_id, message_id, answer, sealed)
    changed = messages.find(tx, keys.space_id, message_id)  # None for the letter that just arrives
    if changed is None:
        return
    for member in conversations.participants(tx, keys.space_id, changed.conversation_id):
        if member.mailbox_id and entries.change(tx, member.mailbox_id, message_id) is not None:
            doing.wake.add(member.mailbox_id)
