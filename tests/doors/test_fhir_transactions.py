"""The FHIR façade: transactions (submission sets, measures), and the official examples."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from storage import accounts, documents
from storage.documents import Grant
from storage.ids import now_ms
from tests import letters
from tests.support.api import Api, open_api
from tests.support.fhir import NIR, ask, code, found, lines, located, publish, simple, without

PDF = letters.pdf("Consultation")


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


# ---- the official examples -------------------------------------------------------------------------------------------


def example(samples: Path, name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((samples / "fhir" / name).read_text())
    return read


def about_dominique(resource: dict[str, Any]) -> dict[str, Any]:
    """The guide's examples name nobody: their INS (123456789012345, whose key is wrong, under the national OID) becomes
    Dominique's, under the OID of test people.
    """
    text = json.dumps(resource).replace("123456789012345", letters.DOMINIQUE)
    told: dict[str, Any] = _systems(json.loads(text.replace("1.2.250.1.213.1.4.8|", f"{letters.TEST_OID}|")))
    return told


def _systems(value: Any) -> Any:
    if isinstance(value, dict):
        changed = {name: _systems(one) for name, one in value.items()}
        if changed.get("value") == letters.DOMINIQUE:
            changed["system"] = NIR
        return changed
    return [_systems(one) for one in value] if isinstance(value, list) else value


def filled(resource: dict[str, Any], cda: bytes) -> dict[str, Any]:
    """Their document is an empty ClinicalDocument, which says of nobody: a real one in its place, with its size and
    hash.
    """
    attached = base64.b64encode(cda).decode()
    told = json.dumps(resource)
    for entry in resource.get("entry", [{"resource": resource}]):
        one = entry["resource"]
        for data in (one.get("data"), *(c["attachment"].get("data") for c in one.get("content", ()))):
            told = told.replace(json.dumps(data), json.dumps(attached)) if data else told
    hashed = base64.b64encode(hashlib.sha1(cda).digest()).decode()  # noqa: S324 - as the standard
    read: dict[str, Any] = json.loads(
        told.replace("A/hMRrv6Y15BjSM8kMLidrz+mHc=", hashed).replace('"size": 80', f'"size": {len(cda)}')
    )
    return read


def consultation(number: int) -> bytes:
    return letters.cda(
        type_code="11488-4", title="Compte rendu de consultation", document_id=f"1.2.250.1.213.1.4.8.99999.{number}",
        set_id="1.2.250.1.213.1.4.8.99999", version=number,
    )  # fmt: skip


async def test_the_guide_s_simplified_publication_is_accepted(api: Api, samples: Path) -> None:
    resource = example(samples, "DocumentReference-example-td2-iti105-publication-simplifiee.json")
    located(await publish(api, "morel", filled(about_dominique(resource), consultation(1))))
    (seen,) = await found(api, "dominique", "DocumentReference")
    assert seen["masterIdentifier"] == resource["masterIdentifier"]


async def test_the_guide_s_submission_set_and_the_one_that_replaces_it_are_accepted(api: Api, samples: Path) -> None:
    first = filled(about_dominique(example(samples, "Bundle-example-td2-iti65-lot-soumission.json")), consultation(2))
    reply = await ask(api, "morel", "POST", "", json=first)
    assert reply.status == 200, reply.data
    answers = [entry["response"] for entry in reply.json["entry"]]
    assert [one["status"] for one in answers] == ["201 Created"] * 3
    assert [one["location"].partition("/")[0] for one in answers] == ["List", "DocumentReference", "Binary"]
    older = answers[1]["location"]
    (submitted,) = await found(api, "dominique", "List")
    assert submitted["entry"][0]["item"]["reference"] == older
    assert (await ask(api, "morel", "GET", f"/{answers[2]['location']}")).data == consultation(2)
    second = filled(about_dominique(example(samples, "Bundle-example-td2-1-remplacement.json")), consultation(3))
    second = json.loads(json.dumps(second).replace("DocumentReference/doc-x-id", older))
    for who, status in (("leroy", 404), ("lab", 404)):
        assert (await ask(api, who, "POST", "", json=second)).status == status, "only the author replaces"
    replacing = await ask(api, "morel", "POST", "", json=second)
    assert [one["response"]["status"][:3] for one in replacing.json["entry"]] == ["201", "201", "200", "201"]
    (current,) = await found(api, "dominique", "DocumentReference", status="current")
    assert current["relatesTo"] == [{"code": "replaces", "target": {"reference": older}}]
    (obsolete,) = await found(api, "dominique", "DocumentReference", status="superseded")
    assert f"DocumentReference/{obsolete['id']}" == older
    assert (await ask(api, "morel", "POST", "", json=second)).status == 409


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("VSM_1.4_2022.01.xml", {"Condition", "MedicationStatement", "AllergyIntolerance"}),
        ("BIO-CR-BIO_2024.01_Glycemie-deux-unites.xml", {"Observation"}),
        ("VAC_2023.01.xml", {"Immunization"}),
    ],
)
async def test_what_an_official_document_says_is_found_by_resource(
    api: Api, samples: Path, name: str, kinds: set[str]
) -> None:
    one = located(await publish(api, "lab", simple(api, (samples / "cda" / name).read_bytes())))
    for kind in kinds:
        resources = await found(api, "dominique", kind)
        assert resources
        assert all(f"DocumentReference/{one}" in json.dumps(resource) for resource in resources)
    (document,) = await found(api, "dominique", "DocumentReference")
    octets = await ask(api, "dominique", "GET", f"/{document['content'][0]['attachment']['url']}")
    assert octets.data == (samples / "cda" / name).read_bytes()


async def test_the_guide_s_measures_are_accepted_from_dominique(api: Api, samples: Path) -> None:
    bundle = about_dominique(example(samples, "Bundle-bundle-example.json"))
    observation = bundle["entry"][1]["resource"]
    observation["subject"]["identifier"] = {"system": NIR, "value": letters.DOMINIQUE}
    reply = await ask(api, "dominique", "POST", "", json=bundle)
    assert reply.status == 200, reply.data
    (weight,) = await found(api, "dominique", "Observation", category="vital-signs")
    assert weight["valueQuantity"]["value"] == 71
    assert weight["device"]["display"] == "Ma balance OMRONHEALTHCARE HEM-9200T"
    assert weight["extension"][0]["valueString"] == "Mon nouveau poids !"
    (line,) = await lines(api)
    assert line == "Dominique PAT-TROIS a ajouté à vos mesures : Poids 71\u00a0kg."
    pressure = example(samples, "Observation-ExampleMesFrObservationBP001.json")
    pressure["subject"] = {"identifier": {"system": NIR, "value": letters.DOMINIQUE}}
    reply = await ask(
        api, "dominique", "POST", "/Observation", json=pressure, headers={"Prefer": "return=representation"}
    )
    assert (reply.status, reply.json["effectiveDateTime"]) == (201, "2012-09-17")
    assert [part["valueQuantity"]["value"] for part in reply.json["component"]] == [107, 60]


# ---- transactions ----------------------------------------------------------------------------------------------------


def bundle(*entries: dict[str, Any]) -> dict[str, Any]:
    told = [
        {"fullUrl": f"urn:uuid:{n}", "resource": one, "request": {"method": "POST", "url": one["resourceType"]}}
        for n, one in enumerate(entries)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": told}


def measured(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"identifier": {"system": NIR, "value": letters.DOMINIQUE}},
        "effectiveDateTime": "2026-11-20T08:00:00+01:00",
        "valueQuantity": {"value": 71.5, "unit": "kg", "code": "kg", "system": "http://unitsofmeasure.org"}, **changes,
    }  # fmt: skip


async def test_a_transaction_is_done_whole_or_not_at_all(api: Api) -> None:
    good, bad = simple(api, PDF), simple(api, letters.pdf("2"), type={"coding": [{"code": "REMB"}]})
    refused = await ask(api, "morel", "POST", "", json=bundle(good, bad))
    assert (refused.status, code(refused)) == (422, "not_depositable")
    twice = await ask(api, "morel", "POST", "", json=bundle(good, good))
    assert (twice.status, code(twice)) == (409, "deposited_before")
    heavy = measured(valueQuantity={"value": 9000, "unit": "kg", "code": "kg"})
    assert (await ask(api, "dominique", "POST", "", json=bundle(measured(), heavy))).status == 422
    assert await found(api, "dominique", "DocumentReference") == []
    assert await found(api, "dominique", "Observation") == []
    done = await ask(api, "morel", "POST", "", json=bundle(good, simple(api, letters.pdf("2"))))
    assert (done.status, len(await found(api, "dominique", "DocumentReference"))) == (200, 2)
    (together,) = await found(api, "dominique", "List")
    assert len(together["entry"]) == 2
    assert len(await lines(api)) == 1


async def test_a_transaction_that_is_none_is_refused_with_its_reason(api: Api) -> None:
    document, binary = simple(api, PDF), {"resourceType": "Binary", "contentType": "application/pdf", "data": "AAAA"}
    elsewhere = deepcopy(document)
    del elsewhere["content"][0]["attachment"]["data"]
    marcel = simple(api, PDF, patient="marcel")
    for told, status, reason in (
        ({"resourceType": "Bundle", "type": "batch", "entry": []}, 400, "not_a_transaction"),
        (bundle(), 422, "too_many_entries"),
        (bundle(document, measured()), 422, "mixed_transaction"),
        (bundle({"resourceType": "Patient"}), 422, "mixed_transaction"),
        (bundle(binary), 422, "no_document"),
        (bundle(document, binary), 422, "unused_binary"),
        (bundle(elsewhere), 422, "no_binary"),
        (bundle(document, marcel), 422, "several_patients"),
        (bundle(*[document] * 21), 422, "too_many_documents"),
    ):
        reply = await ask(api, "morel", "POST", "", json=told)
        assert (reply.status, code(reply)) == (status, reason), reply.json
    for observation, reason in (
        (measured(status="preliminary"), "bad_status"),
        (measured(code={"coding": [{"code": "1-1"}]}), "unknown_measure"),
        (measured(valueQuantity={"value": "beaucoup"}), "invalid"),
        (without(measured(), "valueQuantity"), "no_value"),
        (without(measured(), "effectiveDateTime"), "no_date"),
        (measured(effectiveDateTime="2099-01-01"), "measure_in_future"),
        (measured(valueQuantity={"value": 71, "code": "[lb_av"}), "bad_unit"),
        (measured(valueQuantity={"value": 71, "code": "kg", "comparator": "<"}), "inexact_value"),
    ):
        reply = await ask(api, "dominique", "POST", "/Observation", json=observation)
        assert (reply.status, code(reply)) == (422, reason), reply.json
    refused = await ask(api, "morel", "POST", "/Observation", json=measured())
    assert (refused.status, code(refused)) == (403, "not_a_source")
    assert (await ask(api, "carnet", "POST", "/Observation", json=measured())).status == 404


async def test_a_measure_that_is_sent_again_is_kept_once(api: Api) -> None:
    other = measured(valueQuantity={"value": 72, "code": "kg"})
    first = await ask(api, "dominique", "POST", "", json=bundle(measured()))
    again = await ask(api, "dominique", "POST", "", json=bundle(measured(), other))
    (one,), (same, new) = ([entry["response"]["location"] for entry in sent.json["entry"]] for sent in (first, again))
    assert one == same != new
    assert len(await found(api, "dominique", "Observation")) == 2
    third = await ask(api, "dominique", "POST", "", json=bundle(other))
    assert third.json["entry"][0]["response"]["location"] == new
    assert len(await lines(api)) == 2


async def test_a_service_writes_measures_while_its_grant_says_so(api: Api) -> None:
    await _grant(api, ("measures:write",))
    reply = await ask(api, "carnet", "POST", "/Observation", json=measured())
    assert reply.status == 201, reply.data
    assert await lines(api) == ["Mon carnet de suivi a ajouté à vos mesures : Poids 71,5\u00a0kg."]
    space = "Patient/" + api.house.dominique.space_id.replace("_", ".")
    unread = await ask(api, "carnet", "GET", "/Observation", params={"patient": space})
    assert unread.status == 404, "writing is not reading"
    await _grant(api, ("measures:read",))
    listed = await ask(api, "carnet", "GET", "/Observation", params={"patient": space})
    assert listed.json["total"] == 1
    assert (await ask(api, "carnet", "POST", "/Observation", json=measured())).status == 404


async def _grant(api: Api, scopes: tuple[str, ...]) -> None:
    """Dominique allows these scopes to the service, instead of what she allowed before."""
    app, space, service = api.house.app, api.house.dominique, api.house.carnet.account_id

    def write(tx: Any) -> None:
        known = accounts.space(tx, space.space_id)
        assert known is not None
        keys = app.vault.space(known.id, known.wrapped_key)
        documents.withdraw_grants(tx, space.space_id, service, space.account_id)
        grant = Grant(
            space.space_id, f"G{'x' * 20}{len(scopes[0]) % 10}", service, b"", now_ms(), now_ms() + 10**9, None
        )
        facts = {"service": "carnet-sante", "title": "Mon carnet", "scopes": scopes, "message": "", "conversation": ""}
        documents.insert_grant(tx, grant, keys.seal("grant", grant.id, msgspec.json.encode(facts)), space.account_id)

    await app.db.write(write)


# ---- what nobody would send ------------------------------------------------------------------------------------------

JUNK: tuple[Any, ...] = (
    None, 0, -1, 1.5, True, "", "x", [], {}, [[]], [None], {"a": 1}, "#a", "urn:uuid:0", "2026-13-99", 10**30, "\x00",
)  # fmt: skip


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a resource."""
    if before:
        yield before
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from places(one, (*before, name))


