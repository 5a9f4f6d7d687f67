"""`pli doctor --dns`: lines that a name server takes as they are, and what is said of those that are not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from server import dns_records
from server.settings import Settings
from tests.support.command import pli

REAL = Settings(
    public_url="https://pli.sante.fr", mail_host="mail.pli.example", smtp_port=25,
    mail_ports="imaps=993,imap=0,submissions=465,submission=587",
)  # fmt: skip
KEY = ("2026._domainkey.pli.example", "v=DKIM1; k=rsa; p=" + "A" * 390)


def zone(lines: list[str]) -> dns.zone.Zone:
    """What a name server makes of these lines."""
    return dns.zone.from_text("\n".join(lines), origin=".", relativize=False, check_origin=False)


def found(held: dns.zone.Zone, name: str, kind: str) -> list[str]:
    rdataset = held.get_rdataset(f"{name}.", kind)
    return [rdata.to_text() for rdata in rdataset] if rdataset else []


def test_the_lines_are_a_zone_in_which_programs_and_operators_find_us() -> None:
    held = zone(dns_records.lines(REAL, [KEY]))
    for name, value in (
        ("_imaps._tcp", "0 1 993 mail.pli.example."),
        ("_imap._tcp", "0 0 0 ."),  # RFC 6186 § 3.4: a door that is not open is said to be closed
        ("_submissions._tcp", "0 1 465 mail.pli.example."),
        ("_submission._tcp", "10 1 587 mail.pli.example."),
        ("_pop3._tcp", "0 0 0 ."),
        ("_pop3s._tcp", "0 0 0 ."),
        ("_autodiscover._tcp", "0 1 443 pli.sante.fr."),
    ):
        assert found(held, f"{name}.pli.example", "SRV") == [value], name
    for name in ("autoconfig", "autodiscover"):
        assert found(held, f"{name}.pli.example", "CNAME") == ["pli.sante.fr."]
    for domain in ("pli.example", "patient.pli.example"):
        assert found(held, domain, "MX") == ["10 mail.pli.example."]
    (text,) = found(held, KEY[0], "TXT")
    assert text.replace('" "', "").strip('"') == KEY[1]


def test_one_is_told_what_a_paste_would_not_mend() -> None:
    said = " ".join(dns_records.remarks(Settings(mail_host="192.0.2.1", public_url="http://192.0.2.1:8080")))
    for word in ("192.0.2.1 is a number", "port 25", "https://"):
        assert word in said
    assert len(dns_records.remarks(REAL)) == 2, "addresses and the certificate's names are always to be thought of"


class Server(asyncio.DatagramProtocol):
    """A name server of one zone."""

    def __init__(self, held: dns.zone.Zone) -> None:
        self.held = held

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        rdataset = self.held.get_rdataset(question.name, question.rdtype)
        if question.name.to_text().startswith("_broken"):
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif rdataset:
            answer.answer.append(dns.rrset.from_rdata_list(question.name, 60, list(rdataset)))
        elif self.held.get_node(question.name) is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    loop, held = asyncio.get_running_loop(), zone(dns_records.lines(REAL, [KEY]))
    transport, served = await loop.create_datagram_endpoint(lambda: Server(held), local_addr=("127.0.0.1", 0))
    yield served
    transport.close()


async def test_the_real_dns_is_compared_record_by_record(server: Server) -> None:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], server.transport.get_extra_info("sockname")[1]
    wanted = dns_records.records(REAL, [KEY])
    assert len(wanted) == 12
    assert {instead for _, instead in await dns_records.differences(wanted, resolver)} == {""}
    server.held.delete_node("_imaps._tcp.pli.example.")
    server.held.delete_rdataset("pli.example.", "MX")
    server.held.replace_rdataset("autoconfig.pli.example.", zone(["autoconfig.pli.example. 1 IN CNAME old.example."])
                                 .find_rdataset("autoconfig.pli.example.", "CNAME"))  # fmt: skip
    broken = dns_records.Record("_broken.pli.example", "SRV", dns_records.NOWHERE)
    told = await dns_records.differences([*wanted, broken], resolver)
    assert {one.name: instead for one, instead in told if instead} == {
        "_imaps._tcp.pli.example": "nothing",
        "pli.example": "nothing",
        "autoconfig.pli.example": "old.example.",
        "_broken.pli.example": "no answer",
    }


def test_an_operator_pastes_what_the_command_prints_with_the_keys_of_dkim(tmp_path: Path) -> None:
    key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "2026._domainkey.pli.example.pem").write_bytes(key)
    done = pli("doctor", "--dns", PLI_DKIM_KEYS=str(tmp_path), PLI_PUBLIC_URL="https://pli.sante.fr")
    assert done.returncode == 0
    assert found(zone(done.stdout.splitlines()), "2026._domainkey.pli.example", "TXT")
    assert found(zone(done.stdout.splitlines()), "_imaps._tcp.pli.example", "SRV")
    for words, environ, said in (
        (("doctor", "--check"), {}, "--check goes with --dns"),
        (("doctor", "--dns"), {"PLI_DKIM_KEYS": str(tmp_path / "none")}, "dkim_keys"),
    ):
        wrong = pli(*words, **environ)
        assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
        assert said in wrong.stderr
