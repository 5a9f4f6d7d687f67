"""A form is sent, or sent again corrected: the answers go to who asked, as text, PDF and QuestionnaireResponse.

Values: `version`, of the filling as it was read on the page (what is filled in is sent); or answers here and now:
`a.<linkId>` typed in the card, `answers` {linkId: text or list} of an application, `mail`: a letter. `keep`: the
linkIds (a list, or by spaces) of the mapped answers that enter the dossier; none without it.

Promises: nothing goes incomplete; what was sent stays, and its correction is another version. Who fills in does so in
their own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from server import access, people
from server.actions.ask import Ask, Done
from server.drafts import File, FileFacts
from server.errors import Conflict, Invalid, PliError
from server.forms import cards, entering, filling, logic, reading, returning
from server.forms.questionnaires import Form, Item, questions
from server.scopes import DELEGATED, WRITE
from storage.ids import new_id

if TYPE_CHECKING:
    from server.handles import DossierHandle
    from server.posting import Doing

Answers = dict[str, tuple[str, ...]]


async def prepare_send(ask: Ask) -> Done:
    """The first time."""
    return await _prepare(ask)


async def prepare_correct(ask: Ask) -> Done:
    """Again: a new version."""
    return await _prepare(ask)


async def _prepare(ask: Ask) -> Done:
    form = cards.form_of(ask.card or {})
    now = await filling.known(ask.app, ask.conversation, ask.opened.message.id)
    if str(ask.values.get("version") or now.version) != str(now.version):
        raise filling.elsewhere()
    answers = logic.counting(form, {**now.facts.answers, **typed(form, ask.values)})
    _check(form, answers, now)
    handle, entries = await _entries(ask, form, answers)
    sent = await _returned(ask, form, answers, again=bool(now.facts.sent))
    message_id = ask.opened.message.id

    def effect(doing: Doing) -> None:
        before = filling.complete(doing, message_id, answers, now.version)
        if handle is not None:
            entering.enter(doing, handle, entries, before)

    told = f"\n\n{entering.told(form, entries)}" if entries else ""
    return Done(
        returning.text(sent) + told,
        effect,
        text_en=f"{'Answers corrected' if sent.again else 'Answers sent'}: {form.called('en')}",
        files=await _files(ask, sent),
        uploads=_uploads(form, answers, now),
        values={"count": len(answers)},
    )


def typed(form: Form, values: Mapping[str, Any]) -> Answers:
    """What the values answer here and now, as it is kept. Raises `Invalid`, naming the question."""
    if isinstance(values.get("mail"), str):
        return reading.mailed(form, values["mail"]).answers
    given = values.get("answers")
    said: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    said |= {name[2:]: value for name, value in values.items() if name.startswith("a.")}
    known: dict[str, Item] = {item.id: item for item in questions(form)}
    if strange := set(said) - set(known):
        raise Invalid("no_such_question", f"Ce questionnaire n’a pas de question « {min(strange)[:60]} ».")
    return {link: reading.read(known[link], _list(value, known[link])) for link, value in said.items()}


def _list(value: object, item: Item) -> list[str]:
    """One answer or several; of a text, a line each where several are asked."""
    lines = isinstance(value, str) and item.repeats
    many = str(value).splitlines() if lines else value if isinstance(value, list) else [value]
    return ["true" if one is True else "false" if one is False else str(one) for one in many]


def _check(form: Form, answers: Answers, now: filling.Known) -> None:
    if lacking := logic.missing(form, answers):
        raise Invalid("form_incomplete", f"Il manque une réponse : « {lacking[0].text[:100]} ».")
    if not answers:
        raise Invalid("form_empty", "Répondez à une question au moins.")
    if now.facts.sent and now.facts.sent[-1].answers == answers:
        raise Conflict("form_same", "Ces réponses sont déjà envoyées : rien n’a changé.")


async def _entries(ask: Ask, form: Form, answers: Answers) -> tuple[DossierHandle | None, list[entering.Ready]]:
    """What enters the dossier: of the patient, or of who may write there for them."""
    to, chosen = ask.conversation, ask.values.get("keep") or ""
    keep = [*map(str, chosen)] if isinstance(chosen, list) else str(chosen).split()
    if to.member != to.holder:
        return None, []
    try:
        box = await access.mailbox(ask.app, ask.actor, to.mailbox_id, ("dossier", WRITE))
        handle = await access.dossier(ask.app, box)
    except PliError:
        return None, []
    return handle, await entering.ready(ask.app, handle, form, answers, keep) if keep else []


async def _returned(ask: Ask, form: Form, answers: Answers, *, again: bool) -> returning.Returned:
    to = ask.conversation
    traits = await ask.app.db.read(lambda tx: people.traits(ask.app, tx, to.space_id))
    source = "practitioner" if to.member != to.holder else "related" if to.ground in DELEGATED else "patient"
    return returning.Returned(
        form,
        answers,
        ask.actor.name,
        source,
        traits.name if traits else "",
        (f"urn:oid:{traits.oid}", traits.ins) if traits else ("", ""),
        datetime.now(UTC),
        new_id().replace("_", "."),  # FHIR R4, id
        again,
    )


async def _files(ask: Ask, sent: returning.Returned) -> tuple[File, ...]:
    keys, blobs = ask.conversation.keys, ask.app.blobs
    found = []
    for name, media_type, content in (
        (returning.PDF_NAME, "application/pdf", returning.pdf(sent)),
        (returning.JSON_NAME, "application/fhir+json", returning.encoded(returning.response(sent))),
    ):
        facts = FileFacts(
            name, media_type, len(content), title=f"Réponses : {sent.form.title}" if name == returning.PDF_NAME else ""
        )
        found.append(File(facts, await blobs.put(keys, content)))
    return tuple(found)


def _uploads(form: Form, answers: Answers, now: filling.Known) -> tuple[str, ...]:
    """Files answered, that no version sent yet."""
    gone = {kept for version in now.facts.sent for many in version.answers.values() for kept in many}
    files = (item for item in questions(form) if item.type == "attachment")
    return tuple(kept.partition("|")[0] for item in files for kept in answers.get(item.id, ()) if kept not in gone)
