"""Mail that leaves for another operator, whose server here is a real one, and what that operator says of it later."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import icalendar
import pytest

from mail_gateway import trust
from mail_gateway.peers import Peers
from server.actions import acting
from server.delivery import Permanent, Temporary
from storage import deliveries
from tests import letters
from tests.certificates import Certificates, Pair
from tests.mail_house import ELSEWHERE, FROM, TO_DOMINIQUE, MailHouse, bring, open_mail_house, plain
from tests.other_operator import OtherOperator, other_operator


@asynccontextmanager
async def opened(
    folder: Path,
    url: str,
    shown: Pair | None = None,
    *,
    tls: bool = True,
    retry: str = "0",
    deliver: bool = True,
    host: str = "127.0.0.1",
) -> AsyncIterator[tuple[MailHouse, OtherOperator]]:
    """A Pli that sends everything to another operator, which shows `shown` and wants to see our certificate."""
    made = Certificates.at(folder / "certificates")
    certificate = (shown or made.operator()) if tls else None
    async with (
        other_operator(certificate, made.ours.certificate) as operator,
        open_mail_house(
            folder, url, deliver=deliver, mail_relay=f"{host}:{operator.port}", mail_retry_seconds=retry
        ) as house,
    ):
        yield house, operator


@pytest.fixture
async def both(tmp_path: Path, sqlite_url: str) -> AsyncIterator[tuple[MailHouse, OtherOperator]]:
    async with opened(tmp_path, sqlite_url) as pair:
        yield pair


async def answered(house: MailHouse, text: str = "Merci docteur") -> str:
    """Dr Bertin of operator.example writes, Dominique answers, and what is due was tried; the answer's message id."""
    assert (await bring(house, plain("Bonjour", subject="Consignes"))).startswith("250")
    (entry, *_) = await house.entries("dominique")
    receipt = await house.answer("dominique", entry.conversation, text)
    await house.delivered()
    return receipt.message


