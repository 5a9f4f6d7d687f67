"""Mailbox names on the wire: modified UTF-7 (RFC 3501 § 5.1.3), or UTF-8 once it is enabled (RFC 6855, 9051). Pure.

Promises: linear; neither direction raises; every name comes back as it went (`decode(encode(name)) == name`). What is
not the one modified UTF-7 form of a name is taken as it stands: a client that writes « R&D » means it.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*+)-")
_OUTSIDE = re.compile(r"[^\x20-\x7e]++")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ATOM = re.compile(r'[^\x00-\x20\x7f-\U0010ffff(){%*"\\\]]++')


def decode(name: str) -> str:
    """Modified UTF-7 to text."""
    if "&" not in name:
        return name
    found = _SHIFTED.sub(_plain, name)
    return found if encode(found) == name else name


def encode(name: str) -> str:
    """Text to modified UTF-7: printable ASCII."""
    return _OUTSIDE.sub(_shifted, name.replace("&", "&-"))


def said(name: str, *, utf8: bool) -> bytes:
    """A name as an answer writes it: an atom where it can be one, else a quoted string."""
    written = _CONTROL.sub("\ufffd", name) if utf8 else encode(name)
    if _ATOM.fullmatch(written):
        return written.encode("ascii")
    escaped = written.replace("\\", "\\\\").replace('"', '\\"')
    return b'"%b"' % escaped.encode("utf-8", "replace")


def fit(name: str) -> bool:
    """Whether a client may name a mailbox so: no control character, which an answer could not repeat."""
    return _CONTROL.search(name) is None


def _shifted(found: re.Match[str]) -> str:
    coded = b64encode(found[0].encode("utf-16-be", "replace")).decode("ascii")
    return f"&{coded.rstrip('=').replace('/', ',')}-"


def _plain(found: re.Match[str]) -> str:
    """As it stands when it is no UTF-16 in base64: `decode` then sees that it is not the one form."""
    if not found[1]:
        return "&"
    coded = found[1].replace(",", "/")
    try:
        return b64decode(coded + "=" * (-len(coded) % 4)).decode("utf-16-be")
    except ValueError:
        return found[0]
