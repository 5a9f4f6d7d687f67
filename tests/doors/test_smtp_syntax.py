"""The parts of our SMTP that need no socket: on anything at all, and against slower ways to know the right answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mail_gateway import discretion, smtp_syntax
from mail_gateway.headers import Headers, addresses
from mail_gateway.smtp_data import Budget, Incoming
from mail_gateway.smtp_syntax import END, Refusal
from tests import letters
from tests.letters import CAMILLE, DOMINIQUE, MARCEL

DOMAIN = "patient.pli.example"
PIECE = st.sampled_from(
    [b"a", b"ab", b".", b"..", b".a", b"\r\n", b"\n", b"\r", b"", b"x" * 76, b"x" * 999, b"x" * 1000]
)


def refusal_of(parse: Callable[..., object], *arguments: object) -> Refusal | None:
    """What it refuses with; None when it does not."""
    try:
        parse(*arguments)
    except Refusal as refusal:
        return refusal
    return None


def lines_are_good(body: bytes) -> bool:
    """The rule, said slowly."""
    lines = body.split(b"\r\n")
    return lines[-1] == b"" and all(len(line) < 1000 and b"\r" not in line and b"\n" not in line for line in lines)


@given(st.lists(PIECE, max_size=60), st.integers(1, 200))
@example([b"a", b"\r\n", b"a", b"\r\n", b"aaa", b"\r\n", b"aaa", b"\r\n"], 1)
def test_a_letter_is_taken_exactly_when_each_of_its_lines_is_one(pieces: list[bytes], times: int) -> None:
    text = b"".join(pieces) * times + b"\r\n"
    refusal = refusal_of(smtp_syntax.letter, b"\r\n" + text)
    assert (refusal is None) == lines_are_good(text)
    if refusal is None:
        assert smtp_syntax.letter(b"\r\n" + text) == re.sub(rb"(?m)^\.", b"", text)
    else:
        assert refusal.code == 550


@given(st.lists(st.sampled_from([b"", b".", b"..", b"a", b".a", b"abc"]), max_size=40))
def test_dots_doubled_by_the_sender_are_single_again(lines: list[bytes]) -> None:
    sent = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines)
    assert smtp_syntax.letter(b"\r\n" + sent) == b"".join(line + b"\r\n" for line in lines)


@given(st.lists(PIECE, max_size=40), st.binary(max_size=20), st.lists(st.integers(1, 50), max_size=40))
def test_the_end_is_found_wherever_the_network_cuts(pieces: list[bytes], after: bytes, cuts: list[int]) -> None:
    stream = b"".join(pieces) + END + after
    expected = (b"\r\n" + stream).index(END)
    budget = Budget(10**9)
    incoming = Incoming((budget,), 10**6, 0.0)
    rest, left = b"", stream
    for cut in (*cuts, len(stream)):
        if incoming.complete:
            rest += left[:cut]
        else:
            rest += incoming.take(left[:cut])
        left = left[cut:]
    assert incoming.complete
    assert rest == (b"\r\n" + stream)[expected + len(END) :]
    incoming.release()
    assert budget.held == 0


@given(st.binary(max_size=200))
@example(b"MAIL FROM:<" + b"<" * 100)
def test_a_command_is_understood_or_refused_and_never_anything_else(line: bytes) -> None:
    refusal = refusal_of(smtp_syntax.command, line)
    if refusal is not None:
        assert refusal.code == 500
        return
    verb, rest = smtp_syntax.command(line)
    assert verb == verb.upper()
    for parse in (partial(smtp_syntax.mail_path, most=1000), smtp_syntax.rcpt_path):
        refusal = refusal_of(parse, rest)
        assert refusal is None or 500 <= refusal.code <= 555


@given(st.text(max_size=300))
def test_a_reply_is_one_line_of_ascii_whatever_it_says(text: str) -> None:
    line = Refusal(550, "5.6.0", text).line()
    assert line.isascii()
    assert line.isprintable()
    assert not re.search(r"[\x00-\x1f\x7f]", Refusal(550, "5.6.0", text).line(utf8=True))


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" * 10_000_000,
        b"a\r\nab\r\n" * 3_000_000,
        b".\r\n" * 6_000_000,
        (b"a" * 998 + b"\r\n") * 25_000,
        b"." * 20_000_000,
    ],
    ids=["empty lines", "no two alike", "dots", "long", "one"],
)
def test_nobodys_letter_takes_long_to_look_at(body: bytes) -> None:
    began = time.process_time()
    incoming = Incoming((Budget(10**9),), 10**9, 0.0)
    for start in range(0, len(body), 65536):
        incoming.take(body[start : start + 65536])
    incoming.take(b"\r\n.\r\n")
    refusal_of(incoming.letter)
    assert time.process_time() - began < 2


# ---- one patient among several ---------------------------------------------------------------------------------------

OTHERS = st.lists(
    st.sampled_from([f"{CAMILLE}@{DOMAIN}", f"{MARCEL}@{DOMAIN}", f"{MARCEL}+x@{DOMAIN.upper()}", "a@b.example"])
)


@given(
    OTHERS, OTHERS, st.sampled_from(["To", "Cc", "Bcc", "X-Original-To", "Resent-To", "Received", "TO"]), st.booleans()
)
def test_a_patient_is_shown_no_other_whoever_was_written_to(
    to: list[str], more: list[str], field: str, own: bool
) -> None:
    listed = ", ".join(
        [f'"PAT {number}" <{address}>' for number, address in enumerate(to)] + [f"{DOMINIQUE}@{DOMAIN}"] * own
    )
    header = f"From: x@operator.example\r\nTo: {listed}\r\n{field}: {', '.join(more)}\r\nSubject: Bonjour\r\n\r\n"
    raw = header.encode() + f"Le corps garde {MARCEL}@{DOMAIN}\r\n".encode()
    shown = discretion.for_one(raw, DOMINIQUE, DOMAIN)
    head, _, body = shown.partition(b"\r\n\r\n")
    assert body == raw.partition(b"\r\n\r\n")[2]
    assert CAMILLE.encode() not in head
    assert MARCEL.encode() not in head
    assert Headers(head + b"\r\n").get("subject") == "Bonjour"
    if own:
        kept = [mailbox.address for mailbox in addresses(", ".join(Headers(head + b"\r\n").all("to")))]
        assert f"{DOMINIQUE}@{DOMAIN}" in kept


def test_a_letter_to_one_person_is_not_touched() -> None:
    raw = letters.plain("Bonjour", to=f"{DOMINIQUE}@{DOMAIN}", subject="Pour vous")
    assert discretion.for_one(raw, DOMINIQUE, DOMAIN) is raw


@given(st.binary(max_size=300))
@example(b"\r\n\r\n")
@example(b"Bcc: x")
@example(f"@{DOMAIN} Bcc".encode())
def test_anything_may_be_given_for_a_letter(raw: bytes) -> None:
    discretion.for_one(raw, DOMINIQUE, DOMAIN)
