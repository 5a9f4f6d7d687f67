"""Passkeys at the door: an authenticator in software, as honest or as crooked as a test asks."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from server import passkeys, sessions
from storage import accounts
from storage.ids import now_ms
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House
from tests.support.authenticator import Authenticator, encoded

JSON = {"Accept": "application/json"}


def key_of(house: House, **more: Any) -> Authenticator:
    return Authenticator(passkeys.relying_party(house.app)[1], **more)


async def options(who: Visitor, path: str) -> dict[str, Any]:
    answer = await who.post(path, json={}, headers=JSON)
    assert answer.status == 200, answer.text
    return dict(json.loads(answer.text))


async def send(who: Visitor, path: str, credential: dict[str, Any]) -> Answer:
    return await who.post(path, json={"credential": credential}, headers=JSON)


def code(answer: Answer) -> str:
    return str(json.loads(answer.text)["error"]["code"])


async def make(who: Visitor, key: Authenticator) -> Answer:
    return await send(who, "/account/passkeys", key.make(await options(who, "/account/passkeys/options")))


async def enter(who: Visitor, key: Authenticator) -> Answer:
    return await send(who, "/passkey/sign-in", key.give(await options(who, "/passkey/options")))


async def owned(house: House, name: str, **more: Any) -> Authenticator:
    """A passkey that somebody registered."""
    key = key_of(house, **more)
    async with visitor(house, name) as at_home:
        assert (await make(at_home, key)).status == 200
    return key


async def test_dominique_makes_a_passkey_and_enters_with_nothing_else(house: House) -> None:
    key = await owned(house, "dominique")
    async with visitor(house) as back:
        answer = await enter(back, key)
        assert (answer.status, json.loads(answer.text)) == (200, {"to": "/"})
        assert "Dominique PAT-TROIS" in (await back.get("/account")).said
        cookie = answer.headers["Set-Cookie"].lower()
        assert {"httponly", "samesite=lax"} <= {part.strip() for part in cookie.split(";")}
        (kept,) = await passkeys.of_account(house.app, house.dominique.account_id)
        ((strong,),) = await house.app.db.read(
            lambda tx: tx.run("SELECT strong_at FROM credentials WHERE how = :how", how=passkeys.how(kept.id))
        )
        assert strong is not None, "it is two factors: dangerous acts need no other one just now"
        assert "Vos clés d’accès" in (await back.get("/account/devices")).said


@pytest.mark.parametrize("who", ["morel", "admissions"])
async def test_professionals_and_teams_may_have_one_too(house: House, who: str) -> None:
    key = await owned(house, who)
    async with visitor(house) as back:
        assert (await enter(back, key)).status == 200
        assert house.people[who].name in (await back.get("/account")).said


async def test_whatever_is_wrong_gets_one_answer(house: House) -> None:
    key, stranger = await owned(house, "dominique"), key_of(house)
    stranger.user = key.user
    unverified = replace(key, verified=False)
    forged = replace(stranger, id=key.id)
    elsewhere = replace(key, origin="https://pli.exemple.test")
    somebody_else = replace(key, user=b"x" * 16)
    async with visitor(house) as back:
        answers = [await enter(back, one) for one in (stranger, unverified, forged, elsewhere, somebody_else)]
        for answer in answers:
            assert (answer.status, code(answer)) == (401, "passkey_refused")
        assert len({answer.text for answer in answers}) == 1
        assert (await enter(back, key)).status == 200, "none of it used the true one up"


async def test_a_passkey_that_did_not_check_the_person_is_not_kept(house: House) -> None:
    async with visitor(house, "dominique") as at_home:
        answer = await make(at_home, key_of(house, verified=False))
        assert (answer.status, code(answer)) == (422, "passkey_not_registered")
        assert await passkeys.of_account(house.app, house.dominique.account_id) == []


async def test_a_challenge_serves_once_in_time_and_for_what_it_was_made(house: House) -> None:
    key = await owned(house, "dominique")
    async with visitor(house) as back, visitor(house, "dominique") as at_home:
        asked = await options(back, "/passkey/options")
        assert (await send(back, "/passkey/sign-in", key.give(asked))).status == 200
        replayed = await send(back, "/passkey/sign-in", key.give(asked))
        assert code(replayed) == "passkey_refused"
        other = await options(at_home, "/step-up/options")
        assert code(await send(back, "/passkey/sign-in", key.give(other))) == "passkey_refused"
        invented = {**asked, "challenge": encoded(b"x" * 40)}
        assert code(await send(back, "/passkey/sign-in", key.give(invented))) == "passkey_refused"
        late = await options(back, "/passkey/options")
        with time_machine.travel(now_ms() / 1000 + timedelta(minutes=6).total_seconds()):
            assert code(await send(back, "/passkey/sign-in", key.give(late))) == "passkey_refused"


async def test_a_challenge_made_for_one_person_registers_nothing_for_another(house: House) -> None:
    async with visitor(house, "dominique") as hers, visitor(house, "marcel") as his:
        asked = await options(hers, "/account/passkeys/options")
        assert (await send(his, "/account/passkeys", key_of(house).make(asked))).status == 401
        assert await passkeys.of_account(house.app, house.marcel.account_id) == []


async def test_twenty_answers_to_one_challenge_open_one_session(house: House) -> None:
    key = await owned(house, "dominique")
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(visitor(house)) for _ in range(20)]
        asked = await options(crowd[0], "/passkey/options")
        given = [key.give(asked) for _ in crowd]
        answers = await asyncio.gather(
            *(send(one, "/passkey/sign-in", each) for one, each in zip(crowd, given, strict=True))
        )
        assert sorted(answer.status for answer in answers) == [200] + [401] * 19


async def test_a_copy_is_refused_and_the_person_told(house: House) -> None:
    key = await owned(house, "dominique")
    async with visitor(house) as back, visitor(house, "dominique") as at_home:
        copy = replace(key)
        assert (await enter(back, key)).status == 200
        refused = await enter(back, copy)
        assert (refused.status, code(refused)) == (401, "passkey_copied")
        said = (await at_home.get("/account/devices")).said
        assert "Une copie de cette clé a été présentée" in said


async def test_a_passkey_is_renamed_and_revoked_by_its_owner_alone(house: House) -> None:
    key = await owned(house, "dominique")
    (kept,) = await passkeys.of_account(house.app, house.dominique.account_id)
    async with visitor(house, "dominique") as hers, visitor(house, "marcel") as his, visitor(house) as back:
        for act in ("rename", "revoke"):
            answer = await his.post(f"/account/passkeys/{kept.id}/{act}", {"name": "À moi"})
            absent = await his.post(f"/account/passkeys/absent/{act}", {"name": "À moi"})
            assert (answer.status, absent.status) == (404, 404)
            assert answer.said == absent.said
        assert (await hers.post(f"/account/passkeys/{kept.id}/rename", {"name": " "})).status == 422
        assert (await hers.post(f"/account/passkeys/{kept.id}/rename", {"name": "Mon téléphone"})).status == 303
        assert "Mon téléphone" in (await hers.get("/account/devices")).said
        assert (await enter(back, key)).status == 200
        assert (await hers.post(f"/account/passkeys/{kept.id}/revoke")).status == 303
        assert (await back.get("/")).place == "/sign-in", "what was opened with it ends with it"
        assert code(await enter(back, key)) == "passkey_refused"
        assert (await hers.get("/account/devices")).status == 200, "whoever revoked it stays"


async def test_an_account_that_ended_enters_no_more(house: House) -> None:
    key = await owned(house, "morel")
    await house.app.db.write(accounts.end, house.morel.account_id)
    async with visitor(house) as back:
        assert code(await enter(back, key)) == "passkey_refused"


async def test_what_is_no_answer_of_an_authenticator_is_refused(house: House) -> None:
    key = await owned(house, "dominique")
    async with visitor(house) as back:
        good = key.give(await options(back, "/passkey/options"))
        deep = encoded(b'{"challenge": "x", "more": ' + b"[" * 40_000)
        spoils: tuple[dict[str, Any], ...] = (
            {"response": {"clientDataJSON": deep}},
            {}, {"response": []}, {"response": {"clientDataJSON": 3}}, {"response": {"clientDataJSON": "e30"}},
            {**good, "rawId": 3}, {**good, "id": "x"}, {**good, "type": "x"},
            {**good, "response": {**good["response"], "authenticatorData": "eA"}},
            {**good, "response": {**good["response"], "signature": "€"}},
            {**good, "response": {**good["response"], "userHandle": {}}},
        )  # fmt: skip
        for spoiled in spoils:
            answer = await send(back, "/passkey/sign-in", spoiled)
            assert (answer.status, code(answer)) == (401, "passkey_refused"), spoiled
        for body in (b"", b"[]", b"{", b"[" * 60_000, b'{"credential": 1}', b" " * 70_000):
            assert (await back.post("/passkey/sign-in", body, headers=JSON)).status == 422
        assert (await send(back, "/passkey/sign-in", good)).status == 200


async def test_strangers_who_ask_for_challenges_write_nothing(house: House) -> None:
    def rows(tx: Any) -> int:
        return int(tx.run("SELECT COUNT(*) FROM proofs")[0][0])

    async with visitor(house) as stranger:
        for _ in range(3):
            await options(stranger, "/passkey/options")
    assert await house.app.db.read(rows) == 0


# ---- a second factor again ------------------------------------------------------------------------------------------


async def stale(house: House, name: str) -> str:
    """A session whose second factor was given long ago."""
    return await sessions.open_session(house.app, house.people[name].account_id, "password+totp", strong=False)


async def test_a_dangerous_act_asks_for_the_passkey_again_and_comes_back(house: House) -> None:
    key = await owned(house, "dominique")
    (kept,) = await passkeys.of_account(house.app, house.dominique.account_id)
    old = await stale(house, "dominique")
    async with visitor(house) as hers, visitor(house) as thief:
        hers.session.cookie_jar.update_cookies({"pli": old})
        thief.session.cookie_jar.update_cookies({"pli": old})
        asked = await hers.post(
            f"/account/passkeys/{kept.id}/revoke", headers={"Referer": f"{house.http}/account/devices"}
        )
        assert asked.place == "/step-up?back=/account/devices"
        assert "C’est bien vous" in (await hers.get(asked.place)).said
        json_asked = await hers.post("/account/passkeys/options", json={}, headers=JSON)
        assert (json_asked.status, code(json_asked)) == (403, "step_up")

        wrong = replace(key, verified=False).give(await options(hers, "/step-up/options"))
        refused = await hers.post(
            "/step-up", {"kind": "passkey", "given": json.dumps(wrong), "back": "/account/devices"}
        )
        assert refused.status == 422
        assert "n’est pas reconnue" in refused.said
        given = key.give(await options(hers, "/step-up/options"))
        passed = await hers.post(
            "/step-up", {"kind": "passkey", "given": json.dumps(given), "back": "/account/devices"}
        )
        assert (passed.status, passed.place) == (303, "/account/devices")
        assert passed.headers["Set-Cookie"].split(";")[0] != f"pli={old}"
        assert (await thief.get("/")).place == "/sign-in", "the secret of before is dead at once"
        assert (await hers.get(asked.place)).place == "/account/devices", "nothing is asked twice"
        assert (await hers.post(f"/account/passkeys/{kept.id}/revoke")).status == 303


async def test_nobody_gives_somebody_elses_passkey(house: House) -> None:
    his = await owned(house, "marcel")
    await owned(house, "dominique")
    async with visitor(house) as hers:
        hers.session.cookie_jar.update_cookies({"pli": await stale(house, "dominique")})
        given = his.give(await options(hers, "/step-up/options"))
        answer = await hers.post("/step-up", {"kind": "passkey", "given": json.dumps(given), "back": "/"})
        assert answer.status == 422


@pytest.mark.parametrize(
    "back", ["https://pli.exemple.test/", "//exemple.test", "/\\exemple.test", "/\t/exemple.test", ""]
)
async def test_the_way_back_stays_here(house: House, back: str) -> None:
    async with visitor(house, "dominique") as hers:
        assert (await hers.get("/step-up", params={"back": back})).place == "/"


async def test_where_people_are_real_no_factor_is_no_excuse(house: House) -> None:
    old = await stale(house, "dominique")
    async with visitor(house) as hers:
        hers.session.cookie_jar.update_cookies({"pli": old})
        assert (await hers.post("/account/passkeys/options", json={}, headers=JSON)).status == 200, "a demonstration"
        house.app.settings = replace(house.app.settings, demo=False)
        answer = await hers.post("/account/passkeys/options", json={}, headers=JSON)
        assert (answer.status, code(answer)) == (403, "step_up")
        assert "Vous n’avez pas de deuxième façon" in (await hers.get("/step-up")).said
