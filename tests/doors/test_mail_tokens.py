"""A mail program that Pro Santé Connect gave a token to (mssante.md § 5.1): whose box it opens, for which programs, and
for how long. Played by npm oidc-provider over TLS.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import time_machine

from server import mail_sign_in, sessions, teams
from server.errors import Unauthorised, Unavailable
from server.mail_sign_in import MailTokens
from server.oidc_provider import Remote
from tests.doors.test_imap_sign_in import ADMISSIONS, connected, oauthbearer, xoauth2
from tests.house import House
from tests.imap_client import MOREL
from tests.support.oidc_provider import Browser, Providers

SOURCE = "192.0.2.7"
PROGRAM = "pli-basic"  # the name there of somebody's mail program


async def token(house: House, browser: Browser, client: str = PROGRAM) -> str:
    """What a mail program gets when Dr Morel signs in there (RFC 6749 § 4.1, RFC 7636)."""
    way = client.removeprefix("pli-")
    remote = Remote(replace(house.app.settings, psc_client_id=client, psc_client_auth=way), "psc")
    described, verifier = await remote.describe(), secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code", "client_id": client, "redirect_uri": remote.back, "scope": "openid scope_all",
        "acr_values": "eidas1", "state": "s", "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    back = await browser.leave("psc", f"{described.authorization_endpoint}?{urlencode(asked)}")
    code = parse_qs(urlsplit(back).query)["code"][0]
    return str((await remote.redeem(described, code, verifier))["access_token"])


@pytest.fixture
async def house(known: House) -> House:
    """One that knows that program."""
    known.app.settings = replace(known.app.settings, psc_mail_clients=f"autre, {PROGRAM}")
    return known


async def test_dr_morel_s_token_opens_her_box_and_that_of_her_team_at_the_door(house: House, browser: Browser) -> None:
    given = await token(house, browser)
    for answer in (oauthbearer(MOREL, given), xoauth2("", given), xoauth2("anesthesie@pli.example", given)):
        mechanism = "XOAUTH2" if answer.startswith(b"user") else "OAUTHBEARER"
        async with connected(house) as said:
            told = await said.authenticate(mechanism, answer, at_once=True)
            assert told.startswith("t OK"), told
            assert (await said.say("s SELECT INBOX")).startswith("s OK")
    async with connected(house) as said:
        assert (await said.authenticate("XOAUTH2", xoauth2(ADMISSIONS, given), b"")).startswith("t NO [AUTHENTIC")
    kept = repr(await house.app.db.read(lambda tx: tx.run("SELECT * FROM credentials")))
    assert given not in kept
    grounds = await house.app.db.read(lambda tx: tx.run("SELECT ground FROM audit WHERE act = 'session:opened'"))
    assert {row[0] for row in grounds} == {"psc"}


async def test_a_token_given_to_another_program_is_no_sign_in(house: House, browser: Browser) -> None:
    """Whoever runs any site that Pro Santé Connect knows would else read the mail of all who come there."""
    stolen, ours = await token(house, browser, "pli-post"), await token(house, browser, "pli-tls")
    with pytest.raises(Unauthorised):
        await MailTokens(house.app).sign_in(MOREL, stolen, SOURCE)
    assert (await MailTokens(house.app).sign_in(MOREL, ours, SOURCE)).actor.account_id == house.morel.account_id


async def test_what_is_no_token_there_nor_of_somebody_here_opens_nothing(
    house: House, idp: Providers, browser: Browser
) -> None:
    tokens = MailTokens(house.app)
    for wrong in ("jeton-de-personne", "", "é", "a b", "x" * 2_000_000):
        with pytest.raises(Unauthorised):
            await tokens.sign_in(MOREL, wrong, SOURCE)
    given = await token(house, browser)
    await idp.tell("psc", claims={"SubjectNameID": "899700000001", "preferred_username": "899700000001"})
    with pytest.raises(Unauthorised):
        await tokens.sign_in("", given, SOURCE)
    await idp.tell("psc", fault="userinfo_sub")
    with pytest.raises(Unauthorised):
        await tokens.sign_in("", given, SOURCE)


async def test_when_the_provider_does_not_answer_one_is_asked_to_come_again(
    house: House, idp: Providers, browser: Browser
) -> None:
    given = await token(house, browser)
    await idp.tell("psc", fault="down")
    with pytest.raises(Unavailable):
        await MailTokens(house.app).sign_in(MOREL, given, SOURCE)
    async with connected(house) as said:
        told = await said.authenticate("XOAUTH2", xoauth2(MOREL, given), at_once=True)
        assert told.startswith("t NO [UNAVAILABLE]"), told


async def test_what_it_opened_lasts_the_hours_of_the_house_and_ends_with_everything_else(
    house: House, browser: Browser
) -> None:
    app, tokens = house.app, MailTokens(house.app)
    given = await token(house, browser)
    opened = await tokens.sign_in(MOREL, given, SOURCE)
    for hours, good in ((11, True), (13, False)):
        with time_machine.travel(time.time() + hours * 3600, tick=True):
            assert await app.db.read(mail_sign_in.mail_still_good, opened.hash) is good
    [way] = [way for way in await sessions.ways(app, house.morel.account_id) if way.kind == "mail_token"]
    await sessions.end_way(app, house.morel.account_id, way.id)
    assert not await app.db.read(mail_sign_in.mail_still_good, opened.hash)
    with pytest.raises(Unauthorised):
        await tokens.sign_in(MOREL, given, SOURCE)
    again = await tokens.sign_in(MOREL, await token(house, browser), SOURCE)
    await sessions.sign_out_everywhere(app, house.morel.account_id)
    assert not await app.db.read(mail_sign_in.mail_still_good, again.hash)


async def test_who_left_the_team_no_longer_opens_its_box(house: House, browser: Browser) -> None:
    given, team = await token(house, browser), "anesthesie@pli.example"
    tokens = MailTokens(house.app)
    assert (await tokens.sign_in(team, given, SOURCE)).mailbox_id == house.anesthesia.mailbox_id
    await teams.leave(house.app, house.anesthesia.account_id, house.morel.account_id)
    with pytest.raises(Unauthorised):
        await tokens.sign_in(team, given, SOURCE)
