"""The browser of the walks, and how long they wait for what must come."""

from playwright.async_api import expect

from tests.browser.conftest import browser

__all__ = ["browser"]

expect.set_options(timeout=20_000)
