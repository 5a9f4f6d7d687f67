"""A form or a checklist answered by mail, by whoever it is for: « 1 : oui 2 : 72 kg », « 1, 3 ».

Promises: what was understood is kept even when something is missing, and the answers go once nothing is; when something
was not understood, or is missing, who wrote is told by mail, with what was taken. A letter that answers nothing is one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from server import posting, undelivered
from server.actions import acting
from server.drafts import Author, Draft
from server.errors import Conflict, Invalid, NotAllowed, PliError, Refused
from server.forms import cards, filling, logic, reading, ticking
from server.forms.questionnaires import questions

if TYPE_CHECKING:
    from server.app import App
    from server.forms.questionnaires import Form
    from server.handles import ConversationHandle

_SIGNATURE: Final = re.compile(r"^-- ?$", re.MULTILINE)


async def answer(
    app: App, to: ConversationHandle, message_id: str, card: dict[str, Any], text: str, retry_key: str
) -> bool:
    """Take what the letter answers. True when that is all it says, so that it is no letter besides."""
    if not acting.is_for(to, card):
        return False
    words = _SIGNATURE.split(text.replace("\r\n", "\n"))[0].strip()
    try:
        if card["type"] == "checklist":
            return await _tick(app, to, message_id, card, words, retry_key)
        return await _fill(app, to, message_id, cards.form_of(card), words, retry_key)
    except Refused:
        return False
    except (Conflict, Invalid, NotAllowed) as error:
        await _tell(app, to, f"Votre réponse n’a pas été prise : {error.detail}", retry_key)
        return False


async def _tick(
    app: App, to: ConversationHandle, message_id: str, card: dict[str, Any], words: str, retry_key: str
) -> bool:
    first, _, more = words.partition("\n")
    if not ticking.numbers(first, len(ticking.things(card))):
        return False
    await acting.act_in(app, to, message_id, "checklists.tick", {"mail": first}, retry_key)
    return not more.strip()


async def _fill(app: App, to: ConversationHandle, message_id: str, form: Form, words: str, retry_key: str) -> bool:
    found = reading.mailed(form, words)
    if not found.answers and not found.wrong:
        return False
    now = await filling.known(app, to, message_id)
    if found.answers:
        now = await filling.keep(app, to, message_id, found.answers, now.version)
    if lacking := logic.missing(form, logic.counting(form, now.facts.answers)):
        names = " ; ".join(f"« {item.text} »" for item in lacking)
        end = f"Vos réponses sont gardées et partiront avec ce qui manque : {names}. Répondez à ce courriel."
    elif not found.answers:
        end = "Rien n’est envoyé. Répondez à ce courriel."
    else:
        action = "forms.correct" if now.facts.sent else "forms.send"
        await acting.act_in(app, to, message_id, action, {"version": now.version}, retry_key)
        end = "Le reste est envoyé. Pour le compléter ou le corriger, répondez à ce courriel avec le numéro."
    if found.wrong or lacking:
        await _tell(app, to, _told(form, found, end), retry_key)
    return not found.rest


def _told(form: Form, found: reading.Mailed, end: str) -> str:
    """What was taken, what was not, and what follows."""
    by_id = {item.id: (number, item) for number, item in enumerate(questions(form), 1)}
    lines = [f"Votre réponse à « {form.title} » :", ""]
    for link, kept in found.answers.items():
        number, item = by_id[link]
        lines.append(f"{number}. {item.text} : {reading.all_said(item, kept)}")
    if found.wrong:
        lines += ["", "Pas compris :", *(f"« {typed} ». {why}" for typed, why in found.wrong)]
    return "\n".join([*lines, "", end])


async def _tell(app: App, to: ConversationHandle, text: str, retry_key: str) -> None:
    """A mail from Pli to who wrote; the patient, in whose space it is, has it too."""
    system = replace(to, actor=undelivered.SYSTEM, ground="system", member="", through="")
    draft = Draft(
        to=system,
        kind="line",
        text=text,
        only=frozenset({to.member, to.holder}),
        addressed={to.member: to.actor.name},
        author=Author("system", "Pli"),
        retry_key=f"told:{retry_key}" if retry_key else "",
    )
    try:
        await posting.post(app, undelivered.SYSTEM, draft)
    except PliError:  # their answer is taken; the exchange was closed meanwhile
        return
