"""Acting for somebody, through the doors: where it is given, changed and ended; the end of a right while one looks; how
what was written is signed. What each scope opens: `test_delegate_scopes`.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp
import pytest
import time_machine

from server import delegates, invitations, people, sessions
from storage import delegations
from storage.delegations import EVERYTHING
from tests.browser.sockets import client
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House
from tests.imap_client import client as imap_client
from webchat import socket as live_door


async def _helped(house: House, *scopes: str) -> None:
    """Dominique helps Marcel, for these things."""
    box = await house.mailbox("marcel")
    code = await invitations.invite(house.app, box, "helper", "Dominique", frozenset(scopes) or EVERYTHING, 12)
    await invitations.accept(house.app, house.dominique, code)


def _code(page: Answer) -> str:
    found = re.search(r'class="code"[^>]*>(.*?)</p>', page.text, re.DOTALL)
    assert found
    return " ".join(re.findall(r"<span>(\w{4})</span>", found.group(1)))


# ---- how it is given, and how it ends ----


async def test_marcel_invites_dominique_who_sees_what_she_is_asked_and_accepts(house: House) -> None:
    async with visitor(house, "marcel") as marcel, visitor(house, "dominique") as dominique:
        form = await marcel.get("/account/people/invite")
        assert "Vous pouvez en avoir 3" in (await marcel.get("/account/people")).said
        assert form.status == 200
        nothing = await marcel.post("/account/people/invite", {"kind": "helper", "name": "Ma fille", "months": "3"})
        assert (nothing.status, "Choisissez au moins une chose" in nothing.said) == (422, True)
        assert 'value="Ma fille"' in nothing.text
        chosen = {"kind": "helper", "name": "Ma fille", "months": "3", "scope.messages": "1", "scope.write": "1"}
        given = await marcel.post("/account/people/invite", chosen)
        code = _code(given)
        assert code not in (await marcel.get("/account/people")).said, "shown once"

        wrong = await dominique.post("/account/people/code", {"code": "2222 3333 4444 5555"})
        assert (wrong.status, "Ce code n’est pas bon" in wrong.said) == (422, True)
        asked = await dominique.post("/account/people/code", {"code": code.lower()})
        assert "Marcel PAT-DEUX vous demande" in asked.said
        assert "messages – lire et écrire" in asked.said
        accepted = await dominique.post("/account/people/accept", {"code": code})
        assert accepted.place == f"/for/{house.marcel.mailbox_id}/account/people?done=accepted"
        mine = await dominique.get(accepted.place)
        assert "Ce que vous pouvez faire pour Marcel" in mine.said
        assert "Historique" not in mine.said
        proof = await dominique.get(f"/for/{house.marcel.mailbox_id}/account/people/proof/{house.dominique.account_id}")
        assert "Dominique PAT-TROIS En tant que Aidante Pour Marcel PAT-DEUX , né en 1950" in proof.said

        seen = await marcel.get("/account/people")
        assert re.search(r"Dominique PAT-TROIS Aidante messages – lire et écrire Depuis le .* jusqu’au", seen.said)
        assert "Dominique PAT-TROIS a accepté d’agir ici." in seen.said
        assert "Votre espace" in (await marcel.get("/")).said
        ended = await marcel.post("/account/people/end", {"account": house.dominique.account_id})
        assert ended.place == "/account/people?done=ended"
        assert (await dominique.get(f"/for/{house.marcel.mailbox_id}/")).status == 404
        assert "Accès terminés Dominique PAT-TROIS" in (await marcel.get("/account/people")).said


async def test_a_helper_stops_when_they_wish(house: House) -> None:
    await _helped(house)
    async with visitor(house, "dominique") as dominique:
        base = f"/for/{house.marcel.mailbox_id}/account/people"
        left = await dominique.post(f"{base}/resign")
        assert left.place == "/account/people?done=resigned"
        assert (await dominique.get(base)).status == 404
        again = await dominique.post(f"/for/{house.camille.mailbox_id}/account/people/resign")
        assert again.status == 404, "parental authority is not put down by a button"


async def test_what_changes_who_acts_asks_for_the_second_factor_again(house: House) -> None:
    await _helped(house)
    secret = await house.session("marcel")
    hashed = sessions.secret_hash(secret)
    await house.app.db.write(lambda tx: tx.run("UPDATE credentials SET strong_at = NULL WHERE hash = :h", h=hashed))
    await house.app.db.write(
        lambda tx: tx.run(
            "INSERT INTO factors (account_id, id, kind, lookup, counter, created_at, used_at)"
            " VALUES (:a, 'f', 'totp', 'x', 0, 1, 1)",
            a=house.marcel.account_id,
        )
    )
    async with aiohttp.ClientSession(cookies={"pli": secret}, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        marcel = Visitor(house, session)
        places = [
            await marcel.get("/account/people/invite"),
            await marcel.post("/account/people/invite", {"name": "x", "scope.messages": "1", "months": "1"}),
            await marcel.post("/account/people/end", {"account": house.dominique.account_id}),
            await marcel.post(f"/account/people/change/{house.dominique.account_id}", {"months": "1"}),
            await marcel.get("/account/people/code"),
            await marcel.post("/account/people/accept", {"code": "x"}),
        ]
    assert {answer.place.partition("?")[0] for answer in places} == {"/step-up"}
    assert await house.app.db.read(delegations.in_force, house.marcel.space_id, house.dominique.account_id)


async def test_both_parents_see_camille_and_the_second_comes_by_a_sworn_code(house: House) -> None:
    camille = house.camille.mailbox_id
    async with visitor(house, "dominique") as dominique, visitor(house, "marcel") as marcel:
        assert (await marcel.get(f"/for/{camille}/")).status == 404
        page = await dominique.get(f"/for/{camille}/account/people")
        assert "Inviter l’autre représentant légal" in page.said
        unsworn = await dominique.post(
            f"/for/{camille}/account/people/invite", {"kind": "representative", "name": "Son père"}
        )
        assert (unsworn.status, "déclaration sur l’honneur" in unsworn.said) == (422, True)
        given = await dominique.post(
            f"/for/{camille}/account/people/invite", {"kind": "representative", "name": "Son père", "sworn": "1"}
        )
        asked = await marcel.post("/account/people/code", {"code": _code(given)})
        assert "autorité parentale sur Camille PAT-TROIS" in asked.said
        refused = await marcel.post("/account/people/accept", {"code": _code(given)})
        assert refused.status == 422
        await marcel.post("/account/people/accept", {"code": _code(given), "sworn": "1"})
        for parent in (dominique, marcel):
            assert (await parent.get(f"/for/{camille}/")).status == 200
            assert "invités" in (await parent.get(f"/for/{camille}/account/people")).said
    async with visitor(house, "morel") as morel:
        assert (await morel.get(f"/for/{camille}/")).status == 404


async def test_an_open_page_and_an_open_socket_end_at_the_childs_majority(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_door, "ROUND_S", 0.05)
    eighteen = people.majority("2019-06-14")
    assert eighteen
    letter = await house.letter("morel", "camille", "Bonjour")
    camille = house.camille.mailbox_id
    far = 2**52  # sessions outlive the journey in time
    with time_machine.travel(eighteen / 1000 - 30, tick=True) as clock:
        async with visitor(house, "dominique") as dominique, client(house, "dominique") as live:
            await live.ask("sync", {"mailbox": camille, "cursor": 0})
            assert (await dominique.get(f"/for/{camille}/c/{letter.conversation}")).status == 200
            await house.app.db.write(lambda tx: tx.run("UPDATE credentials SET until_at = :far", far=far))
            clock.shift(31)
            await asyncio.wait_for(live.ended.wait(), 5)
            assert (await dominique.get(f"/for/{camille}/c/{letter.conversation}")).status == 404
            assert (await dominique.post(f"/for/{camille}/c/{letter.conversation}", {"text": "?"})).status == 404
        link = await sessions.new_link(house.app, house.camille.account_id)
        async with visitor(house) as somebody:  # the link lets her make her own way in, and nobody else's
            assert (await somebody.post(f"/sign-in/{link}")).place == "/sign-in/step"
        async with visitor(house, "camille") as herself:
            assert (await herself.get(f"/c/{letter.conversation}")).status == 200
            who = await herself.get("/account/people")
    assert "Accès terminés Dominique PAT-TROIS , Représentante légale du" in who.said
    assert "au 13 juin 2037" in who.said


async def test_an_api_reader_of_somebody_elses_mailbox_is_let_go_when_the_right_ends(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _helped(house, "messages")
    waits, subscribe = asyncio.Event(), house.app.hub.subscribe

    def seen(mailboxes: Any, on_wake: Any) -> Any:
        waits.set()
        return subscribe(mailboxes, on_wake)

    monkeypatch.setattr(house.app.hub, "subscribe", seen)
    headers = {"Authorization": f"Bearer {await house.token('dominique')}"}
    query = {"mailbox": house.marcel.mailbox_id, "cursor": "1000", "wait": "30"}
    async with aiohttp.ClientSession(headers=headers) as api:
        waiting = asyncio.ensure_future(api.get(f"{house.http}/api/v1/entries", params=query))
        await asyncio.wait_for(waits.wait(), 10)
        await delegates.end(house.app, await house.mailbox("marcel"), house.dominique.account_id)
        answer = await asyncio.wait_for(waiting, 5)
        assert answer.status == 404


# ---- whose words they are ----


async def test_what_a_helper_writes_is_signed_with_both_names_in_the_chat_and_in_the_mail(house: House) -> None:
    letter = await house.letter("morel", "marcel", "Comment allez-vous ?")
    await _helped(house)
    async with visitor(house, "dominique") as dominique:
        thread = f"/for/{house.marcel.mailbox_id}/c/{letter.conversation}"
        shown = await dominique.get(thread)
        assert "<title>Marcel · " in shown.text
        assert "Vous écrivez pour Marcel" in shown.said
        await dominique.post(thread, {"text": "Il va mieux."})
        assert "Écrit par Dominique PAT-TROIS, aidante de Marcel PAT-DEUX" in (await dominique.get(thread)).said
    async with visitor(house, "marcel") as marcel:
        seen = await marcel.get(f"/c/{letter.conversation}")
        english = await marcel.get(f"/c/{letter.conversation}", headers={"Cookie": "pli-language=en"})
    assert "Écrit par Dominique PAT-TROIS, aidante de Marcel PAT-DEUX" in seen.said
    assert "Written by Dominique PAT-TROIS, helper of Marcel PAT-DEUX" in english.said
    async with visitor(house, "morel") as morel:
        assert "aidante de Marcel PAT-DEUX" in (await morel.get(f"/c/{letter.conversation}")).said
    async with imap_client(house) as desk:
        [uid] = await desk.uids("ALL")
        mail = await desk.mail(uid)
    name = " ".join(mail["From"].addresses[0].display_name.split())  # this library keeps the folds of encoded words
    assert name == "Dominique PAT-TROIS, l’aidante de Marcel PAT-DEUX"
    assert mail["From"].addresses[0].addr_spec == house.address("marcel")
    text = mail.get_body(("plain",))
    assert text
    assert text.get_content().split("\r\n") == [
        "Il va mieux.", "", "Rédigé par Dominique PAT-TROIS, l’aidante de Marcel PAT-DEUX.", "",
    ]  # fmt: skip
