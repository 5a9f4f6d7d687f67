"""A browser for each test that asks: Chromium keeps to one event loop, and a test has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.chromium import chromium
from tests.browser.everything import Everything, kept_everything
from tests.house import Kept


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture
async def whole_browser() -> AsyncIterator[Browser]:
    """With what is around the engine: notices, a reader of PDF files."""
    async with chromium(whole=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept[dict[str, str]]:
    return kept_everything(tmp_path_factory.mktemp("everything"))


@pytest.fixture
async def everything(kept: Kept[dict[str, str]], tmp_path: Path) -> AsyncIterator[Everything]:
    """The house where everything has happened once, this test's own."""
    async with kept.opened(tmp_path / "everything") as (house, ids):
        yield Everything(house, ids)
