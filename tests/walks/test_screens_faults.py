"""What people wrote and what they were sent, while the network is cut, the server is killed, or the phone sleeps:
there, once, in order.
"""

from __future__ import annotations

import asyncio
import imaplib
import os
import random
import signal
import ssl
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from storage.database import Tx
from tests.browser.chromium import window
from tests.house import House
from tests.imap_client import client
from tests.support.between import between
from tests.support.demo_server import Server
from tests.support.programs import free_port
from tests.walks.mail import first_lines, told_by_idle

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
KILLS, AT_ONCE = 6, 4
LETTERS = 15  # while the phone sleeps, twice
PATIENCE_MS = 60_000
WAITS = "Non envoyé – Pas encore envoyé. Nouvel essai dès que possible."
PRESS = """texts => { window.loaded = 1; for (const text of texts) {
    document.querySelector('#text').value = text;
    document.querySelector('form.composer').requestSubmit(); } }"""
LISTEN = """() => { window.heard = [];
    const said = document.querySelector('[role=status][data-said]');
    new MutationObserver((changes) => { for (const change of changes) for (const node of change.addedNodes)
      heard.push(node.textContent); }).observe(said, { childList: true }); }"""


def _mine(page: Page) -> Locator:
    return page.locator(".bubble.mine .text")


# ---- the network -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["the socket", "the form"])
async def test_a_message_whose_answer_was_lost_says_that_it_waits_and_is_there_once(
    browser: Browser, house: House, way: str
) -> None:
    letter = await house.letter("morel", "dominique")
    async with (
        between(house.app.ports["http"]) as road,
        window(browser, house, "dominique", **PHONE) as phone,
        client(house, house.address("morel")) as program,
    ):
        page = phone.page
        if way == "the form":
            road.shut = b"/socket.io/"
        await page.goto(f"{road.http}/c/{letter.conversation}")
        if way == "the socket":
            await phone.live()
        await page.fill("#text", "Une seule fois")
        road.deaf = True
        async with told_by_idle(program, b"1 EXISTS"):  # it arrived; what says so does not
            await page.get_by_role("button", name="Envoyer").tap()
        await expect(page.locator(".bubble.pending .state")).to_have_text("Envoi…")
        road.closed = True
        road.cut()
        await expect(page.locator(".bubble.pending .state")).to_contain_text(WAITS)
        await page.evaluate(PRESS, ["Et encore ceci"])
        road.deaf = road.closed = False
        await expect(page.locator(".bubble.pending")).to_have_count(0, timeout=PATIENCE_MS)
        await expect(_mine(page)).to_have_text(["Une seule fois", "Et encore ceci"])
        road.shut = b""
        await page.reload()
        await expect(_mine(page)).to_have_text(["Une seule fois", "Et encore ceci"])
        assert await first_lines(program) == ["Une seule fois", "Et encore ceci"]


async def test_a_message_pressed_as_the_network_goes_waits_and_leaves_once_when_it_is_back(
    browser: Browser, house: House
) -> None:
    letter = await house.letter("morel", "dominique")
    async with window(browser, house, "dominique", **PHONE) as phone:
        page = await phone.go(f"/c/{letter.conversation}")
        await phone.live()
        pressed = []
        for turn in range(3):
            pressed.append(f"Message {turn}")
            press = page.evaluate(PRESS, [pressed[-1]])
            await asyncio.gather(press, page.context.set_offline(True))  # the moment itself: before, during or after
            await expect(_mine(page)).to_have_text(pressed)
            await page.context.set_offline(False)
            await expect(page.locator(".bubble.pending")).to_have_count(0, timeout=PATIENCE_MS)
        await page.reload()
        await expect(_mine(page)).to_have_text(pressed)
    async with window(browser, house, "morel") as doctor:
        await doctor.go(f"/c/{letter.conversation}")
        await expect(doctor.page.locator(".bubble .text")).to_have_text(pressed)


