"""SMTP as text: commands to their parts, the octets after DATA to a letter, refusals to reply lines.

Promises: pure and linear; whatever a peer sends raises `Refusal` with the reply it is due, or nothing. The end of a
letter is CR LF . CR LF and nothing else, and a letter with a bare CR or LF is refused: two servers that disagree
about where a letter ends let a stranger write a second one (SMTP smuggling, CVE-2023-51764). Does not know who is
asking nor whether an address exists.

RFC 5321 (commands, § 4.5.2 transparency), RFC 1870 (SIZE), RFC 3461 (DSN parameters), RFC 6531 (SMTPUTF8).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from mail_gateway.addresses import is_address, normalise

MAX_LINE = 1001  # octets of one line of a letter, CR LF in (security item 22)
MAX_HOPS = 50
RETURNED_WHOLE = 65_536  # octets

_FULL_STOP = ord(".")
_PATIENCE = 1000  # lines
_PIECE = 128 * 1024  # octets
_BARE = "Le message contient un retour ou un saut de ligne isolé (CR ou LF seul)"
_TOO_LONG = "Le message contient une ligne de plus de 1000 octets"

END = b"\r\n.\r\n"
_PATH = re.compile(r"(?:FROM|TO):[ ]?<([^<>]*+)>(?:[ ]++(.*))?", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([!-<>-~\u0080-\U0010ffff]++))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*+")
_ENCODED = re.compile(r"\+([0-9A-F]{2})")
_PLAIN_XTEXT = frozenset(chr(code) for code in range(33, 127)) - {"+", "="}
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_UNSPOKEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")
_RECEIVED = re.compile(rb"^received[ \t]*+:", re.IGNORECASE | re.MULTILINE)


_IN_ASCII = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "œ": "oe", "Œ": "OE", "æ": "ae", "–": "-", "—": "-"}
)


class Refusal(Exception):
    """The reply a command is due instead of yes: code, enhanced status (RFC 3463) and a sentence. `close`: and then
    goodbye.
    """

    def __init__(self, code: int, status: str, text: str, *, close: bool = False) -> None:
        super().__init__(f"{code} {status}")
        self.code = code
        self.status = status
        self.text = text
        self.close = close

    def line(self, utf8: bool = False) -> str:
        """`550 5.1.1 text`: one line without controls, of 400 characters at most. In ASCII, unless the peer asked for
        SMTPUTF8 (RFC 6531 § 3.7.4.2).
        """
        text = _UNSPOKEN.sub(" ", self.text)[:400] if utf8 else ascii_text(self.text)
        return f"{self.code} {self.status} {text}"


@dataclass(slots=True)
class Path:
    """An address of an envelope and its parameters. `address` "" is the null sender. DSN parameters are kept as given;
    `found` is what the door's handler knows of the address.
    """

    address: str
    size: int = 0
    utf8: bool = False
    ret: str = ""
    envid: str = ""
    notify: tuple[str, ...] = ()
    orcpt: str = ""
    found: Any = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sender asked of reports (RFC 3461). `envid`: in xtext, as given. `recipients`: those of whom something was
    asked: (address, NOTIFY joined by commas, ORCPT as given).
    """

    envid: str = ""
    ret: str = ""
    recipients: tuple[tuple[str, str, str], ...] = ()

    @property
    def success(self) -> bool:
        return any("SUCCESS" in words.split(",") for _, words, _ in self.recipients)

    def whole(self, raw: bytes) -> bool:
        """Whether the letter comes back whole with bad news (RET=FULL). A long one never does: a thousand refusals of
        25 MB are a flood.
        """
        return self.ret == "FULL" and len(raw) <= RETURNED_WHOLE


@dataclass(slots=True)
class Envelope:
    """Who a letter is from and for, until DATA. `recipients` are in the order they were taken."""

    sender: Path
    recipients: list[Path] = field(default_factory=list)

    @property
    def asked(self) -> Asked:
        told = tuple(
            (one.address, ",".join(one.notify), one.orcpt) for one in self.recipients if one.notify or one.orcpt
        )
        return Asked(self.sender.envid, self.sender.ret, told)


def ascii_text(text: str) -> str:
    """French without accents, for a reply line: « Ce patient n’a » becomes "Ce patient n'a". 400 characters at most."""
    folded = unicodedata.normalize("NFKD", text.translate(_IN_ASCII)).encode("ascii", "ignore").decode("ascii")
    return "".join(char if " " <= char <= "~" else " " for char in folded)[:400]


