"""An attachment of a mail: its number, its name for a person, its size, and why it cannot be read here when it cannot.

Promises: nothing is decoded but the first octets of what may be sealed (S/MIME, PGP) and a base64 body that is not
regular; never raises. Does not open signatures, ciphers nor winmail.dat: they are kept, and said to be what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mail_gateway import structure
from mail_gateway.cms import SIGNED_DATA
from mail_gateway.headers import Headers, decode_base64, decode_words
from mail_gateway.structure import Node, file_name

_SIGNATURES: Final = {
    "application/pkcs7-signature": "smime.p7s",  # RFC 8551 § 3.5.3
    "application/x-pkcs7-signature": "smime.p7s",
    "application/pgp-signature": "signature.asc",  # RFC 3156 § 5
}
_CMS: Final = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_TNEF: Final = ("application/ms-tnef", "application/vnd.ms-tnef")
_PGP: Final = b"-----BEGIN PGP MESSAGE-----"
_CIPHERED: Final = "Message chiffré : seul un logiciel qui en a la clé peut l’ouvrir. Demandez-le sans ce chiffrement."
_OPAQUE: Final = "Enveloppe signée (S/MIME) : un logiciel de messagerie peut l’ouvrir."
_OUTLOOK: Final = "Pièce jointe d’Outlook (winmail.dat), illisible ici. Demandez-la sous une autre forme."


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment, by its IMAP number. `name` may be ""; `type` in lower case as announced, not as sniffed; `size`
    in decoded bytes; `inline` when the HTML refers to it by `content_id` or the sender asked for it to be shown in
    place. `unread`: why it cannot be read here, for a person; "" when it can.
    """

    number: str
    name: str
    type: str
    size: int
    inline: bool
    content_id: str
    unread: str = ""


def part_of(raw: bytes, node: Node) -> Part:
    """The attachment that a leaf, or a message/rfc822, is."""
    inline = node.disposition == "inline" or (node.disposition != "attachment" and bool(node.content_id))
    kind = f"{node.type}/{node.subtype}"
    size = _decoded_size(raw, node)
    return Part(
        node.number or "1", _name(raw, node, kind), kind, size, inline, node.content_id, _unread(raw, node, kind)
    )


def _name(raw: bytes, node: Node, kind: str) -> str:
    if kind in _SIGNATURES:
        return f"Signature de l’expéditeur – {node.filename or _SIGNATURES[kind]}"
    if not node.filename and node.type == "message" and node.children:
        inner = node.children[0]
        subject = Headers(raw[inner.header_start : inner.header_end]).get("subject")
        return f"{file_name(decode_words(subject or '').replace('/', '-')) or 'message'}.eml"
    if not node.filename and kind in _CMS:
        return "smime.p7m"
    return node.filename


def is_signed_envelope(raw: bytes, node: Node) -> bool:
    """Whether it is a SignedData of S/MIME that carries what it signs (RFC 8551 § 3.5.2)."""
    sealed = f"{node.type}/{node.subtype}" in _CMS or node.filename.lower() == "smime.p7m"
    return sealed and SIGNED_DATA in head(raw, node)[:64]


def _unread(raw: bytes, node: Node, kind: str) -> str:
    name = node.filename.lower()
    if kind in _TNEF or name == "winmail.dat":
        return _OUTLOOK
    if kind in _CMS or name == "smime.p7m":
        return _OPAQUE if is_signed_envelope(raw, node) else _CIPHERED
    if node.type == "application" and (kind == "application/pgp-encrypted" or name.endswith((".asc", ".pgp", ".gpg"))):
        return _CIPHERED if head(raw, node).lstrip().startswith((_PGP, b"Version: 1")) else ""
    return ""


def head(raw: bytes, node: Node) -> bytes:
    """The first octets of a part, decoded: 4 kB when it has so many."""
    start = raw[node.body_start : min(node.body_end, node.body_start + 6000)]
    if node.encoding == "base64":
        return decode_base64(start[: start.rfind(b"\n")] if len(start) == 6000 else start)
    return structure.decode(raw, node)[:4096] if node.encoding == "quoted-printable" else start


def _decoded_size(raw: bytes, node: Node) -> int:
    """Without decoding when base64 lines are all of one length, as every client writes them; by decoding otherwise."""
    start, end = node.body_start, node.body_end
    if node.encoding not in ("base64", "quoted-printable"):
        return end - start
    if node.encoding == "base64":
        while end > start and raw[end - 1] in b"\r\n \t":
            end -= 1
        newline = raw.find(b"\n", start, min(end, start + 1000))
        if newline < 0:
            stride, ending = end - start + 1, 0
        else:
            stride, ending = newline + 1 - start, 2 if raw[newline - 1] == 13 else 1
        newlines = raw[start + stride - 1 : end : stride] if newline >= 0 else b""
        regular = newlines.count(b"\n") == len(newlines) and raw.find(b"=", start, max(start, end - 2)) < 0
        symbols = end - start - len(newlines) * ending
        if regular and symbols % 4 == 0:
            return symbols // 4 * 3 - raw.count(b"=", max(start, end - 2), end)
    return len(structure.decode(raw, node))
