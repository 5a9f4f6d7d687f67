"""The HTML of a letter made safe to show: an allow-list of tags, and nothing that is fetched because a mail was opened.

Security items 25 and 26. Does not frame it: the page that shows it does (sandbox, CSP).
"""

from __future__ import annotations

import asyncio
from typing import Final

import nh3

LARGE: Final = 64 * 1024  # characters from which cleaning costs more than a change of thread
MAX_HTML: Final = 500_000  # characters; a longer one is read as text, and stays whole in the mail
_TAGS: Final = nh3.ALLOWED_TAGS - {"img", "area", "map"}
_SCHEMES: Final = {"http", "https", "mailto", "tel"}


async def safe(html: str) -> str:
    """HTML without scripts, styles, forms or anything fetched (items 25 and 26)."""
    if not html or len(html) > MAX_HTML:
        return ""
    return await asyncio.to_thread(_clean, html) if len(html) > LARGE else _clean(html)


def _clean(html: str) -> str:
    return nh3.clean(html, tags=_TAGS, url_schemes=_SCHEMES, link_rel="noopener noreferrer nofollow")
