"""Asking the FHIR façade of a house: every answer that is a resource is held to R4 on the way."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from server.dossier import filing
from server.drafts import FileFacts
from server.formats.findings import Finding
from storage.ids import now_ms
from storage.visibilities import record
from tests import letters
from tests.support.api import Api, Reply
from tests.support.fhir_shapes import faults

NIR = "urn:oid:1.2.250.1.213.1.4.10"  # of the test people
LOINC = "http://loinc.org"
REPORT = "11488-4"


async def ask(api: Api, who: str, method: str, path: str, **request: Any) -> Reply:
    reply = await api.reach(who, method, f"/api/fhir{path}", **request)
    if reply.headers.get("Content-Type", "").startswith("application/fhir+json") and reply.data:
        assert not faults(reply.json), (method, path.partition("?")[0], faults(reply.json))
    elif reply.status >= 400:
        raise AssertionError(f"a refusal that is no OperationOutcome: {reply.status} {reply.headers}")
    return reply


def code(reply: Reply) -> str:
    """The stable code of a refusal."""
    assert reply.json["resourceType"] == "OperationOutcome", reply.json
    return str(reply.json["issue"][0]["details"]["coding"][0]["code"])


async def found(api: Api, who: str, kind: str, patient: str = "", **wanted: str) -> list[dict[str, Any]]:
    """What a search by POST finds."""
    form = {**({"patient.identifier": f"{NIR}|{api.house.ins(patient)}"} if patient else {}), **wanted}
    reply = await ask(api, who, "POST", f"/{kind}/_search", data=form)
    assert reply.status == 200, reply.data
    return [entry["resource"] for entry in reply.json.get("entry", ()) if entry["search"]["mode"] == "match"]


async def filed(
    api: Api, patient: str = "dominique", by: str = "", mark: str = "", data: bytes = b"", at: int = 0, **facts: Any
) -> str:
    """A document that stands in a dossier, as if a letter had brought it; its id."""
    app, space = api.house.app, api.house.people[patient]
    keys = await app.db.read(lambda tx: _keys(api, tx, space.space_id))
    data = data or letters.pdf(str(facts))
    known: dict[str, Any] = {
        "name": "cr.pdf", "type": "application/pdf", "size": len(data), "title": "Compte rendu",
        "author": "Dr Agathe MOREL", "organisation": "CHU de Pli", "document_type": REPORT, "category": "reports",
        "created": "2026-11-20T10:15:00+01:00", **facts,
    }  # fmt: skip
    author = api.house.people[by].account_id if by else ""
    ready = await filing.of_octets(app, keys, FileFacts(**known), data, source="letter", author_id=author)
    when = at or now_ms()
    document = await app.db.write(filing.file, app.vault, keys, ready, space.account_id, when)
    if mark:
        await app.db.write(
            lambda tx: record(tx, space.space_id, document, mark, on=True, by=author or "author", at=when)
        )
    return document


async def noted(api: Api, finding: Finding, document: str = "", patient: str = "dominique") -> str:
    """A finding, of a document or entered by the patient; its id."""
    app, space = api.house.app, api.house.people[patient]
    keys = await app.db.read(lambda tx: _keys(api, tx, space.space_id))
    source = "document" if document else "patient"
    return await app.db.write(
        lambda tx: filing.add_finding(tx, keys, finding, source, space.account_id, now_ms(), document_id=document)
    )


def _keys(api: Api, tx: Any, space_id: str) -> Any:
    from storage import accounts

    space = accounts.space(tx, space_id)
    assert space is not None
    return api.house.app.vault.space(space.id, space.wrapped_key)


def simple(api: Api, data: bytes, patient: str = "dominique", **changes: Any) -> dict[str, Any]:
    """A DocumentReference as the simplified publication (ITI-105) has it."""
    resource: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": LOINC, "code": REPORT}]},
        "subject": {"identifier": {"system": NIR, "value": api.house.ins(patient)}},
        "date": "2026-11-20T10:15:00+01:00",
        "author": [{"display": "Dr Agathe MOREL"}],
        "content": [{"attachment": {
            "contentType": "application/pdf", "title": "Consultation", "creation": "2026-11-20T10:15:00+01:00",
            "data": base64.b64encode(data).decode(), "size": len(data),
            "hash": base64.b64encode(hashlib.sha1(data).digest()).decode(),  # noqa: S324 - what the standard asks
        }}],
    }  # fmt: skip
    return {**resource, **changes}


async def publish(api: Api, who: str, resource: dict[str, Any]) -> Reply:
    return await ask(api, who, "POST", "/DocumentReference", json=resource)


def located(reply: Reply) -> str:
    assert reply.status == 201, reply.data
    return reply.headers["Location"].rpartition("/")[2]


async def lines(api: Api, who: str = "dominique") -> list[str]:
    """What « Votre espace » says."""
    entries = (await api.get(who, "/entries")).json["entries"]
    return [entry["message"]["text"] for entry in entries if entry["message"]["kind"] == "line"]


def without(resource: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key != name}