def broken(resource: Any, random: Random) -> Any:
    """The resource with something else, or nothing, in one place."""
    changed = deepcopy(resource)
    *way, last = random.choice(list(places(changed)))
    target = changed
    for name in way:
        target = target[name]
    if random.random() < 0.25:
        del target[last]
    else:
        target[last] = random.choice(JUNK)
    return changed


async def test_whatever_is_sent_gets_an_answer_and_is_no_fault_of_ours(api: Api) -> None:
    random, kind = Random(5), {"Content-Type": "application/fhir+json"}
    document = located(await publish(api, "morel", simple(api, PDF)))
    patch = [{"op": "replace", "path": "/extension/0/valueBoolean", "value": True}]
    sent = (
        ("morel", "POST", "", bundle(simple(api, letters.pdf("1")), simple(api, letters.pdf("2")))),
        ("dominique", "POST", "", bundle(measured(), {"resourceType": "Device", "deviceName": [{"name": "a"}]})),
        ("morel", "POST", "/DocumentReference", simple(api, letters.pdf("3"))),
        ("dominique", "POST", "/Observation", measured()),
        ("morel", "PATCH", f"/DocumentReference/{document}", patch),
    )
    told = Counter[int]()
    for _ in range(20):
        for who, method, path, resource in sent:
            data = json.dumps(broken(resource, random)).encode()
            told[(await ask(api, who, method, path, data=data, headers=kind)).status] += 1
    assert max(told) < 500
    assert told[422] > 30
