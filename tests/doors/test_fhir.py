"""The FHIR façade, read: what somebody finds of a dossier, and how it says what it knows."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server import access
from server.api.fhir import whole
from server.formats.findings import (
    MASKED,
    Allergy,
    Coded,
    Immunisation,
    Measure,
    Problem,
    Quantity,
    Result,
    Statement,
    Treatment,
)
from storage import visibilities
from tests.support.api import Api, open_api
from tests.support.fhir import LOINC, NIR, ask, code, filed, found, noted
from tests.support.fhir_shapes import faults

OID = "2.16.840.1.113883.6.1"


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


async def test_it_says_of_itself_what_it_serves_and_no_more(api: Api) -> None:
    statement = (await ask(api, "", "GET", "/metadata")).json
    (rest,) = statement["rest"]
    assert statement["fhirVersion"] == "4.0.1"
    assert {one["type"] for one in rest["resource"]} == {
        "DocumentReference", "Binary", "List", "Observation", "Immunization", "AllergyIntolerance", "Condition",
        "MedicationStatement", "Consent", "AuditEvent", "Patient", "Questionnaire", "QuestionnaireResponse",
        "Appointment",
    }  # fmt: skip
    for resource in rest["resource"]:
        said = {one["code"] for one in resource["interaction"]}
        path = f"/{resource['type']}"
        for interaction, method, where in (
            ("search-type", "GET", path), ("search-type", "POST", f"{path}/_search"), ("read", "GET", f"{path}/x"),
            ("create", "POST", path), ("patch", "PATCH", path), ("update", "PUT", f"{path}/x"),
        ):  # fmt: skip
            sends = method in {"PATCH", "PUT"} or (where == path and method == "POST")
            body: dict[str, Any] = {"json": {}} if sends else {}
            answer = await ask(api, "dominique", method, where, **body)
            assert (answer.status == 405) == (interaction not in said), (where, method, answer.status)
        for param in resource.get("searchParam", ()):
            value = "ge2020" if param["type"] == "date" else "Patient/x" if param["name"] == "patient" else "x|y"
            if not param["name"].endswith(".identifier") and path != "/Patient":
                answer = await ask(api, "dominique", "GET", path, params={param["name"]: value})
                assert answer.status == (404 if param["name"] == "patient" else 200), (path, param)


async def test_dominique_finds_her_documents_and_opens_one(api: Api) -> None:
    document = await filed(api, unique_id="1.2.3.4", title="Bilan", data=b"%PDF-1.4 bilan")
    (resource,) = await found(api, "dominique", "DocumentReference", status="current")
    assert resource["id"].endswith(document.replace("_", "."))
    assert resource["masterIdentifier"] == {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.4"}
    assert resource["type"]["coding"][0] == {"system": LOINC, "code": "11488-4",
                                             "display": "CR ou fiche de consultation ou de visite"}  # fmt: skip
    assert resource["category"][0]["coding"][0]["code"] == "10"
    assert resource["extension"][0]["valueBoolean"] is False
    assert [one["resourceType"] for one in resource["contained"]] == ["Patient", "Practitioner", "Organization"]
    assert resource["subject"]["reference"] == "Patient/" + api.house.dominique.space_id.replace("_", ".")
    attachment = resource["content"][0]["attachment"]
    assert (attachment["size"], attachment["creation"]) == (14, "2026-11-20T10:15:00+01:00")
    octets = await ask(api, "dominique", "GET", f"/{attachment['url']}")
    assert (octets.data, octets.headers["Content-Type"]) == (b"%PDF-1.4 bilan", "application/pdf")
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(octets.data).digest()  # noqa: S324 - as the standard
    binary = await ask(api, "dominique", "GET", f"/{attachment['url']}", headers={"Accept": "application/fhir+json"})
    assert base64.b64decode(binary.json["data"]) == octets.data
    read = await ask(api, "dominique", "GET", f"/DocumentReference/{resource['id']}")
    assert read.json == resource
    again = await ask(
        api, "dominique", "GET", f"/DocumentReference/{resource['id']}", headers={"If-None-Match": read.headers["Etag"]}
    )
    assert (again.status, again.data) == (304, b"")


WANTED: dict[str, dict[str, str]] = {
    "status": {"status": "current"},
    "type": {"type": f"{LOINC}|11502-2"},
    "one of two types": {"type": "11502-2,34133-9"},
    "class": {"category": "10", "type": "11502-2"},
    "made in a month": {"creation": "2026-03"},
    "made before": {"creation": "lt2026-04-01"},
    "made between": {"creation": "le2026-04-01", "date": "ge2020"},
    "act": {"period": "2026-03-02"},
    "start of the act": {"period-start": "2026-03"},
    "facility": {"facility": "SA01"},
    "setting": {"setting": "urn:oid:1.2.3|AMBULATOIRE"},
    "format": {"format": "urn:ihe:lab:xd-lab:2008"},
    "event": {"event": "ABCD001"},
    "confidentiality": {"security-label": "MASQUE_PS"},
    "author": {"author.family": "camparini"},
    "author's number": {"author": "801234534765"},
    "archived": {"isArchived": "true"},
    "archived, as the guide names it": {"PDSm_isArchived": "true"},
    "identifier": {"identifier": "urn:ietf:rfc:3986|urn:oid:1.2.9"},
}


async def test_each_parameter_of_the_guide_finds_the_document_that_answers_it(api: Api) -> None:
    await filed(api, title="Autre", document_type="18748-4", category="imaging", created="2026-05-04")
    extra = {
        "facility": '["urn:oid:1.2.3", "SA01", ""]', "setting": '["urn:oid:1.2.3", "AMBULATOIRE", ""]',
        "format": '["", "urn:ihe:lab:xd-lab:2008", ""]', "event0": '["urn:x", "ABCD001", ""]',
        "period_start": "2026-03-02T09:00:00+01:00", "period_end": "2026-03-02T10:00:00+01:00",
        "authors": "801234534765",
    }  # fmt: skip
    document = await filed(
        api, title="Biologie", document_type="11502-2", category="biology", created="2026-03-02T09:00:00+01:00",
        by="lab", author="Marcel CAMPARINI", unique_id="1.2.9", extra=extra, mark="hidden", data=b"%PDF-1.4 b",
    )  # fmt: skip
    for name, wanted in WANTED.items():
        if name == "status":
            assert len(await found(api, "dominique", "DocumentReference", **wanted)) == 2
            continue
        if "archived" in name:
            await _mark(api, document, "archived")
        resources = await found(api, "dominique", "DocumentReference", **wanted)
        assert [one["description"] for one in resources] == ["Biologie"], name
    assert await found(api, "dominique", "DocumentReference", type="11502-2", creation="2027") == []


async def _mark(api: Api, item: str, mark: str) -> None:
    space = api.house.dominique
    await api.house.app.db.write(
        lambda tx: visibilities.record(tx, space.space_id, item, mark, on=True, by=space.account_id)
    )


async def test_pages_follow_one_another_and_say_no_name_nor_number(api: Api) -> None:
    for number in range(5):
        await filed(api, title=f"Bilan {number}", at=1_790_000_000_000 + number, data=b"%%PDF-1.4 %d" % number)
    titles: list[str] = []
    form = {"patient.identifier": f"{NIR}|{api.house.ins('dominique')}", "_count": "2", "author.family": "morel"}
    reply = await ask(api, "dominique", "POST", "/DocumentReference/_search", data=form)
    while True:
        bundle = reply.json
        assert bundle["total"] == (6 if titles else 5)
        titles += [entry["resource"]["description"] for entry in bundle["entry"]]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert not [url for url in links.values() if api.house.ins("dominique") in url or "morel" in url.lower()]
        if "next" not in links:
            break
        if len(titles) == 2:  # what arrives meanwhile moves no page
            await filed(api, title="Nouveau", at=1_790_000_100_000, data=b"%PDF-1.4")
        reply = await ask(api, "dominique", "GET", links["next"].partition("/api/fhir")[2])
    assert titles == [f"Bilan {number}" for number in (4, 3, 2, 1, 0)]


async def test_a_parameter_that_is_not_known_is_said_or_refused_when_that_is_asked(api: Api) -> None:
    await filed(api)
    reply = await ask(api, "dominique", "GET", "/DocumentReference?colour=red&status=current")
    modes = [(entry["search"]["mode"], entry["resource"]["resourceType"]) for entry in reply.json["entry"]]
    assert modes == [("match", "DocumentReference"), ("outcome", "OperationOutcome")]
    assert reply.json["total"] == 1
    strict = await ask(api, "dominique", "GET", "/DocumentReference?colour=red", headers={"Prefer": "handling=strict"})
    assert (strict.status, code(strict)) == (400, "unknown_parameter")
    for path, told in (
        ("status:not=current", "bad_modifier"), ("date=hier", "bad_date"), ("_count=-1", "bad_parameter"),
        ("_page=abcd", "bad_page"), ("patient.identifier=279035121518989", "bad_identifier"),
    ):  # fmt: skip
        refused = await ask(api, "dominique", "GET", f"/DocumentReference?{path}")
        assert (refused.status, code(refused)) == (400, told)


async def test_what_was_found_in_documents_is_said_as_resources_that_lead_to_them(api: Api) -> None:
    document = await filed(api, title="Bilan", document_type="11502-2", category="biology")
    glucose = Coded("14749-6", OID, "Glucose")
    at = "2026-11-20T10:15:00+01:00"
    for one in (
        Result(at=at, analyte=glucose, value=Quantity("5.20", "mmol/L"), same_as=Quantity("0.94", "g/L"), low="3.9",
               high="5.5", interpretation="N", method="hexokinase", specimen="sérum", previous="5.10 mmol/L"),
        Result(at="2026", analyte=Coded(label="Aspect"), value=Quantity("limpide")),
        Result(at=at, analyte=glucose, value=Quantity(MASKED)),
        Measure(at=at, what=Coded("29463-7", OID, "Poids"), value=Quantity("72.40", "kg")),
        Measure(at=at, what=Coded("8480-6", OID, "Systolique"), value=Quantity("130", "mm[Hg]"), group="ta"),
        Measure(at=at, what=Coded("8462-4", OID, "Diastolique"), value=Quantity("80", "mm[Hg]"), group="ta"),
        Immunisation(at="2021-03", product=Coded("60000001", "1.2.250.1.213.2.3.1", "Vaccin"), atc=Coded("J07BX03",
                     "2.16.840.1.113883.6.73", "Covid"), lot="A1", rank="2", site="épaule", reaction="fièvre"),
        Immunisation(done=False, reason="contre-indication"),
        Treatment(at="2026-01-01", until="2026-02-01", product=Coded("60001", "1.2.250.1.213.2.3.1", "Paracétamol"),
                  dose="1 g trois fois par jour", route="orale", line="1.2.3^4"),
        Treatment(mood="INT", product=Coded(label="Ibuprofène")),
        Allergy(agent=Coded("373270004", "2.16.840.1.113883.6.96", "Pénicilline"), reaction="urticaire",
                severity="moderate"),
        Allergy(none_known=True),
        Problem(at="2019", what=Coded("E11", "2.16.840.1.113883.6.3", "Diabète"), until="2021-05-02"),
        Problem(none_known=True),
    ):  # fmt: skip
        await noted(api, one, document)
    observations = await found(api, "dominique", "Observation")
    by_code = {one["code"]["coding"][0]["code"] if "coding" in one["code"] else one["code"]["text"]: one
               for one in observations}  # fmt: skip
    assert len(observations) == 5
    pressure = by_code["85354-9"]
    assert [part["valueQuantity"]["value"] for part in pressure["component"]] == [130, 80]
    assert by_code["Aspect"]["valueString"] == "limpide"
    assert by_code["Aspect"]["effectiveDateTime"] == "2026"
    (weight,) = await found(api, "dominique", "Observation", code=f"{LOINC}|29463-7")
    assert weight["valueQuantity"] == {"value": 72.4, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    results = await found(api, "dominique", "Observation", category="laboratory", code="14749-6")
    assert [one.get("dataAbsentReason", {}).get("coding", [{}])[0].get("code") for one in results].count("masked") == 1
    measured = next(one for one in results if "valueQuantity" in one)
    assert measured["component"][0]["valueQuantity"]["unit"] == "g/L"
    assert measured["referenceRange"][0]["low"]["value"] == 3.9
    assert measured["derivedFrom"][0]["display"] == "Bilan"
    assert await found(api, "dominique", "Observation", **{"combo-code": "8462-4"}) == [pressure]
    done, not_done = sorted(await found(api, "dominique", "Immunization"), key=lambda one: str(one["status"]))
    assert (done["occurrenceDateTime"], done["lotNumber"]) == ("2021-03", "A1")
    assert (not_done["status"], not_done["statusReason"]["text"]) == ("not-done", "contre-indication")
    assert {one["status"] for one in await found(api, "dominique", "MedicationStatement")} == {"completed", "intended"}
    allergies = await found(api, "dominique", "AllergyIntolerance")
    assert {one["code"]["coding"][0]["code"] for one in allergies} == {"373270004", "716186003"}
    (diabetes,) = await found(api, "dominique", "Condition", code="E11")
    assert diabetes["clinicalStatus"]["coding"][0]["code"] == "resolved"
    link = diabetes["extension"][0]["valueReference"]["reference"]
    assert (await ask(api, "dominique", "GET", f"/{link}")).json["description"] == "Bilan"
    one = measured["id"]
    raw = await ask(api, "dominique", "GET", f"/Observation/{one}")
    assert b'"value":5.20,' in raw.data, "a value keeps its digits"


async def test_a_copy_of_it_all_holds_as_one_bundle(api: Api) -> None:
    document = await filed(api, title="Bilan")
    await noted(api, Result(at="2026", analyte=Coded(label="Sodium"), value=Quantity("140", "mmol/L")), document)
    box = await access.mailbox(api.house.app, api.house.dominique)
    copied = json.loads(await whole.bundle(api.house.app, await access.dossier(api.house.app, box)))
    assert faults(copied) == []
    kinds = {entry["resource"]["resourceType"] for entry in copied["entry"]}
    assert {"DocumentReference", "Observation", "List", "Patient", "AuditEvent"} <= kinds


async def test_what_dominique_entered_herself_is_hers(api: Api) -> None:
    await noted(api, Measure(at="2026-11-20", what=Coded("8867-4", OID, "Pouls"), value=Quantity("62", "/min")))
    await noted(api, Statement(section="habits", text="Je marche"))
    (pulse,) = await found(api, "dominique", "Observation")
    assert pulse["performer"][0]["reference"] == pulse["subject"]["reference"]
    assert "derivedFrom" not in pulse


async def test_a_submission_set_holds_what_came_together(api: Api) -> None:
    for number in range(2):
        await filed(api, title=f"Bilan {number}", extra={"set": "urn:uuid:1"}, data=b"%%PDF-1.4 %d" % number)
    await filed(api, title="Seul")
    lists = await found(api, "dominique", "List", code="submissionset")
    assert sorted(len(one["entry"]) for one in lists) == [1, 2]
    (one,) = await found(api, "dominique", "List", identifier="urn:uuid:1")
    for entry in one["entry"]:
        assert (await ask(api, "dominique", "GET", f"/{entry['item']['reference']}")).status == 200


async def test_dominique_and_whoever_has_her_dossier_read_her_identity(api: Api) -> None:
    (patient,) = await found(api, "dominique", "Patient")
    assert patient["identifier"][0]["system"] == NIR
    assert (patient["name"][0]["family"], patient["gender"], patient["birthDate"]) == (
        "PAT-TROIS",
        "female",
        "1979-03-28",
    )
    await api.letter("morel", "dominique")
    (same,) = await found(api, "morel", "Patient", identifier=f"{NIR}|{api.house.ins('dominique')}")
    assert same == patient
    form = {"patient.identifier": f"{NIR}|{api.house.ins('camille')}"}
    child = await ask(api, "dominique", "POST", "/Condition/_search", data=form)
    assert (child.status, code(child)) == (404, "not_found"), "who acts for somebody is not served here yet"


async def test_what_the_patient_allowed_and_who_did_what_are_theirs_to_read(api: Api) -> None:
    offer = await api.letter("carnet", "dominique", card={"type": "service", "service": "carnet-sante"})
    await api.post("dominique", f"/messages/{offer['message']}/actions/catalogue.grant", {})
    await filed(api, title="Bilan")
    (consent,) = await found(api, "dominique", "Consent", status="active")
    assert consent["provision"]["actor"][0]["reference"]["display"] == "Mon carnet de suivi"
    (theirs,) = await found(api, "carnet", "Consent")
    assert theirs == consent
    resources = await ask(api, "carnet", "GET", f"/DocumentReference?patient={consent['patient']['reference']}")
    (listed,) = [entry["resource"] for entry in resources.json["entry"]]
    assert [one["resourceType"] for one in listed["contained"]] == ["Practitioner", "Organization"], "no identity"
    events = await found(api, "dominique", "AuditEvent", subtype="dossier:read")
    assert {event["agent"][0]["who"]["display"].partition(",")[0] for event in events} == {
        "Dominique PAT-TROIS",
        "Mon carnet de suivi",
    }
    for who in ("carnet", "lab", "morel"):
        await api.letter(who, "dominique")
        refused = await ask(api, who, "GET", "/AuditEvent", params={"patient": consent["patient"]["reference"]})
        assert refused.status in (403, 404), who


async def test_no_log_holds_what_a_search_names(
    api: Api, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    ins = api.house.ins("dominique")
    answer = await ask(api, "dominique", "GET", "/DocumentReference", params={"patient.identifier": f"{NIR}|{ins}"})
    assert answer.status == 200
    refused = await ask(api, "dominique", "GET", "/Condition", params={"patient.identifier": f"{NIR}|x{ins}"})
    assert refused.status == 400
    logged = caplog.text + "".join(capfd.readouterr())
    assert ins not in logged.replace(_client_lines(logged), "")


def _client_lines(text: str) -> str:
    """What the test's own client says of its requests, if anything."""
    return "\n".join(line for line in text.splitlines() if "aiohttp.client" in line)


BROKEN: dict[str, dict[str, Any]] = {
    "an unknown element": {"colour": "red"},
    "a required one missing": {"status": None},
    "a code of no set": {"status": "perhaps"},
    "an empty list": {"category": []},
    "a reference to nothing contained": {"author": [{"reference": "#nobody"}]},
    "a date of no form": {"date": "hier"},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN.keys())
def test_the_shapes_that_answers_are_held_to_find_a_fault(change: dict[str, Any]) -> None:
    good = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"url": "Binary/1"}}]}
    assert faults(good) == []
    assert faults({name: value for name, value in {**good, **change}.items() if value is not None})
