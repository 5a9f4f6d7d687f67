"""The HTTP API, by a real client: bots, teams and patients with their tokens, and those who should get nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server import access, people
from server.api.door import POLLS
from server.drafts import Draft, Opening
from server.posting import post
from storage import credentials
from tests.support.api import Api, open_api, until

PDF = b"%PDF-1.4 " + bytes(range(256)) * 600  # larger than what is kept in a row


@pytest.fixture
async def api(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=sqlite_url) as opened:
        yield opened


@pytest.fixture
async def api_on_both(tmp_path: Path, database_url: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, database_url=database_url) as opened:
        yield opened


# What bots and patients do.


async def test_the_laboratory_posts_a_result_and_dominique_reads_it_and_files_it(api_on_both: Api) -> None:
    api = api_on_both
    upload = await api.upload("lab", PDF)
    assert upload.status == 201
    assert upload.json == {"id": upload.json["id"], "name": "résultat.pdf", "type": "application/pdf", "size": len(PDF)}
    sent = await api.letter("lab", "dominique", subject="Vos résultats", attachments=[upload.json["id"]])

    page = (await api.get("dominique", "/entries")).json
    assert [entry["seq"] for entry in page["entries"]] == [1]
    message = page["entries"][0]["message"]
    assert (message["id"], message["subject"], message["text"]) == (sent["message"], "Vos résultats", "Bonjour")
    assert (message["author"]["kind"], message["author"]["name"]) == ("bot", "Laboratoire de Pli")
    [file] = message["attachments"]
    assert (file["name"], file["type"], file["size"]) == ("résultat.pdf", "application/pdf", len(PDF))

    got = await api.get("dominique", f"/attachments/{file['id']}")
    assert (got.status, got.data) == (200, PDF)

    done = await api.post(
        "dominique", f"/messages/{message['id']}/actions/dossier.file", {"values": {"attachment": file["id"]}}
    )
    assert done.status == 201
    [document] = (await api.get("dominique", "/documents")).json["documents"]
    assert (document["title"], document["author"]) == ("résultat.pdf", "Laboratoire de Pli")
    assert (await api.get("dominique", f"/documents/{document['id']}")).data == PDF
    after = (await api.get("dominique", f"/entries?cursor={page['cursor']}")).json
    assert [entry["kind"] for entry in after["entries"]] == ["change", "message"]


async def test_a_patient_is_reached_by_her_address_too(api: Api) -> None:
    await api.letter("lab", "dominique", to=api.house.address("dominique"))
    assert len((await api.get("dominique", "/entries")).json["entries"]) == 1


async def test_dominique_answers_and_the_laboratory_reads_the_conversation(api: Api) -> None:
    sent = await api.letter("lab", "dominique")
    answer = await api.post("dominique", f"/conversations/{sent['conversation']}/messages", {"text": "Merci"})
    assert answer.status == 201
    assert answer.json["conversation"] == sent["conversation"]

    talk = (await api.get("lab", f"/conversations/{sent['conversation']}")).json
    assert [entry["message"]["text"] for entry in talk["entries"]] == ["Bonjour", "Merci"]
    assert [who["name"] for who in talk["with"]] == ["Dominique PAT-TROIS"]
    assert (talk["subject"], talk["unread"], talk["more"]) == ("Consignes", 1, False)
    [listed] = (await api.get("lab", "/conversations")).json["conversations"]
    assert (listed["id"], listed["unread"], listed["last"]["text"]) == (sent["conversation"], 1, "Merci")

    read = await api.post("lab", f"/conversations/{sent['conversation']}/read", {"up_to": listed["last_seq"]})
    assert (read.status, read.json) == (200, {"unread": 0})


async def test_pages_follow_one_another_without_a_gap(api: Api) -> None:
    sent = await api.letter("lab", "dominique", text="1")
    for number in range(2, 6):
        await api.post("lab", f"/conversations/{sent['conversation']}/messages", {"text": str(number)})
    for number in range(6, 9):
        await api.letter("lab", "dominique", text=str(number), subject=str(number))

    seen, cursor, more = [], 0, True
    while more:
        page = (await api.get("dominique", f"/entries?cursor={cursor}&limit=3")).json
        seen += [entry["message"]["text"] for entry in page["entries"]]
        cursor, more = page["cursor"], page["more"]
    assert seen == [str(number) for number in range(1, 9)]

    older: list[str] = []
    before, more = 0, True
    while more:
        talk = (await api.get("dominique", f"/conversations/{sent['conversation']}?limit=2&before={before}")).json
        older = [entry["message"]["text"] for entry in talk["entries"]] + older
        before, more = talk["cursor"], talk["more"]
    assert older == ["1", "2", "3", "4", "5"]

    subjects, before, more = [], 0, True
    while more:
        listed = (await api.get("dominique", f"/conversations?limit=3&before={before}")).json
        subjects += [talk["subject"] for talk in listed["conversations"]]
        before, more = listed["cursor"], listed["more"]
    assert subjects == ["8", "7", "6", "Consignes"]


async def test_dominique_writes_first_only_to_those_who_wrote_to_her(api: Api) -> None:
    letter = {"to": api.house.address("morel"), "subject": "Question", "text": "Puis-je manger ?"}
    refused = await api.post("dominique", "/conversations", letter)
    assert (refused.status, refused.code) == (403, "not_a_correspondent")
    await api.letter("morel", "dominique")
    assert (await api.post("dominique", "/conversations", letter)).status == 201
    [known, _] = (await api.get("morel", "/conversations")).json["conversations"]
    assert known["subject"] == "Question"
    for unknown in ("nobody@elsewhere.example", api.house.address("marcel"), api.house.ins("marcel")):
        assert (await api.post("dominique", "/conversations", {**letter, "to": unknown})).status in {403, 422}


async def test_dominique_writes_to_a_professional_of_another_operator_who_wrote_to_her(api: Api) -> None:
    app = api.house.app
    elsewhere = people.correspondent("dr.loin@operator.example", "Dr LOIN")
    space = await access.patient(app, elsewhere, api.house.ins("dominique"))
    await post(app, elsewhere, Draft(to=Opening(space, "Bilan"), text="Bonjour"))
    letter = {"to": "Dr.Loin@operator.example", "subject": "Question", "text": "Merci"}
    assert (await api.post("dominique", "/conversations", letter)).status == 201
    owed = await app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM deliveries WHERE channel = 'mail'"))
    assert owed[0][0] == 1


async def test_dominique_grants_a_service_the_list_of_her_documents_and_stops_it(api: Api) -> None:
    offer = await api.letter(
        "carnet", "dominique", card={"type": "service", "service": "carnet-sante", "title": "Menteur"}
    )
    card = (await api.get("dominique", "/entries")).json["entries"][0]["message"]["card"]
    assert card["title"] == "Mon carnet de suivi", "a service is offered in the catalogue's words"

    path = f"/messages/{offer['message']}/actions/catalogue"
    assert (await api.post("dominique", f"{path}.grant", {"values": {"months": 2}})).status == 201
    [grant] = (await api.get("carnet", "/grants")).json["grants"]
    assert (grant["conversation"], grant["scopes"]) == (offer["conversation"], ["documents:list"])
    assert (await api.get("carnet", f"/grants/{grant['id']}/documents")).json == {"documents": []}
    assert (await api.get("lab", "/grants")).json == {"grants": []}
    assert (await api.get("lab", f"/grants/{grant['id']}/documents")).status == 404

    assert (await api.post("dominique", f"{path}.withdraw", {})).status == 201
    assert (await api.get("carnet", f"/grants/{grant['id']}/documents")).status == 404
    assert (await api.get("carnet", "/grants")).json == {"grants": []}
    [old] = (await api.get("dominique", "/grants")).json["grants"]
    assert old["withdrawn"]


async def test_dominique_accepts_an_appointment_once_and_the_team_cannot_answer_for_her(api: Api) -> None:
    card = {"type": "appointment", "title": "Consultation", "start": "2026-12-01T10:00:00+01:00", "uid": "a@pli"}
    asked = await api.letter("admissions", "dominique", card=card)
    path = f"/messages/{asked['message']}/actions"
    refused = await api.post("admissions", f"{path}/agenda.accept", {})
    assert (refused.status, refused.code) == (403, "not_for_you")
    first = await api.post("dominique", f"{path}/agenda.accept", {"client_key": "tap"})
    again = await api.post("dominique", f"{path}/agenda.accept", {"client_key": "tap"})
    assert (first.status, again.status) == (201, 201)
    assert first.json == again.json
    twice = await api.post("dominique", f"{path}/agenda.accept", {})
    assert (twice.status, twice.code) == (409, "already_answered")
    [appointment] = (await api.get("dominique", "/appointments")).json["appointments"]
    assert (appointment["title"], appointment["state"]) == ("Consultation", "accepted")
    unknown = await api.post("dominique", f"{path}/agenda.postpone", {})
    assert (unknown.status, unknown.code) == (422, "unknown_action")


async def test_a_service_answers_a_card_only_when_the_card_is_for_anyone(api: Api) -> None:
    card = {"type": "appointment", "title": "Visite", "uid": "b@pli", "for": "anyone"}
    asked = await api.letter("admissions", "dominique", card=card)
    answer = await api.post("admissions", f"/messages/{asked['message']}/actions/agenda.decline", {})
    assert answer.status == 201


# Retries.


@pytest.mark.parametrize("named", ["header", "body"])
async def test_the_same_key_gives_the_same_receipt(api_on_both: Api, named: str) -> None:
    api = api_on_both
    upload = (await api.upload("lab", PDF)).json["id"]
    letter: dict[str, Any] = {"to": api.house.ins("dominique"), "subject": "S", "text": "T", "attachments": [upload]}
    headers = {"Idempotency-Key": "k1"} if named == "header" else {}
    if named == "body":
        letter["client_key"] = "k1"
    first = await api.post("lab", "/conversations", letter, headers=headers)
    again = await api.post("lab", "/conversations", letter, headers=headers)
    assert (first.status, again.status) == (201, 201)
    assert first.json == again.json

    other = await api.post("carnet", "/conversations", {**letter, "attachments": []}, headers=headers)
    assert other.json["conversation"] != first.json["conversation"], "a key is its account's own"

    path = f"/conversations/{first.json['conversation']}/messages"
    message = {"text": "Encore", **({"client_key": "k1"} if named == "body" else {})}
    more = [await api.post("lab", path, message, headers=headers) for _ in range(2)]
    assert more[0].json == more[1].json
    assert more[0].json["message"] != first.json["message"]
    assert len((await api.get("dominique", "/entries")).json["entries"]) == 3


async def test_twenty_attempts_at_once_with_one_key_make_one_message(api_on_both: Api) -> None:
    api = api_on_both
    upload = (await api.upload("lab", PDF)).json["id"]
    letter = {"to": api.house.ins("dominique"), "subject": "S", "text": "T", "attachments": [upload], "client_key": "k"}
    answers = await asyncio.gather(*(api.post("lab", "/conversations", letter) for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    [entry] = (await api.get("dominique", "/entries")).json["entries"]
    assert len(entry["message"]["attachments"]) == 1


# Long polls.


def polling(api: Api, name: str) -> int:
    """How many readers wait for this person's mailbox."""
    return len(api.house.app.hub._readers.get(api.house.people[name].mailbox_id, ()))


