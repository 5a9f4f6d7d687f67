"""Fixtures of the doors: the identity providers, one process for all tests that ask, and a Pli known there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.house import House, open_house, settings_for
from tests.oidc_house import DOMINIQUE, MOREL, RPPS
from tests.support.oidc_provider import Browser, Providers, providers
from tests.support.programs import free_port


@pytest.fixture(scope="session")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    with providers(tmp_path_factory.mktemp("idp"), free_port()) as running:
        yield running


@pytest.fixture
async def known(idp: Providers, sqlite_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """A Pli known at both; at one Dr Morel signs in, at the other Dominique, and neither lies."""
    await idp.tell("psc", account=f"f:1:{RPPS}", claims=MOREL, acr="eidas1", error="", fault="")
    await idp.tell("franceconnect", account="of-dominique", claims=DOMINIQUE, acr="eidas2", error="", fault="")
    async with open_house(settings_for(tmp_path / "pli", database_url=sqlite_url, **idp.settings)) as opened:
        yield opened


@pytest.fixture
async def browser(idp: Providers) -> AsyncIterator[Browser]:
    async with idp.browser() as opened:
        yield opened
