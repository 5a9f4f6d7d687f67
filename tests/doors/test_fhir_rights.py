"""Who may do what through the FHIR façade: every resource and interaction, by everybody, on what belongs to Dominique.

The expectations stand beside the table: an interaction without a line here fails the test.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server import logs
from server.api.fhir import TABLE
from server.dossier.standing import ConsentFacts
from server.formats.findings import Allergy, Coded, Immunisation, Measure, Problem, Quantity, Result, Treatment
from storage import accounts, consents, exchanges
from storage.consents import Consent
from storage.ids import new_id, now_ms
from tests import letters
from tests.support.api import Api, Reply, open_api
from tests.support.fhir import NIR, ask, code, filed, found, located, noted, publish, simple

EVERYBODY = (
    "dominique", "camille", "marcel", "morel", "leroy", "lunel", "rossi", "petit", "admissions", "pharmacy", "lab",
    "carnet", "operator",
)  # fmt: skip
# Dr Leroy treats Dominique; the optician and the pharmacist have her consent too; Dr Morel and the admissions team
# wrote to her, no more; the laboratory deposited a report; the service was granted the list of her documents. A report
# of a consultation is a general practitioner's and a pharmacist's to read, not an optician's.
READERS = {"dominique", "leroy", "rossi"}
KNOW_HER = READERS | {"lunel", "morel", "admissions", "petit"}
FINDERS = KNOW_HER | {"lab"}
OFFICES = {"morel", "leroy", "lunel", "rossi", "petit", "admissions", "pharmacy"}
ASKED = {"resourceType": "Questionnaire", "title": "Avant", "url": "https://chu.example/q", "version": "1",
         "item": [{"linkId": "1", "type": "boolean", "text": "Fumez-vous ?"}]}  # fmt: skip

# resource, interaction → who gets a 2xx when they name Dominique, or a thing of hers that her letter's report says.
MAY: Mapping[tuple[str, str], set[str]] = {
    ("DocumentReference", "search-type"): FINDERS | {"carnet"},
    ("DocumentReference", "read"): READERS | {"carnet"},
    ("DocumentReference", "create"): {"dominique", "morel", "leroy", "lunel", "rossi", "admissions", "pharmacy", "lab"},
    ("DocumentReference", "patch"): {"dominique"},
    ("Binary", "read"): READERS,
    ("List", "search-type"): FINDERS | {"carnet"},
    ("List", "read"): READERS | {"carnet"},
    ("Observation", "search-type"): FINDERS,
    ("Observation", "read"): READERS,
    ("Observation", "create"): {"dominique"},
    ("Immunization", "search-type"): FINDERS,
    ("Immunization", "read"): READERS,
    ("AllergyIntolerance", "search-type"): FINDERS,
    ("AllergyIntolerance", "read"): READERS,
    ("Condition", "search-type"): FINDERS,
    ("Condition", "read"): READERS,
    ("MedicationStatement", "search-type"): FINDERS,
    ("MedicationStatement", "read"): READERS,
    # An office finds what it organises: of Dominique nothing, which is an empty answer; the laboratory proposed one.
    ("Appointment", "search-type"): {who for who in EVERYBODY if who not in {"camille", "marcel", "operator"}},
    ("Appointment", "read"): {"dominique", "lab"},
    ("Appointment", "create"): {who for who in EVERYBODY if who not in {"dominique", "camille", "marcel", "operator"}},
    ("Appointment", "update"): {"lab"},
    ("Consent", "search-type"): {"dominique", "carnet"},
    ("Consent", "read"): {"dominique", "carnet"},
    ("AuditEvent", "search-type"): {"dominique"},
    ("AuditEvent", "read"): {"dominique"},
    ("Questionnaire", "search-type"): set(EVERYBODY) - {"operator"},
    ("Questionnaire", "read"): {"admissions"},
    ("Questionnaire", "create"): OFFICES,
    ("QuestionnaireResponse", "search-type"): FINDERS,
    ("QuestionnaireResponse", "read"): {"dominique", "admissions", "petit"},
    ("Patient", "search-type"): KNOW_HER,
    ("Patient", "read"): KNOW_HER,
    ("", "transaction"): {"dominique", "morel", "leroy", "lunel", "rossi", "admissions", "pharmacy", "lab"},
}
TOLD_WHY = {"Consent", "AuditEvent"}  # whoever has the dossier is told that these are the patient's own


@dataclass
class Things:
    """Dominique's: her space, and one resource of each kind, by id in the façade."""

    space: str
    ids: dict[str, str]


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


async def allow(api: Api, who: str, kind: str = "treating", things: tuple[str, ...] = ()) -> str:
    """Dominique lets somebody read; the consent's id."""
    app, space = api.house.app, api.house.dominique

    def write(tx: Any) -> str:
        known = accounts.space(tx, space.space_id)
        assert known is not None
        keys, one = app.vault.space(known.id, known.wrapped_key), new_id()
        sealed = keys.seal("consent", one, msgspec.json.encode(ConsentFacts(things)))
        account = api.house.people[who].account_id
        consent = Consent(known.id, one, account, kind, b"", now_ms(), None, space.account_id, "")
        consents.insert(tx, consent, sealed)
        return one

    return await app.db.write(write)


