"""Questionnaire and QuestionnaireResponse: the forms of an office, by its own token; what was answered to them, for the
patient and for who takes part in the conversation that asked.

Promises: a response is what was sent last (amended when it was corrected), never what is still being written; it stands
in the patient's space under the id of the message that asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from server import access, people, reading
from server.api.fhir import outcome, searching, terms, whom
from server.api.fhir.asking import Param, Value
from server.api.fhir.front import Call, Found
from server.api.fhir.terms import Json, outer
from server.errors import Invalid, PliError, Refused
from server.forms import cards, fhir, filling, library, returning
from server.forms.library import Kept
from server.handles import DossierHandle, MailboxHandle
from server.scopes import DELEGATED
from storage import conversations, fillings, messages, teams
from storage.database import Tx

QUESTIONNAIRES: Final = (
    Param("url", "token", "Its canonical name"), Param("title", "string", "Its title"),
    Param("version", "token", "Its version"),
)  # fmt: skip
RESPONSES: Final = (
    Param("questionnaire", "token", "Canonical name of the questionnaire: url, or url|version"),
    Param("status", "token", "completed, amended"), Param("authored", "date", "When it was sent"),
)  # fmt: skip


# ---- Questionnaire ---------------------------------------------------------------------------------------------------


async def of_office(call: Call) -> list[Found]:
    """The caller's own, as they are today; who is no office has none."""
    if call.actor.kind not in whom.OFFICES:
        return []
    return [_questionnaire(one) for one in await library.of_office(call.app, await _office(call))]


async def _office(call: Call) -> MailboxHandle:
    if call.actor.kind not in whom.OFFICES:
        raise Refused
    return await access.mailbox(call.app, call.actor)


async def nothing(_call: Call, _handle: DossierHandle) -> list[Found]:
    """No questionnaire is in a dossier."""
    return []


async def search(call: Call) -> web.Response:
    """No patient is asked about: one that is named is passed over."""
    given = tuple((name, value) for name, value in call.given if not name.startswith(("patient", "subject")))
    return await searching.search(replace(call, given=given))


async def read(call: Call) -> web.Response:
    """`GET /Questionnaire/{id}`."""
    found = next((one for one in await of_office(call) if one.id == call.id), None)
    if found is None:
        raise Refused
    resource = searching.versioned(found)
    return outcome.response(resource, headers={"ETag": f'W/"{resource["meta"]["versionId"]}"'})


async def create(call: Call) -> web.Response:
    """`POST /Questionnaire`: a new one, or the next version of the one with this url."""
    box = await _office(call)
    kept = await library.save(call.app, box, fhir.read(call.json()))
    headers = {"Location": f"{call.base}/Questionnaire/{outer(kept.id)}", "Cache-Control": "no-store"}
    if "return=representation" not in call.prefer:
        return web.Response(status=201, headers=headers)
    return outcome.response(searching.versioned(_questionnaire(kept)), 201, headers)


def _questionnaire(kept: Kept) -> Found:
    form = kept.form

    def values(name: str) -> list[Value]:
        return [{"url": form.url, "title": form.title, "version": form.version}[name]]

    return Found(outer(kept.id), kept.at, values, lambda: fhir.write(form))


# ---- QuestionnaireResponse -------------------------------------------------------------------------------------------


async def responses(call: Call, handle: DossierHandle) -> list[Found]:
    """What was sent: to the patient all of it, to others what was asked in a conversation they take part in."""

    def pull(tx: Tx) -> list[Found]:
        traits = people.traits(call.app, tx, handle.space_id)
        patient = (f"urn:oid:{traits.oid}", traits.ins) if traits and whom.reads_as_office(handle) else ("", "")
        about = (traits.name if traits and patient[1] else "", patient)
        found = (_response(tx, handle, row.message_id, about) for row in _theirs(tx, handle))
        return [one for one in found if one is not None]

    return await call.app.db.read(pull)


def _theirs(tx: Tx, handle: DossierHandle) -> Iterable[fillings.Filling]:
    actor = handle.actor
    members = {actor.account_id, *(team for team, _, _ in teams.of_account(tx, actor.account_id))}
    for row in fillings.of_space(tx, handle.space_id):
        message = messages.find(tx, handle.space_id, row.message_id) if row.completed_at else None
        if message is None:
            continue
        there = {one.member_id for one in conversations.participants(tx, handle.space_id, message.conversation_id)}
        if handle.ground == "self" or there & members:
            yield row


def _response(tx: Tx, handle: DossierHandle, message_id: str, about: tuple[str, tuple[str, str]]) -> Found | None:
    message = messages.find(tx, handle.space_id, message_id)
    card = reading.body_of(handle.keys, message).card if message else None
    if not card or card.get("type") != "form":
        return None
    try:
        form = cards.form_of(card)
    except (Invalid, PliError):
        return None
    last = (versions := filling.known_in(tx, handle.keys, message_id).facts.sent)[-1]
    at = datetime.fromtimestamp(last.at / 1000, UTC)
    source = "related" if last.ground in DELEGATED else "patient" if last.account == handle.holder else "practitioner"
    again = len(versions) > 1
    sent = returning.Returned(form, last.answers, last.by, source, about[0], about[1], at, message_id, again)

    def values(name: str) -> list[Value]:
        said: dict[str, list[Value]] = {
            "questionnaire": [form.url, (form.url, form.version)],
            "status": ["amended" if again else "completed"],
            "authored": [at.isoformat()],
        }
        return said[name]

    def resource() -> Json:
        made = returning.response(sent)
        del made["id"]  # it has one of the façade's
        made["subject"] = {**made["subject"], **terms.reference("Patient", handle.space_id)}
        return made

    return Found(outer(handle.space_id, message_id), last.at, values, resource, at.isoformat())
