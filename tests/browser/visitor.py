"""Somebody with a browser that shows pages and sends forms, and no more: HTTP by hand."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.house import House


@dataclass
class Answer:
    status: int
    headers: Any
    text: str
    place: str

    @property
    def said(self) -> str:
        """The words of the page, one space between them."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


@dataclass
class Visitor:
    """Somebody with a browser."""

    house: House
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **more: Any) -> Answer:
        async with self.session.request(method, self.house.http + path, allow_redirects=False, **more) as answer:
            text = (await answer.read()).decode("utf-8", "replace")
            return Answer(answer.status, answer.headers, text, answer.headers.get("Location", ""))

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, data: Any = None, **more: Any) -> Answer:
        return await self.ask("POST", path, data=data, **more)

    async def press(self, page: str, action: str, **values: str) -> Answer:
        """Press the button of the card whose form does `action`, as the page that holds it gives it."""
        shown = await self.get(page)
        for form in re.findall(r"<form.*?</form>", shown.text, re.DOTALL):
            fields = dict(re.findall(r'name="([\w.]+)" value="([^"]*)"', form))
            if fields.get("action") == action:
                return await self.post(re.findall(r'action="(/[^"]*)"', form)[0], {**fields, **values})
        raise AssertionError(f"no button for {action}")


@asynccontextmanager
async def visitor(house: House, who: str = "") -> AsyncIterator[Visitor]:
    cookies = {"pli": await house.session(who)} if who else {}
    async with aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(house, session)
