"""The thread a letter belongs to.

    References, or the token of the address it was sent to  →  a conversation **of this patient** in which the sender,
    or the sender's organisation, takes part  →  there; with a new subject, in a new conversation linked to it
    neither  →  a conversation of its own

Promises: never matched on the subject; what belongs to another patient, or to a stranger's conversation, leads
nowhere; a letter that answers a message of ours which this patient never had is held (`forged_reference`): it was
written to somebody else. RFC 5322 § 3.6.4, RFC 5233 (the token after the plus).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mail_gateway.mime import Letter
from mail_gateway.quarantine import Held
from server import access, threads
from server.drafts import Actor, Opening
from server.handles import ConversationHandle, SpaceHandle

if TYPE_CHECKING:
    from mail_gateway.letterbox import Sent
    from server.app import App

FIN: Final = "[FIN]"  # CNAM note § 7: the whole subject, in capitals
_PREFIX: Final = re.compile(r"(?:re|ré|rép|reponse|réponse|aw|sv|fw|fwd|tr|wg)\s*(?:\[\d+\])?\s*:\s*", re.IGNORECASE)
_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{21}")  # as `storage.ids` makes them
_XDM: Final = "XDM/1.0/DDM+"
_CONFIRM: Final = re.compile(r"\[[àa] confirmer\]\s*", re.IGNORECASE)
_READ: Final = re.compile(r"\[lire le dossier\]\s*", re.IGNORECASE)
_JOURNEY: Final = re.compile(r"\[parcours(?:\s*:\s*|\s+)([^\[\]]{1,100})\]\s*", re.IGNORECASE)
_ELSEWHERE: Final = "Ce message répond à un message d’une autre personne que le destinataire."


@dataclass(frozen=True, slots=True)
class Place:
    """`actor`: who takes part. `answers`: the message of ours it answers, "" when unknown."""

    actor: Actor
    to: ConversationHandle | Opening
    answers: str = ""


async def place(app: App, sent: Sent, letter: Letter, ins: str, space: SpaceHandle) -> Place:
    """Where the letter goes in the space of that patient. Raises `Held`, `Refused`."""
    # First, and whatever else matches: the letter that both of them had is among the references of both their answers.
    await _check_answered(app, sent, space, letter.in_reply_to)
    names = () if sent.ignore_references else _named(letter, ins, space)
    for actor in (sent.actor, sent.reply_to):
        found = await access.correspondence(app, actor, ins, names) if actor is not None and names else None
        if actor is not None and isinstance(found, tuple):
            conversation, answers = found
            if not about_something_else(letter, conversation.subject):
                return Place(actor, conversation, answers)
            return Place(
                actor, Opening(replace(space, actor=actor), subject(letter), about=conversation.conversation_id)
            )
    actor = sent.reply_to or sent.actor
    if letter.subject == FIN:  # not a letter about « [FIN] »: a word on the exchange, said where it went on
        last = await access.common_conversation(app, actor, space)
        if last is not None:
            return Place(actor, last)
    await _check_answered(app, sent, space, letter.references[-1:])
    return Place(actor, Opening(replace(space, actor=actor), subject(letter)))


async def _check_answered(app: App, sent: Sent, space: SpaceHandle, names: Sequence[str]) -> None:
    """Raises `Held` when what is answered is a message of ours that this patient never had."""
    ours = [name for name in names if _is_ours(app, name)]
    if ours and not sent.ignore_references and not await access.has_references(app, space, ours):
        raise Held("forged_reference", _ELSEWHERE)


def subject(letter: Letter) -> str:
    """ECO.3.1.3: the software's prefix is not for people; nor is what asks for a confirmation, to read, or names a
    sequence.
    """
    own = _asked_off(letter.subject.removeprefix(_XDM)).strip()
    return own or ("Demande à lire votre dossier" if asks_to_read(letter) else "(sans objet)")


def _asked_off(text: str) -> str:
    return _JOURNEY.sub("", _READ.sub("", _CONFIRM.sub("", text)))


def asks_confirmation(letter: Letter) -> bool:
    """Whether the sender wants to hear that the patient understood, and did: `[à confirmer]` in the subject, which any
    mail client can write. Not in an answer, whose subject only repeats it, nor in what no person wrote.
    """
    return bool(_CONFIRM.search(letter.subject)) and not _PREFIX.match(letter.subject) and not letter.auto_submitted


def asks_to_read(letter: Letter) -> bool:
    """Whether the sender asks the patient to let them read the dossier: `[lire le dossier]`, as `[à confirmer]`."""
    return bool(_READ.search(letter.subject)) and not _PREFIX.match(letter.subject) and not letter.auto_submitted


def journey(letter: Letter) -> str:
    """The sequence of messages that the sender binds to an appointment: `[parcours NOM]` in the subject, or the field
    `X-Pli-Parcours`; "" for none, and in an answer, whose subject only repeats it.
    """
    found = _JOURNEY.search(letter.subject)
    named = letter.journey or (found[1].strip() if found else "")
    return "" if letter.auto_submitted or (_PREFIX.match(letter.subject) and not letter.journey) else named


def _named(letter: Letter, ins: str, space: SpaceHandle) -> tuple[str, ...]:
    """What the letter says it belongs to, the surest first: the message it answers, those before, the address."""
    tokens = [space.thread] if space.thread else []
    for mailbox in (*letter.to, *letter.cc):
        local, _, token = mailbox.address.rpartition("@")[0].partition("+")
        if token and local.upper() == ins:
            tokens.append(token)
    references = (*letter.in_reply_to, *reversed(letter.references))
    return tuple(dict.fromkeys((*references, *(threads.NAMED + token for token in tokens))))


def about_something_else(letter: Letter, known: str) -> bool:
    """Whether the subject is another one. Prefixes of answers, what filters put around it (« [EXTERNE] … ») and what a
    short one leaves out do not make it another; nor does the subject that software writes by itself: a health software,
    an answering machine.
    """
    new, old = _plain(_asked_off(letter.subject)), _plain(known)
    automatic = letter.auto_submitted or letter.subject.startswith(_XDM) or letter.subject == FIN
    written_by_hand = bool(new) and not automatic
    return written_by_hand and new not in old and (not old or old not in new)


def _plain(text: str) -> str:
    while found := _PREFIX.match(text.strip()):
        text = text.strip()[found.end() :]
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in folded if char.isalnum())


def _is_ours(app: App, name: str) -> bool:
    """Whether this Message-ID has the form of those we make: a message's id at our domain."""
    local, _, domain = name.rpartition("@")
    return domain.lower() == app.settings.mail_domain.lower() and bool(_ID.fullmatch(local))