# ---- the server ------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(400)
async def test_what_was_pressed_as_the_server_was_killed_is_there_once_and_in_order(
    browser: Browser, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    choose = random.Random(seed)
    server = Server(tmp_path / "pli", http_port=free_port())
    server.folder.mkdir()
    try:
        await asyncio.to_thread(server.start)
        async with await browser.new_context(**PHONE, locale="fr-FR", service_workers="block") as context:
            page = await context.new_page()
            await page.goto(server.told["http"] + server.told["people"]["dominique"]["sign_in"])
            await page.locator("a.row", has_text="Préparer votre venue au CHU").tap()
            pressed = await _pressed_while_killed(server, page, choose)
            await expect(_mine(page), f"seed {seed}").to_have_text(pressed)
            await page.wait_for_selector("[data-connected]", timeout=PATIENCE_MS)
            assert await page.evaluate("window.loaded") == 1, "it came back by itself, still signed in"
            await page.reload()
            await expect(_mine(page), f"seed {seed}").to_have_text(pressed)
            assert await asyncio.to_thread(_in_the_mail_program, server, "admissions") == pressed, f"seed {seed}"
            await page.goto(server.told["http"] + "/drafts")
            await expect(page.locator("main")).to_contain_text("Vous n’avez aucun brouillon.")
    finally:
        server.kill()


async def _pressed_while_killed(server: Server, page: Page, choose: random.Random) -> list[str]:
    """What she pressed, a few messages at once before each kill, and all of it sent in the end."""
    pressed: list[str] = []
    waited = 0
    for kill in range(KILLS):
        if kill < KILLS // 2:  # by the socket; else by the form's own way, as long as the socket is not back
            await page.wait_for_selector("[data-connected]", timeout=PATIENCE_MS)
        now = [f"{kill}.{number}" for number in range(AT_ONCE)]
        pressed += now
        await page.evaluate(PRESS, now)
        await asyncio.sleep(choose.random() / 10)  # a moment that nobody chose
        await asyncio.to_thread(server.kill)
        waited += await page.locator(".bubble.pending").count()
        await asyncio.to_thread(server.start)
        await expect(page.locator(".bubble.pending")).to_have_count(0, timeout=PATIENCE_MS)
    assert waited, "no kill came between pressing and the answer"
    return pressed


def _in_the_mail_program(server: Server, who: str) -> list[str]:
    """The first line of everything in somebody's inbox, in order."""
    person, door = server.told["people"][who], server.told["imap"]
    trusting = ssl.create_default_context(cafile=server.told["ca"])
    trusting.check_hostname = False  # the certificate names localhost
    with imaplib.IMAP4(door["host"], door["port"], timeout=60) as program:
        program.starttls(trusting)
        program.login(person["address"], person["password"])
        program.select("INBOX", readonly=True)
        _, parts = program.fetch("1:*", "(BODY.PEEK[])")
        mails = [message_from_bytes(part[1], policy=policy.default) for part in parts if isinstance(part, tuple)]
        return [mail.get_content().splitlines()[0] for mail in mails]


# ---- the phone -------------------------------------------------------------------------------------------------------


async def test_a_phone_that_slept_has_every_letter_once_in_order_and_says_each_once(
    browser: Browser, house: House
) -> None:
    letter = await house.letter("morel", "dominique", "Bonjour")
    async with between(house.app.ports["http"]) as road, window(browser, house, "dominique", **PHONE) as phone:
        page = phone.page
        await page.goto(f"{road.http}/c/{letter.conversation}")
        await phone.live()
        await expect(page.locator("[data-connected]")).to_have_count(1)
        await page.evaluate(LISTEN)
        renderers = await _renderers(browser)
        sent = ["Bonjour"]
        for cut in (False, True):  # asleep, with its connection open; then with the connection gone meanwhile
            asleep = []
            for process in renderers:
                os.kill(process, signal.SIGSTOP)  # asleep: nothing of the page runs
            if cut:
                road.cut()
            for number in range(LETTERS):
                sent.append(f"Lettre {len(sent)}-{number}")
                asleep.append((await house.answer("morel", letter.conversation, sent[-1])).message)
            assert not await _read(house, asleep), "nobody has read what came to a phone that sleeps"
            for process in renderers:
                os.kill(process, signal.SIGCONT)
            await expect(page.locator(".entry .text")).to_have_text(sent, timeout=PATIENCE_MS)
        await phone.live()
        assert await page.evaluate("window.heard") == ["Nouveau message du Dr MOREL"] * 2 * LETTERS


async def _renderers(browser: Browser) -> list[int]:
    """The processes in which pages of this browser live."""
    found = await (await browser.new_browser_cdp_session()).send("SystemInfo.getProcessInfo")
    return [one["id"] for one in found["processInfo"] if one["type"] == "renderer"]


async def _read(house: House, sent: list[str]) -> set[str]:
    """Those of these messages that somebody read."""

    def read(tx: Tx) -> set[str]:
        rows = tx.run("SELECT message_id FROM receipts WHERE state = 'read'")
        return {row[0] for row in rows} & set(sent)

    return await house.app.db.read(read)
