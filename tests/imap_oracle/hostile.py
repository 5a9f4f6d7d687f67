"""Mails that no honest client writes, but that come: broken boundaries, octets where none may stand, odd addresses."""

from __future__ import annotations

from collections.abc import Iterable

from tests.imap_oracle.mails import HTML, TEXT, Mail, letter, lines, multi, multipart, part


def hostile() -> Iterable[Mail]:
    yield from _parts()
    yield from _fields()


def _parts() -> Iterable[Mail]:
    plain, rich = part(TEXT, body=b"Bonjour\r\n"), part(HTML, body=b"<p>Bonjour</p>\r\n")
    whole = multi(b"b", plain, rich)
    yield letter("never closed", multipart(b"mixed", b"b"), body=whole[: whole.rindex(b"--b--")], day=20)
    yield letter("no boundary", b"Content-Type: multipart/mixed", body=whole, day=20)
    yield letter("boundary not found", multipart(b"mixed", b"other"), body=whole, day=20)
    yield letter("closed at once", multipart(b"mixed", b"b"), body=b"--b--\r\n", day=20)
    inner = multi(b"inner", plain, plain)
    cut = part(multipart(b"alternative", b"inner"), body=inner[: inner.rindex(b"--inner--")])
    yield letter("inner never closed", multipart(b"mixed", b"b"), body=multi(b"b", cut, rich), day=20)
    yield letter("prefix boundary", multipart(b"mixed", b"b"), body=multi(b"b", plain, b"--bb\r\n\r\nx"), day=20)
    like = part(TEXT, body=b"--b mais pas seul\r\n--bonjour\r\n")
    yield letter("looks like a boundary", multipart(b"mixed", b"b"), body=multi(b"b", like, rich), day=20)
    yield letter("spaces after boundary", multipart(b"mixed", b"b"), body=whole.replace(b"--b\r\n", b"--b  \t\r\n"))
    headless = part(body=b"sans en-tete\r\n")
    yield letter("part without header end", multipart(b"mixed", b"b"),
                 body=multi(b"b", b"Content-Type: text/plain", headless))  # fmt: skip
    yield letter("bad type", b"Content-Type: texte", body=b"quoi\r\n")
    yield letter("bad parameters", b'Content-Type: text/plain; charset; ="x"; name="a', body=b"quoi\r\n")
    yield letter("two types", TEXT, HTML, body=b"lequel\r\n")
    yield letter("slash alone", b"Content-Type: /", body=b"quoi\r\n")
    yield letter("mail cut short", b"Content-Type: message/rfc822", body=b"Subject: coupe")
    yield letter("empty mail inside", multipart(b"mixed", b"b"),
                 body=multi(b"b", part(b"Content-Type: message/rfc822"), plain))  # fmt: skip


def _fields() -> Iterable[Mail]:
    ordinary = b"Texte.\r\n"
    yield letter("eight bit subject", "Subject: Été à Noël".encode(), drop="subject", body=ordinary)
    yield letter("latin1 subject", b"Subject: \xc9t\xe9", drop="subject", body=ordinary)
    yield letter("eight bit name", "To: Éloïse <a@b.example>".encode(), drop="to", body=ordinary)
    yield letter("eight bit parameter", 'Content-Type: application/pdf; name="été.pdf"'.encode(), body=ordinary)
    yield letter("no address", b"To: personne, <>, @, a@, @b, <a@b.example", drop="to", body=ordinary)
    yield letter("nothing but from", drop="to cc subject date message-id mime", body=ordinary)
    yield letter("line without colon", b"ceci n'est pas un champ", TEXT, body=ordinary)
    yield letter("space before colon", b"Subject : avec espace", drop="subject", body=ordinary)
    yield letter("two subjects", b"Subject: un autre", b"To: autre@b.example", body=ordinary)
    yield letter("controls", b"Subject: a\x07b\x1bc\x7fd", drop="subject", body=ordinary)
    yield letter("quotes and backslashes", b'Subject: "a\\b" c', b'To: "x \\\\ y" <a@b.example>', drop="subject to",
                 body=ordinary)  # fmt: skip
    yield letter("long subject", b"Subject: " + b"mot " * 400, drop="subject", body=ordinary)
    yield letter("bad date", b"Date: hier", drop="date", body=ordinary)
    yield letter("angle in name", b"To: a <b> c <d@e.example>", drop="to", body=ordinary)
    yield "no body at all", lines(b"From: claire.petit@pli.example", b"Subject: no body at all")
