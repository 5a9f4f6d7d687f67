"""Letters written: read back as they were meant, by us and by others, and never saying more than was meant."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail_gateway import mime
from mail_gateway.compose import OutLetter, OutPart, compose, failure_report
from mail_gateway.headers import Headers, Mailbox
from tests import letters

DOMINIQUE = Mailbox("Dominique PAT-TROIS", "279035121518989@patient.pli.example")
MOREL = Mailbox("Dr Agathe MOREL", "agathe.morel@pli.example")


def answer(**changed: object) -> OutLetter:
    given: dict[str, object] = {
        "message_id": "7@patient.pli.example",
        "date": letters.NOON,
        "from_": DOMINIQUE,
        "to": (MOREL,),
        "subject": "Re: Préparation de votre admission à l’hôpital, le matin, à jeun et sans bijoux",
        "text": "Oui, je serai là.\nDominique",
        "in_reply_to": "1@pli.example",
        "references": ("0@pli.example", "1@pli.example"),
    }
    return OutLetter(**(given | changed))  # type: ignore[arg-type]  # the fields of OutLetter by name


def test_the_answer_of_dominique_is_read_back_as_she_wrote_it() -> None:
    letter = mime.read(compose(answer()))
    assert letter.subject == answer().subject
    assert letter.from_ == (DOMINIQUE,)
    assert letter.to == (MOREL,)
    assert letter.text == answer().text
    assert letter.message_id == "7@patient.pli.example"
    assert letter.in_reply_to == ("1@pli.example",)
    assert letter.references == ("0@pli.example", "1@pli.example")
    assert letter.date == letters.NOON


def test_the_same_letter_gives_the_same_bytes_whatever_is_in_it() -> None:
    parts = (
        OutPart("Ordonnance été.pdf", "application/pdf", letters.pdf()),
        OutPart("a.txt", "text/plain", b"\0\r\n."),
    )
    letter = answer(html="<p>Oui</p>", attachments=parts, calendar=letters.ics(method="REPLY"), calendar_method="REPLY")
    assert compose(letter) == compose(letter)
    assert compose(letter) != compose(answer(message_id="8@patient.pli.example"))


def test_other_clients_read_the_letter_as_ours_do() -> None:
    parts = (
        OutPart("Ordonnance été.pdf", "application/pdf", letters.pdf()),
        OutPart("n" * 120 + ".txt", "text/plain", b"abc"),
    )
    raw = compose(
        answer(
            html="<p>Oui, à jeun</p>", attachments=parts, calendar=letters.ics(method="REPLY"), calendar_method="REPLY"
        )
    )
    oracle = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(oracle, EmailMessage)
    assert not oracle.defects
    assert str(oracle["Subject"]) == answer().subject
    assert str(oracle["From"]) == f"Dominique PAT-TROIS <{DOMINIQUE.address}>"
    assert [(p.get_filename(), p.get_payload(decode=True)) for p in oracle.iter_attachments()] == [
        (p.name, p.data) for p in parts
    ]
    calendar = next(part for part in oracle.walk() if part.get_content_type() == "text/calendar")
    assert calendar.get_param("method") == "REPLY"
    assert calendar.get_content_charset() == "utf-8"
    assert calendar.get_content().replace("\r\n", "\n") == letters.ics(method="REPLY").replace("\r\n", "\n")
    plain, html = oracle.get_body(("plain",)), oracle.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n").strip() == answer().text
    assert html.get_content().strip() == "<p>Oui, à jeun</p>"


def test_copies_a_reply_address_and_foreign_domains_are_written_as_any_relay_takes_them() -> None:
    team = Mailbox("Équipe (admissions)", "admissions@hôpital.example")
    raw = compose(
        answer(cc=(team, MOREL), reply_to=team, auto_submitted="auto-generated", date=letters.NOON.replace(tzinfo=None))
    )
    letter = mime.read(raw)
    assert [mailbox.address for mailbox in letter.cc] == ["admissions@xn--hpital-ixa.example", MOREL.address]
    assert letter.reply_to == letter.cc[:1]
    assert letter.reply_to[0].name == team.name
    assert letter.auto_submitted
    assert letter.date == letters.NOON
    assert mime.read(compose(answer(to=(Mailbox("", "é@" + "é" * 70 + ".example"),)))).to


def test_a_boundary_never_stands_in_what_it_bounds() -> None:
    first = compose(answer(html="<p>x</p>"))
    boundary = first.partition(b'boundary="')[2].partition(b'"')[0].decode()
    text = f"a\n--{boundary}--\nb"
    oracle = email.message_from_bytes(compose(answer(html="<p>x</p>", text=text)), policy=email.policy.default)
    assert isinstance(oracle, EmailMessage)
    plain = oracle.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n").strip() == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=300), st.text(max_size=40), st.binary(max_size=200))
def test_nothing_typed_anywhere_adds_a_field_or_breaks_a_line(
    subject: str, name: str, text: str, file: str, data: bytes
) -> None:
    sender = Mailbox(name, "a@pli.example")
    raw = compose(
        answer(subject=subject, from_=sender, text=text, attachments=(OutPart(file, file, data),), in_reply_to=file)
    )
    assert raw.isascii()
    assert all(len(line) <= 998 and b"\r" not in line and b"\n" not in line for line in raw.split(b"\r\n"))
    fields = [name for name, _ in Headers(raw[: raw.index(b"\r\n\r\n")])]
    allowed = [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "In-Reply-To",
        "References",
        "MIME-Version",
        "Content-Type",
    ]
    assert [field for field in allowed if field in fields] == fields
    letter = mime.read(raw)
    assert [mailbox.address for mailbox in letter.from_] == ["a@pli.example"]
    assert mime.part(raw, "2")[1] == data


@pytest.mark.parametrize(
    "text", ["x" * 5000, "é" * 5000, "a b " * 3000, "From x\n.\n", "ligne \n fin ", "\ttab", "a=b", ""]
)
def test_any_text_arrives_as_it_was_written(text: str) -> None:
    assert mime.read(compose(answer(text=text))).text == text


def test_a_field_with_a_place_of_its_own_cannot_be_given_twice() -> None:
    with pytest.raises(ValueError, match="place of its own"):
        compose(answer(extra=(("Bcc", "x@y"),)))
    with pytest.raises(ValueError, match="field name"):
        compose(answer(extra=(("X-A: b\r\nBcc", "x"),)))
    raw = compose(answer(extra=(("X-MSS-NIL", "DEV935997\r\nBcc: x@y"),)))
    assert Headers(raw[: raw.index(b"\r\n\r\n")]).get("x-mss-nil") == "DEV935997  Bcc: x@y"


def test_the_sender_of_an_undelivered_letter_learns_why_and_gets_no_content_back() -> None:
    original = letters.with_attachments(subject="Préparation")
    raw = failure_report(
        message_id="9@pli.example",
        date=letters.NOON,
        from_=Mailbox("Pli", "mailer-daemon@pli.example"),
        to=MOREL,
        original=original,
        recipient="279035121518989@patient.pli.example",
        reason="La boîte de ce patient est fermée.",
        status="5.2.1",
        reporting_mta="pli.example",
        envelope_id="QQ1",
        arrived=letters.NOON,
        diagnostic="550 5.2.1 Mailbox closed",
    )
    letter = mime.read(raw)
    assert letter.is_report
    assert letter.auto_submitted
    assert letter.subject == "Message non distribué : Préparation"
    assert "La boîte de ce patient est fermée." in letter.text
    assert b"%PDF" not in raw
    assert b"JVBERi0" not in raw
    oracle = email.message_from_bytes(raw, policy=email.policy.default)
    assert not oracle.defects
    assert oracle.get_param("report-type") == "delivery-status"
    assert isinstance(oracle, EmailMessage)
    status: Any
    headers: Any
    _, status, headers = oracle.iter_parts()
    per_message, per_recipient = status.get_payload()
    assert per_message["Reporting-MTA"] == "dns; pli.example"
    assert per_message["Original-Envelope-Id"] == "QQ1"
    assert (per_recipient["Action"], per_recipient["Status"]) == ("failed", "5.2.1")
    assert per_recipient["Final-Recipient"] == "rfc822; 279035121518989@patient.pli.example"
    assert headers.get_content_type() == "text/rfc822-headers"
    assert "<1@pli.example>" in headers.get_content()


def test_a_letter_that_waits_is_announced_as_waiting() -> None:
    raw = failure_report(
        message_id="9@pli.example", date=letters.NOON, from_=MOREL, to=MOREL, original=letters.plain(), recipient="x@y",
        reason="Le serveur ne répond pas.", status="4.4.1", reporting_mta="pli.example", action="delayed",
        original_recipient="rfc822; x@y",
    )  # fmt: skip
    letter = mime.read(raw)
    assert letter.subject == "Message retardé : Préparation de votre admission"
    assert "n’a pas encore été distribué" in letter.text
    assert b"Action: delayed" in raw


@pytest.mark.parametrize(
    "original", [b"", b"\0" * 100, b"X: " + b"y" * 200_000, "Subject: été\r\n\r\nx".encode("latin-1")]
)
def test_a_notice_can_be_written_about_any_bytes(original: bytes) -> None:
    raw = failure_report(
        message_id="9@pli.example", date=letters.NOON, from_=MOREL, to=MOREL, original=original, recipient="x@y",
        reason="r", status="5.6.0", reporting_mta="pli.example",
    )  # fmt: skip
    assert raw.isascii()
    assert mime.read(raw).is_report
