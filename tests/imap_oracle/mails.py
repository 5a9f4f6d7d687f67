"""Mails of every MIME shape, octet by octet as they would come: what a folder holds that both servers describe.

Each has a name, said in the subject too. Those that no honest client writes are in `hostile`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

FROM = b"Claire PETIT <claire.petit@pli.example>"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
Mail = tuple[str, bytes]


def lines(*said: bytes) -> bytes:
    return b"\r\n".join(said) + b"\r\n"


def head(name: str, *fields: bytes, drop: str = "", day: int = 1) -> bytes:
    """The header of an ordinary letter; `fields` after it, those of names in `drop` left out."""
    usual = {
        "from": b"From: " + FROM,
        "to": b"To: Dominique PAT-TROIS <279035121518989@patient.pli.example>",
        "cc": b"Cc: Dr Paul LEROY <paul.leroy@pli.example>",
        "subject": b"Subject: " + name.encode(),
        "date": b"Date: Mon, %02d Jun 2026 10:%02d:00 +0200" % (day, len(name) % 60),
        "message-id": b"Message-ID: <" + name.encode().replace(b" ", b".") + b"@elsewhere.example>",
        "mime": b"MIME-Version: 1.0",
    }
    return lines(*(value for key, value in usual.items() if key not in drop.split()), *fields)


def letter(name: str, *fields: bytes, body: bytes, drop: str = "", day: int = 1) -> Mail:
    return name, head(name, *fields, drop=drop, day=day) + b"\r\n" + body


def part(*fields: bytes, body: bytes = b"") -> bytes:
    return (lines(*fields) if fields else b"") + b"\r\n" + body


def multi(boundary: bytes, *parts: bytes, preamble: bytes = b"", epilogue: bytes = b"") -> bytes:
    """The body of a multipart: every part is followed by the line end that belongs to the delimiter."""
    found = preamble
    for one in parts:
        found += b"--" + boundary + b"\r\n" + one + b"\r\n"
    return found + b"--" + boundary + b"--\r\n" + epilogue


def multipart(kind: bytes, boundary: bytes, more: bytes = b"") -> bytes:
    return b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"' + more


TEXT = b"Content-Type: text/plain; charset=utf-8"
HTML = b"Content-Type: text/html; charset=utf-8"
QP = b"Content-Transfer-Encoding: quoted-printable"
B64 = b"Content-Transfer-Encoding: base64"
EIGHT = b"Content-Transfer-Encoding: 8bit"


def coded(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def texts() -> Iterable[Mail]:
    """One part, and how it is written."""
    yield letter("plain", TEXT, body=b"Bonjour,\r\n\r\nA jeun depuis minuit.\r\n")
    yield letter("no mime at all", body=b"Un texte simple.\r\n", drop="mime", day=2)
    yield letter("no charset", b"Content-Type: text/plain", body=b"Sans jeu de signes.\r\n", day=2)
    yield letter("quoted printable", TEXT, QP, body=b"Pr=C3=A9l=C3=A8vement =3D demain, =\r\nsans faute.\r\n", day=3)
    yield letter("base64 text", TEXT, B64, body=coded("Résultats normaux, merci.\n".encode()), day=4)
    yield letter("latin1", b"Content-Type: text/plain; charset=iso-8859-1", EIGHT, body=b"\xc9t\xe9 \xe0 No\xebl\r\n")
    yield letter("utf8 8bit", TEXT, EIGHT, body="Été à Noël, œdème.\r\n".encode(), day=6)
    yield letter("unknown encoding", TEXT, b"Content-Transfer-Encoding: x-uuencode", body=b"begin 644 x\r\nend\r\n")
    yield letter("unknown charset", b"Content-Type: text/plain; charset=x-martien", body=b"Bonjour de loin\r\n", day=7)
    yield letter("html alone", HTML, body=b"<p>Bonjour <b>Dominique</b></p>\r\n", day=8)
    yield letter("empty body", TEXT, body=b"", day=8)
    yield letter("blank body", TEXT, body=b"\r\n\r\n", day=8)
    yield letter("no line end", TEXT, body=b"sans fin de ligne", day=9)
    yield letter("long line", TEXT, body=b"mot " * 2000 + b"\r\n", day=9)
    yield letter("many lines", TEXT, body=b"une ligne\r\n" * 500, day=9)
    yield letter("flowed", TEXT + b"; format=flowed; delsp=yes", body=b"un texte \r\nqui coule\r\n", day=10)
    yield letter("pdf alone", b"Content-Type: application/pdf; name=bilan.pdf", B64, body=coded(b"%PDF-1.7 x" * 40))
    yield letter(
        "picture alone", b'Content-Type: image/png; name="point.png"', B64,
        b'Content-Disposition: attachment; filename="point.png"; size=70', body=coded(PNG), day=11,
    )  # fmt: skip


def parts() -> Iterable[Mail]:
    """More than one part."""
    plain = part(TEXT, body=b"Bonjour\r\n")
    rich = part(HTML, body=b"<p>Bonjour</p>\r\n")
    picture = part(
        b"Content-Type: image/png", B64, b"Content-ID: <point@pli>", b'Content-Disposition: inline; filename="p.png"',
        b"Content-Description: un point", body=coded(PNG),
    )  # fmt: skip
    pdf = part(
        b'Content-Type: application/pdf; name="bilan.pdf"', B64,
        b'Content-Disposition: attachment; filename="bilan.pdf"', body=coded(b"%PDF-1.7 bilan"),
    )  # fmt: skip
    yield letter("alternative", multipart(b"alternative", b"a"), body=multi(b"a", plain, rich), day=12)
    yield letter("mixed", multipart(b"mixed", b"m"), body=multi(b"m", plain, pdf), day=12)
    inner = part(multipart(b"related", b"r"), body=multi(b"r", rich, picture))
    both = part(multipart(b"alternative", b"a"), body=multi(b"a", plain, inner))
    yield letter("nested", multipart(b"mixed", b"m"), body=multi(b"m", both, pdf, picture), day=13)
    yield letter(
        "preamble and epilogue", multipart(b"mixed", b"=_x"),
        body=multi(b"=_x", plain, rich, preamble=b"This is MIME.\r\n", epilogue=b"Fin.\r\n"), day=13,
    )  # fmt: skip
    deep = plain
    for level in range(8):
        name = b"b%d" % level
        deep = part(multipart(b"mixed", name), body=multi(name, deep))
    yield letter("deep", multipart(b"mixed", b"top"), body=multi(b"top", deep, plain), day=14)
    yield letter("empty parts", multipart(b"mixed", b"e"), body=multi(b"e", part(), part(TEXT), part()), day=14)
    yield letter("one part", multipart(b"mixed", b"o"), body=multi(b"o", plain), day=14)
    many = [part(TEXT, body=b"partie %d\r\n" % number) for number in range(30)]
    yield letter("thirty parts", multipart(b"mixed", b"t"), body=multi(b"t", *many), day=15)
    yield letter(
        "parallel", multipart(b"parallel", b"p", b"; x-extra=1"),
        b"Content-Disposition: inline", b"Content-Language: fr, en", body=multi(b"p", plain, rich), day=15,
    )  # fmt: skip
    described = part(
        TEXT, b"Content-Language: fr", b"Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==", b"Content-Location: doc/1",
        b"Content-Disposition: attachment; filename=a.txt; size=9", body=b"Bonjour\r\n",
    )  # fmt: skip
    yield letter("language and md5", multipart(b"mixed", b"l"), body=multi(b"l", described, plain), day=15)
    signature = part(b'Content-Type: application/pkcs7-signature; name="smime.p7s"', B64, body=coded(b"signature"))
    yield letter(
        "signed", multipart(b"signed", b"s", b'; protocol="application/pkcs7-signature"; micalg=sha-256'),
        body=multi(b"s", plain, signature), day=16,
    )  # fmt: skip
    calendar = part(
        b"Content-Type: text/calendar; charset=utf-8; method=PUBLISH", EIGHT,
        body=lines(b"BEGIN:VCALENDAR", b"VERSION:2.0", b"METHOD:PUBLISH", b"END:VCALENDAR"),
    )  # fmt: skip
    yield letter("calendar", multipart(b"alternative", b"c"), body=multi(b"c", plain, calendar), day=16)


def enclosed() -> Iterable[Mail]:
    """Mails within mails."""
    plain = part(TEXT, body=b"Voir ci-dessous\r\n")
    one = head("enclosed", TEXT, day=17) + b"\r\nLe message joint\r\n"
    two = head("enclosed multipart", multipart(b"mixed", b"in"), day=17) + b"\r\n" + multi(b"in", plain, plain)
    rfc822 = b"Content-Type: message/rfc822"
    yield letter("forwarded", multipart(b"mixed", b"f"), body=multi(b"f", plain, part(rfc822, body=one)), day=17)
    yield letter("forwarded multipart", multipart(b"mixed", b"f"), body=multi(b"f", plain, part(rfc822, body=two)))
    yield letter("rfc822 alone", rfc822, body=one, day=18)
    yield letter("rfc822 of a multipart", rfc822, body=two, day=18)
    deep = one
    for level in range(4):
        boundary = b"level%d" % level
        outer = head(f"level {level}", multipart(b"mixed", boundary)) + b"\r\n"
        deep = outer + multi(boundary, plain, part(rfc822, body=deep))
    yield letter("mails in depth", multipart(b"mixed", b"d"), body=multi(b"d", plain, part(rfc822, body=deep)), day=18)
    yield letter("rfc822 in rfc822", rfc822, body=lines(rfc822, b"Subject: milieu") + b"\r\n" + one, day=18)
    digest = [part(body=head(f"digest {number}", TEXT) + b"\r\nresume\r\n") for number in (1, 2)]
    yield letter("digest", multipart(b"digest", b"g"), body=multi(b"g", *digest), day=19)
    yield letter("digest of text", multipart(b"digest", b"g"), body=multi(b"g", part(TEXT, body=b"x\r\n"), digest[0]))
    said = part(TEXT, body=b"Non remis\r\n")
    fields = lines(b"Reporting-MTA: dns; mx.example", b"", b"Final-Recipient: rfc822; x@y.example", b"Action: failed")
    status = part(b"Content-Type: message/delivery-status", body=fields)
    headers = part(b"Content-Type: text/rfc822-headers", body=head("retourne"))
    yield letter(
        "report", multipart(b"report", b"n", b"; report-type=delivery-status"), body=multi(b"n", said, status, headers)
    )
    yield letter("enclosed base64", multipart(b"mixed", b"f"), body=multi(b"f", part(rfc822, B64, body=coded(one))))
    yield letter("partial", b'Content-Type: message/partial; id="x"; number=1; total=2', body=one, day=19)
    yield letter("external", b"Content-Type: message/external-body; access-type=local-file; name=x", body=b"\r\n")


def named() -> Iterable[Mail]:
    """Names, addresses and header fields as they come."""
    ordinary = b"Texte.\r\n"
    yield letter("encoded words", b"Subject: =?utf-8?Q?R=C3=A9sultats_d=27analyse?=", drop="subject", body=ordinary)
    yield letter(
        "encoded people", b"From: =?iso-8859-1?Q?Ren=E9?= PETIT <claire.petit@pli.example>",
        b"To: =?utf-8?B?w4lsb8Ovc2U=?= <a@b.example>, \"Petit, Paul\" <c@d.example>", drop="from to", body=ordinary,
    )  # fmt: skip
    yield letter(
        "groups", b"To: Equipe: Anne <anne@b.example>, bob@c.example;, seul@d.example",
        b"Bcc: undisclosed-recipients:;", drop="to", body=ordinary,
    )  # fmt: skip
    yield letter(
        "comments", b"To: (note) Jean (le vrai) <jean@b.example> (fin), marie@c.example (Marie)", drop="to",
        body=ordinary,
    )  # fmt: skip
    yield letter(
        "quoted locals", b'To: "jean dupont"@b.example, "a\\"b" <c@d.example>, <@route.example:e@f.example>', drop="to",
        body=ordinary,
    )  # fmt: skip
    yield letter("many people", b"Cc: " + b",\r\n ".join(b"P%d <p%d@b.example>" % (n, n) for n in range(40)),
                 drop="cc", body=ordinary)  # fmt: skip
    yield letter(
        "sender and reply to", b"Sender: secretariat@pli.example", b"Reply-To: Accueil <accueil@pli.example>,"
        b" b@pli.example", b"In-Reply-To: <a@b> <c@d>", b"References: <z@y>\r\n <a@b>\r\n\t<c@d>", body=ordinary,
    )  # fmt: skip
    yield letter("domain literal", b"To: root@[192.0.2.1], x@B.Example", drop="to", body=ordinary)
    yield letter("folded subject", b"Subject: une ligne\r\n et sa suite\r\n\tet la fin", drop="subject", body=ordinary)
    yield letter("no subject", drop="subject", body=ordinary)
    yield letter("empty fields", b"Subject:", b"Reply-To:", b"In-Reply-To: ", drop="subject", body=ordinary)
    yield letter("no date", drop="date", body=ordinary)
    yield letter("old date", b"Date: 1 Jan 99 10:00 GMT", drop="date", body=ordinary)
    yield letter("date with comment", b"Date: Tue, 2 Jun 2026 23:30:00 -0700 (PDT)", drop="date", body=ordinary)
    yield letter("no message id", drop="message-id", body=ordinary)
    yield letter("huge header", *(b"X-Field-%d: %b" % (n, b"v" * 200) for n in range(150)), body=ordinary)
    yield letter("repeated fields", b"Received: one", b"Received: two\r\n\tmore", b"X-A: 1", b"x-a: 2", body=ordinary)
    continued = (
        b"Content-Type: application/pdf;\r\n name*0*=utf-8''ordonnance%20;\r\n name*1*=%C3%A9t%C3%A9;\r\n name*2=.pdf"
    )
    yield letter("rfc2231", continued, B64, b"Content-Disposition: attachment;\r\n filename*=utf-8''%C3%A9t%C3%A9.pdf",
                 body=coded(b"%PDF"))  # fmt: skip
    yield letter(
        "rfc2047 name", b'Content-Type: application/pdf; name="=?utf-8?B?w6l0w6kucGRm?="', B64,
        b'Content-Disposition: attachment; filename="=?utf-8?B?w6l0w6kucGRm?="', body=coded(b"%PDF"),
    )  # fmt: skip
    yield letter("quoted parameter", b'Content-Type: text/plain; charset="utf-8"; x="a \\"b\\" \\\\c"', body=ordinary)
    yield letter("comment in type", b"Content-Type: text/plain (texte); charset=us-ascii (simple)", body=ordinary)
    yield letter("content id", TEXT, b"Content-ID: <un@deux>", b"Content-Description: =?utf-8?Q?=C3=A9t=C3=A9?=",
                 body=ordinary)  # fmt: skip
    yield letter("capitals", b"CONTENT-TYPE: TEXT/PLAIN; CHARSET=UTF-8", b"CONTENT-TRANSFER-ENCODING: 7BIT",
                 body=ordinary)  # fmt: skip


def samples(folder: Path) -> Iterable[Mail]:
    """The smaller sample documents, in letters as a laboratory sends them."""
    found = [path for path in sorted((folder / "cda").iterdir()) if path.stat().st_size < 90_000]
    for path in (*found, *sorted((folder / "xdm").iterdir())):
        kind = b"application/zip" if path.suffix.lower() == ".zip" else b"text/xml"
        name = path.name.encode()
        document = part(
            b'Content-Type: %b; name="%b"' % (kind, name), B64,
            b'Content-Disposition: attachment; filename="%b"' % name, body=coded(path.read_bytes()),
        )  # fmt: skip
        yield letter(path.stem, multipart(b"mixed", b"x"), body=multi(b"x", part(TEXT, body=b"Ci-joint\r\n"), document))