def pem_to_der(file: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(Path(file).read_text())


async def status(house: MailHouse, message: str) -> str:
    return {entry.message.id: entry.message.status for entry in await house.entries("dominique")}[message]


async def owed(house: MailHouse, message: str) -> list[tuple[str, str, int]]:
    return await house.app.db.read(deliveries.of_message, house.dominique.space_id, message)


async def test_a_patients_answer_leaves_in_her_name_and_in_the_thread(both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    message = await answered(house, "Merci docteur, à jeun dès minuit ?")
    (got,) = operator.got
    assert (got.sender, got.recipients) == (TO_DOMINIQUE, [FROM])
    assert got.letter["From"].addresses[0].addr_spec == TO_DOMINIQUE
    assert got.letter["In-Reply-To"] == "<1@operator.example>"
    assert got.letter["References"].split()[-1] == "<1@operator.example>"
    assert got.letter["Subject"] == "Re: Consignes"
    body = got.letter.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "Merci docteur, à jeun dès minuit ?"
    assert await status(house, message) == "delivered"
    assert got.shown == pem_to_der(house.app.settings.tls_certificate), "we say who we are"


async def test_their_answer_to_it_comes_back_into_the_thread(both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    await answered(house)
    sent = str(operator.got[0].letter["Message-ID"])
    reply = plain("Oui", subject="Re: Consignes", message_id="<2@operator.example>", in_reply_to=sent)
    assert (await bring(house, reply)).startswith("250")
    assert len({entry.conversation for entry in await house.entries("dominique")}) == 1


async def test_not_now_is_tried_again_and_arrives_once(both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    operator.says.extend(["RCPT 451 4.3.0 Later", "DATA 452 4.3.1 Full"])
    message = await answered(house)
    assert (len(operator.got), operator.tried) == (1, 3)
    assert await owed(house, message) == [("mail", "done", 3)]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("RCPT 550 5.1.1 No such user 279035121518989", "Son adresse n’existe pas, ou n’existe plus."),
        ("RCPT 552 5.2.2 Full", "Sa boîte est pleine."),
        ("DATA 554 5.7.1 Go away", "Son serveur a refusé le message."),
        ("DATA 550 nothing more to say", "Son serveur a refusé le message."),
    ],
)
async def test_never_comes_back_as_a_line_in_the_thread(
    reply: str, reason: str, both: tuple[MailHouse, OtherOperator]
) -> None:
    house, operator = both
    operator.says.append(reply)
    message = await answered(house)
    assert operator.got == []
    bounce = next(entry.message for entry in await house.entries("dominique") if entry.message.kind == "bounce")
    assert reason in bounce.text
    assert "Dr Paul BERTIN" in bounce.text
    assert "279035121518989" not in bounce.text, "the words of a peer are not ours to repeat"
    assert bounce.in_reply_to == message
    assert await status(house, message) == "failed"
    assert [state for _, state, _ in await owed(house, message)] == ["failed"]


async def test_nothing_leaves_in_clear(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, tls=False, retry="3600") as (house, operator):
        message = await answered(house)
        assert (operator.got, operator.tried) == ([], 0)
        assert await owed(house, message) == [("mail", "due", 1)]


@pytest.mark.parametrize("which", ["stranger", "self_signed", "expired"])
async def test_nothing_leaves_for_a_server_that_is_not_proven(which: str, tmp_path: Path, sqlite_url: str) -> None:
    shown = getattr(Certificates.at(tmp_path / "certificates"), which)()
    async with opened(tmp_path, sqlite_url, shown, retry="3600") as (house, operator):
        message = await answered(house)
        assert (operator.got, operator.tried) == ([], 0)
        assert await owed(house, message) == [("mail", "due", 1)]


async def test_a_pinned_certificate_is_enough_and_another_operators_is_not(tmp_path: Path, sqlite_url: str) -> None:
    """Their authority is unknown here: only the certificate that was added vouches for them."""
    made = Certificates.at(tmp_path / "certificates")
    async with opened(tmp_path, sqlite_url, made.stranger(), retry="0") as (house, operator):
        await trust.add(house.app, "operator.example", made.stranger()[0].read_bytes())
        await answered(house)
        assert len(operator.got) == 1


@pytest.mark.parametrize(("host", "letters_taken"), [("127.0.0.1", 1), ("localhost", 0)])
async def test_a_certificate_of_the_authority_must_bear_the_name_of_the_host_we_looked_up(
    host: str, letters_taken: int, tmp_path: Path, sqlite_url: str
) -> None:
    """It is for autre.example and for 127.0.0.1, and nobody said that it vouches for operator.example."""
    shown = Certificates.at(tmp_path / "certificates").operator("autre.example")
    async with opened(tmp_path, sqlite_url, shown, retry="3600", host=host) as (house, operator):
        await answered(house)
        assert len(operator.got) == letters_taken


async def test_a_domain_that_is_trusted_no_longer_gets_nothing(both: tuple[MailHouse, OtherOperator]) -> None:
    house, operator = both
    await bring(house, plain("Bonjour"))
    await trust.remove(house.app, "operator.example")
    (entry,) = await house.entries("dominique")
    await house.answer("dominique", entry.conversation, "Merci")
    await house.delivered()
    assert operator.got == []
    assert "messageries de santé reconnues" in (await house.texts("dominique"))[-1]


async def test_at_most_four_connections_to_one_peer(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, deliver=False) as (house, operator):
        await bring(house, plain("Bonjour"))
        (entry,) = await house.entries("dominique")
        operator.hold.clear()
        for number in range(12):
            await house.answer("dominique", entry.conversation, f"n° {number}")
        house.app.delivery.start()
        await asyncio.wait_for(operator.four.wait(), 30)
        operator.hold.set()
        await house.delivered()
        assert (len(operator.got), operator.most) == (12, 4)


async def test_a_peer_that_does_not_answer_is_left_alone_for_a_while(tmp_path: Path, sqlite_url: str) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        relay = f"127.0.0.1:{taken.getsockname()[1]}"
        async with open_mail_house(tmp_path, sqlite_url, mail_relay=relay, mail_retry_seconds="3600") as house:
            await answered(house)
            await house.answer("dominique", (await house.entries("dominique"))[0].conversation, "encore")
            await house.delivered()
            rows = await house.app.db.read(lambda tx: tx.run("SELECT last_error FROM deliveries ORDER BY last_error"))
            assert rows == [("no_connection",), ("peer_down",)]


async def test_a_copy_to_somebody_elsewhere_leaves_as_dr_morel_wrote_it(both: tuple[MailHouse, OtherOperator]) -> None:
    from tests.doors.test_submission import submit

    house, operator = both
    letter = letters.plain("Bonjour", to=[TO_DOMINIQUE, ("Dr Paul BERTIN", FROM)], headers={"Bcc": "x@pli.example"})
    assert (await submit(house, letter, TO_DOMINIQUE, FROM)).startswith("250")
    await house.delivered()
    (got,) = operator.got
    assert (got.sender, got.recipients) == ("agathe.morel@pli.example", [FROM])
    assert got.letter["Message-ID"] == "<1@pli.example>"
    assert got.letter["Bcc"] is None


async def test_two_correspondents_elsewhere_are_not_sent_each_others_letters_by_us(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    """Their operators speak for them, to whom they chose; our certificate does not."""
    from tests.doors.test_submission import submit

    house, operator = both
    other = "anne.petit@autre.example"
    await trust.add(house.app, "autre.example", house.certificates.operator("autre.example")[0].read_bytes())
    letter = letters.plain("Bonjour à tous", to=[TO_DOMINIQUE, FROM, other])
    assert (await submit(house, letter, TO_DOMINIQUE, FROM, other)).startswith("250")
    await house.delivered()
    assert sorted(got.recipients[0] for got in operator.got) == [other, FROM]
    assert (await bring(house, plain("Pour Dominique", in_reply_to="<1@pli.example>"))).startswith("250")
    await house.delivered()
    assert len(operator.got) == 2
    (*_, last) = await house.entries("dominique")
    await house.answer("dominique", last.conversation, "À vous deux")
    await house.delivered()
    assert sorted(got.recipients[0] for got in operator.got[2:]) == [other, FROM]


async def test_an_accepted_appointment_is_answered_as_calendars_understand(
    both: tuple[MailHouse, OtherOperator],
) -> None:
    house, operator = both
    asked = letters.invitation(organizer=ELSEWHERE, message_id="<rdv@operator.example>")
    assert (await bring(house, asked)).startswith("250")
    (entry,) = await house.entries("dominique")
    await acting.act(house.app, await house.mailbox("dominique"), entry.message.id, "agenda.accept", {}, "1")
    await house.delivered()
    (got,) = operator.got
    (calendar,) = [part for part in got.letter.walk() if part.get_content_type() == "text/calendar"]
    assert calendar.get_param("method") == "REPLY"
    answer = icalendar.Calendar.from_ical(calendar.get_content())
    (event,) = answer.walk("VEVENT")
    assert event["UID"] == "rendez-vous-1@pli.example"
    attendee = event["ATTENDEE"]
    assert isinstance(attendee, icalendar.vCalAddress)
    assert (str(attendee).lower(), attendee.params["PARTSTAT"]) == (f"mailto:{TO_DOMINIQUE}", "ACCEPTED")
    assert got.letter["In-Reply-To"] == "<rdv@operator.example>"


# ---- finding the server ----------------------------------------------------------------------------------------------


class Names(asyncio.DatagramProtocol):
    """A name server with four domains."""

    records = {  # noqa: RUF012 - never changed
        "two.example.": ["20 mx2.two.example.", "10 mx1.two.example."], "null.example.": ["0 ."], "plain.example.": [],
    }  # fmt: skip

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        name = query.question[0].name.to_text()
        if name == "broken.example.":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif self.records[name]:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", *self.records[name]))
        self.transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def peers(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Peers]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
    async with open_mail_house(tmp_path, sqlite_url) as house:
        yield Peers(house.app, resolver)
    transport.close()


async def test_the_servers_of_a_domain_are_those_it_names_the_preferred_first(peers: Peers) -> None:
    assert await peers.servers("two.example") == [("mx1.two.example", 25), ("mx2.two.example", 25)]
    assert await peers.servers("plain.example") == [("plain.example", 25)], "RFC 5321 § 5.1"


@pytest.mark.parametrize("domain", ["null.example", "absent.example"])
async def test_a_domain_without_mail_is_told_at_once(domain: str, peers: Peers) -> None:
    with pytest.raises(Permanent):
        await peers.servers(domain)


async def test_a_name_server_in_trouble_is_asked_again_later(peers: Peers) -> None:
    with pytest.raises(Temporary):
        await peers.servers("broken.example")
