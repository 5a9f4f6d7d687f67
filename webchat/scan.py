"""A text as a code to scan, black on white whatever the theme. Does not decide what stands in it."""

from __future__ import annotations

import segno
from markupsafe import Markup


def drawn(text: str, title: str) -> Markup:
    """A QR code as an SVG of that title."""
    svg = segno.make(text, error="m").svg_inline(
        scale=4, border=4, dark="#000", light="#fff", title=title, svgclass="scan", lineclass=""
    )
    return Markup(svg)  # noqa: S704 - drawn by the library, of a text in which it escapes everything
