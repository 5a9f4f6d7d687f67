"""Somebody who signs in as people do: an identifier, a password, an authenticator app; and forms filled in by hand."""

from __future__ import annotations

import html
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp

from server import factors, sessions, sign_in, strength
from storage import logins as kept_logins
from storage.database import Tx
from storage.logins import Login
from tests.browser.visitor import Answer, Visitor, visitor
from tests.gateways import Gateway, Relay, gateway, relay
from tests.house import House, open_house, settings_for

IDENTIFIER, PASSWORD = "tulipe.jaune", "le merle chante sous la pluie"
_hashed: list[str] = []  # of PASSWORD


@dataclass
class Outside:
    """A house with an SMS gateway and a relay of notices."""

    house: House
    sms: Gateway
    mail: Relay


@asynccontextmanager
async def open_outside(folder: Path, database_url: str, **changes: object) -> AsyncIterator[Outside]:
    async with gateway() as sms, relay() as mail:
        settings = settings_for(
            folder, database_url=database_url, sms_url=sms.url, sms_private=True,
            notice_smtp=f"127.0.0.1:{mail.port}", notice_tls="none", notice_from="pli@pli.example",
            **changes,
        )  # fmt: skip
        async with open_house(settings) as house:
            yield Outside(house, sms, mail)


@dataclass
class Telephone:
    """An authenticator app."""

    key: str
    moved: int = 0

    def code(self) -> str:
        """One that was not given yet: this step's, then the next one's, which is taken too."""
        clock, self.moved = pyotp.TOTP(self.key), self.moved + 1
        return clock.at(int(time.time()) + 30 * (self.moved - 1))


@dataclass
class Person:
    """Somebody with a login. `codes`: their recovery codes."""

    account_id: str
    telephone: Telephone
    codes: list[str] = field(default_factory=list)


async def settle(house: House, name: str = "dominique", identifier: str = IDENTIFIER) -> Person:
    """Give a holder a login, an app and recovery codes, as a first time does."""
    app, account_id = house.app, house.people[name].account_id
    if not _hashed:
        _hashed.append(await app.passwords.hash(strength.prepared(PASSWORD)))
    factor_id = await factors.begin_app(app, account_id)
    telephone = Telephone(await factors.app_secret(app, account_id, factor_id))
    codes = factors.new_recovery_codes()

    def write(tx: Tx) -> None:
        kept_logins.insert(tx, Login(account_id, sign_in.lookup(app, identifier), _hashed[0]))
        past = pyotp.TOTP(telephone.key).at(int(time.time()) - 30)
        assert factors.confirm_app(app, tx, account_id, factor_id, past)
        factors.keep_recovery_codes(app, tx, account_id, codes)

    await app.db.write(write)
    return Person(account_id, telephone, codes)


class Hand:
    """A browser without a script, whose person fills in the forms that a page shows."""

    def __init__(self, visitor_: Visitor, source: str = "") -> None:
        self.visitor = visitor_
        self.headers = {"X-Forwarded-For": source} if source else {}
        self.page = Answer(0, {}, "", "")

    async def get(self, path: str) -> Answer:
        self.page = await self.visitor.get(path, headers=self.headers)
        return self.page

    async def send(self, path: str, **fields: str) -> Answer:
        """Post, and follow where it leads."""
        self.page = await self.visitor.post(path, fields, headers=self.headers)
        return await self.get(self.page.place) if self.page.place else self.page

    async def fill(self, button: str, **fields: str) -> Answer:
        """Fill in the form of this button on the page that is open. Its own hidden fields go along."""
        for form in re.findall(r"<form.*?</form>", self.page.text, re.DOTALL):
            if f">{button}<" in html.unescape(form):
                hidden = dict(re.findall(r'type="hidden" name="([\w.]+)" value="([^"]*)"', form))
                named = set(re.findall(r'name="([\w.]+)"', form))
                assert fields.keys() <= named, (fields.keys(), named)
                return await self.send(re.findall(r'action="(/[^"]*)"', form)[0], **hidden, **fields)
        raise AssertionError(f"no form with « {button} » in: {self.page.said}")

    @property
    def title(self) -> str:
        found = re.findall(r"<h1[^>]*>(.*?)</h1>", self.page.text, re.DOTALL)
        return html.unescape(found[0]) if found else ""

    @property
    def error(self) -> str:
        found = re.findall(r'class="error" role="alert"[^>]*>(.*?)</p>', self.page.text, re.DOTALL)
        return html.unescape(found[0]) if found else ""

    def key(self) -> str:
        """What one copies into an app."""
        return str(re.findall(r'id="app-key">([\w ]+)<', self.page.text)[0]).replace(" ", "")

    def codes(self) -> list[str]:
        """The recovery codes on the page."""
        return re.findall(r"<li><code>([\w-]+)</code>", self.page.text)

    async def knock(self, identifier: str = IDENTIFIER, password: str = PASSWORD) -> Answer:
        """Identifier and password at the door."""
        return await self.send("/sign-in", identifier=identifier, password=password)


@asynccontextmanager
async def hand(house: House, source: str = "", who: str = "") -> AsyncIterator[Hand]:
    async with visitor(house, who) as opened:
        yield Hand(opened, source)


async def come_in(house: House, page: Any, name: str = "dominique") -> Person:
    """Sign in on a real page, with whichever browser."""
    person = await settle(house, name)
    await page.goto(f"{house.http}/sign-in")
    await page.get_by_label("Identifiant").fill(IDENTIFIER)
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.get_by_role("button", name="Continuer").click()
    await page.get_by_label("Code de l’application").fill(person.telephone.code())
    await page.get_by_role("button", name="Continuer").click()
    return person


async def link_for(house: House, name: str) -> str:
    """The path of an operator's link."""
    return f"/sign-in/{await sessions.new_link(house.app, house.people[name].account_id)}"
