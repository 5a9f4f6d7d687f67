"""Fixtures of the doors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.oidc_provider import Browser, Providers


@pytest.fixture
async def browser(idp: Providers) -> AsyncIterator[Browser]:
    async with idp.browser() as opened:
        yield opened
