"""A table as office programs take it: CSV with semicolons, in UTF-8 with the mark they know it by.

Promises: no cell is taken for a formula, whoever wrote what it holds (CWE-1236).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def written(rows: Iterable[Iterable[object]]) -> bytes:
    """The rows, the first being the names of the columns."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerows([_inert(cell) for cell in row] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _inert(cell: object) -> object:
    """A cell that begins like a formula is words."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
