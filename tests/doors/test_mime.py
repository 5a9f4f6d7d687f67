"""Letters read: ordinary ones as the standard library reads them, and nothing a person wrote ever lost."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
from email.message import EmailMessage

import pytest

from mail_gateway import mime, structure
from server.formats.malformed import Malformed
from server.quotations import split_quoted
from tests import letters

FROM = b"From: agathe.morel@pli.example\r\n"


# ---- ordinary letters ------------------------------------------------------------------------------------------------

ORDINARY = {
    "a text": letters.plain(),
    "a text in Polish": letters.plain(
        "Dzień dobry, proszę przyjść na czczo.", subject="Przyjęcie", from_=("Łukasz Ż", "l@pli.example")
    ),
    "a text with dots and From": letters.plain("From the ward\n.\n..\n--\nDr Morel"),
    "text and HTML": letters.plain(html="<p>Bonjour,<br>merci de venir <b>à jeun</b>.</p>"),
    "a PDF": letters.with_attachments(),
    "an archive and an accented name": letters.with_attachments(
        ("IHE_XDM.ZIP", "application/zip", letters.xdm_zip()),
        ("Compte rendu été.pdf", "application/pdf", letters.pdf()),
    ),
    "an appointment": letters.invitation(),
    "many recipients": letters.plain(to=[("Équipe, admissions", "admissions@pli.example"), "labo@pli.example"]),
    "an answer": letters.plain(in_reply_to="<a@b>", references="<z@b> <a@b>"),
    "a long subject": letters.plain(subject="Préparation " * 20),
}


@pytest.mark.parametrize("raw", ORDINARY.values(), ids=ORDINARY.keys())
def test_an_ordinary_letter_says_what_the_standard_library_reads_in_it(raw: bytes) -> None:
    oracle = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(oracle, EmailMessage)
    letter = mime.read(raw)
    assert letter.subject == str(oracle["Subject"]).strip()
    assert [(m.name, m.address) for m in letter.from_] == [
        (a.display_name, a.addr_spec) for a in oracle["From"].addresses
    ]
    assert [(m.name, m.address) for m in letter.to] == [(a.display_name, a.addr_spec) for a in oracle["To"].addresses]
    assert letter.date == oracle["Date"].datetime
    assert f"<{letter.message_id}>" == oracle["Message-ID"]
    assert [f"<{reference}>" for reference in letter.references] == str(oracle["References"] or "").split()
    plain = oracle.get_body(("plain",))
    assert plain is not None
    assert letter.text.strip("\n") == plain.get_content().replace("\r\n", "\n").strip("\n")
    found = [(p.name, p.type, mime.part(raw, p.number)[1]) for p in letter.attachments]
    assert found == [
        (p.get_filename(), p.get_content_type(), p.get_payload(decode=True)) for p in oracle.iter_attachments()
    ]
    assert all(p.size == len(mime.part(raw, p.number)[1]) for p in letter.attachments)


@pytest.mark.parametrize("raw", ORDINARY.values(), ids=ORDINARY.keys())
def test_a_letter_whose_lines_end_in_a_bare_newline_reads_the_same(raw: bytes) -> None:
    crlf, bare = mime.read(raw), mime.read(raw.replace(b"\r\n", b"\n"))
    assert crlf.text == bare.text
    assert crlf.subject == bare.subject
    assert [(p.number, p.name, p.size) for p in crlf.attachments] == [
        (p.number, p.name, p.size) for p in bare.attachments
    ]


def test_the_patient_sees_the_text_the_doctor_wrote_and_not_its_html_twin() -> None:
    letter = mime.read(letters.plain("Venez à jeun.", html="<p>Venez <i>à jeun</i>.</p>"))
    assert letter.text == "Venez à jeun.\n"
    assert "<i>" in letter.html


def test_a_letter_written_in_html_only_is_readable_as_text() -> None:
    html = (
        "<html><head><style>p{color:red}</style><title>non</title></head><body><p>Bonjour&nbsp;Dominique,</p>"
        "<script>alert(1)</script><ul><li>venez &agrave; jeun</li><li>sans bijoux &#8212; ni vernis</li></ul>"
        "<!-- <p>caché</p> --><div>Dr&#233; Morel</div></body></html>"
    )
    raw = FROM + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode()
    text = mime.read(raw).text
    assert text.split("\n") == [
        "Bonjour Dominique,", "", "- venez à jeun", "- sans bijoux — ni vernis", "", "Dré Morel",
    ]  # fmt: skip


def test_a_letter_in_html_with_a_footer_in_text_loses_neither() -> None:
    raw = (
        FROM
        + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>Venez.</p>\r\n"
        + b"--x\r\n\r\nH\xc3\xb4pital <de> Pli\r\n--x--\r\n"
    )
    letter = mime.read(raw)
    assert letter.text == "Venez.\nHôpital <de> Pli"
    assert letter.html == "<p>Venez.</p>\n<pre>Hôpital &lt;de&gt; Pli</pre>"


def test_an_empty_plain_alternative_does_not_hide_the_html() -> None:
    raw = FROM + b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\n \r\n--x\r\n"
    assert mime.read(raw + b"Content-Type: text/html\r\n\r\n<p>Venez.</p>\r\n--x--\r\n").text == "Venez."


def test_what_an_html_letter_quotes_is_marked_as_a_quotation() -> None:
    html = "<div>Oui.</div><div>Le lundi, Dr Morel a écrit :<blockquote><p>Venez.<br>À jeun.</p></blockquote></div>"
    text = mime.read(FROM + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode()).text
    assert split_quoted(text)[0] == "Oui."
    assert "> À jeun." in text.split("\n")


def test_a_flowed_text_is_put_back_into_paragraphs_and_its_signature_left_alone() -> None:
    raw = (
        FROM
        + b"Content-Type: text/plain; format=flowed\r\n\r\nMerci de \r\nvenir.\r\n> cit\xe9 \r\n"
        + b"> suite\r\n-- \r\n Morel\r\n"
    )
    assert mime.read(raw).text == "Merci de venir.\n> cité suite\n-- \nMorel\n"


def test_flowed_text_without_its_spaces_and_cells_of_a_table_are_read() -> None:
    raw = FROM + b"Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\nanti \r\ncoagulant\r\n"
    assert mime.read(raw).text == "anticoagulant\n"
    table = b"<table><tr><td>Glyc\xe9mie</td><td>0,92 g/L</td></tr></table><!-- never closed"
    assert mime.read(FROM + b"Content-Type: text/html\r\n\r\n" + table).text == "Glycémie 0,92 g/L"


def test_a_forwarded_letter_is_an_attachment_with_the_numbers_imap_gives() -> None:
    inner = letters.with_attachments(subject="Résultat")
    boundary = b"Content-Type: multipart/mixed; boundary=out\r\n\r\n"
    raw = (
        FROM
        + boundary
        + b"--out\r\n\r\nVoyez\r\n--out\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner
        + b"\r\n--out--\r\n"
    )
    root = structure.index(raw)
    assert [node.number for node in structure.walk(root)] == ["", "1", "2", "2", "2.1", "2.2"]
    letter = mime.read(raw)
    assert [(p.number, p.type, p.name) for p in letter.attachments] == [
        ("2", "message/rfc822", "Résultat.eml"),
        ("2.2", "application/pdf", "consignes.pdf"),
    ]
    assert mime.part(raw, "2.2")[1] == letters.pdf("A jeun depuis minuit")
    assert mime.part(raw, "2")[1].replace(b"\r\n", b"\n").strip() == inner.replace(b"\r\n", b"\n").strip()


def test_a_forwarded_text_alone_is_part_one_of_the_forwarded_letter() -> None:
    raw = FROM + b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nBonjour"
    assert [node.number for node in structure.walk(structure.index(raw))] == ["", "1.1"]
    assert mime.part(raw, "1.1")[1] == b"Bonjour"


def test_a_part_that_is_not_there_is_malformed() -> None:
    with pytest.raises(Malformed) as caught:
        mime.part(letters.plain(), "7")
    assert caught.value.code == "mime_no_part"


def test_no_control_character_of_a_text_reaches_a_screen() -> None:
    assert mime.read(FROM + b"\r\nBon\x00jour\x1b[2J\x07\x7f\tDominique\x0c\r\n").text == "Bonjour[2J\tDominique\n"


def test_a_letter_that_is_one_pdf_and_nothing_else_has_it_as_part_one() -> None:
    raw = FROM + b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n"
    (found,) = mime.read(raw).attachments
    assert (found.number, found.name, found.size) == ("1", "a.pdf", 5)
    assert mime.part(raw, "1")[1] == b"%PDF-"


def test_a_letter_cut_before_its_last_boundary_keeps_what_came() -> None:
    raw = (
        FROM
        + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nBonjour\r\n"
        + b"--x\r\nContent-Type: image/png\r\n\r\nPN"
    )
    letter = mime.read(raw)
    assert letter.text == "Bonjour"
    assert mime.part(raw, "2")[1] == b"PN"


def test_a_multipart_without_any_boundary_is_shown_as_the_text_it_is() -> None:
    assert mime.read(FROM + b"Content-Type: multipart/mixed\r\n\r\nBonjour\r\n").text == "Bonjour\n"


def test_a_text_too_long_for_a_letter_is_cut_and_kept_as_a_file() -> None:
    letter = mime.read(FROM + b"\r\n" + b"a" * (mime.MAX_TEXT + 1))
    assert len(letter.text) == mime.MAX_TEXT
    assert [p.type for p in letter.attachments] == ["text/plain"]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 56, 57, 58, 1000, 70_001])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_the_size_of_an_attachment_is_known_without_decoding_it(length: int, newline: bytes) -> None:

    coded = base64.encodebytes(bytes(length)).replace(b"\n", newline)
    raw = FROM + b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + coded
    assert mime.read(raw).attachments[0].size == length


def test_the_size_of_a_badly_written_attachment_is_known_too() -> None:
    for coded in (b"Y W\r\nJ\r\njZA\r\n", b"YWJj!ZA==", b"YWJjZA", b"YWJjZA==YWJj", b"====", b"A"):
        raw = FROM + b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + coded
        assert mime.read(raw).attachments[0].size == len(mime.part(raw, "1")[1]), coded


# ---- file names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ('attachment; filename="compte rendu.pdf"', "compte rendu.pdf"),
        ("attachment; filename*=utf-8''%C3%A9t%C3%A9.pdf", "été.pdf"),
        ("attachment; filename*0*=utf-8''%C3%A9; filename*1=t; filename*2*=%C3%A9.pdf", "été.pdf"),
        ("attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        ('attachment; filename="=?utf-8?Q?=C3=A9t=C3=A9.pdf?="', "été.pdf"),
        ("attachment; filename=été.pdf", "été.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\Temp\\\\a.pdf"', "a.pdf"),
        ('attachment; filename="a\u202efdp.exe"', "afdp.exe"),
        ('attachment; filename="say \\"hi\\".txt"', 'say "hi".txt'),
        ("attachment", ""),
        ("attachment; filename*=utf-7''%2BADw-", "+ADw-"),
    ],
)
def test_a_file_name_is_a_bare_name_in_every_way_of_writing_it(field: str, name: str) -> None:
    raw = FROM + b"Content-Type: application/pdf\r\nContent-Disposition: " + field.encode() + b"\r\n\r\nx"
    assert mime.read(raw).attachments[0].name == name


# ---- what the letter says of itself ----------------------------------------------------------------------------------


def test_a_professional_ends_the_exchange_by_header_or_by_exact_subject() -> None:
    assert mime.read(letters.plain(headers={"X-MSS-MES": "FIN"})).ends_exchange
    assert mime.read(letters.plain(subject="[FIN]")).ends_exchange
    assert not mime.read(letters.plain(subject="[fin]")).ends_exchange
    assert not mime.read(letters.plain(subject="[FIN] merci")).ends_exchange
    assert not mime.read(letters.plain(headers={"X-MSS-MES": "fin"})).ends_exchange


def test_an_automatic_answer_is_told_from_a_mailing_list() -> None:
    assert mime.read(letters.plain(headers={"Auto-Submitted": "auto-replied; x=y"})).auto_submitted
    assert mime.read(letters.plain(headers={"Auto-Submitted": "Auto-Generated (vacation)"})).auto_submitted
    assert not mime.read(letters.plain(headers={"Auto-Submitted": "no"})).auto_submitted
    assert not mime.read(letters.plain(headers={"Precedence": "bulk"})).auto_submitted


def test_dr_morel_asks_for_a_receipt_to_her_address() -> None:
    asked = letters.plain(headers={"Disposition-Notification-To": "Dr Morel <agathe.morel@PLI.example>"})
    assert mime.read(asked).asks_receipt == "agathe.morel@pli.example"
    assert mime.read(letters.plain()).asks_receipt == ""


def test_two_from_fields_are_both_there_for_the_door_to_refuse() -> None:
    for first in (b"a@pli.example", b"a@pli.example (", b'a@pli.example, "', b"a@pli.example, <"):
        letter = mime.read(b"From: " + first + b"\r\nFrom: b@pli.example\r\n\r\n")
        assert [mailbox.address for mailbox in letter.from_] == ["a@pli.example", "b@pli.example"]


def test_an_ics_file_is_the_calendar_and_stays_an_attachment() -> None:
    letter = mime.read(letters.with_attachments(("rdv.ics", "application/ics", letters.ics().encode())))
    assert letter.calendar.startswith("BEGIN:VCALENDAR")
    assert [p.name for p in letter.attachments] == ["rdv.ics"]


def test_the_same_letter_by_another_road_keeps_its_body_hash() -> None:
    raw = letters.plain()
    assert mime.body_hash(b"Received: from elsewhere\r\n" + raw) == mime.body_hash(raw)
    assert mime.body_hash(raw) == hashlib.sha256(raw.partition(b"\r\n\r\n")[2]).digest()
    assert mime.body_hash(raw) != mime.body_hash(letters.plain("Autre chose"))
    assert mime.body_hash(b"Subject: x") == hashlib.sha256(b"").digest()
