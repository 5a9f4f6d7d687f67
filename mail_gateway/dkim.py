"""DKIM: our domains' signature on the mail that leaves (RFC 6376, RFC 8463), relaxed/relaxed.

Keys are the setting `dkim_keys`: a folder of `<selector>._domainkey.<domain>.pem`, or `domain=selector:path, …`; a
domain may have several (an RSA and an Ed25519 one, or two while one is replaced): each signs.

Promises: the mail itself is not changed, the signature stands above it; each field is signed once more than it is
there, so that nobody adds another From, Subject or Reply-To (§ 8.15); the body is read in a thread when it is large. A
mail of a domain without a key leaves unsigned: it is the operators' certificates that prove who speaks, DKIM is for who
keeps mail. Does not verify.

Signed here rather than by a library: the ones there are parse the mail anew in Python, slower than it is sent. `said`
is what `pli doctor` prints: the records to publish.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from server.dns_records import quoted
from server.settings import BadSettings, Settings

APART = 64 * 1024  # octets from which a body is hashed in a thread
SIGNED = (
    b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references", b"mime-version",
    b"content-type", b"reply-to",
)  # fmt: skip
_FILE = re.compile(r"([a-z0-9][a-z0-9.-]*)\._domainkey\.([a-z0-9.-]+)\.pem", re.IGNORECASE)
_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*+")
_BLANKS = re.compile(rb"[ \t]{2,}|\t")  # one blank alone is left as it is: nearly all are
_LAST_BLANKS = re.compile(rb" \r\n")


@dataclass(frozen=True, slots=True)
class Key:
    """A private key, for which domain, and the name it is published under."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def kind(self) -> str:
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    def record(self) -> tuple[str, str]:
        """(name, text) of the DNS TXT record that publishes it. RFC 8463 § 4.2: an Ed25519 key is published bare."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            data = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        text = f"v=DKIM1; k={self.kind}; p={base64.b64encode(data).decode('ascii')}"
        return f"{self.selector}._domainkey.{self.domain}", text

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, PKCS1v15(), SHA256())
        return self.private.sign(hashlib.sha256(data).digest())  # RFC 8463 § 3


Keys = Mapping[str, Sequence[Key]]  # by domain, in lower case


def load(settings: Settings) -> Keys:
    """The keys of the settings. Raises `BadSettings`, saying which is wrong."""
    found: dict[str, list[Key]] = {}
    for domain, selector, path in _places(settings.dkim_keys):
        found.setdefault(domain.lower(), []).append(_key(domain.lower(), selector, path))
    return found


def _places(text: str) -> list[tuple[str, str, Path]]:
    """(domain, selector, file) of each key."""
    if not text.strip():
        return []
    folder = Path(text.strip())
    if folder.is_dir():
        named = [(path, _FILE.fullmatch(path.name)) for path in sorted(folder.glob("*.pem"))]
        wrong = next((path.name for path, name in named if name is None), None)
        if wrong is not None:
            raise BadSettings(f"dkim_keys: {wrong} is not named <selector>._domainkey.<domain>.pem")
        return [(name[2], name[1], path) for path, name in named if name is not None]
    found = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        domain, _, rest = entry.partition("=")
        selector, _, path = rest.partition(":")
        if not (domain.strip() and selector.strip() and path.strip()):
            raise BadSettings(f"dkim_keys: « {entry} » is neither a folder nor domain=selector:path")
        found.append((domain.strip(), selector.strip(), Path(path.strip())))
    return found


def _key(domain: str, selector: str, path: Path) -> Key:
    try:
        private = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise BadSettings(f"dkim_keys: {path} cannot be read") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadSettings(f"dkim_keys: {path} is not a private key in PEM without a password") from error
    if isinstance(private, RSAPrivateKey):
        if private.key_size < 2048:  # RFC 8301 § 3.2
            raise BadSettings(f"dkim_keys: {path} has {private.key_size} bits, 2048 at least are needed")
    elif not isinstance(private, Ed25519PrivateKey):
        raise BadSettings(f"dkim_keys: {path} is neither an RSA nor an Ed25519 key")
    return Key(domain, selector, private)


async def signed(keys: Keys, domain: str, mail: bytes) -> bytes:
    """The mail below the signatures of that domain; as it is when the domain has no key."""
    ours = keys.get(domain)
    if not ours:
        return mail
    header, body = _parts(mail)
    digest = await asyncio.to_thread(body_hash, body) if len(body) > APART else body_hash(body)
    at = int(time.time())
    # RSA takes a millisecond, without Python's lock: meanwhile other mails are written.
    made = [await asyncio.to_thread(_signature, key, header, digest, at) for key in ours]
    return b"".join(made) + mail


def _parts(mail: bytes) -> tuple[bytes, memoryview]:
    end = mail.find(b"\r\n\r\n")
    if end < 0:
        return mail, memoryview(b"")
    return mail[: end + 2], memoryview(mail)[end + 4 :]


def body_hash(body: bytes | memoryview) -> bytes:
    """SHA-256 of the body, relaxed (§ 3.4.4): blanks in a row are one, none ends a line, no empty line ends it."""
    text = _LAST_BLANKS.sub(b"\r\n", _BLANKS.sub(b" ", body))
    while text.endswith((b"\r\n", b" ")):
        text = text[:-1] if text.endswith(b" ") else text.rstrip(b"\r\n")
    return hashlib.sha256(text + b"\r\n" if text else b"").digest()


def _signature(key: Key, header: bytes, digest: bytes, at: int) -> bytes:
    """The DKIM-Signature field (§ 3.5), its own text signed with an empty `b=` (§ 3.7)."""
    fields: dict[bytes, list[bytes]] = {}
    for field in _FIELD.finditer(header):
        fields.setdefault(field[1].lower(), []).append(field[0])
    # § 5.4.2: of one name the last field is signed first; a name more often than it is there says that no more is.
    names = [name for name in SIGNED for _ in fields.get(name, ())]
    taken = [field for name in SIGNED for field in reversed(fields.get(name, ()))]
    own = (
        f"DKIM-Signature: v=1; a={key.kind}-sha256; c=relaxed/relaxed; d={key.domain}; s={key.selector};\r\n"
        f"\tt={at}; bh={base64.b64encode(digest).decode('ascii')};\r\n\th="
    ).encode("ascii")
    own += _folded(b":".join([*names, *SIGNED]), b":") + b";\r\n\tb="
    data = b"".join(relaxed(field) for field in taken) + relaxed(own + b"\r\n").removesuffix(b"\r\n")
    value = base64.b64encode(key.sign(data))
    return own + b"\r\n\t ".join(value[start : start + 72] for start in range(0, len(value), 72)) + b"\r\n"


def relaxed(field: bytes) -> bytes:
    """A header field, relaxed (§ 3.4.2): its name in lower case, unfolded, blanks in a row as one."""
    name, _, value = field.partition(b":")
    text = _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.strip().lower() + b":" + text + b"\r\n"


def _folded(names: bytes, between: bytes) -> bytes:
    lines, line = [], b""
    for name in names.split(between):
        if line and len(line) + len(name) > 70:
            lines.append(line)
            line = b""
        line += name + between
    return b"\r\n\t ".join([*lines, line]).removesuffix(between)


def said(settings: Settings) -> list[tuple[bool, str]]:
    """(good news, sentence) for `pli doctor`: the DNS records to publish, or what is wrong with the keys."""
    try:
        keys = load(settings)
    except BadSettings as error:
        return [(False, str(error))]
    records = [key.record() for ours in keys.values() for key in ours]
    return [(True, f"publish in the DNS: {name} IN TXT {quoted(text)}") for name, text in records]