async def test_a_long_poll_answers_when_a_letter_comes(api: Api) -> None:
    poll = asyncio.create_task(api.get("dominique", "/entries?wait=60"))
    await until(lambda: polling(api, "dominique") == 1)
    await api.letter("lab", "marcel")
    await api.letter("lab", "dominique")
    page = (await poll).json
    assert [entry["message"]["text"] for entry in page["entries"]] == ["Bonjour"]
    assert polling(api, "dominique") == 0
    later = await api.get("dominique", f"/entries?cursor={page['cursor']}&wait=1")
    assert later.json == {"entries": [], "cursor": page["cursor"], "more": False}


async def test_a_token_withdrawn_during_a_long_poll_reads_nothing(api: Api) -> None:
    poll = asyncio.create_task(api.get("dominique", "/entries?wait=60"))
    await until(lambda: polling(api, "dominique") == 1)
    await api.house.app.db.write(credentials.revoke_kind, api.house.dominique.account_id, "bearer")
    await api.letter("lab", "dominique")
    answer = await poll
    assert (answer.status, answer.code) == (401, "unauthorised")


async def test_one_long_poll_too_many_ends_the_oldest(api: Api) -> None:
    oldest = asyncio.create_task(api.get("dominique", "/entries?wait=60"))
    await until(lambda: polling(api, "dominique") == 1)
    polls = [asyncio.create_task(api.get("dominique", "/entries?wait=60")) for _ in range(POLLS)]
    assert (await oldest).json["entries"] == []
    await until(lambda: polling(api, "dominique") == POLLS)
    await api.letter("lab", "dominique")
    assert [len(answer.json["entries"]) for answer in await asyncio.gather(*polls)] == [1] * POLLS


async def test_closing_the_door_lets_long_polls_answer_now(api: Api) -> None:
    poll = asyncio.create_task(api.get("dominique", "/entries?wait=60"))
    await until(lambda: polling(api, "dominique") == 1)
    await api.site.shutdown()
    assert (await poll).json["entries"] == []
