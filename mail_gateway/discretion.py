"""A letter to several people as each patient may see it: an address of a patient is a national number.

Promises: what `for_one` returns names no other patient in its header: their mailboxes are taken out of To and Cc, any
other field that holds such an address goes, and so does Bcc. All else, and the whole body, is kept to the octet; a
letter that names nobody else comes back as it is. Linear, never raises. Does not look into the body: what a
professional writes there is theirs.
"""

from __future__ import annotations

import re

from mail_gateway.headers import addresses

_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*+")
_LISTS = frozenset((b"to", b"cc"))
_HIDDEN = frozenset((b"bcc", b"resent-bcc"))


def for_one(raw: bytes, ins: str, patient_domain: str) -> bytes:
    """The letter for the patient of that INS."""
    end = raw.find(b"\r\n\r\n") + 2
    if end < 2:
        end = len(raw)
    block = raw[:end]
    at = b"@" + patient_domain.lower().encode()
    lower = block.lower()
    if lower.count(at) == lower.count(ins.lower().encode() + at) and b"bcc" not in lower:
        return raw
    out = bytearray()
    position = 0
    while position < len(block):
        field = _FIELD.match(block, position)
        if field is None:  # a line that is no field: kept unless it names somebody
            stop = block.find(b"\n", position) + 1 or len(block)
            line, name = block[position:stop], b""
        else:
            stop = field.end()
            line, name = field[0], field[1].lower()
        position = stop
        if name in _HIDDEN:
            continue
        if line.lower().count(at) == line.lower().count(ins.lower().encode() + at):
            out += line
        elif name in _LISTS:
            out += _without(line, field[1] if field else b"", ins, patient_domain)
    return bytes(out) + raw[end:]


def _without(line: bytes, name: bytes, ins: str, patient_domain: str) -> bytes:
    """The list without the other patients; by addresses alone, since a name is what they would be known by."""
    value = line.partition(b":")[2].decode("utf-8", "replace").replace("\r\n", "").strip()
    kept = []
    for mailbox in addresses(value):
        local, _, domain = mailbox.address.rpartition("@")
        own = local.partition("+")[0].lower() == ins.lower()
        if (domain != patient_domain.lower() or own) and mailbox.address.isascii():
            kept.append(mailbox.address)
    return name + b": " + (",\r\n ".join(kept) or "undisclosed-recipients:;").encode("ascii") + b"\r\n"
