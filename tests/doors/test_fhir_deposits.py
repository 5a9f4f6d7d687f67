"""The FHIR façade, written to: documents deposited, replaced, withdrawn, marked; measures; the official examples."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from server.api.fhir import front
from tests import letters
from tests.support.api import Api, Reply, open_api
from tests.support.fhir import NIR, ask, code, found, lines, located, publish, simple, without

PDF = letters.pdf("Consultation")
ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


# ---- one document (ITI-105) ------------------------------------------------------------------------------------------


async def test_dr_morel_deposits_a_document_that_dominique_finds_and_is_told_of(api: Api) -> None:
    deposited = located(await publish(api, "morel", simple(api, PDF)))
    (resource,) = await found(api, "dominique", "DocumentReference", status="current")
    assert (resource["id"], resource["description"]) == (deposited, "Consultation")
    assert await lines(api) == ["Dr Agathe MOREL a déposé « Consultation » dans votre dossier."]
    octets = await ask(api, "dominique", "GET", f"/{resource['content'][0]['attachment']['url']}")
    assert octets.data == PDF
    own = await ask(api, "morel", "GET", f"/DocumentReference/{deposited}")
    assert own.status == 200, "the author reads what they deposited, though nobody allowed them to read"


async def test_what_the_dossier_does_not_model_is_given_back_as_it_came(api: Api) -> None:
    event = {"coding": [{"system": "urn:oid:1.2.250.1.213.2.5", "code": "ABCD001", "display": "Acte"}]}
    context = {
        "event": [event], "period": {"start": "2026-11-20T09:00:00+01:00", "end": "2026-11-20T09:30:00+01:00"},
        "facilityType": {"coding": [{"system": "http://snomed.info/sct", "code": "22232009"}]},
        "practiceSetting": {"coding": [{"system": "http://snomed.info/sct", "code": "394802001"}]},
    }  # fmt: skip
    resource = simple(
        api, PDF, context=context, masterIdentifier={"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.7"}
    )
    resource["content"][0]["format"] = {
        "system": "urn:oid:1.3.6.1.4.1.19376.1.2.3",
        "code": "urn:ihe:iti:xds-sd:pdf:2008",
    }
    reply = await ask(
        api, "morel", "POST", "/DocumentReference", json=resource, headers={"Prefer": "return=representation"}
    )
    assert reply.status == 201
    told = reply.json["context"]
    assert {name: told[name] for name in context} == context
    assert reply.json["content"][0]["format"] == resource["content"][0]["format"]
    assert reply.json["masterIdentifier"] == resource["masterIdentifier"]
    assert reply.headers["Etag"] == f'W/"{reply.json["meta"]["versionId"]}"'


async def test_a_deposit_that_is_not_right_is_refused_with_its_reason(api: Api) -> None:
    good = simple(api, PDF)

    def attached(**changes: Any) -> dict[str, Any]:
        changed = deepcopy(good)
        changed["content"][0]["attachment"].update(changes)
        return changed

    level = [{"coding": [{"code": "R"}]}]
    other = {"identifier": {"system": NIR, "value": "150017505604274"}}
    for resource, status, told in (
        ({"resourceType": "Patient"}, 400, "wrong_resource"),
        (without(good, "subject"), 422, "no_patient"),
        (without(good, "status"), 422, "invalid"),
        (without(good, "content"), 422, "invalid"),
        (simple(api, PDF, status="superseded"), 422, "bad_status"),
        (simple(api, PDF, type={"coding": [{"code": "REMB"}]}), 422, "not_depositable"),
        (simple(api, PDF, securityLabel=level), 403, "restricted"),
        (simple(api, PDF, securityLabel=[{"coding": [{"code": "SECRET"}]}]), 422, "bad_mark"),
        (simple(api, PDF, modifierExtension=[{"url": "urn:x"}]), 422, "modifier_extension"),
        (simple(api, PDF, subject={"reference": "Patient/nobody"}), 404, "not_found"),
        (simple(api, PDF, subject={"identifier": {"system": NIR, "value": "180017505604299"}}), 404, "not_found"),
        (simple(api, PDF, context={"sourcePatientInfo": other}), 422, "several_patients"),
        (simple(api, PDF, relatesTo=[{"code": "appends", "target": {"reference": "x"}}]), 422, "bad_relation"),
        (attached(data=""), 422, "no_data"),
        (attached(data="é"), 422, "bad_base64"),
        (attached(size=3), 422, "size_mismatch"),
        (attached(hash="AAAA"), 422, "hash_mismatch"),
        (simple(api, b"MZ\x90"), 422, "bad_file"),
        (simple(api, letters.cda(ins="150017505604274", birth_name="PAT-DEUX")), 422, "wrong_patient_somebody_else"),
        (simple(api, b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>'), 422, "not_a_cda"),
    ):  # fmt: skip
        reply = await publish(api, "morel", resource)
        assert (reply.status, code(reply)) == (status, told), reply.json
    assert (await publish(api, "carnet", good)).status == 403, "a service is no depositor"
    assert (await publish(api, "petit", good)).status == 403, "no health profession"
    assert await found(api, "dominique", "DocumentReference") == []
    plain = await ask(api, "morel", "POST", "/DocumentReference", data=b"{}", headers={"Content-Type": "text/plain"})
    assert (plain.status, code(plain)) == (415, "not_json")
    broken = await ask(
        api, "morel", "POST", "/DocumentReference", data=b"{", headers={"Content-Type": "application/fhir+json"}
    )
    assert (broken.status, code(broken)) == (400, "bad_json")
    xml = await ask(api, "morel", "GET", "/DocumentReference", headers={"Accept": "application/fhir+xml"})
    assert (xml.status, code(xml)) == (406, "not_acceptable")


async def test_dominique_adds_a_document_of_her_own_which_morel_does_not_read(api: Api) -> None:
    hidden = [{"coding": [{"system": VISIBILITY, "code": "MASQUE_PS"}]}]
    resource = without(simple(api, PDF, securityLabel=hidden), "subject")
    one = located(await publish(api, "dominique", resource))
    (own,) = await found(api, "dominique", "DocumentReference")
    assert (own["id"], own["author"]) == (one, [own["subject"]])
    assert await lines(api) == ["Dominique PAT-TROIS a ajouté « Consultation » au dossier."]
    await api.letter("morel", "dominique")
    assert await found(api, "morel", "DocumentReference", patient="dominique") == []
    told = await publish(
        api, "dominique", simple(api, PDF, securityLabel=[{"coding": [{"code": "INVISIBLE_PATIENT"}]}])
    )
    assert (told.status, code(told)) == (422, "own_document")


async def test_the_same_document_is_deposited_once(api: Api) -> None:
    cda = letters.cda()
    located(await publish(api, "lab", simple(api, cda)))
    again = await publish(api, "lab", simple(api, cda))
    assert (again.status, code(again)) == (409, "deposited_before")


async def test_a_deposit_over_the_limit_is_refused_before_it_is_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "MAX_BODY", 1_000)
    reply = await publish(api, "lab", simple(api, b"%PDF-1.4" + bytes(1_000)))
    assert (reply.status, code(reply)) == (413, "body_too_large")


async def test_a_result_that_must_be_told_first_is_not_there_for_dominique(api: Api) -> None:
    label = [{"coding": [{"system": VISIBILITY, "code": "INVISIBLE_PATIENT"}]}]
    deposited = located(await publish(api, "morel", simple(api, PDF, securityLabel=label)))
    assert await found(api, "dominique", "DocumentReference") == []
    assert await lines(api) == []
    own = (await ask(api, "morel", "GET", f"/DocumentReference/{deposited}")).json
    assert [one["coding"][0]["code"] for one in own["securityLabel"]] == ["N", "INVISIBLE_PATIENT"]
    told = await change(api, "morel", f"/{deposited}", {"op": "remove", "path": "/securityLabel/1"})
    assert told.status == 200
    assert [one["id"] for one in await found(api, "dominique", "DocumentReference")] == [deposited], "once it was told"
    spelt = simple(api, letters.pdf("2"), securityLabel=[{"coding": [{"code": "INVISIBLE_REP_LEGAUX"}]}])
    own = (await ask(api, "morel", "GET", f"/DocumentReference/{located(await publish(api, 'morel', spelt))}")).json
    assert own["securityLabel"][1]["coding"][0]["code"] == "INVISIBLE_REPRESENTANTS_LEGAUX", "HL7 v2's spelling too"


# ---- metadata (PATCH) ------------------------------------------------------------------------------------------------


async def change(api: Api, who: str, where: str, *operations: dict[str, Any], **headers: str) -> Reply:
    kind = {"Content-Type": "application/json-patch+json", **headers}
    return await ask(api, who, "PATCH", f"/DocumentReference{where}", data=json.dumps(operations), headers=kind)


def replaced(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


async def test_its_author_changes_what_the_guide_lets_change_and_nothing_else(api: Api) -> None:
    cda = letters.cda(document_id="1.2.250.7")
    one = located(await publish(api, "lab", simple(api, cda)))
    by = {"identifier": "urn:ietf:rfc:3986|urn:oid:1.2.250.7",
          "patient": "Patient/" + api.house.dominique.space_id.replace("_", ".")}  # fmt: skip
    business = "?" + "&".join(f"{name}={value.replace('|', '%7C')}" for name, value in by.items())
    before = await ask(api, "lab", "GET", f"/DocumentReference/{one}")
    archived = await change(api, "lab", business, replaced("/extension/0/valueBoolean", True))
    assert archived.status == 200, archived.data
    assert archived.json["extension"] == [{"url": ARCHIVED, "valueBoolean": True}]
    assert archived.headers["Etag"] != before.headers["Etag"]
    older = {"op": "replace", "path": '/extension[url:"http://x/PDSm_isArchived"]/valueBoolean', "value": "false"}
    assert (await change(api, "lab", f"/{one}", older)).json["extension"][0]["valueBoolean"] is False
    hidden = {"coding": [{"system": VISIBILITY, "code": "MASQUE_PS"}]}
    masked = await change(api, "lab", f"/{one}", {"op": "add", "path": "/securityLabel/-", "value": hidden})
    assert [label["coding"][0]["code"] for label in masked.json["securityLabel"]] == ["N", "MASQUE_PS"]
    late = {"If-Match": before.headers["Etag"]}
    for where, operations, headers, status, told in (
        (f"/{one}", [replaced("/description", "autre")], {}, 405, "not_patchable"),
        (f"/{one}", [replaced("/type", {})], {}, 405, "not_patchable"),
        (f"/{one}", [{"op": "move", "path": "/status"}], {}, 405, "not_patchable"),
        (f"/{one}", [{"op": "add", "path": "/extension/-", "value": {"url": "urn:x"}}], {}, 405, "not_patchable"),
        (f"/{one}", [replaced("/securityLabel", "restricted")], {}, 422, "bad_mark"),
        (f"/{one}", [replaced("/securityLabel", [{"coding": [{"code": "R"}]}])], {}, 422, "bad_mark"),
        (f"/{one}", [replaced("/status", "superseded")], {}, 422, "bad_status"),
        (f"/{one}", [replaced("/extension/9/valueBoolean", True)], {}, 422, "bad_path"),
        (f"/{one}", [{"op": "test", "path": "/status", "value": "superseded"}], {}, 422, "test_failed"),
        (f"/{one}", [replaced("/status", "current")], late, 412, "changed_meanwhile"),
        (f"?identifier=a%7Cb&patient={by['patient']}", [replaced("/status", "current")], {}, 404, "not_found"),
        ("?identifier=a%7Cb", [replaced("/status", "current")], {}, 400, "no_patient"),
        ("", [replaced("/status", "current")], {}, 400, "no_identifier"),
        (f"/{one}", [], {}, 400, "bad_patch"),
    ):  # fmt: skip
        reply = await change(api, "lab", where, *operations, **headers)
        assert (reply.status, code(reply)) == (status, told), (where, operations, reply.json)
    unchanged = await change(api, "lab", f"/{one}", replaced("/status", "current"))
    assert unchanged.status == 200


async def test_only_its_author_withdraws_a_document_and_for_good(api: Api) -> None:
    one = located(await publish(api, "morel", simple(api, PDF)))
    withdraw = replaced("/status", "entered-in-error")
    for who, status in (("dominique", 403), ("leroy", 404), ("lab", 404), ("marcel", 404)):
        assert (await change(api, who, f"/{one}", withdraw)).status == status, who
    done = await change(api, "morel", f"/{one}", withdraw)
    assert (done.status, done.json["status"]) == (200, "entered-in-error")
    assert "url" not in done.json["content"][0]["attachment"]
    assert (await change(api, "morel", f"/{one}", replaced("/status", "current"))).status == 404
    assert (await ask(api, "morel", "GET", f"/Binary/{one}")).status == 404
    (seen,) = await found(api, "dominique", "DocumentReference", status="entered-in-error")
    assert seen["id"] == one
    newer = located(await publish(api, "morel", simple(api, letters.pdf("2"))))
    deleted = {"url": ARCHIVED.replace("archived", "deleted"), "valueBoolean": True}
    both = await change(
        api, "morel", f"/{newer}", {"op": "test", "path": "/status", "value": "current"},
        replaced("/status", "superseded"), {"op": "add", "path": "/extension/-", "value": deleted},
    )  # fmt: skip
    assert (both.status, both.json["status"]) == (200, "entered-in-error"), "as the other draft of the guide says it"


async def test_dominique_hides_a_document_from_professionals_by_patch(api: Api) -> None:
    one = located(await publish(api, "morel", simple(api, PDF)))
    hidden = {"coding": [{"code": "MASQUE_PS"}]}
    reply = await change(api, "dominique", f"/{one}", {"op": "add", "path": "/securityLabel/1", "value": hidden})
    assert reply.status == 200
    shown = await change(api, "morel", f"/{one}", {"op": "remove", "path": "/securityLabel/1"})
    assert (shown.status, code(shown)) == (403, "hidden_by_patient")