async def settle(api: Api) -> Things:
    document = await filed(api, title="Visite")
    at = "2026-11-20T10:15:00+01:00"
    for one in (
        Result(at=at, analyte=Coded(label="Sodium"), value=Quantity("140", "mmol/L")), Immunisation(at=at),
        Allergy(agent=Coded(label="Latex")), Problem(what=Coded(label="Asthme")), Treatment(product=Coded(label="Fer")),
    ):  # fmt: skip
        await noted(api, one, document)
    located(await publish(api, "lab", simple(api, letters.cda())))
    for who in ("morel", "admissions"):
        await api.letter(who, "dominique")
    offer = await api.letter("carnet", "dominique", card={"type": "service", "service": "carnet-sante"})
    await api.post("dominique", f"/messages/{offer['message']}/actions/catalogue.grant", {})
    for who in ("leroy", "lunel", "rossi"):
        await allow(api, who)
    asked = await api.letter("admissions", "dominique", card={"type": "form", "questionnaire": ASKED})
    await api.post("dominique", f"/messages/{asked['message']}/actions/forms.send", {"values": {"a.1": True}})
    proposed = {"title": "Prise de sang", "moments": [{"start": "2028-12-01T09:00:00+01:00"}]}
    await api.post("lab", "/appointments", proposed | {"to": api.house.ins("dominique")})
    space = api.house.dominique.space_id.replace("_", ".")
    kept = (await ask(api, "admissions", "POST", "/Questionnaire", json=ASKED)).headers["Location"]
    ids = {"Patient": space, "Questionnaire": kept.rpartition("/")[2]}
    for kind in TABLE.resources:
        if kind not in {*ids, "Binary"}:
            wanted = (
                {"type": "11488-4"} if kind == "DocumentReference" else {"title": "Visite"} if kind == "List" else {}
            )
            resources = await found(api, "dominique", kind, **wanted)
            granted = [one for one in resources if "Mon carnet" in json.dumps(one)]
            ids[kind] = (granted if kind == "Consent" else resources)[0]["id"]
    ids["Binary"] = ids["DocumentReference"]
    return Things(space, ids)


async def call(api: Api, who: str, kind: str, interaction: str, things: Things) -> Reply:
    """A request that is right in form, on these things."""
    where = f"/{kind}/{things.ids.get(kind, '')}"
    subject = {"reference": f"Patient/{things.space}"}
    named = {"identifier": {"system": NIR, "value": letters.DOMINIQUE}}
    match interaction:
        case "read":
            return await ask(api, who, "GET", where)
        case "search-type" if kind == "Patient":
            return await ask(api, who, "POST", "/Patient/_search", data={"_id": things.space})
        case "search-type":
            return await ask(api, who, "POST", f"/{kind}/_search", data={"patient": subject["reference"]})
        case "patch":
            archived = {"op": "replace", "path": "/extension/0/valueBoolean", "value": True}
            headers = {"Content-Type": "application/json-patch+json"}
            return await ask(api, who, "PATCH", where, data=json.dumps([archived]), headers=headers)
        case "transaction":
            document = simple(api, letters.pdf(f"lot de {who}"), subject=named)
            request = {"method": "POST", "url": "DocumentReference"}
            bundle = {"resourceType": "Bundle", "type": "transaction",
                      "entry": [{"resource": document, "request": request}]}  # fmt: skip
            return await ask(api, who, "POST", "", json=bundle)
        case _ if kind == "Questionnaire":
            return await ask(api, who, "POST", "/Questionnaire", json=ASKED)
        case _ if kind == "Appointment":
            planned = {
                "resourceType": "Appointment", "status": "booked", "start": "2028-12-02T09:00:00Z",
                "participant": [{"actor": {"type": "Patient", **named}, "status": "accepted"}],
            }  # fmt: skip
            method, path = ("PUT", where) if interaction == "update" else ("POST", "/Appointment")
            return await ask(api, who, method, path, json=planned)
        case _ if kind == "Observation":
            weight = {
                "resourceType": "Observation", "status": "final", "subject": named,
                "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "effectiveDateTime": "2026-11-20", "valueQuantity": {"value": 70, "code": "kg"},
            }  # fmt: skip
            return await ask(api, who, "POST", "/Observation", json=weight)
    return await publish(api, who, simple(api, letters.pdf(f"de {who}"), subject=named))


def test_every_interaction_says_who_may() -> None:
    served = {(row.name, one) for row in TABLE.resources.values() for one in row.interactions()}
    assert served | {("", "transaction")} == set(MAY)


