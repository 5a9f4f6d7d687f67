"""How a command ends otherwise than well. The texts are ours, in ASCII, French first (RFC 3501 § 9, text)."""

from __future__ import annotations


class No(Exception):
    """A tagged NO. `code`: RFC 5530's, or empty."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.answer = f"NO [{code}] {text}" if code else f"NO {text}"


class Bye(Exception):
    """The session ends, with this text."""


def cannot(french: str, english: str) -> No:
    """What this house does not do, whoever asks."""
    return No(f"{french} / {english}", "CANNOT")
