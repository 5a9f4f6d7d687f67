"""What a letter may hold besides words: letters within it, signatures, ciphers, two forms that disagree, tricks."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from mail_gateway.cms import signed_content
from server import attachments
from server.views import Entry, FileView
from tests import letters
from tests.mail_house import ELSEWHERE, FROM, TO_DOMINIQUE, MailHouse, bring, open_mail_house
from tests.support.envelopes import envelope
from webchat.files import serve

HEAD = f"From: {FROM}\r\nTo: {TO_DOMINIQUE}\r\nSubject: Essai\r\nMIME-Version: 1.0\r\n".encode()
PDF = letters.pdf("A jeun")


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


def multipart(kind: str, *parts: bytes) -> bytes:
    """A multipart, its head included; each part has its own head."""
    body = b"".join(b"--b" + kind[:3].encode() + b"\r\n" + part + b"\r\n" for part in parts)
    boundary = kind[:3].encode()
    return b"Content-Type: multipart/" + kind.encode() + b"; boundary=b" + boundary + b"\r\n\r\n" + body + (
        b"--b" + boundary + b"--\r\n"
    )  # fmt: skip


def part(kind: str, data: bytes, *fields: str) -> bytes:
    head = "".join(f"{field}\r\n" for field in (f"Content-Type: {kind}", *fields))
    return f"{head}Content-Transfer-Encoding: base64\r\n\r\n".encode() + base64.encodebytes(data).replace(
        b"\n", b"\r\n"
    )


def text(words: str, kind: str = "plain") -> bytes:
    return part(f"text/{kind}; charset=utf-8", words.encode())


async def received(house: MailHouse, letter: bytes) -> Entry:
    assert (await bring(house, letter)).startswith("250")
    return (await house.entries("dominique"))[-1]


async def opened(house: MailHouse, file: FileView) -> bytes:
    return (await attachments.opened(house.app, await house.mailbox("dominique"), file.space, file.id))[1]


# ---- letters within letters ------------------------------------------------------------------------------------------


async def test_a_forwarded_letter_is_read_and_nothing_attached_to_it_is_lost(house: MailHouse) -> None:
    inner = letters.with_attachments(
        ("résultat.pdf", "application/pdf", PDF), text="Glycémie normale.", subject="Résultat / bilan"
    )
    letter = HEAD + multipart("mixed", text("Voyez ci-joint."), b"Content-Type: message/rfc822\r\n\r\n" + inner)
    entry = await received(house, letter)
    assert entry.message.text.startswith("Voyez ci-joint.")
    assert "> De : Dr Agathe MOREL <agathe.morel@pli.example>" in entry.message.text
    assert "> Objet : Résultat / bilan" in entry.message.text
    assert "> Glycémie normale." in entry.message.text
    eml, pdf = entry.message.attachments
    assert (eml.name, eml.type, pdf.name, pdf.type) == (
        "Résultat - bilan.eml", "message/rfc822", "résultat.pdf", "application/pdf",
    )  # fmt: skip
    assert await opened(house, pdf) == PDF
    assert (await opened(house, eml)).rstrip() == inner.rstrip()


async def test_an_invitation_within_a_forwarded_letter_is_nobodys_to_answer(house: MailHouse) -> None:
    invitation = letters.invitation(organizer=ELSEWHERE)
    entry = await received(
        house, HEAD + multipart("mixed", text("FYI"), b"Content-Type: message/rfc822\r\n\r\n" + invitation)
    )
    assert entry.message.card is None
    assert [file.type for file in entry.message.attachments] == ["message/rfc822", "text/calendar"]


async def test_a_letter_of_forty_files_that_forwards_another_is_still_taken(house: MailHouse) -> None:
    files = [part("application/pdf", PDF, f'Content-Disposition: attachment; filename="{n}.pdf"') for n in range(38)]
    inner = letters.with_attachments(("dedans.pdf", "application/pdf", PDF), ("2.pdf", "application/pdf", PDF))
    entry = await received(house, HEAD + multipart("mixed", *files, b"Content-Type: message/rfc822\r\n\r\n" + inner))
    assert len(entry.message.attachments) == 40
    assert entry.message.attachments[-1].name == "dedans.pdf"


# ---- signed, sealed, proprietary -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("application/pkcs7-signature", "smime.p7s", "Signature de l’expéditeur – smime.p7s"),
        ("application/pgp-signature", "", "Signature de l’expéditeur – signature.asc"),
    ],
)
async def test_a_signed_letter_is_read_and_its_signature_kept_as_such(
    kind: str, name: str, said: str, house: MailHouse
) -> None:
    signature = part(f'{kind}; name="{name}"' if name else kind, b"0\x82\x01\x00")
    content = multipart("mixed", text("Venez à jeun."), part('application/pdf; name="a.pdf"', PDF))
    entry = await received(house, HEAD + multipart("signed", content, signature))
    assert entry.message.text == "Venez à jeun."
    pdf, kept = entry.message.attachments
    assert (pdf.name, kept.name, kept.damaged) == ("a.pdf", said, "")
    assert await opened(house, kept) == b"0\x82\x01\x00"


@pytest.mark.parametrize("options", [(), ("-stream",)], ids=["DER", "BER"])
async def test_a_letter_signed_as_one_piece_is_read_and_the_piece_kept(
    options: tuple[str, ...], house: MailHouse
) -> None:
    content = multipart("mixed", text("Venez à jeun.\n" * 900), part('application/pdf; name="a.pdf"', PDF))
    piece = envelope(content, *options)
    assert (piece[1] == 0x80) is bool(options), "a length that is not told ahead"
    letter = HEAD + part("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", piece)
    entry = await received(house, letter)
    assert entry.message.text.count("Venez à jeun.") == 900
    assert "dans l’enveloppe signée : a.pdf" in entry.message.text
    (file,) = entry.message.attachments
    assert (file.name, file.damaged[:16]) == ("smime.p7m", "Enveloppe signée")
    assert await opened(house, file) == piece


def test_an_envelope_cut_or_changed_anywhere_is_no_envelope_or_another() -> None:
    lot = random.Random(37)
    for piece in (envelope(text("Bonjour")), envelope(text("Bonjour" * 5000), "-stream")):
        assert signed_content(piece)
        for _ in range(500):
            at = lot.randrange(min(200, len(piece)))
            changed = piece[:at] + bytes((lot.randrange(256),)) + piece[at + 1 :]
            assert len(signed_content(changed)) <= len(piece)
            assert len(signed_content(piece[: lot.randrange(len(piece))])) <= len(piece)
    assert signed_content(b"0\x80" * 100_000) == b""
    assert signed_content(envelope(text("x"))[:30] + b"\x24\x80" + b"\x24\x80" * 100_000) == b""


ENVELOPED = bytes.fromhex("3082010006092a864886f70d010703")
SIGNED = bytes.fromhex("3080060b2a864886f70d010702a080")
PGP = b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n"


@pytest.mark.parametrize(
    ("letter", "names", "why"),
    [
        (part("application/pkcs7-mime; smime-type=enveloped-data", ENVELOPED), ["smime.p7m"], "Message chiffré"),
        (part('application/x-pkcs7-mime; name="smime.p7m"', ENVELOPED), ["smime.p7m"], "Message chiffré"),
        (part("application/pkcs7-mime; smime-type=signed-data", SIGNED), ["smime.p7m"], "Enveloppe signée"),
        (part('application/octet-stream; name="smime.p7m"', SIGNED), ["smime.p7m"], "Enveloppe signée"),
        (
            multipart(
                "encrypted",
                part("application/pgp-encrypted", b"Version: 1\r\n"),
                part('application/octet-stream; name="encrypted.asc"', PGP),
            ),
            ["piece-jointe-1", "encrypted.asc"],
            "Message chiffré",
        ),
        (
            multipart("mixed", text("Voici"), part('application/ms-tnef; name="winmail.dat"', b"\x78\x9f\x3e\x22")),
            ["winmail.dat"],
            "Pièce jointe d’Outlook (winmail.dat)",
        ),
        (part('application/octet-stream; name="WINMAIL.DAT"', b"\x78\x9f"), ["WINMAIL.DAT"], "Pièce jointe d’Outlook"),
    ],
    ids=["S/MIME", "without its kind", "opaque", "opaque, untyped", "PGP", "winmail.dat", "winmail.dat, untyped"],
)
async def test_what_cannot_be_read_here_is_kept_whole_and_says_why(
    letter: bytes, names: list[str], why: str, house: MailHouse
) -> None:
    entry = await received(house, HEAD + letter)
    assert [file.name for file in entry.message.attachments] == names
    for file in entry.message.attachments:
        assert file.damaged.startswith(why)
        assert await opened(house, file) in {
            ENVELOPED,
            SIGNED,
            PGP,
            b"Version: 1\r\n",
            b"\x78\x9f\x3e\x22",
            b"\x78\x9f",
        }


# ---- two forms of one letter -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain_form", "page", "read"),
    [
        ("Venez à jeun.", "<p>Venez <b>à jeun</b>.</p>", "Venez à jeun."),
        ("Venez <https://chu.example/plan> à jeun\n[image: Logo]", "<a href=x>Venez</a> à jeun", None),
        ("", "<p>Venez à jeun.</p>", "Venez à jeun."),
        ("Venez à", "<p>Venez à jeun, demain.</p>", "Venez à jeun, demain."),
    ],
)
async def test_the_plain_form_is_read_when_it_says_all_that_the_other_does(
    plain_form: str, page: str, read: str | None, house: MailHouse
) -> None:
    entry = await received(house, HEAD + multipart("alternative", text(plain_form), text(page, "html")))
    assert entry.message.text.strip() == (plain_form if read is None else read)
    assert entry.message.html


@pytest.mark.parametrize(
    ("plain_form", "page"),
    [
        ("Votre logiciel n’affiche pas cette lettre.", "<p>Votre opération est le 8 décembre.</p>"),
        ("Prenez 5 mg le matin, et rappelez-moi dès que possible si cela ne va pas mieux avant la fin de la semaine.",
         "Prenez 50 mg le matin, et rappelez-moi dès que possible si cela ne va pas mieux avant la fin de la semaine."),
    ],
    ids=["stub", "dose"],
)  # fmt: skip
async def test_when_two_forms_disagree_both_are_read_the_one_most_people_see_first(
    plain_form: str, page: str, house: MailHouse
) -> None:
    entry = await received(house, HEAD + multipart("alternative", text(plain_form), text(page, "html")))
    said = entry.message.text
    words = page.removeprefix("<p>").removesuffix("</p>")
    assert said.startswith(words)
    assert said.index("Version texte de ce message") < said.index(plain_form)


async def test_a_picture_within_the_page_is_a_file_beside_it(house: MailHouse) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(20)
    page = text('<p>Voici le plan : <img src="cid:plan@chu.example"></p>', "html")
    image = part("image/png; name=plan.png", picture, "Content-ID: <plan@chu.example>", "Content-Disposition: inline")
    both = multipart("alternative", text("Voici le plan :"), multipart("related", page, image))
    entry = await received(house, HEAD + both)
    assert entry.message.html.strip() == "<p>Voici le plan : </p>"
    (file,) = entry.message.attachments
    assert (file.name, file.type) == ("plan.png", "image/png")
    assert await opened(house, file) == picture


# ---- wrong types -----------------------------------------------------------------------------------------------------

RUNS = b"<script>window.__xss=1</script>"
POLYGLOTS = {
    "a PDF that is a page": ("a.pdf", "application/pdf", b"<html>" + RUNS + PDF),
    "a page that is a PDF": ("a.html", "text/html", PDF + RUNS),
    "a GIF that is a script": ("a.gif", "image/gif", b"GIF89a/*\x00*/=1;window.__xss=1"),
    "a script that is a GIF": ("a.js", "text/javascript", b"GIF89a=1;window.__xss=1"),
    "a picture that is a page": ("photo.png", "image/png", RUNS),
    "a text that is a page": ("note.txt", "text/plain", RUNS),
    "a drawing": ("a.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.__xss=1'/>"),
    "a page in UTF-7": ("a.txt", "text/plain; charset=utf-7", b"+ADw-script+AD4-window.__xss=1+ADw-/script+AD4-"),
    "a page named a PDF": ("a.html", "application/pdf", RUNS),
    "a program": ("a\u202efdp.exe", "application/pdf", b"MZ\x90\x00"),
    "no type at all": ("a.xyz", "text/html\x00/pdf", RUNS),
}


async def test_a_file_is_given_as_what_it_is_and_never_runs(house: MailHouse) -> None:
    """Security item 37, from the mail to what the browser is told: shown are only the kinds that cannot run, when the
    octets are of that kind; all else is downloaded, in a sandbox, and never as a page.
    """
    files = [
        part(kind, data, f"Content-Disposition: attachment; filename*=utf-8''{quote(name)}")
        for name, kind, data in POLYGLOTS.values()
    ]
    entry = await received(house, HEAD + multipart("mixed", text("Voici"), *files))
    assert len(entry.message.attachments) == len(POLYGLOTS)
    box = await house.mailbox("dominique")
    for file, (what, (_, _, octets)) in zip(entry.message.attachments, POLYGLOTS.items(), strict=True):
        facts, data = await attachments.opened(house.app, box, file.space, file.id)
        assert data == octets, what
        for shown in (False, True):
            given = serve(facts, data, shown=shown)
            kind = given.headers["Content-Type"]
            assert not re.search("html|svg|xml|script", kind), what
            assert given.headers["Content-Security-Policy"].endswith("sandbox")
            if given.headers["Content-Disposition"].startswith("inline"):
                assert shown
                assert {"application/pdf": b"%PDF", "image/gif": b"GIF8", "text/plain": b""}[
                    kind.partition(";")[0]
                ] in data
        assert "\u202e" not in facts.name


async def test_forty_files_with_names_of_two_hundred_accents_keep_them_all(house: MailHouse) -> None:
    """RFC 2231, in sections of sixty octets, as careless clients cut them: within a letter, within an escape."""
    names = [f"{n:02} " + "é" * 193 + ".pdf" for n in range(40)]
    assert all(len(name) == 200 for name in names)
    parts = []
    for name in names:
        coded = "utf-8''" + quote(name, safe="")
        pieces = [coded[at : at + 60] for at in range(0, len(coded), 60)]
        field = "".join(f";\r\n filename*{place}*={piece}" for place, piece in enumerate(pieces))
        parts.append(part("application/pdf", PDF, f"Content-Disposition: attachment{field}"))
    entry = await received(house, HEAD + multipart("mixed", text("Voici"), *parts))
    assert [file.name for file in entry.message.attachments] == names
    assert await opened(house, entry.message.attachments[39]) == PDF
