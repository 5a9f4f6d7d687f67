"""Transactions (`POST /api/fhir`): a submission set (ITI-65: List, DocumentReference, Binary), or measures of health
(Device, Observation). All of it is done, or nothing.

A Parameters entry that says the replaced document superseded, as the guide's example has it, is what replacing does
anyway; any other entry is refused, so that nobody believes done what was not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiohttp import web

from server.api.fhir import depositing, documents, incoming, measuring, outcome
from server.api.fhir.front import Call
from server.api.fhir.incoming import Attachment, Coding, Concept, Identifier, Publication
from server.api.fhir.outcome import Unprocessed
from server.api.fhir.terms import Json
from server.errors import Invalid

MOST_ENTRIES: Final = 200
_DOCUMENTS: Final = frozenset({"List", "DocumentReference", "Binary", "Parameters"})
_MEASURES: Final = frozenset({"Device", "Observation"})


class _Request(msgspec.Struct, frozen=True):
    method: str
    url: str


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    resource: dict[str, Any]
    request: _Request
    full_url: str = ""

    @property
    def kind(self) -> str:
        return str(self.resource.get("resourceType", ""))

    def names(self) -> set[str]:
        """How another entry may refer to it."""
        return {name for name in (self.full_url, f"{self.kind}/{self.resource.get('id', '')}") if name}


class _Bundle(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: str
    type: str
    entry: list[_Entry]


class _Binary(msgspec.Struct, frozen=True, rename="camel"):
    data: str
    content_type: str = ""


class _List(msgspec.Struct, frozen=True, rename="camel"):
    status: str
    mode: str
    extension: list[dict[str, Any]] = []
    identifier: list[Identifier] = []


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    value_code: str = ""
    value_string: str = ""


class _Parameter(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    part: list[_Part] = []


class _Parameters(msgspec.Struct, frozen=True, rename="camel"):
    parameter: list[_Parameter]


@dataclass(slots=True)
class _Set:
    """The entries of a submission set, by what they are."""

    papers: list[tuple[_Entry, Publication]] = field(default_factory=list)
    lists: list[_Entry] = field(default_factory=list)
    binaries: list[_Entry] = field(default_factory=list)
    patches: list[_Entry] = field(default_factory=list)


async def transaction(call: Call) -> web.Response:
    """`POST` of a Bundle."""
    bundle = incoming.converted(call.json(), _Bundle)
    if bundle.resource_type != "Bundle" or bundle.type != "transaction":
        raise Unprocessed("not_a_transaction", "Un Bundle de type « transaction » est attendu.")
    if not 1 <= len(bundle.entry) <= MOST_ENTRIES:
        raise Invalid("too_many_entries", f"Une transaction a {MOST_ENTRIES} entrées au plus, et une au moins.")
    kinds = {entry.kind for entry in bundle.entry}
    if kinds <= _MEASURES:
        return await _measures(call, bundle.entry)
    if not kinds <= _DOCUMENTS:
        raise Invalid("mixed_transaction", "Une transaction porte un lot de documents, ou des mesures.")
    return await _submission(call, bundle.entry)


# ---- ITI-65 ----


async def _submission(call: Call, entries: list[_Entry]) -> web.Response:
    together = _sorted(entries)
    octets = {name: entry for entry in together.binaries for name in entry.names()}
    used: set[int] = set()
    papers = []
    for _, said in together.papers:
        entry = octets.get(said.attachment.url)
        if said.attachment.data:
            papers.append((said, incoming.octets(said.attachment, said.attachment.data)))
            continue
        if entry is None:
            raise Invalid("no_binary", "content.attachment.url ne mène à aucun Binary de cette transaction.")
        used.add(id(entry))
        papers.append((said, _content(said.attachment, entry)))
    if len(used) != len(together.binaries):
        raise Invalid("unused_binary", "Un Binary de cette transaction n’est le contenu d’aucun document.")
    _only_what_replacing_does(together)
    done = await depositing.deposit(call, papers, _about(together.lists))
    return await _answer(call, entries, together, done)


def _sorted(entries: list[_Entry]) -> _Set:
    found = _Set()
    for entry in entries:
        posted = (entry.request.method, entry.request.url.rstrip("/").rpartition("/")[2]) == ("POST", entry.kind)
        if entry.kind == "Parameters" and entry.request.method == "PATCH":
            found.patches.append(entry)
        elif not posted:
            raise Invalid("bad_request_entry", "Chaque entrée se dépose par POST à l’adresse de son type.")
        elif entry.kind == "DocumentReference":
            found.papers.append((entry, incoming.publication(entry.resource)))
        elif entry.kind == "List":
            found.lists.append(entry)
        elif entry.kind == "Binary":
            found.binaries.append(entry)
        else:
            raise Invalid("bad_request_entry", "Cette entrée n’a pas sa place dans un lot de documents.")
    if not found.papers or len(found.lists) > 1:
        raise Invalid("no_document", "Un lot a un List au plus, et un DocumentReference au moins.")
    return found


def _content(attachment: Attachment, entry: _Entry) -> bytes:
    return incoming.octets(attachment, incoming.converted(entry.resource, _Binary).data)


def _only_what_replacing_does(together: _Set) -> None:
    """Raises `Invalid` for a change of anything but the status of a document that this transaction replaces."""
    replaced = {said.replaces for _, said in together.papers if said.replaces}
    for entry in together.patches:
        asked = incoming.converted(entry.resource, _Parameters).parameter
        said = [{part.name: part.value_code or part.value_string for part in one.part} for one in asked]
        wanted = {"type": "replace", "path": "DocumentReference.status", "value": "superseded"}
        if entry.request.url not in replaced or said != [wanted]:
            raise Invalid("bad_request_entry", "Seul le document remplacé peut être dit « superseded » ici.")


def _about(lists: list[_Entry]) -> dict[str, str]:
    """What is kept of the submission set."""
    if not lists:
        return {}
    said = incoming.converted(lists[0].resource, _List)
    kept = {}
    for one in said.extension:
        url = str(one.get("url", ""))
        if url.endswith("ihe-designationType"):
            concept = incoming.converted(one.get("valueCodeableConcept", {}), Concept)
            coding = concept.coding[0] if concept.coding else Coding()
            kept["designation"] = documents.kept(msgspec.to_builtins(coding))
        elif url.endswith("ihe-sourceId"):
            kept["source_id"] = incoming.converted(one.get("valueIdentifier", {}), Identifier).value[:200]
    identifier = next((one.value for one in said.identifier if one.value), "")
    if identifier:
        kept["set"] = identifier[:200]
    return {name: value for name, value in kept.items() if value}


async def _answer(call: Call, entries: list[_Entry], together: _Set, done: depositing.Deposited) -> web.Response:
    """transaction-response: one entry for each, in their order."""
    place = {id(entry): number for number, (entry, _) in enumerate(together.papers)}
    by_url = {said.attachment.url: number for number, (_, said) in enumerate(together.papers)}
    told: list[Json] = []
    for entry in entries:
        if entry.kind == "Parameters":
            told.append({"response": {"status": "200 OK", "location": entry.request.url}})
            continue
        number = place.get(id(entry), 0)
        if entry.kind == "Binary":
            number = next(by_url[name] for name in entry.names() if name in by_url)
        answer: Json = {"response": {"status": "201 Created", "location": f"{entry.kind}/{done[number]}"}}
        if entry.kind == "DocumentReference" and "return=representation" in call.prefer:
            resource = await depositing.representation(call, done[number])
            answer["resource"] = resource
            answer["response"]["etag"] = f'W/"{resource["meta"]["versionId"]}"'
        told.append(answer)
    return outcome.response({"resourceType": "Bundle", "type": "transaction-response", "entry": told})


# ---- measures ----


async def _measures(call: Call, entries: list[_Entry]) -> web.Response:
    devices = {name: entry.resource for entry in entries if entry.kind == "Device" for name in entry.names()}
    said = [entry.resource for entry in entries if entry.kind == "Observation"]
    if any(entry.request.method != "POST" or entry.request.url != entry.kind for entry in entries) or not said:
        raise Invalid("bad_request_entry", "Chaque entrée se dépose par POST à l’adresse de son type.")
    ids = iter(await measuring.keep(call, said, devices))
    told = []
    for entry in entries:
        answer: Json = {"status": "201 Created"}
        if entry.kind == "Observation":
            answer["location"] = f"Observation/{next(ids)}"
        told.append({"response": answer})
    return outcome.response({"resourceType": "Bundle", "type": "transaction-response", "entry": told})
