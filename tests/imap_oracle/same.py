"""Two answers in their normal form, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CUT = 120  # characters of each side that are told


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """(where, what ours says there, what theirs says), the smallest places that differ."""
    if ours == theirs:
        return
    if isinstance(ours, dict) and isinstance(theirs, dict) and _kind(ours) == _kind(theirs):
        for key in sorted({*ours, *theirs}):
            if key not in theirs:
                yield f"{path}/{key}", shown(ours[key]), "nothing"
            elif key not in ours:
                yield f"{path}/{key}", "nothing", shown(theirs[key])
            else:
                yield from differences(ours[key], theirs[key], f"{path}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True), 1):
            yield from differences(one, other, f"{path}/{place}")
    elif isinstance(ours, list) and isinstance(theirs, list) and all(isinstance(one, str) for one in ours + theirs):
        yield path, shown([one for one in ours if one not in theirs]), shown([one for one in theirs if one not in ours])
    else:
        yield path, shown(ours), shown(theirs)


def _kind(value: dict[str, Any]) -> tuple[Any, ...]:
    """Of a part of a mail: two of different kinds differ as a whole."""
    return "parts" in value, value.get("type"), value.get("subtype") if "type" in value else ""


def shown(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= CUT else f"{said[:CUT]}… ({len(said)})"