async def test_nobody_reaches_what_is_dominiques_but_those_who_may(api: Api) -> None:
    things = await settle(api)
    nobody = Things(new_id().replace("_", "."), {kind: (new_id() + new_id()).replace("_", ".") for kind in things.ids})
    served: dict[tuple[str, str], set[str]] = {one: set() for one in MAY}
    # Reading first: whoever deposits has something of their own to read.
    for kind, interaction in sorted(MAY, key=lambda one: one[1] in {"create", "transaction"}):
        unknown = await call(api, "", kind, interaction, things)
        assert (unknown.status, code(unknown)) == (401, "unauthorised"), (kind, interaction)
        for who in reversed(EVERYBODY):  # Dominique last: what she changed, others could not
            answer = await call(api, who, kind, interaction, things)
            if answer.status < 300:
                served[kind, interaction].add(who)
            elif who == "operator":
                assert (answer.status, code(answer)) == (403, "no_content")
            elif interaction in {"create", "transaction"}:
                assert answer.status in {403, 404}, (kind, who)
            elif answer.status == 403:
                told = "patients_own" if kind in TOLD_WHY else "not_your_document"
                assert (interaction == "patch" or kind in TOLD_WHY, code(answer)) == (True, told), (kind, who)
            else:
                absent = await call(api, who, kind, interaction, nobody)
                assert (answer.status, answer.data) == (404, absent.data), (kind, interaction, who)
    assert served == MAY


async def test_each_document_is_decided_on_by_itself(api: Api) -> None:
    for title, mark in (("Montré", ""), ("Masqué", "hidden"), ("À annoncer", "untold"), ("Secret", "secret")):
        await filed(api, title=title, mark=mark, data=title.encode())
    await filed(api, title="Optique", document_type="78513-9", data=b"%PDF-1.4 vue")
    await filed(api, title="Restreint", confidentiality=("R",), data=b"%PDF-1.4 r")
    for who in ("leroy", "lunel"):
        await allow(api, who)
    await allow(api, "benali", "explicit", ("biology",))

    async def titles(who: str) -> set[str]:
        return {one["description"] for one in await found(api, who, "DocumentReference", patient="dominique")}

    assert await titles("dominique") == {"Montré", "Masqué", "Secret", "Optique", "Restreint"}
    assert await titles("leroy") == {"Montré", "À annoncer", "Secret", "Optique"}
    assert await titles("lunel") == {"Optique"}
    assert await titles("benali") == set(), "what is not named is not there"


async def test_a_finding_is_seen_by_whoever_sees_its_document(api: Api) -> None:
    hidden = await filed(api, title="Masqué", document_type="11502-2", category="biology", mark="hidden")
    sodium = Result(at="2026-11-20", analyte=Coded(label="Sodium"), value=Quantity("140", "mmol/L"))
    await noted(api, sodium, hidden)
    weight = Measure(at="2026-11-20", what=Coded("29463-7", "", "Poids"), value=Quantity("70", "kg"))
    await noted(api, weight)
    await allow(api, "leroy")
    assert len(await found(api, "dominique", "Observation")) == 2
    (only,) = await found(api, "leroy", "Observation", patient="dominique")
    assert only["code"]["coding"][0]["code"] == "29463-7"


async def test_a_right_that_ended_is_a_right_no_more(api: Api) -> None:
    one = await filed(api)
    consent = await allow(api, "leroy")
    (resource,) = await found(api, "leroy", "DocumentReference", patient="dominique")
    space, account = api.house.dominique, api.house.leroy.account_id
    await api.house.app.db.write(exchanges.record, space.space_id, account, "block", "blocked", space.account_id)
    assert await found(api, "leroy", "DocumentReference", patient="dominique") == []
    assert (await publish(api, "leroy", simple(api, letters.pdf()))).status == 201, "who is blocked may still deposit"
    await api.house.app.db.write(exchanges.record, space.space_id, account, "block", "free", space.account_id)
    await api.house.app.db.write(consents.end, space.space_id, consent, space.account_id)
    answer = await ask(api, "leroy", "GET", f"/DocumentReference/{resource['id']}")
    assert (answer.status, one) == (404, one)


async def test_whoever_tries_numbers_one_after_the_other_waits(api: Api) -> None:
    for number in range(20):
        form = {"patient.identifier": f"{NIR}|1800175056{number:05}"}
        answer = await ask(api, "morel", "POST", "/DocumentReference/_search", data=form)
        assert (answer.status, code(answer)) == (404, "not_found")
    form = {"patient.identifier": f"{NIR}|{letters.DOMINIQUE}"}
    answer = await ask(api, "morel", "POST", "/DocumentReference/_search", data=form)
    assert (answer.status, code(answer)) == (429, "too_many_unknown")
    assert answer.headers["Retry-After"]


def test_the_http_library_logs_no_address() -> None:
    """What it would log of each request is its URL, which may name a patient."""
    logs.set_up()
    import logging

    assert not logging.getLogger("aiohttp.access").isEnabledFor(logging.INFO)
