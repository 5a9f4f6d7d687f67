"""The HTML of a letter made safe to show: an allow-list of tags, and nothing that is fetched because a mail was opened.

Promises: no script, style, form, frame, link to our own pages, nor anything fetched; of pictures only those that are
in the HTML itself stay, small and of the kind they say; where something would have been fetched, the letter says so
on its first line. Bounded in time and memory, whatever the HTML: left alone, a sanitiser that mends HTML as browsers
do makes 5 GB of 90 kB (each of 19 000 paragraphs opens again the 1 000 `<b>` that were never closed).

Security items 25 and 26. Does not frame it: the page that shows it does (sandbox, CSP). What is not shown here stays
whole in the mail, and its words in the text.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

import nh3

from mail_gateway.headers import decode_base64
from server.drafts import FETCHING_REMOVED
from server.formats.sniff import sniff

LARGE: Final = 64 * 1024  # characters from which cleaning costs more than a change of thread
MANY: Final = 2_000  # tags, as above
MAX_HTML: Final = 300_000  # characters; a longer one is read as text
MAX_TAGS: Final = 20_000  # as above: mending costs the square of their depth
MAX_PICTURES: Final = 100_000  # characters of all that are in the HTML itself

_ATTRIBUTES: Final = {
    "a": {"href"}, "ol": {"start"}, "bdo": {"dir"}, "td": {"rowspan", "colspan", "align"},
    "th": {"rowspan", "colspan", "align", "scope"}, "tr": {"align"}, "col": {"span"}, "colgroup": {"span"},
}  # fmt: skip
_SCHEMES: Final = {"http", "https", "mailto", "tel"}
_REL: Final = "noopener noreferrer nofollow"
_UNSEEN: Final = {
    "script", "style", "title", "noscript", "template", "textarea", "select", "object", "iframe", "svg", "math",
}  # fmt: skip
_PICTURE: Final = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=\s]+)")
# What a browser opens again when it was closed in the wrong order goes through the sanitiser as ordinary elements.
_REOPENED: Final = re.compile(r"<(/?)(b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/>])", re.IGNORECASE)
_NAMED: Final = re.compile(r"<(/?)pli-(b|code|em|i|s|small|strike|strong|tt|u)(?=[ >])")
_TAGS: Final = (nh3.ALLOWED_TAGS - {"img", "area", "map"}) | {
    f"pli-{name}" for name in ("b", "code", "em", "i", "s", "small", "strike", "strong", "tt", "u")
}
_CLEANER: Final = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    clean_content_tags=_UNSEEN,
    url_schemes=_SCHEMES,
    url_relative="deny",  # it would be relative to our own pages
    link_rel=_REL,
)
# What opening the letter would have asked somebody for. It only decides whether to say so.
_FETCHED: Final = re.compile(
    r"(?:\b(?:src|srcset|background|poster|data)\s*+=\s*+[\"']?+\s*+|\burl\s*+\(\s*+[\"']?+\s*+|@import\s*+[\"']?+"
    r"|<(?:link|image|feimage|use)\b[^<>]{0,500}?\bhref\s*+=\s*+[\"']?+\s*+)(?:https?:)?+//",
    re.IGNORECASE,
)


async def safe(html: str) -> str:
    """HTML without scripts, styles, forms or anything fetched; "" when it is better read as text."""
    tags = html.count("<")
    if not html or len(html) > MAX_HTML or tags > MAX_TAGS:
        return ""
    apart = len(html) > LARGE or tags > MANY
    cleaned = await asyncio.to_thread(clean, html) if apart else clean(html)
    return cleaned if len(cleaned) <= 2 * MAX_HTML else ""


def clean(html: str) -> str:
    """As `safe`, at once and whatever the length."""
    ordinary = _REOPENED.sub(r"<\1pli-\2", html)
    cleaned = _with_pictures(ordinary) if "data:image/" in html else _CLEANER.clean(ordinary)
    cleaned = _NAMED.sub(r"<\1\2", cleaned)
    return FETCHING_REMOVED + cleaned if _FETCHED.search(html) else cleaned


def _with_pictures(html: str) -> str:
    """With the pictures that are in the HTML itself, up to MAX_PICTURES."""
    left = MAX_PICTURES

    def attribute(tag: str, name: str, value: str) -> str | None:
        nonlocal left
        if tag != "img":
            return None if name == "href" and value.lstrip().lower().startswith("data:") else value
        left -= len(value)
        return value if left >= 0 and _is_picture(value) else None

    cleaned = nh3.clean(
        html,
        tags=_TAGS | {"img"},
        attributes=_ATTRIBUTES | {"img": {"src"}},
        attribute_filter=attribute,
        clean_content_tags=_UNSEEN,
        url_schemes=_SCHEMES | {"data"},
        url_relative="deny",
        link_rel=_REL,
    )
    return cleaned.replace("<img>", "")


def _is_picture(url: str) -> bool:
    match = _PICTURE.fullmatch(url)
    return match is not None and sniff(decode_base64(match[2].encode())) == match[1]
