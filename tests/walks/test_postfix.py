"""Another operator whose mail server is Postfix, and a correspondent whose mail client is swaks: what real programs do
with what we say, in both directions.

Postfix shows its certificate at our MX door and verifies ours; at its own door it wants a certificate too, and verifies
it. Its people's letters come in by a door without TLS on loopback, and reach them by LMTP in this process, so that a
test hears of each arrival.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as POLICY
from pathlib import Path

import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key

from mail_gateway import dkim
from server import access, reading
from tests import letters
from tests.certificates import Certificates
from tests.doors.test_dkim import verified, write
from tests.house import PASSWORD
from tests.letters import MARCEL
from tests.mail_house import ELSEWHERE, FROM, TO_DOMINIQUE, MailHouse, open_mail_house, plain
from tests.support import postfix, programs
from tests.support.postfix import Postfix, free_ports

DOMAIN = "operator.example"
NOBODY = f"{MARCEL[:13]}{98 - int(MARCEL[13:]):02d}@patient.pli.example"


@dataclass
class Mailboxes:
    """Where Postfix brings its people's mail (LMTP): each letter is an event. `says`: the next answer to DATA."""

    port: int = 0
    arrived: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    says: list[str] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.says:
            return self.says.pop(0)
        self.arrived.put_nowait(envelope.original_content or b"")
        return "250 2.0.0 Kept"

    async def next_raw(self) -> bytes:
        return await asyncio.wait_for(self.arrived.get(), 60)

    async def next(self) -> EmailMessage:
        return BytesParser(policy=POLICY).parsebytes(await self.next_raw())


@dataclass
class Town:
    """Pli, and the operator of Dr Bertin; `outside`: the port where the operator takes its own people's letters."""

    house: MailHouse
    postfix: Postfix
    mailboxes: Mailboxes
    outside: int

    async def send(self, letter: bytes, *recipients: str, reports: tuple[tuple[str, ...], ...] = ((), ())) -> None:
        """Dr Bertin's mail client gives his operator a letter. `reports`: parameters of MAIL and of RCPT (RFC 3461)."""

        def client() -> None:
            with smtplib.SMTP("127.0.0.1", self.outside, timeout=60) as smtp:
                smtp.sendmail(FROM, recipients or [TO_DOMINIQUE], letter, *reports)

        await asyncio.to_thread(client)


def _settings(made: Certificates, mx: int, lmtp: int, unknown: str) -> dict[str, str]:
    """The operator's main.cf: mail for our patients goes to our MX, that of its own people to their mailboxes."""
    certificate, key = made.operator(DOMAIN)
    return {
        "myhostname": f"mx.{DOMAIN}",
        "myorigin": DOMAIN,
        # Nobody here has a name: a look-up would only wait for a name server that does not answer.
        "smtp_dns_support_level": "disabled",
        "smtpd_peername_lookup": "no",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_maps": f"regexp:{unknown}",
        "virtual_transport": f"lmtp:inet:127.0.0.1:{lmtp}",
        "transport_maps": f"inline:{{ {{ patient.pli.example = smtp:[127.0.0.1]:{mx} }} }}",
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": "localhost",  # the name on Pli's certificate
        "smtp_tls_CAfile": f"{made.ours.certificate}",
        "smtp_tls_cert_file": f"{certificate}",
        "smtp_tls_key_file": f"{key}",
        "smtp_tls_loglevel": "1",
        "smtpd_tls_cert_file": f"{certificate}",
        "smtpd_tls_key_file": f"{key}",
        "smtpd_tls_CAfile": f"{made.ours.certificate}",
        # The shortest a queue takes, so that « later » is in a second.
        "queue_run_delay": "1s",
        "minimal_backoff_time": "1s",
        "maximal_backoff_time": "1s",
        "delay_warning_time": "1s",
    }


def _signing_keys(folder: Path) -> Path:
    keys = folder / "dkim"
    keys.mkdir()
    write(keys / "pli._domainkey.patient.pli.example.pem", rsa_key(65537, 2048))
    return keys


_OWN_PEOPLE = {"mynetworks": "127.0.0.0/8"}
_PEERS = {"smtpd_tls_security_level": "encrypt", "smtpd_tls_req_ccert": "yes", "smtpd_tls_received_header": "yes"}


@pytest.fixture
async def town(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Town]:
    if (why := postfix.missing()) is not None:
        programs.missing(why)
    made, mailboxes = Certificates.at(tmp_path / "certificates"), Mailboxes()
    lmtp = await asyncio.get_running_loop().create_server(lambda: LMTP(mailboxes), "127.0.0.1", 0)
    outside, peers = free_ports(2)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(
            open_mail_house(
                tmp_path, sqlite_url, mail_relay=f"127.0.0.1:{peers}", mail_retry_seconds="0",
                dkim_keys=f"{_signing_keys(tmp_path)}",
            )
        )  # fmt: skip
        folder = stack.enter_context(postfix.folder())
        (folder / "people").write_text("!/^inconnu@/ known\n")
        ports = house.app.ports["smtp"], lmtp.sockets[0].getsockname()[1]
        settings = _settings(made, *ports, f"{folder / 'people'}")
        private = Postfix(folder, settings, {outside: _OWN_PEOPLE, peers: _PEERS}, log=True)
        await asyncio.to_thread(private.start)
        stack.push_async_callback(asyncio.to_thread, private.stop)
        yield Town(house, private, mailboxes, outside)
    lmtp.close()


