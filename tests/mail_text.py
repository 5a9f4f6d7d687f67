"""The header of a mail, as the standard library reads it: what a mail client of the tests goes by."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from email.utils import parseaddr


def header(raw: bytes) -> dict[str, str]:
    """Each field once, unfolded and decoded."""
    return {name: str(value) for name, value in message_from_bytes(raw, policy=default).items()}


def address(field: str) -> str:
    """The address alone of a field with one mailbox."""
    return parseaddr(field)[1]
