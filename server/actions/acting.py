"""Doing an action: from « this person taps that on this message » to a message of its own.

act()  →  the message is opened through the mailbox of who acts  →  the action's `prepare` makes the line and the effect
→  post(): the effect runs in the transaction, the card is answered, everybody who has the card sees it change
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from server import access, audit, posting, reading, scopes
from server.actions import (
    ACTIONS,
    agenda,
    all_choices,
    assistant,
    catalogue,
    checklists,
    confirmations,
    consent,
    dossier,
    forms,
    journal,
    measures,
    own_appointments,
    prescriptions,
    reminders,
)
from server.actions.ask import Ask, Done
from server.audit import Act
from server.drafts import Draft, Receipt
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.handles import ConversationHandle, MailboxHandle
from storage import conversations, entries, messages
from storage.database import Tx
from storage.ids import new_id

if TYPE_CHECKING:
    from server.app import App

_PREPARE: dict[str, Callable[[Ask], Awaitable[Done]]] = {
    "agenda.accept": agenda.prepare_accept,
    "agenda.add": agenda.prepare_add,
    "agenda.correct": own_appointments.prepare_correct,
    "agenda.counter": agenda.prepare_counter,
    "agenda.decline": agenda.prepare_decline,
    "agenda.first": agenda.prepare_first,
    "agenda.second": agenda.prepare_second,
    "agenda.third": agenda.prepare_third,
    "agenda.note": own_appointments.prepare_note,
    "agenda.refuse": own_appointments.prepare_refuse,
    "agenda.remove": agenda.prepare_remove,
    "agenda.undo": own_appointments.prepare_undo,
    "assistant.first": assistant.prepare_choice,
    "assistant.pause": assistant.prepare_pause,
    "assistant.person": assistant.prepare_person,
    "assistant.refuse": assistant.prepare_refuse,
    "assistant.resume": assistant.prepare_resume,
    "assistant.second": assistant.prepare_choice,
    "assistant.send": assistant.prepare_send,
    "assistant.third": assistant.prepare_choice,
    "catalogue.grant": catalogue.prepare_grant,
    "catalogue.refuse": catalogue.prepare_refuse,
    "catalogue.withdraw": catalogue.prepare_withdraw,
    "checklists.done": checklists.prepare_done,
    "checklists.tick": checklists.prepare_tick,
    "consent.allow": consent.prepare_allow,
    "consent.refuse": consent.prepare_refuse,
    "consent.withdraw": consent.prepare_withdraw,
    "confirm.done": confirmations.prepare_done,
    "confirm.understood": confirmations.prepare_understood,
    "dossier.file": dossier.prepare_file,
    "forms.correct": forms.prepare_correct,
    "forms.send": forms.prepare_send,
    "journal.known": journal.prepare_known,
    "journal.unknown": journal.prepare_unknown,
    "measures.correct": measures.prepare_correct,
    "measures.note": measures.prepare_note,
    "measures.refuse": measures.prepare_refuse,
    "measures.undo": measures.prepare_undo,
    "prescription.dispensed": prescriptions.prepare_dispensed,
    "prescription.missing": prescriptions.prepare_missing,
    "prescription.ready": prescriptions.prepare_ready,
    "reminders.done": reminders.prepare_done,
    "reminders.later": reminders.prepare_later,
    "reminders.not_concerned": reminders.prepare_not_concerned,
    "reminders.refused": reminders.prepare_refused,
    "reminders.undo": reminders.prepare_undo,
}


@dataclass(frozen=True, slots=True)
class _Answering:
    """The effect of answering: the card's state moves first, so that of two answers at once one is refused."""

    ask: Ask
    done: Done

    def __call__(self, doing: posting.Doing) -> None:
        ask, tx = self.ask, doing.tx
        _confirm(tx, ask)
        space_id, message_id = ask.conversation.space_id, ask.opened.message.id
        if ask.card is not None:
            # The card's row is the lock: two answers at once wait for one another here.
            tx.run("UPDATE messages SET files = files WHERE space_id = :s AND id = :id", s=space_id, id=message_id)
            known = messages.answers(tx, space_id, message_id)
            if ask.action not in all_choices(ask.card, known[-1].action if known else ""):
                raise Conflict("already_answered", "Cette carte a déjà sa réponse.")
            answer_id = new_id()
            values = ask.values if self.done.values is None else self.done.values
            detail = msgspec.json.encode({"by": ask.actor.name, "values": values})
            messages.insert_answer(
                tx,
                space_id,
                message_id,
                messages.Answer(answer_id, ask.action, ask.actor.account_id or ask.conversation.member, doing.at, b""),
                ask.conversation.keys.seal("answer", answer_id, detail),
            )
        if self.done.effect is not None:
            self.done.effect(doing)
        audit.record(tx, Act.ACTION_DONE, ask.actor, space_id, ask.conversation.ground, message_id, ask.action)
        for member in conversations.participants(tx, space_id, ask.conversation.conversation_id):
            if member.mailbox_id and entries.change(tx, member.mailbox_id, message_id) is not None:
                doing.wake.add(member.mailbox_id)


