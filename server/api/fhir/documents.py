"""DocumentReference, Binary and List: the documents of a dossier as the PDSm guide says them (ITI-66, 67, 68).

The identifiers (CI-SIS, annexe des identifiants): masterIdentifier is the producer's uniqueId; the id is ours, stable
across changes of metadata. What the dossier does not model (facility, setting, event, format) is given back as it came.
A document that its author withdrew is there for its patient and its author alone, as entered-in-error.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from aiohttp import web

from server import people
from server.api.fhir import outcome, terms, whom
from server.api.fhir.asking import Param, Value
from server.api.fhir.front import Call, Found
from server.api.fhir.terms import Json, filled, outer
from server.api.files import as_download
from server.dossier import documents as shelf
from server.dossier.documents import Seen
from server.dossier.habilitation import ARCHIVED
from server.drafts import FileFacts
from server.errors import Refused
from server.handles import DossierHandle
from server.people import Traits

SEARCHED: Final = (
    Param("identifier", "token", "masterIdentifier (uniqueId), or our own number"),
    Param("status", "token", "current, superseded, entered-in-error"),
    Param("type", "token"),
    Param("category", "token", "The class (TRE_A03)"),
    Param("date", "date", "When it was put in the dossier"),
    Param("creation", "date", "When it was made"),
    Param("period", "date", "Of the act"),
    Param("period-start", "date"),
    Param("period-end", "date"),
    Param("PDSm_DocumentReference_period-start", "date"),
    Param("PDSm_DocumentReference_period-end", "date"),
    Param("facility", "token"),
    Param("setting", "token"),
    Param("event", "token"),
    Param("format", "token"),
    Param("security-label", "token"),
    Param("author", "token", "The national number of an author"),
    Param("author.family", "string"),
    Param("author.given", "string"),
    Param("isArchived", "token", "true or false"),
    Param("PDSm_isArchived", "token", "true or false"),
    Param("relatesto", "reference"),
)
LISTS: Final = (
    Param("identifier", "token"), Param("status", "token"), Param("code", "token"), Param("date", "date"),
    Param("DesignationType", "token"), Param("SourceId", "token"), Param("title", "string"),
)  # fmt: skip
_STATUS: Final = {"replaced": "superseded", "deleted": "entered-in-error"}
_LIST_TYPES: Final = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
_MHD: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition"


async def everything(call: Call, handle: DossierHandle) -> list[Found]:
    """Every document that its reader may see, the newest filed first."""
    traits, seen = await _seen(call, handle)
    older = {item.row.replaced_by: item.row.id for item in seen if item.row.replaced_by}
    return [_found(handle, traits, item, older.get(item.row.id, "")) for item in seen]


async def _seen(call: Call, handle: DossierHandle) -> tuple[Traits | None, list[Seen]]:
    told = whom.reads_as_office(handle)
    return await call.app.db.read(
        lambda tx: (
            people.traits(call.app, tx, handle.space_id) if told else None,
            [item for item in shelf.seen(tx, handle) if _served(handle, item)],
        )
    )


def _served(handle: DossierHandle, item: Seen) -> bool:
    theirs = handle.ground == "self" or item.row.author_id == handle.actor.account_id
    return item.row.state != "deleted" or theirs


def _found(handle: DossierHandle, traits: Traits | None, item: Seen, replaces: str) -> Found:
    def values(name: str) -> list[Value]:
        if name == "relatesto":
            return [outer(handle.space_id, replaces)] if replaces else []
        return _values(handle, item, name)

    return Found(
        outer(handle.space_id, item.row.id),
        changed_at(item),
        values,
        lambda: document_reference(handle, traits, item, replaces),
    )


def changed_at(item: Seen) -> int:
    return max(item.row.filed_at, item.row.changed_at or 0, *(mark.at for mark in item.marks.values()))


# ---- one document ----


def document_reference(handle: DossierHandle, traits: Traits | None, item: Seen, replaces: str) -> Json:
    """PDSm_ComprehensiveDocumentReference. `traits`: of the patient, when the reader may be told. `replaces`: the
    older version that its reader sees too.
    """
    row, facts, extra = item.row, item.facts, item.facts.extra
    contained = [*([_source_patient(traits)] if traits else []), *_authors(facts, handle.space_id, row.source)[0]]
    context = filled({
        "event": [_coded(extra[name]) for name in extra if name.startswith("event")],
        "period": filled({"start": extra.get("period_start", ""), "end": extra.get("period_end", "")}),
        "facilityType": _coded(extra.get("facility", "")),
        "practiceSetting": _coded(extra.get("setting", "")),
        "sourcePatientInfo": {"reference": "#patient"} if traits else {},
    })  # fmt: skip
    return filled({
        "resourceType": "DocumentReference",
        "meta": {"profile": [f"{terms.PDSM}/pdsm-comprehensive-document-reference"]},
        "contained": contained,
        "extension": [{"url": terms.IS_ARCHIVED, "valueBoolean": ARCHIVED in item.marks}],
        "masterIdentifier": {"system": terms.URI, "value": terms.uri(facts.unique_id)} if facts.unique_id else {},
        "identifier": [{"system": terms.ENTRIES, "value": outer(handle.space_id, row.id)}],
        "status": _STATUS.get(row.state, "current"),
        "type": terms.type_concept(facts.document_type, facts.document_label),
        "category": [one for one in (terms.class_concept(facts.document_type, facts.class_code),) if one],
        "subject": terms.reference("Patient", handle.space_id),
        "date": terms.instant(row.filed_at),
        "author": _authors(facts, handle.space_id, row.source)[1],
        "relatesTo": [{"code": "replaces", "target": terms.reference("DocumentReference", handle.space_id, replaces)}]
        if replaces else [],
        "description": facts.title,
        "securityLabel": terms.security(facts.confidentiality, tuple(item.marks)),
        "content": [_content(handle, item)],
        "context": context,
    })  # fmt: skip


def _content(handle: DossierHandle, item: Seen) -> Json:
    facts, extra = item.facts, item.facts.extra
    sha1 = bytes.fromhex(extra.get("sha1", ""))
    attachment = filled({
        "contentType": "application/xml" if item.row.original_blob else facts.type.partition(";")[0] or "*/*",
        "language": extra.get("language", "fr-FR"),
        "url": f"Binary/{outer(handle.space_id, item.row.id)}" if item.row.state != "deleted" else "",
        "size": int(extra.get("size", "") or (0 if item.row.original_blob else facts.size)) or None,
        "hash": base64.b64encode(sha1).decode(),
        "title": facts.title or facts.name,
        "creation": terms.moment(facts.created),
    })  # fmt: skip
    return filled({"attachment": attachment, "format": _bare(extra.get("format", ""))})


def _source_patient(traits: Traits) -> Json:
    identifier = {"system": f"urn:oid:{traits.oid}", "value": traits.ins}
    names = [{"use": "official", "family": traits.birth_name, "given": [traits.given]}]
    return filled({
        "resourceType": "Patient", "id": "patient", "identifier": [identifier], "name": names,
        "gender": gender(traits.sex), "birthDate": traits.birth_date,
    })  # fmt: skip


def gender(sex: str) -> str:
    return {"F": "female", "M": "male"}.get(sex, "unknown")


def _authors(facts: FileFacts, space_id: str, source: str) -> tuple[list[Json], list[Json]]:
    """(contained, references): who wrote it, and for which organisation."""
    if source == "patient":
        return [], [terms.reference("Patient", space_id)]
    contained: list[Json] = []
    numbers = [one for one in facts.extra.get("authors", "").split(",") if one]
    for place, name in enumerate(
        [one.strip() for one in facts.author.split(",") if one.strip()] or [""] * len(numbers)
    ):
        number = numbers[place] if place < len(numbers) else ""
        identifier = [{"system": terms.PROFESSIONALS, "value": number}] if number else []
        contained.append(filled({
            "resourceType": "Practitioner", "id": f"author-{place + 1}", "identifier": identifier,
            "name": [{"text": name}] if name else [],
        }))  # fmt: skip
    if facts.organisation:
        contained.append({"resourceType": "Organization", "id": "organization", "name": facts.organisation})
    references = [{"reference": f"#{one['id']}"} for one in contained]
    return contained, references or [{"display": "Auteur inconnu"}]


# What is kept as it came is one coding, as JSON: (system, code, display).


def kept(coding: Json) -> str:
    """A coding as it is kept; "" of nothing."""
    told = [str(coding.get(name, "")) for name in ("system", "code", "display")]
    return json.dumps(told, ensure_ascii=False) if told[1] else ""


def _triple(text: str) -> tuple[str, str, str]:
    system, code, display = json.loads(text) if text else ("", "", "")
    return system, code, display


def _bare(text: str) -> Json:
    return terms.coding(*_triple(text))


def _coded(text: str) -> Json:
    return {"coding": [_bare(text)]} if text else {}


# ---- what a search compares ----


def _values(handle: DossierHandle, item: Seen, name: str) -> list[Value]:
    row, facts, extra = item.row, item.facts, item.facts.extra
    match name.removeprefix("PDSm_").removeprefix("DocumentReference_"):
        case "identifier":
            own = (terms.ENTRIES, outer(handle.space_id, row.id))
            return [(terms.URI, terms.uri(facts.unique_id)), ("", facts.unique_id), own] if facts.unique_id else [own]
        case "status":
            return [("http://hl7.org/fhir/document-reference-status", _STATUS.get(row.state, "current"))]
        case "type":
            return [*terms.type_tokens(facts.document_type)]
        case "category":
            return [*_tokens(terms.class_concept(facts.document_type, facts.class_code))]
        case "date":
            return [terms.instant(row.filed_at)]
        case "creation":
            return [facts.created] if facts.created else []
        case "period":
            start, end = extra.get("period_start", ""), extra.get("period_end", "")
            return [f"{start}/{end or start}"] if start or end else []
        case "period-start" | "period-end":
            told = extra.get(name.rpartition("_")[2].replace("-", "_"), "")
            return [told] if told else []
        case "facility" | "setting" | "format" as kind:
            return [_triple(extra[kind])[:2]] if kind in extra else []
        case "event":
            return [_triple(value)[:2] for key, value in extra.items() if key.startswith("event")]
        case "security-label":
            labels = terms.security(facts.confidentiality, tuple(item.marks))
            return [token for label in labels for token in _tokens(label)]
        case "author":
            return [(terms.PROFESSIONALS, one) for one in extra.get("authors", "").split(",") if one]
        case "author.family" | "author.given":
            return [facts.author]
        case "isArchived":
            return [str(ARCHIVED in item.marks).lower()]
        case _:
            return []


def _tokens(concept: Json) -> Iterator[tuple[str, str]]:
    for one in concept.get("coding", ()):
        yield one.get("system", ""), one["code"]


# ---- ITI-68: the document itself ----


async def binary(call: Call) -> web.Response:
    """`GET /Binary/{id}`: the octets, or with `Accept: application/fhir+json` a Binary. It downloads, in a sandbox."""
    space_id, document_id = terms.inner(call.id)
    handle = await whom.opened(call, space_id)
    found = next((item for item in (await _seen(call, handle))[1] if item.row.id == document_id), None)
    if found is None or found.row.state == "deleted":
        raise Refused
    facts, data = await shelf.open_document(call.app, handle, document_id, whole=True)
    kind = facts.type.partition(";")[0].strip().lower()
    if "fhir+json" in call.request.headers.get("Accept", "") or "json" in dict(call.given).get("_format", ""):
        subject = f"DocumentReference/{call.id}"
        return outcome.response({
            "resourceType": "Binary", "id": call.id, "contentType": kind or "application/octet-stream",
            "securityContext": {"reference": subject}, "data": base64.b64encode(data).decode(),
        })  # fmt: skip
    return as_download(facts, data)


# ---- ITI-66: what came together ----


async def lists(call: Call, handle: DossierHandle) -> list[Found]:
    """The submission sets: what was deposited by one transaction, or came in one letter."""
    _, seen = await _seen(call, handle)
    sets: dict[str, list[Seen]] = {}
    for item in seen:
        sets.setdefault(item.facts.extra.get("set") or item.row.message_id or item.row.id, []).append(item)
    return [_list(handle, together) for together in sets.values()]


def _list(handle: DossierHandle, together: list[Seen]) -> Found:
    first = min(together, key=lambda item: (item.row.filed_at, item.row.id))
    extra = first.facts.extra

    def values(name: str) -> list[Value]:
        match name:
            case "identifier":
                return [(terms.URI, extra["set"])] if "set" in extra else []
            case "status":
                return [("http://hl7.org/fhir/list-status", "current")]
            case "code":
                return [(_LIST_TYPES, "submissionset")]
            case "date":
                return [terms.instant(first.row.filed_at)]
            case "DesignationType":
                return [_triple(extra["designation"])[:2]] if "designation" in extra else []
            case "SourceId":
                return [extra["source_id"]] if "source_id" in extra else []
            case _:
                return [first.facts.title]

    return Found(
        outer(handle.space_id, first.row.id),
        max(changed_at(item) for item in together),
        values,
        lambda: _submission_set(handle, first, together),
    )


def _submission_set(handle: DossierHandle, first: Seen, together: Iterable[Seen]) -> Json:
    extra = first.facts.extra
    contained, sources = _authors(first.facts, handle.space_id, first.row.source)
    extensions: list[Any] = []
    if "designation" in extra:
        extensions.append({"url": f"{_MHD}/ihe-designationType", "valueCodeableConcept": _coded(extra["designation"])})
    if "source_id" in extra:
        identifier = {"system": terms.URI, "value": extra["source_id"]}
        extensions.append({"url": f"{_MHD}/ihe-sourceId", "valueIdentifier": identifier})
    return filled({
        "resourceType": "List",
        "meta": {"profile": [f"{terms.PDSM}/pdsm-submissionset-comprehensive"]},
        "contained": [one for one in contained if sources[0] == {"reference": f"#{one['id']}"}],
        "extension": extensions,
        "identifier": [{"use": "usual", "system": terms.URI, "value": extra["set"]}] if "set" in extra else [],
        "status": "current",
        "mode": "working",
        "title": first.facts.title,
        "code": terms.one_concept(_LIST_TYPES, "submissionset"),
        "subject": terms.reference("Patient", handle.space_id),
        "date": terms.instant(first.row.filed_at),
        "source": sources[0],
        "entry": [{"item": terms.reference("DocumentReference", handle.space_id, item.row.id)} for item in together],
    })  # fmt: skip