async def test_a_letter_relayed_by_postfix_reaches_dominique_and_her_answer_comes_back_through_it(town: Town) -> None:
    await town.send(plain("Restez à jeun dès minuit.", subject="Votre opération", message_id="<op@operator.example>"))
    (entry,) = await town.house.holds("dominique", 1)
    assert (entry.message.author.name, entry.message.subject) == ("Dr Paul BERTIN", "Votre opération")
    assert entry.message.text.strip() == "Restez à jeun dès minuit."
    await town.house.answer("dominique", entry.conversation, "C’est noté, à demain.")
    answer = await town.mailboxes.next()
    assert (answer["From"].addresses[0].addr_spec, answer["To"].addresses[0].addr_spec) == (TO_DOMINIQUE, FROM)
    assert (answer["Subject"], answer["In-Reply-To"]) == ("Re: Votre opération", "<op@operator.example>")
    assert answer.get_content().strip() == "C’est noté, à demain."
    again = plain(
        "À demain.", subject="RE: Votre opération", message_id="<op2@operator.example>",
        to=str(answer["Reply-To"].addresses[0].addr_spec), in_reply_to=str(answer["Message-ID"]),
    )  # fmt: skip
    await town.send(again, str(answer["Reply-To"].addresses[0].addr_spec))
    entries = await town.house.holds("dominique", 3)
    assert len({one.conversation for one in entries}) == 1


async def test_both_servers_have_proven_who_they_are_and_what_she_wrote_is_signed_in_the_doctors_mailbox(
    town: Town,
) -> None:
    await town.send(plain())
    (entry,) = await town.house.holds("dominique", 1)
    text = "Voilà : été, cœur, naïveté.\n.\nUn point seul.\n" + "é" * 900
    await town.house.answer("dominique", entry.conversation, text)
    raw = await town.mailboxes.next_raw()
    received = raw.partition(b"\r\nDKIM-Signature:")[0].decode()
    assert received.startswith("Received: from "), "Postfix wrote above it"
    assert re.search(r'\(Client CN "localhost", Issuer "Pli demonstration [^"]+" \(verified OK\)\)', received)
    assert "Verified TLS connection established to 127.0.0.1" in town.postfix.said(), "it verified our MX before that"
    assert verified(dkim.load(town.house.app.settings), raw) == [True]


async def test_a_patient_who_has_no_space_comes_back_to_the_doctor_in_postfixs_own_words(town: Town) -> None:
    doubled = TO_DOMINIQUE.replace("@", "+abcdefghij0123456789abcdefghij0123456789@")
    await town.send(plain("Bonjour"), TO_DOMINIQUE, NOBODY, doubled)
    bounce = await town.mailboxes.next()
    assert bounce.get_content_type() == "multipart/report"
    (status,) = [part for part in bounce.walk() if part.get_content_type() == "message/delivery-status"]
    refused = [part for part in status.iter_parts() if part["Final-Recipient"]]
    assert [str(one["Final-Recipient"]).partition(";")[2].strip() for one in refused] == [NOBODY, doubled]
    assert [one["Status"] for one in refused] == ["5.1.1", "5.1.1"]
    assert all(str(one["Diagnostic-Code"]).startswith("smtp; 550 5.1.1") for one in refused)
    assert "abimee" in refused[1]["Diagnostic-Code"], "an answer address that was doubled says so"
    assert len(await town.house.holds("dominique", 1)) == 1, "who has one received it"


async def test_what_we_cannot_take_now_waits_in_postfixs_queue_and_arrives_once(town: Town) -> None:
    """Our folder of large files is away: 451. Postfix tells the doctor that it is late, and tries again."""
    blobs = town.house.app.settings.blob_dir
    aside = blobs.rename(blobs.with_name("aside"))
    pdf = letters.pdf() * 400
    await town.send(plain("Votre scanner", files=[("scanner.pdf", "application/pdf", pdf)]))
    late = await town.mailboxes.next()
    assert "451 4.3.0" in late.as_string()
    assert await town.house.entries("dominique") == []
    aside.rename(blobs)
    (entry,) = await town.house.holds("dominique", 1)
    assert [(file.name, file.size) for file in entry.message.attachments] == [("scanner.pdf", len(pdf))]


async def test_a_doctor_who_left_is_told_to_dominique_in_her_thread(town: Town) -> None:
    await town.send(plain(from_=("Dr Parti", "inconnu@operator.example")), TO_DOMINIQUE)
    (entry,) = await town.house.holds("dominique", 1)
    await town.house.answer("dominique", entry.conversation, "Êtes-vous là ?")
    *_, bounce = await town.house.holds("dominique", 3)
    assert (bounce.conversation, bounce.message.kind) == (entry.conversation, "bounce")
    assert "Son adresse n’existe pas" in bounce.message.text