def _confirm(tx: Tx, ask: Ask) -> None:
    """Who acts for the holder may touch what they were trusted with, and shares nothing with anybody."""
    service = ask.action.partition(".")[0]
    if service in {"agenda", "dossier"}:
        scopes.may(tx, ask.conversation, service, scopes.WRITE)
    elif service in {"measures", "reminders"}:
        scopes.may(tx, ask.conversation, "dossier", scopes.WRITE)
    elif service in {"catalogue", "consent"}:
        scopes.shares(tx, ask.conversation)


def is_for(conversation: ConversationHandle, card: dict[str, Any] | None) -> bool:
    """Who a card is for: the holder of the space (and who acts for them), unless it says `for: anyone`, or `them`:
    those whom the holder wrote to.
    """
    if card is not None and card.get("for") == "them":
        return conversation.member != conversation.holder
    return conversation.member == conversation.holder or (card is not None and card.get("for") == "anyone")


async def act(
    app: App, box: MailboxHandle, message_id: str, action: str, values: dict[str, Any], client_key: str
) -> Receipt:
    """Do an action on a message of this mailbox. Raises as `post`, and `Conflict` when the card has its answer."""
    if action not in _PREPARE:
        raise Invalid("unknown_action", f"Action inconnue ; connues : {', '.join(sorted(ACTIONS))}.")
    conversation = await access.conversation_of_message(app, box, message_id)
    return await act_in(app, conversation, message_id, action, values, client_key)


async def act_in(
    app: App, conversation: ConversationHandle, message_id: str, action: str, values: dict[str, Any], client_key: str
) -> Receipt:
    """As `act`, for whoever has the conversation: a correspondent elsewhere answers a card by mail, without a
    mailbox.
    """
    actor = conversation.actor
    retry_key = f"act:{actor.account_id or conversation.member}:{client_key}" if client_key else ""
    if retry_key and (known := await posting.receipt_again(app, actor, conversation.space_id, retry_key)):
        return known
    opened = await reading.open_unchecked(app, conversation.keys, message_id)
    if opened.message.conversation_id != conversation.conversation_id:
        raise Refused
    card = opened.body.card
    if action != "dossier.file" and card is None:
        raise Invalid("not_a_card", "Ce message n’attend pas de réponse de ce genre.")
    if not is_for(conversation, card):
        raise NotAllowed("not_for_you", "Cette réponse appartient au patient.")
    ask = Ask(app, actor, conversation, opened, card if action != "dossier.file" else None, action, values)
    done = await _PREPARE[action](ask)
    draft = Draft(
        to=conversation,
        kind="answer",
        text=done.text,
        retry_key=retry_key,
        in_reply_to=message_id,
        answer={
            "message": message_id,
            "action": action,
            "label": ACTIONS[action].done_fr,
            "label_en": done.text_en or ACTIONS[action].done_en,
        },
        mail=done.answers,
        only=frozenset({conversation.holder}) if done.private else frozenset(),
        effect=_Answering(ask, done),
        later=done.later,
        files=done.files,
        uploads=done.uploads,
    )
    return await posting.post(app, actor, draft)
