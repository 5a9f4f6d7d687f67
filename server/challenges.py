"""What an authenticator is asked to sign (WebAuthn Level 3 § 13.4.3): made, and known again in its answer.

A challenge carries 128 random bits, its end, and our keyed hash of both, of what it is for and of whom. So it is a row
only once it was answered (`storage.passkeys.spend`): strangers at the door write nothing, however often they ask.

Does not: count answers, or verify a signature (`server.passkeys`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from server.sessions import secret_hash
from storage.ids import now_ms, random_octets

if TYPE_CHECKING:
    from server.app import App

LASTS_MS = 300_000
_NONCE, _END = 16, 8


@dataclass(frozen=True, slots=True)
class Challenge:
    """`hash`: what its row is known by. `until`: in milliseconds."""

    octets: bytes
    hash: str
    until: int


class _ClientData(msgspec.Struct):
    challenge: str


def make(app: App, kind: str, account_id: str) -> bytes:
    """A challenge for one purpose and, unless '', one person."""
    plain = random_octets(_NONCE) + (now_ms() + LASTS_MS).to_bytes(_END, "big")
    return plain + _mark(app, kind, account_id, plain)


def answered(app: App, answer: dict[str, Any], kind: str, account_id: str) -> Challenge | None:
    """The challenge that this answer of a browser is to, when it is ours, for this, and in time."""
    try:
        told = msgspec.json.decode(octets(answer["response"]["clientDataJSON"]), type=_ClientData)
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError):
        return None
    whole = octets(told.challenge)
    plain, mark = whole[: _NONCE + _END], whole[_NONCE + _END :]
    until = int.from_bytes(plain[_NONCE:], "big")
    if not hmac.compare_digest(mark, _mark(app, kind, account_id, plain)) or until <= now_ms():
        return None
    return Challenge(whole, secret_hash(whole.hex()), until)


def _mark(app: App, kind: str, account_id: str, plain: bytes) -> bytes:
    return bytes.fromhex(app.vault.lookup("passkey-challenge", f"{kind}|{account_id}|{plain.hex()}"))


def octets(text: object) -> bytes:
    """Of base64url without padding; none when it is something else."""
    try:
        return base64.urlsafe_b64decode(f"{text}==".encode("ascii")) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
