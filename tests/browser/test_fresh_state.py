"""State and events are the fresh state: whatever two devices, a third one and the doctor did, in whatever order, with
cuts between, what stands on each screen is what a reload would show.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from lxml import html
from playwright.async_api import Browser, Page

from server import access, reading
from tests.browser.chromium import Window, window
from tests.browser.scenes import appointment, letter_with_documents
from tests.browser.visitor import Visitor, visitor
from tests.house import House

ACTS = 24
PATIENCE_S = 20
PARTS = ("[data-rows]", "[data-entries]", "[data-unread]")
OPENED = {"open", "tabindex", "data-said", "data-unread-words"}  # unfolded; said aloud; what a counter will say
PASSING = {"arrived", "fresh-page"}  # classes of what just came
Act = Callable[[], Awaitable[Any]]


def _plain(markup: str) -> list[str]:
    """What a part of a page says and offers, without what differs from one moment to the next."""
    root = html.fragment_fromstring(markup)
    for passing in root.xpath("//li[@id='new'] | //template"):
        passing.getparent().remove(passing)
    found = []
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        attributes = {name: value for name, value in element.attrib.items() if name not in OPENED}
        if attributes.get("name") == "client_key":
            attributes.pop("value", None)
        kept = [name for name in attributes.pop("class", "").split() if name not in PASSING]
        text = "" if "ago" in kept else " ".join((element.text or "").split())
        tail = " ".join((element.tail or "").split())
        said = " ".join(f"{name}={value}" for name, value in sorted(attributes.items()))
        found.append(f"<{element.tag} {'.'.join(kept)} {said}> {text} {tail}".strip())
    return [re.sub(r"[?&]v=\w+", "", line) for line in found]


async def _shown(page: Page) -> dict[str, list[str]]:
    parts: dict[str, str] = await page.evaluate(
        "(parts) => Object.fromEntries(parts.map(p => [p, document.querySelector(p)?.outerHTML ?? '']))", PARTS
    )
    return {part: _plain(markup) if markup else [] for part, markup in parts.items()}


async def _fresh(page: Page) -> dict[str, list[str]]:
    """The same parts of the page as the server gives it now."""
    answer = await page.request.get(page.url.partition("#")[0])
    root = html.document_fromstring(await answer.text())
    out = {}
    for part in PARTS:
        found = next((element for element in root.iter() if part[1:-1] in element.attrib), None)
        out[part] = _plain(html.tostring(found, encoding="unicode", with_tail=False)) if found is not None else []
    return out


async def _equal(page: Page, what: str) -> None:
    shown, fresh = await _shown(page), await _fresh(page)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while shown != fresh:
                await page.evaluate("() => new Promise((done) => setTimeout(done, 50))")
                shown, fresh = await _shown(page), await _fresh(page)
    except TimeoutError:
        pass  # said below, with what differs
    for part in PARTS:
        missing = [line for line in fresh[part] if line not in shown[part]]
        beside = [line for line in shown[part] if line not in fresh[part]]
        assert shown[part] == fresh[part], (
            f"{what} {part}\nonly after a reload: {missing[:8]}\nonly on screen: {beside[:8]}"
        )


class Story:
    """What may happen, at random, from one seed."""

    def __init__(self, house: House, seed: int, phone: Window, desk: Window, other: Visitor, talks: list[str]) -> None:
        self.house, self.chance = house, random.Random(seed)
        self.phone, self.desk, self.other, self.talks = phone, desk, other, talks
        self.mine: list[tuple[str, str]] = []
        self.number = 0

    def words(self) -> str:
        self.number += 1
        return f"Message {self.number}"

    async def doctor_writes(self) -> None:
        await self.house.answer("morel", self.chance.choice(self.talks), self.words())

    async def dominique_writes_on_another_device(self) -> None:
        talk = self.chance.choice(self.talks)
        receipt = await self.house.answer("dominique", talk, self.words())
        self.mine.append((talk, receipt.message))

    async def dominique_writes_on_the_phone(self) -> None:
        await self.phone.page.fill("#text", self.words())
        await self.phone.page.click(".composer .send")

    async def doctor_reads(self) -> None:
        box = await self.house.mailbox("morel")
        handle = await access.conversation(self.house.app, box, self.chance.choice(self.talks))
        await reading.mark_read(self.house.app, handle, 2**40)

    async def another_device_reads(self) -> None:
        box = await self.house.mailbox("dominique")
        handle = await access.conversation(self.house.app, box, self.chance.choice(self.talks))
        await reading.mark_read(self.house.app, handle, 2**40)

    async def another_device_keeps(self) -> None:
        what = self.chance.choice(["archived-on", "archived-off", "pinned-on", "pinned-off", "muted-on", "muted-off"])
        answer = await self.other.post(f"/c/{self.chance.choice(self.talks)}/marks", {"do": what})
        assert answer.status == 303

    async def another_device_corrects(self) -> None:
        if not self.mine:
            return
        talk, message = self.mine.pop(self.chance.randrange(len(self.mine)))
        form = {"text": f"{self.words()}, corrigé", "client_key": f"correct-{message}"}
        assert (await self.other.post(f"/c/{talk}/m/{message}/correct", form)).status == 303

    async def a_device_loses_the_network(self) -> None:
        await self.chance.choice([self.phone, self.desk]).page.context.set_offline(True)

    async def the_network_comes_back(self) -> None:
        for seen in (self.phone, self.desk):
            await seen.page.context.set_offline(False)

    async def tell(self) -> None:
        acts: list[Act] = [
            self.doctor_writes, self.doctor_writes, self.dominique_writes_on_another_device,
            self.dominique_writes_on_the_phone, self.doctor_reads, self.another_device_reads,
            self.another_device_keeps, self.another_device_keeps, self.another_device_corrects,
            self.a_device_loses_the_network, self.the_network_comes_back,
        ]  # fmt: skip
        for _ in range(ACTS):
            await self.chance.choice(acts)()
        await self.the_network_comes_back()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_stands_on_each_screen_is_what_a_reload_would_show(
    browser: Browser, house: House, seed: int
) -> None:
    talks = [
        (await letter_with_documents(house)).conversation,
        (await appointment(house)).conversation,
        (await house.letter("morel", "dominique", "Bonjour", "Votre ordonnance")).conversation,
    ]
    small: Any = {"viewport": {"width": 390, "height": 844}}
    async with window(browser, house, "dominique", **small) as phone, window(browser, house, "dominique") as desk:
        async with visitor(house, "dominique") as other:
            await phone.go(f"/c/{talks[0]}")
            await desk.go("/")
            await phone.live()
            await desk.live()
            story = Story(house, seed, phone, desk, other, talks)
            await story.tell()
            for seen in (phone, desk):
                await seen.page.wait_for_selector("[data-connected]")
            await _equal(phone.page, f"seed {seed}, the phone")
            await _equal(desk.page, f"seed {seed}, the desk")
            sent = [line for line in (await _shown(phone.page))["[data-entries]"] if "Message" in line]
            assert len(sent) == len(set(sent))
