"""How a mail client says who it is (SASL, RFC 4422): PLAIN, LOGIN, OAUTHBEARER, XOAUTH2; the same at both doors. Pure.

A mechanism is a generator: it yields what to say to the client (not yet in base64), is sent what the client answered,
and returns what was `Given`. Raises `BadAnswer` for anything that its grammar does not hold.

Does not: look at a password or a token, or allow any of it before TLS (the doors do).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

MAX_TOKEN: Final = 8192
# RFC 7628 § 3.2.2; XOAUTH2 says the same. The client answers with one octet, or nothing, and hears the refusal then.
NO_BEARER: Final = json.dumps({"status": "401", "schemes": "bearer", "scope": "mail"}, separators=(",", ":")).encode()
_GS2: Final = re.compile(r"[ny],(?:a=([^,]*))?,")  # RFC 5801 § 4: no channel binding
_TOKEN: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)  # RFC 6750 § 2.1


class BadAnswer(Exception):
    """What the client answered is not of its mechanism."""


@dataclass(frozen=True, slots=True)
class Given:
    """An address as it is compared, and a password or a token; `bearer`: which of the two it is."""

    address: str
    secret: str
    bearer: bool = False

    def __repr__(self) -> str:
        return "<Given>"


Exchange = Generator[bytes, bytes, Given]


def _plain() -> Exchange:
    """RFC 4616: authorization NUL authentication NUL password."""
    pieces = _text((yield b"")).split("\0")
    if len(pieces) != 3:
        raise BadAnswer
    other, address, password = same_person(pieces[0]), same_person(pieces[1]), pieces[2]
    return Given(address if other in ("", address) else "", password)  # nobody acts as somebody else here


def _login() -> Exchange:
    """draft-murchison-sasl-login, as the world speaks it."""
    address = _text((yield b"Username:"))
    return Given(same_person(address), _text((yield b"Password:")))


def _oauthbearer() -> Exchange:
    """RFC 7628 § 3.1: a GS2 header, then key=value pairs, each ended by ^A."""
    header, *pairs = _text((yield b"")).split("\x01")
    known = _GS2.fullmatch(header)
    if known is None or pairs[-2:] != ["", ""]:
        raise BadAnswer
    address = (known[1] or "").replace("=2C", ",").replace("=3D", "=")
    return Given(same_person(address), _token(pairs), bearer=True)


def _xoauth2() -> Exchange:
    """Google's forerunner of it: user=… ^A auth=Bearer … ^A ^A."""
    first, *pairs = _text((yield b"")).split("\x01")
    if not first.startswith("user=") or pairs[-2:] != ["", ""]:
        raise BadAnswer
    return Given(same_person(first.removeprefix("user=")), _token(pairs), bearer=True)


def _token(pairs: list[str]) -> str:
    found = [pair.partition("=")[2] for pair in pairs if pair.lower().startswith("auth=")]
    token = _TOKEN.fullmatch(found[0]) if len(found) == 1 else None
    if token is None or len(token[1]) > MAX_TOKEN:
        raise BadAnswer
    return token[1]


MECHANISMS: Final[dict[str, Callable[[], Exchange]]] = {
    "PLAIN": _plain, "LOGIN": _login, "OAUTHBEARER": _oauthbearer, "XOAUTH2": _xoauth2,
}  # fmt: skip


def same_person(address: str) -> str:
    """An address as it is compared with that of somebody hosted here: without difference of case, of width (a Japanese
    keyboard's ａ is an a: RFC 4013 § 2.2), or of blanks around it.
    """
    return unicodedata.normalize("NFKC", address).strip().lower()


def decoded(answer: bytes) -> bytes:
    """What a client sent in base64; « = » is an empty initial response (RFC 4959 § 3). Raises `BadAnswer`."""
    try:
        return b"" if answer == b"=" else base64.b64decode(answer, validate=True)
    except binascii.Error:
        raise BadAnswer from None


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadAnswer from None
