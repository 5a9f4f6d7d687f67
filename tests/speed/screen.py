"""What a patient waits for: the first words on a slow phone, however full the mailbox is; a message from one browser
to the other.

Chromium on a network of the third generation (1.6 Mbit/s down, 0.75 up, 150 ms a round trip: the « fast 3G » that
browsers’ own tools name), nothing in its cache. First contentful paint is the browser’s own figure (Paint Timing);
octets are those on the wire, headers included.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import aiohttp
from playwright.async_api import Browser, Page, async_playwright

from tests.browser.chromium import ARGUMENTS
from tests.speed.house import House
from tests.speed.load import percentile
from tests.speed.table import Row, ms
from tests.support.programs import program

DOWN, UP, ROUND_TRIP_MS = 1_600_000 / 8, 750_000 / 8, 150
MESSAGES, THREAD, CONVERSATIONS = 10_000, 2_000, 2_000
SMALL = 10
MOST_OCTETS = 100_000
SLOWER = 1.25  # a full mailbox against a small one: what the clock itself varies by
TALK = 60
PATIENTS = {"full": "279035121518989", "small": "150017505604274"}  # Dominique, Marcel
NAMES = {"full": "dominique", "small": "marcel"}

_PAINTED = """() => new Promise((done) => {
  const found = performance.getEntriesByName("first-contentful-paint")[0];
  if (found) return done(found.startTime);
  new PerformanceObserver((list) => done(list.getEntries()[0].startTime)).observe({type: "paint", buffered: true});
})"""
_LISTEN = """() => {
  globalThis.heard = {};
  const look = () => document.querySelectorAll("[data-entries] .text").forEach((text) => {
    const token = text.textContent.match(/mot-\\d+/)?.[0];
    if (token && !heard[token]) heard[token] = performance.timeOrigin + performance.now();
  });
  new MutationObserver(look).observe(document.querySelector("[data-entries]"), {childList: true, subtree: true});
}"""
_SAY = """(token) => {
  const form = document.querySelector("form[data-composer]");
  form.elements.namedItem("text").value = token;
  const at = performance.timeOrigin + performance.now();
  form.requestSubmit();
  return at;
}"""


@dataclass(frozen=True, slots=True)
class Load:
    """One cold opening of a page."""

    painted_ms: float
    octets: int
    requests: int


async def pages(house: House, *, quick: bool) -> list[Row]:
    """The list and a thread, of a full mailbox and of a small one; then two browsers that talk."""
    sizes = {"full": (MESSAGES // 20, 60, 60), "small": (SMALL, 4, 2)} if quick else {
        "full": (MESSAGES, THREAD, CONVERSATIONS), "small": (SMALL, 4, 2)
    }  # fmt: skip
    threads = {name: await _fill(house, PATIENTS[name], *sizes[name]) for name in sizes}
    rows = []
    async with _browser() as browser:
        for what, path in (("list", "/"), ("thread", "/c/{}")):
            loads = {name: await _median(browser, house, NAMES[name], path.format(threads[name]), 3 if quick else 7)
                     for name in ("small", "full")}  # fmt: skip
            rows.append(_row(what, sizes["full"][0], loads["full"], loads["small"]))
        took = await _talk(browser, house, threads["small"], 20 if quick else TALK)
    shown = f"median {ms(percentile(took, 50))}, p99 {ms(percentile(took, 99))} over {len(took)}"
    rows.append(Row("message from one browser to the other, on screen", "", shown))
    return rows


def _row(what: str, messages: int, full: Load, small: Load) -> Row:
    ratio = full.painted_ms / small.painted_ms
    shown = f"{ms(full.painted_ms)}, {full.octets / 1000:.0f} kB in {full.requests} requests"
    beside = f"mailbox of {SMALL}: {ms(small.painted_ms)}, {small.octets / 1000:.0f} kB; {ratio:.2f} ×"
    goal = f"{MOST_OCTETS // 1000} kB, {SLOWER} × a small one"
    good = full.octets < MOST_OCTETS and ratio <= SLOWER
    return Row(f"{what}, mailbox of {messages:,}: first words on 3G, cold", goal, shown, beside, good)


async def _fill(house: House, ins: str, messages: int, thread: int, conversations: int) -> str:
    """Letters of the admissions for this patient; the id of the long conversation, which is the last one written in."""
    headers = {"Authorization": f"Bearer {house.told('admissions')['token']}"}
    gate = asyncio.Semaphore(50)
    async with aiohttp.ClientSession(headers=headers) as session:

        async def send(path: str, body: dict[str, Any]) -> str:
            async with gate, session.post(f"{house.http}/api/v1{path}", json=body) as answer:
                if answer.status != 201:
                    raise RuntimeError(f"{answer.status} {await answer.text()}")
                return str((await answer.json())["conversation"])

        def letter(number: int) -> dict[str, Any]:
            return {"text": f"Bonjour,\n\nConsigne {number} : venez avec vos papiers.\n\nLe bureau des admissions"}

        opened = await asyncio.gather(*(
            send("/conversations", {"to": ins, "subject": f"Votre venue n° {number}", **letter(number)})
            for number in range(conversations)
        ))  # fmt: skip
        others = messages - conversations - thread
        await asyncio.gather(*(
            send(f"/conversations/{opened[1 + number % (conversations - 1)]}/messages", letter(number))
            for number in range(max(others, 0))
        ))  # fmt: skip
        for begin in range(0, thread, 50):
            await asyncio.gather(*(send(f"/conversations/{opened[0]}/messages", letter(number))
                                   for number in range(begin, min(begin + 50, thread))))  # fmt: skip
    return opened[0]


@asynccontextmanager
async def _browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program("chromium"), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


async def _median(browser: Browser, house: House, who: str, path: str, times: int) -> Load:
    loads = [await _open(browser, house, who, path) for _ in range(times)]
    return Load(median(load.painted_ms for load in loads), max(load.octets for load in loads), loads[0].requests)


async def _open(browser: Browser, house: House, who: str, path: str) -> Load:
    """A window of its own, signed in, then the page with an empty cache and a slow network."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, service_workers="block")
    try:
        page = await context.new_page()
        await page.goto(f"{house.http}/demo/sign-in/{who}", wait_until="commit")
        await page.goto("about:blank")
        wire = await context.new_cdp_session(page)
        await wire.send("Network.enable")
        await wire.send("Network.clearBrowserCache")
        await wire.send("Network.emulateNetworkConditions", {
            "offline": False, "latency": ROUND_TRIP_MS, "downloadThroughput": DOWN, "uploadThroughput": UP,
        })  # fmt: skip
        octets: list[float] = []
        wire.on("Network.loadingFinished", lambda event: octets.append(event["encodedDataLength"]))
        await page.goto(house.http + path, wait_until="load")
        await page.wait_for_selector("[data-connected]")
        painted = float(await page.evaluate(_PAINTED))
        return Load(painted, int(sum(octets)), len(octets))
    finally:
        await context.close()


async def _talk(browser: Browser, house: House, conversation: str, count: int) -> list[float]:
    """Milliseconds from pressing « Envoyer » to the words on the other screen, one message after the other."""
    contexts = [await browser.new_context() for _ in range(2)]
    try:
        marcel = await _window(contexts[0], house, "marcel", conversation)
        desk = await _window(contexts[1], house, "admissions", conversation)
        await desk.evaluate(_LISTEN)
        took = []
        for number in range(count):
            token = f"mot-{number}"
            left = float(await marcel.evaluate(_SAY, token))
            await desk.wait_for_function("(token) => heard[token]", arg=token)
            took.append(float(await desk.evaluate("(token) => heard[token]", token)) - left)
            await asyncio.sleep(0.06)  # people, and limits on one socket, are slower than benchmarks
        return sorted(took)
    finally:
        for context in contexts:
            await context.close()


async def _window(context: Any, house: House, who: str, conversation: str) -> Page:
    page: Page = await context.new_page()
    await page.goto(f"{house.http}/demo/sign-in/{who}", wait_until="commit")
    await page.goto(f"{house.http}/c/{conversation}")
    await page.wait_for_selector("[data-connected]")
    return page