def command(line: bytes) -> tuple[str, str]:
    """(VERB, the rest). Controls, a bare CR or LF and bytes that are not UTF-8 are refused."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(500, "5.5.2", "Not UTF-8") from None
    if _CONTROL.search(text):
        raise Refusal(500, "5.5.2", "Control character in a command")
    verb, _, rest = text.partition(" ")
    return verb.upper(), rest.strip(" ")


def mail_path(rest: str, most: int) -> Path:
    """The argument of MAIL: `FROM:<address> [parameters]`. `most`: the largest SIZE taken."""
    path, parameters = _path(rest, "FROM")
    for name, value in parameters.items():
        if name == "SIZE" and value.isdigit() and len(value) <= 20:
            path.size = int(value)
        elif name == "BODY" and value.upper() in ("7BIT", "8BITMIME"):
            pass  # what is stored is octets either way
        elif name == "SMTPUTF8" and not value:
            path.utf8 = True
        elif name == "RET" and value.upper() in ("FULL", "HDRS"):
            path.ret = value.upper()
        elif name == "ENVID" and 0 < len(value) <= 100 and is_xtext(value):
            path.envid = value
        elif name == "AUTH" and value:
            pass  # RFC 4954 § 5: an identity claimed by a peer is not trusted
        elif name in ("SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"):
            raise Refusal(501, "5.5.4", f"Bad value for {name}")
        else:
            raise Refusal(555, "5.5.4", "Unknown MAIL parameter")
    if path.size > most:
        raise Refusal(552, "5.3.4", f"Message trop lourd : {most // 1048576} Mo au plus")
    if path.address and not path.address.isascii() and not path.utf8:
        raise Refusal(553, "5.6.7", "SMTPUTF8 is needed for this address")
    if path.address and not is_address(path.address):
        raise Refusal(553, "5.1.7", "Bad sender address")
    return path


def rcpt_path(rest: str) -> Path:
    """The argument of RCPT: `TO:<address> [parameters]`. No route, no quotes, no empty address."""
    path, parameters = _path(rest, "TO")
    for name, value in parameters.items():
        if name == "NOTIFY" and _notify(value):
            path.notify = tuple(value.upper().split(","))
        elif name == "ORCPT" and _orcpt(value):
            path.orcpt = value
        elif name in ("NOTIFY", "ORCPT"):
            raise Refusal(501, "5.5.4", f"Bad value for {name}")
        else:
            raise Refusal(555, "5.5.4", "Unknown RCPT parameter")
    if not is_address(path.address):
        raise Refusal(553, "5.1.3", "Adresse mal formée")
    return path


def _notify(value: str) -> bool:
    words = value.upper().split(",")
    return words == ["NEVER"] or (len(words) == len(set(words)) and _NOTIFY.issuperset(words))


def _orcpt(value: str) -> bool:
    """RFC 3461 § 4.2: `rfc822;xtext`; RFC 6533 § 3: `utf-8;` too."""
    kind, _, address = value.partition(";")
    if not address or len(value) > 500:
        return False
    if kind.lower() == "utf-8":
        address = "".join(char for char in address if char.isascii())
        return not address or is_xtext(address)
    return kind.lower() == "rfc822" and is_xtext(address)


def is_xtext(value: str) -> bool:
    """RFC 3461 § 4: ASCII, `+` and `=` as hexadecimal, and nothing that cannot be printed once decoded."""
    return _XTEXT.fullmatch(value) is not None and all(" " <= char <= "~" for char in from_xtext(value))


def from_xtext(value: str) -> str:
    return _ENCODED.sub(lambda match: chr(int(match[1], 16)), value)


def to_xtext(text: str) -> str:
    """ASCII as xtext. Raises `UnicodeEncodeError` on anything else."""
    return "".join(chr(code) if chr(code) in _PLAIN_XTEXT else f"+{code:02X}" for code in text.encode("ascii"))


def _path(rest: str, word: str) -> tuple[Path, dict[str, str]]:
    match = _PATH.fullmatch(rest)
    if match is None or not rest[: len(word)].upper() == word:
        raise Refusal(501, "5.5.4", f"Syntax: {word}:<address>")
    parameters: dict[str, str] = {}
    for piece in (match[2] or "").split():
        parameter = _PARAMETER.fullmatch(piece)
        if parameter is None or parameter[1].upper() in parameters:
            raise Refusal(501, "5.5.4", "Bad parameter")
        parameters[parameter[1].upper()] = parameter[2] or ""
    return Path(normalise(match[1])), parameters


def letter(body: bytes | bytearray) -> bytes:
    """The octets between DATA and its final dot as the letter they carry.

    `body` starts with a CR LF that was put before it and ends with that of the last line; so does every line in
    between.
    """
    if _check_lines(body):
        body = body.replace(b"\r\n.", b"\r\n")  # § 4.5.2
    return bytes(memoryview(body)[2:])


def _check_lines(body: bytes | bytearray) -> bool:
    """Every line ends in CR LF, holds neither alone, and is short enough. Returns whether one begins with a dot.

    A file in base64 is thousands of lines of one length: these are looked at column by column, three times quicker than
    by counting line ends, and piece by piece, so that other threads have their turn. Where that does not work out, or
    after `_PATIENCE` lines of other lengths, the rest is counted, so that nobody makes this slow.
    """
    at, end, length, left, dotted = 2, len(body), 0, _PATIENCE, False
    while at < end and left:
        stop = body.find(b"\n", at, at + MAX_LINE) + 1
        if not stop:
            raise Refusal(550, "5.6.0", _TOO_LONG)
        if stop - at != length:
            if body[stop - 2] != 13 or body.find(b"\r", at, stop - 2) >= 0:
                raise Refusal(550, "5.6.0", _BARE)
            length = stop - at
            dotted = dotted or body[at] == _FULL_STOP
        else:
            newlines = body[stop - 1 : stop - 1 + _PIECE : length]
            lines = len(newlines) - len(newlines.lstrip(b"\n"))
            stop = at + lines * length
            if (
                body[at + length - 2 : stop : length] != b"\r" * lines
                or body.count(b"\n", at, stop) != lines
                or body.count(b"\r", at, stop) != lines
            ):
                break
            dotted = dotted or _FULL_STOP in body[at:stop:length]
        at, left = stop, left - 1
    if at >= end:
        return dotted
    pairs = body.count(b"\r\n", at)
    if body.count(b"\n", at) != pairs or body.count(b"\r", at) != pairs:
        raise Refusal(550, "5.6.0", _BARE)
    while at < end:  # the last line end within reach: a look for each thousand octets, not for each line
        at = body.rfind(b"\n", at, at + MAX_LINE) + 1
        if not at:
            raise Refusal(550, "5.6.0", _TOO_LONG)
    return True  # or not: who looks that far pays for another look


def hops(raw: bytes) -> int:
    """How many servers a letter has been through (RFC 5321 § 6.3)."""
    end = raw.find(b"\r\n\r\n")
    return len(_RECEIVED.findall(raw, 0, len(raw) if end < 0 else end))
