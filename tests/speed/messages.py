"""The letters of the benchmark, as bytes ready for DATA.

A 1.5 kB text, a 60 kB letter with a PDF and a 400 kB letter with a zip, as a professional's mail client would write
them (quoted-printable text, base64 parts, CRLF, no line that begins with a dot). Every letter has its own Message-ID
and its own last base64 line, so that no server can save work by recognising a copy; the long middle of a part is one
shared buffer, so that thousands of letters of 400 kB are ready before the clock starts without holding gigabytes.
Beside these three: letters with an IHE_XDM.ZIP about their recipient (`packages`), of 400 kB ("xdm") and of 40 kB
("document"), and a letter of just under 25 MiB ("large").

Nothing here is random beyond the run's own token: two systems measured in one run are sent letters of the same shape.
"""

from __future__ import annotations

import base64
import io
import random
import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.speed import packages

Size = Literal["text", "pdf", "zip", "xdm", "document", "large"]
SIZES: tuple[Size, ...] = ("text", "pdf", "zip")  # those that every system is sent
TITLES: dict[Size, str] = {
    "text": "1.5 kB text", "pdf": "60 kB with a PDF", "zip": "400 kB with a zip", "xdm": "400 kB with an IHE_XDM.ZIP",
    "document": "40 kB with an IHE_XDM.ZIP", "large": "25 MB",
}  # fmt: skip

_FILES: dict[Size, tuple[str, str]] = {
    "pdf": ("application/pdf", "consignes.pdf"), "zip": ("application/zip", "imagerie.zip"),
    "xdm": ("application/zip", "IHE_XDM.ZIP"), "document": ("application/zip", "IHE_XDM.ZIP"),
    "large": ("application/dicom", "irm.dcm"),
}  # fmt: skip
_PACKED: dict[Size, int] = {"xdm": 280_000, "document": 24_000}  # octets of the PDF inside
_LINE = 57  # bytes that make one base64 line of 76 characters
_END = b"\r\n--speed--\r\n.\r\n"
_MARK = 40  # bytes at the end of a file that differ from letter to letter

_TEXT = """Bonjour Madame,

Votre intervention est pr=C3=A9vue mardi =C3=A0 8 heures. Merci de vous pr=C3=A9senter =C3=A0 l'accueil
du b=C3=A2timent B =C3=A0 6 h 45, =C3=A0 jeun depuis minuit, avec votre carte Vitale, vos derni=C3=A8res
analyses et la liste de vos traitements.

La veille au soir et le matin m=C3=AAme, prenez une douche avec un savon ordinaire, =
sans mettre ensuite ni cr=C3=A8me ni maquillage. Enlevez vos bijoux et le vernis des ongles.

Si vous prenez un anticoagulant, un traitement pour le diab=C3=A8te ou si vous avez de la =
fi=C3=A8vre, une toux ou une plaie dans les jours qui viennent, r=C3=A9pondez =C3=A0 ce message : =
nous vous dirons que faire. Ne changez rien de vous-m=C3=AAme.

Une personne doit vous raccompagner et rester avec vous la premi=C3=A8re nuit. Ne conduisez pas
avant le lendemain. Vous recevrez l'ordonnance, le num=C3=A9ro =C3=A0 appeler et la date du premier
pansement avant de partir ; l'infirmi=C3=A8re vous appellera le lendemain matin.

Pour toute question, r=C3=A9pondez simplement =C3=A0 ce message, ou appelez le secr=C3=A9tariat de
8 heures =C3=A0 18 heures.

Bien =C3=A0 vous,
Dr Agathe Morel, chirurgie ambulatoire, CHU de Pli
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail: its subject (unique, to recognise it on arrival), its recipient, and the pieces to write after DATA."""

    subject: str
    recipient: str
    pieces: tuple[bytes, ...]  # in order, the final dot included

    @property
    def size(self) -> int:
        """Bytes on the wire after DATA, the final dot included."""
        return sum(map(len, self.pieces))


def build(
    size: Size, count: int, recipients: Sequence[str], sender: str, message_domain: str | None = None
) -> list[Letter]:
    """`count` letters from `sender`, going round `recipients`; all of them ready to be sent."""
    run = secrets.token_hex(6)
    domain = message_domain or sender.partition("@")[2]
    if size in _PACKED:
        return _packed(size, run, count, recipients, sender, domain)
    shared, tail = _attachment(size)
    letters = []
    for number in range(count):
        name = f"{run}.{number}"
        recipient = recipients[number % len(recipients)]
        head = _head(size, name, sender, recipient, domain)
        if not shared:
            letters.append(Letter(name, recipient, (head + b".\r\n",)))
            continue
        mark = name.encode().rjust(_MARK, b" ")
        last = _base64_lines(tail[:-_MARK] + mark) + _END
        letters.append(Letter(name, recipient, (head, shared, last)))
    return letters


def _packed(size: Size, run: str, count: int, recipients: Sequence[str], sender: str, domain: str) -> list[Letter]:
    """Letters whose file is its recipient's own."""
    made = []
    for number, lines in enumerate(packages.encoded(recipients, count, _pdf(_PACKED[size]))):
        name, recipient = f"{run}.{number}", recipients[number % len(recipients)]
        made.append(Letter(name, recipient, (_head(size, name, sender, recipient, domain), lines, _END)))
    return made


def _head(size: Size, name: str, sender: str, recipient: str, domain: str) -> bytes:
    """Header fields and text part; for a letter with a file, up to the blank line before its base64."""
    common = (
        f"From: Dr Agathe Morel <{sender}>\r\nTo: <{recipient}>\r\nSubject: {name}\r\n"
        f"Date: Mon, 23 Nov 2026 08:00:00 +0100\r\nMessage-ID: <{name}@{domain}>\r\nMIME-Version: 1.0\r\n"
    )
    text = (
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        + _TEXT.replace("\n", "\r\n")
    )
    if size == "text":
        return (common + text).encode()
    kind, file = _FILES[size]
    return (
        common + 'Content-Type: multipart/mixed; boundary="speed"\r\n\r\n--speed\r\n' + text + "\r\n--speed\r\n"
        f'Content-Type: {kind}; name="{file}"\r\nContent-Transfer-Encoding: base64\r\n'
        f'Content-Disposition: attachment; filename="{file}"\r\n\r\n'
    ).encode()


def _attachment(size: Size) -> tuple[bytes, bytes]:
    """The shared base64 lines of the file, and the raw bytes of its last lines, which end with a mark to fill in."""
    if size == "text":
        return b"", b""
    file = _pdf(42_500) if size == "pdf" else _zip(19_000_000 if size == "large" else 291_000)
    cut = (len(file) - _MARK) // _LINE * _LINE
    return _base64_lines(file[:cut]), file[cut:]


def _base64_lines(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _pdf(size: int) -> bytes:
    """A one-page PDF that opens, with one incompressible stream, and a comment of `_MARK` bytes after its end."""
    noise = random.Random(1).randbytes(size)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        b"<</Length %d>>stream\n" % len(noise) + noise + b"\nendstream",
    ]
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n" % number + body + b"\nendobj\n")
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
    out.write(b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n%%" % (len(objects) + 1, start))
    return out.getvalue() + b" " * _MARK


def _zip(size: int) -> bytes:
    """A zip of three incompressible images; its comment of `_MARK` bytes is the end of the file."""
    noise = random.Random(2)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(zipfile.ZipInfo(f"coupe-{number}.jpg"), noise.randbytes(size // 3))
        archive.comment = b" " * _MARK
    return out.getvalue()
