"""The browser of the walks."""

from tests.browser.conftest import browser

__all__ = ["browser"]
