"""What a person wrote in a letter, told from what they quoted of another, in the ways mail clients write it.

Promises: linear, never raises, never hides what somebody wrote: an answer written between or under quoted lines stays
whole, and a sentence that only looks like the beginning of a quotation is one of theirs. Does not know whose words the
quoted ones are.
"""

from __future__ import annotations

import re

_ATTRIBUTION = re.compile(
    r"(?:le|on|am|el|il)\b.{4,300}(?:a écrit|a ecrit|wrote|schrieb|escribió|ha scritto)\s*:\s*",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTION_START = re.compile(r"(?:le|on|am|el|il)\s.{4,}", re.IGNORECASE)
_WHEN_OR_WHO = re.compile(r"\d|@")
_SEPARATOR = re.compile(
    r"-{2,}\s*(?:message d['’]origine|(?:message|mail) (?:original|transféré|réexpédié)|original message|"
    r"forwarded message)\s*-{2,}|_{20,}|(?:début du message (?:réexpédié|transféré)|begin forwarded message)\s?:",
    re.IGNORECASE,
)
_FROM = re.compile(r"\*?(?:de|from)\s?:\*?\s.+", re.IGNORECASE)
_SENT = re.compile(r"\*?(?:envoyé|envoye|sent|date)(?:\s+le)?\s?:\*?\s.+", re.IGNORECASE)
_TO_OR_ABOUT = re.compile(r"\*?(?:à|a|to|pour|cc|objet|subject|sujet)\s?:\*?\s.*", re.IGNORECASE)
HEADED = 6  # lines in which the fields that Outlook copies over a quotation stand


def split_quoted(text: str) -> tuple[str, str]:
    """(what the person wrote, what they quoted). Nothing is cut out when the person also wrote below or between
    quoted lines.
    """
    lines = text.split("\n")
    cut = _quotation(lines)
    if cut is None:
        return text.strip("\n"), ""
    written = "\n".join(lines[:cut]).rstrip()
    if not written.strip():
        return text.strip("\n"), ""  # they answered below: all of it is theirs to be read
    return written.lstrip("\n"), "\n".join(lines[cut:]).strip("\n")


def _quotation(lines: list[str]) -> int | None:
    """The line the quotation starts at: the first of a separator, an attribution or a final block of `>` lines."""
    for place, line in enumerate(lines):
        stripped = line.strip()
        if not stripped:
            continue
        if len(stripped) <= 200 and _SEPARATOR.fullmatch(stripped):
            return place
        if _FROM.match(stripped) and _headed(lines[place + 1 : place + HEADED]):
            return place
        if _ATTRIBUTION_START.match(stripped):
            for length in (1, 2, 3):  # clients wrap the attribution
                if not "".join(lines[place + length - 1 : place + length]).rstrip().endswith(":"):
                    continue
                opening = "\n".join(lines[place : place + length]).strip()
                if len(opening) <= 400 and _ATTRIBUTION.fullmatch(opening):
                    return _after_attribution(opening, lines, place, place + length)
        if stripped.startswith(">"):
            return place if _only_quoted(lines[place:]) else None
    return None


def _headed(after: list[str]) -> bool:
    """Whether the lines after a `De :` are those of a letter's head, as Outlook copies it."""
    stripped = [line.strip() for line in after]
    return any(map(_SENT.match, stripped)) and any(map(_TO_OR_ABOUT.match, stripped))


def _after_attribution(opening: str, lines: list[str], place: int, below: int) -> int | None:
    """« Le Dr Morel a écrit : » is the beginning of a quotation when what follows is marked as one; when nothing is,
    only if it says when, or at what address: else it is somebody's own sentence.
    """
    marked = any(line.lstrip().startswith(">") for line in lines[below:])
    if not marked and not _WHEN_OR_WHO.search(opening):
        return None
    return place if _only_quoted(lines[below:]) else None


def _only_quoted(lines: list[str]) -> bool:
    """Whether nothing was written in or under the quotation; one without any `>` goes on to the end."""
    marked = [line.lstrip().startswith(">") for line in lines if line.strip()]
    return not any(marked) or all(marked)