async def test_what_postfix_took_and_could_not_deliver_becomes_a_line_in_the_thread(town: Town) -> None:
    """Its report has a null sender, its own words and the head of our mail."""
    await town.send(plain())
    (entry,) = await town.house.holds("dominique", 1)
    town.mailboxes.says.append("552 5.2.2 Boite pleine")
    sent = await town.house.answer("dominique", entry.conversation, "Merci")
    *_, bounce = await town.house.holds("dominique", 3)
    assert (bounce.message.kind, bounce.message.in_reply_to) == ("bounce", sent.message)
    assert "à Dr Paul BERTIN. Sa boîte est pleine." in bounce.message.text
    assert bounce.conversation == entry.conversation


async def test_who_asks_is_told_that_it_arrived_and_that_it_was_read(town: Town) -> None:
    """DSN of success (RFC 3461), by the parameters that Postfix passed on; then MDN (RFC 8098), by its own field."""
    asked = plain("Avez-vous bien reçu ?", headers={"Disposition-Notification-To": FROM})
    await town.send(asked, reports=(("RET=HDRS", "ENVID=dossier-12"), ("NOTIFY=SUCCESS,FAILURE",)))
    arrived = await town.mailboxes.next()
    assert arrived.get_param("report-type") == "delivery-status"
    said = next(part for part in arrived.walk() if part.get_content_type() == "message/delivery-status").as_string()
    assert "Original-Envelope-Id: dossier-12" in said
    assert "Action: delivered" in said
    (entry,) = await town.house.holds("dominique", 1)
    box = await town.house.mailbox("dominique")
    handle = await access.conversation(town.house.app, box, entry.conversation)
    await reading.mark_read(town.house.app, handle, entry.seq)
    town.house.app.delivery.wake()
    read = await town.mailboxes.next()
    assert read.get_param("report-type") == "disposition-notification"
    told = next(part for part in read.walk() if part.get_content_type() == "message/disposition-notification")
    assert "Original-Message-ID: <1@operator.example>" in told.as_string()
    assert "displayed" in told.as_string()


# ---- swaks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


async def swaks(
    house: MailHouse, door: str, *options: str, sender: str, letter: bytes | None = None
) -> tuple[int, str]:
    """Its exit status (0: sent) and its transcript."""
    process = await asyncio.create_subprocess_exec(
        programs.program("swaks"), "--server", "127.0.0.1", "--port", str(house.app.ports[door]),
        "--from", sender, "--to", TO_DOMINIQUE, "--data", (letter or plain()).decode().replace("\r\n", "\n"),
        *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    if "TLS not available" in said.decode():
        programs.missing("Net::SSLeay, of Debian's libnet-ssleay-perl")
    return process.returncode or 0, said.decode("utf-8", "replace")


def _as_operator(house: MailHouse) -> tuple[str, ...]:
    certificate, key = house.certificates.operator(DOMAIN)
    authority = house.certificates.ours.certificate
    return (
        "--tls",
        "--tls-verify",
        "--tls-ca-path",
        f"{authority}",
        "--tls-cert",
        f"{certificate}",
        "--tls-key",
        f"{key}",
    )


async def test_swaks_with_an_operators_certificate_brings_a_letter(house: MailHouse) -> None:
    status, said = await swaks(house, "smtp", *_as_operator(house), sender=FROM)
    assert status == 0, said
    assert [entry.message.author.name for entry in await house.entries("dominique")] == [ELSEWHERE[0]]


@pytest.mark.parametrize("options", [(), ("--tls",)], ids=["in clear", "without a certificate"])
async def test_swaks_without_proof_is_refused_before_any_patient_is_named(
    options: tuple[str, ...], house: MailHouse
) -> None:
    status, said = await swaks(house, "smtp", *options, sender=FROM)
    assert status != 0
    assert re.search(r"^<(\*\*|~\*) 5[35]0 5\.7\.", said, re.MULTILINE), said
    assert "RCPT TO" not in said


@pytest.mark.parametrize(
    ("door", "tls", "mechanism"), [("submission", "--tls", "PLAIN"), ("submissions", "--tls-on-connect", "LOGIN")]
)
async def test_dr_morels_mail_client_signs_in_as_swaks_does(
    door: str, tls: str, mechanism: str, house: MailHouse
) -> None:
    morel = house.address("morel")
    signed_in = (tls, "--auth", mechanism, "--auth-user", morel, "--auth-password", PASSWORD)
    status, said = await swaks(house, door, *signed_in, sender=morel, letter=letters.plain("À jeun dès minuit."))
    assert status == 0, said
    assert await house.texts("dominique") == ["À jeun dès minuit."]


async def test_swaks_with_a_wrong_password_sends_nothing(house: MailHouse) -> None:
    morel = house.address("morel")
    wrong = ("--tls", "--auth", "PLAIN", "--auth-user", morel, "--auth-password", "pas le bon mot de passe")
    status, said = await swaks(house, "submission", *wrong, sender=morel, letter=letters.plain())
    assert status != 0
    assert "535 5.7.8" in said
    assert await house.entries("dominique") == []
