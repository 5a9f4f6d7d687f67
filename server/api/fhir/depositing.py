"""Depositing a document: one alone (ITI-105, `POST /DocumentReference` with its octets in `attachment.data`), or what a
transaction brings (`bundles`). The deposit itself, with every check, is `server.dossier.depositing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import msgspec
from aiohttp import web

from server import access
from server.api.fhir import documents, incoming, outcome, searching, terms, whom
from server.api.fhir.front import Call
from server.api.fhir.incoming import Publication
from server.dossier import adding, depositing
from server.dossier.habilitation import HIDDEN
from server.errors import Conflict, Invalid, Refused
from server.formats import document_types
from server.handles import SpaceHandle

MOST_DOCUMENTS: Final = 20  # of one transaction


@dataclass(frozen=True, slots=True)
class Deposited:
    """What was deposited, by its id in the façade."""

    space_id: str
    ids: tuple[str, ...]

    def __getitem__(self, place: int) -> str:
        return terms.outer(self.space_id, self.ids[place])


async def publish(call: Call) -> web.Response:
    """`POST /DocumentReference`."""
    said = incoming.publication(call.json())
    if not said.attachment.data:
        raise Invalid("no_data", "La publication simplifiée porte le document dans content.attachment.data.")
    data = incoming.octets(said.attachment, said.attachment.data)
    deposited = await deposit(call, [(said, data)], {})
    return await created(call, "DocumentReference", deposited[0])


async def deposit(call: Call, papers: Sequence[tuple[Publication, bytes]], about: dict[str, str]) -> Deposited:
    """All or none. `about`: what is kept of the submission set. Raises as `server.dossier.depositing`."""
    if not 1 <= len(papers) <= MOST_DOCUMENTS:
        raise Invalid("too_many_documents", f"Une transaction dépose {MOST_DOCUMENTS} documents au plus.")
    patients = {(said.space, said.ins[1]) for said, _ in papers}
    if len(patients) > 1:
        raise Invalid("several_patients", "Une transaction porte sur un seul patient.")
    to = await _patient(call, papers[0][0])
    if to.ground == "self":
        return await _own(call, papers)
    together = {"set": f"urn:uuid:{uuid4()}", **about}
    ready = []
    for said, data in papers:
        replaces = _replaced(to, said.replaces)
        facts = msgspec.structs.replace(incoming.named(said.facts, data), extra={**said.facts.extra, **together})
        ready.append((facts, data, said.marks, replaces))
    return Deposited(to.space_id, tuple(await depositing.deposit_all(call.app, to, ready)))


async def _own(call: Call, papers: Sequence[tuple[Publication, bytes]]) -> Deposited:
    """The patient adds a document of their own: it says what their page would have asked."""
    (said, data), *others = papers
    facts = incoming.named(said.facts, data)
    if others or said.replaces or not said.marks <= {HIDDEN}:
        raise Invalid("own_document", "Un patient ajoute ses documents un à un, et les masque ou non, rien de plus.")
    handle = await access.dossier(call.app, await access.mailbox(call.app, call.actor, needs=("dossier", "write")))
    category = document_types.category(facts.document_type) if facts.document_type else ""
    wanted = adding.Wanted(facts.title, category, facts.created[:10], hidden=HIDDEN in said.marks)
    added = await adding.add(call.app, handle, [(facts.name, data)], wanted)
    if added.refused:
        raise Invalid("bad_file", f"{added.refused[0][1]}")
    if not added.ids:
        raise Conflict("deposited_before", "Ce document est déjà dans ce dossier.")
    return Deposited(handle.space_id, tuple(added.ids))


async def _patient(call: Call, said: Publication) -> SpaceHandle:
    if not said.space and not said.ins[1] and call.actor.kind != "holder":
        raise Invalid("no_patient", "subject : dites de quel patient (identifiant INS).")
    to = await whom.written_to(call, *said.ins, said.space)
    if said.space and said.space != to.space_id:
        raise Refused
    return to


def _replaced(to: SpaceHandle, reference: str) -> str:
    """The id of the document that a reference of ours names, in that space. Raises `Refused`."""
    if not reference:
        return ""
    kind, _, resource_id = reference.rpartition("/")
    space_id, document_id = terms.inner(resource_id)
    if space_id != to.space_id or not document_id or kind.rpartition("/")[2] != "DocumentReference":
        raise Refused
    return document_id


async def created(call: Call, kind: str, resource_id: str) -> web.Response:
    """201; with the resource when it was asked for (Prefer: return=representation)."""
    headers = {"Location": f"{call.base}/{kind}/{resource_id}"}
    if "return=representation" not in call.prefer:
        return web.Response(status=201, headers={**headers, "Cache-Control": "no-store"})
    resource = await representation(call, resource_id)
    headers["ETag"] = f'W/"{resource["meta"]["versionId"]}"'
    return outcome.response(resource, 201, headers)


async def representation(call: Call, resource_id: str) -> dict[str, Any]:
    """The document that was just deposited, as its author reads it. Raises `Refused`."""
    handle = await whom.opened(call, terms.inner(resource_id)[0])
    found = await documents.everything(call, handle)
    return searching.versioned(next(one for one in found if one.id == resource_id))
