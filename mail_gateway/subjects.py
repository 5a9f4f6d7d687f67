"""Subjects of certificates, in a form that compares as X.520 and RFC 4514 mean it. Pure.

Promises: two spellings of one name compare equal: attribute types by name, alias or OID, in any case; values without
regard to case, blanks at the ends or doubled blanks, escapes and Unicode composition (RFC 4518); the relative names in
the order of the certificate or in the reverse, as tools publish both. What cannot be read for sure raises Malformed,
and so matches nobody. Does not judge who issued the certificate.
"""

from __future__ import annotations

import re
import unicodedata

from cryptography import x509

from server.formats.malformed import Malformed

Subject = tuple[tuple[tuple[str, str], ...], ...]  # relative names, each a sorted set of (OID, value)

MAX_LENGTH = 1_000  # characters of a published name

_OIDS = {
    "CN": "2.5.4.3", "COMMONNAME": "2.5.4.3", "SN": "2.5.4.4", "SURNAME": "2.5.4.4",
    "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "COUNTRYNAME": "2.5.4.6", "L": "2.5.4.7", "LOCALITYNAME": "2.5.4.7",
    "ST": "2.5.4.8", "S": "2.5.4.8", "SP": "2.5.4.8", "STATEORPROVINCENAME": "2.5.4.8", "STREET": "2.5.4.9",
    "STREETADDRESS": "2.5.4.9", "O": "2.5.4.10", "ORGANIZATIONNAME": "2.5.4.10", "OU": "2.5.4.11",
    "ORGANIZATIONALUNITNAME": "2.5.4.11", "T": "2.5.4.12", "TITLE": "2.5.4.12", "POSTALCODE": "2.5.4.17",
    "G": "2.5.4.42", "GN": "2.5.4.42", "GIVENNAME": "2.5.4.42", "INITIALS": "2.5.4.43", "DNQUALIFIER": "2.5.4.46",
    "PSEUDONYM": "2.5.4.65", "ORGANIZATIONIDENTIFIER": "2.5.4.97", "UID": "0.9.2342.19200300.100.1.1",
    "USERID": "0.9.2342.19200300.100.1.1", "DC": "0.9.2342.19200300.100.1.25",
    "DOMAINCOMPONENT": "0.9.2342.19200300.100.1.25", "E": "1.2.840.113549.1.9.1",
    "EMAIL": "1.2.840.113549.1.9.1", "EMAILADDRESS": "1.2.840.113549.1.9.1",
}  # fmt: skip
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "ascii", 0x16: "ascii", 0x1E: "utf-16-be"}  # ASN.1 tags
_ATTRIBUTE = re.compile(
    r"""[ \t]*+(?:OID\.)?(?P<type>[A-Z][A-Z0-9-]*+|[0-9]++(?:\.[0-9]++)++)[ \t]*+=[ \t]*+
        (?P<value>"(?:[^"\\]|\\.)*+"|\#(?:[0-9A-F]{2})++|(?!\#)(?:[^,+"\\]|\\.)*+)
        [ \t]*+(?P<end>,|\+|\Z)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


def parse(text: str) -> Subject:
    r"""A published name (`CN=mx.example,OU=1,O=GIP\, X,ST=Paris (75),C=FR`). Raises Malformed("subject")."""
    if len(text) > MAX_LENGTH:
        raise _unreadable()
    names: list[list[tuple[str, str]]] = [[]]
    position, end = 0, ","
    while end:
        found = _ATTRIBUTE.match(text, position)
        if found is None:
            raise _unreadable()
        names[-1].append((_oid(found["type"]), _value(found["value"])))
        position, end = found.end(), found["end"]
        if end == ",":
            names.append([])
    return _comparable(names)


def of(certificate: x509.Certificate) -> Subject:
    """The subject of a certificate; () when it has none. Raises Malformed("subject")."""
    try:
        names = [[(each.oid.dotted_string, _plain(each.value)) for each in name] for name in certificate.subject.rdns]
    except ValueError:  # the library reads names only when asked for them
        raise _unreadable() from None
    return _comparable(names)


def _comparable(names: list[list[tuple[str, str]]]) -> Subject:
    straight = tuple(tuple(sorted(name)) for name in names)
    return min(straight, straight[::-1])


def _oid(written: str) -> str:
    oid = written if written[0].isdigit() else _OIDS.get(written.upper())
    if oid is None:
        raise _unreadable()
    return oid


def _value(written: str) -> str:
    if written.startswith("#"):  # RFC 4514 § 2.4: BER, hexadecimal
        value = _string(bytes.fromhex(written[1:]))
    else:
        value = _ESCAPE.sub(_unescaped, written[1:-1] if written.startswith('"') else written)
    value = _plain(value)
    if not value:
        raise _unreadable()
    return value


def _unescaped(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[2]
    try:
        return bytes.fromhex(found[1].replace("\\", "")).decode()
    except UnicodeDecodeError:
        raise _unreadable() from None


def _string(coded: bytes) -> str:
    """One ASN.1 string of less than 128 octets."""
    if len(coded) < 2 or coded[0] not in _STRINGS or coded[1] != len(coded) - 2 or coded[1] > 127:
        raise _unreadable()
    try:
        return coded[2:].decode(_STRINGS[coded[0]])
    except UnicodeDecodeError:
        raise _unreadable() from None


def _plain(value: str | bytes) -> str:
    """RFC 4518, as far as names of organisations need it; a value that is no text stays as it is."""
    if isinstance(value, bytes):
        return "#" + value.hex()
    folded = unicodedata.normalize("NFKC", value).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _unreadable() -> Malformed:
    return Malformed("subject", "Le nom d’un certificat est illisible.")
