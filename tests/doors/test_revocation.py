"""Certificates that their authority took back: refused before MAIL, given no mail, on open connections too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mail_gateway import revocation, trust, trust_lists
from server.settings import Settings
from tests.certificates import Certificates, Pair, make, pair, pem, revocations
from tests.house import settings_for
from tests.mail_house import FROM, TO_DOMINIQUE, MailHouse, bring, open_mail_house, plain
from tests.other_operator import other_operator
from tests.white_lists import OPERATOR, white_list
from tests.wire import connected

WEEK = timedelta(days=7)
LISTED = "listed.example"


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates.at(tmp_path / "certificates")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the lists are: `tls_crl`."""
    (tmp_path / "lists").mkdir()
    return tmp_path / "lists"


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str, folder: Path) -> AsyncIterator[MailHouse]:
    """`operator.example` is trusted by hand, `listed.example` by the white list; every MAIL reads the lists again."""
    async with open_mail_house(tmp_path, sqlite_url, tls_crl=str(folder)) as opened:
        await trust_lists.take(opened.app, white_list((LISTED, OPERATOR)))
        yield opened


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed counts at the next MAIL, not within seconds."""
    monkeypatch.setattr(trust, "FRESH_S", -1.0)


async def said(house: MailHouse, shown: Pair, sender: str = f"x@{LISTED}") -> str:
    async with connected(house.app.ports["smtp"], house.peer(shown)) as wire:
        return await wire.say(f"MAIL FROM:<{sender}>")


# ---- who comes -------------------------------------------------------------------------------------------------------


async def test_who_is_on_no_list_of_their_authority_writes(house: MailHouse, folder: Path, made: Certificates) -> None:
    (folder / "ours.pem").write_bytes(pem(revocations(pair(made.ours), made.operator("autre.example"))))
    assert (await bring(house, plain())).startswith("250")
    assert (await said(house, made.named(OPERATOR))).startswith("250")


@pytest.mark.parametrize("sender", [FROM, f"x@{LISTED}"])
async def test_a_revoked_certificate_is_refused_before_mail(
    sender: str, house: MailHouse, folder: Path, made: Certificates
) -> None:
    """Whether somebody here vouched for it or the white list did."""
    shown = made.operator() if sender == FROM else made.named(OPERATOR)
    (folder / "ours.crl").write_bytes(revocations(pair(made.ours), shown).public_bytes(Encoding.DER))
    assert (await said(house, shown, sender)).startswith("550 5.7.1")


async def test_a_certificate_revoked_on_the_open_connection_is_refused_at_the_next_mail(
    house: MailHouse, folder: Path, made: Certificates
) -> None:
    shown, file = made.named(OPERATOR), folder / "ours.pem"
    file.write_bytes(pem(revocations(pair(made.ours))))
    async with connected(house.app.ports["smtp"], house.peer(shown)) as wire:
        assert (await wire.say(f"MAIL FROM:<x@{LISTED}>")).startswith("250")
        file.write_bytes(pem(revocations(pair(made.ours), shown, since=timedelta())))
        assert (await wire.say(f"RCPT TO:<{TO_DOMINIQUE}>")).startswith("550 5.7.1")
        assert (await wire.say("RSET")).startswith("250")
        assert (await wire.say(f"MAIL FROM:<x@{LISTED}>")).startswith("550 5.7.1")


async def test_when_no_list_can_tell_it_is_our_fault_and_they_come_again(
    house: MailHouse, folder: Path, made: Certificates
) -> None:
    shown = made.named(OPERATOR)
    assert (await said(house, shown)).startswith("451 4.7.5")
    stranger = made.operator("autre.example")
    assert (await said(house, stranger)).startswith("550 5.7.1"), "who is nobody here learns nothing of our lists"
    (folder / "ours.pem").write_bytes(pem(revocations(pair(made.ours), lasts=-timedelta(minutes=1))))
    assert (await said(house, shown)).startswith("451 4.7.5")
    (folder / "ours.pem").write_bytes(pem(revocations(pair(made.ours))))
    assert (await said(house, shown)).startswith("250")


async def test_the_last_list_in_force_is_kept_whatever_becomes_of_its_file(
    house: MailHouse, folder: Path, made: Certificates
) -> None:
    """MSSanté ECO.1.1.7."""
    shown, revoked, ours = made.named(OPERATOR), made.named("CN=gone,C=FR"), pair(made.ours)
    file = folder / "ours.pem"
    file.write_bytes(pem(revocations(ours, revoked)))
    assert (await said(house, shown)).startswith("250")
    for data in (
        pem(revocations(ours, since=-WEEK, lasts=-timedelta(hours=1))),
        pem(revocations(ours, shown, since=-WEEK)),
        pem(revocations(ours, since=timedelta(hours=1))),
        pem(revocations(ours))[:-80],
        b"not a list",
    ):
        file.write_bytes(data)
        assert (await said(house, shown)).startswith("250")
    file.unlink()
    assert (await said(house, shown)).startswith("250")
    await trust_lists.take(
        house.app, white_list(("gone.example", "CN=gone,C=FR"), (LISTED, OPERATOR), generated="2025-04-01T00:00:00Z")
    )
    assert (await said(house, revoked, "x@gone.example")).startswith("550 5.7.1")


async def test_what_another_authority_says_does_not_count(house: MailHouse, folder: Path, made: Certificates) -> None:
    """Not even one of the same name."""
    shown = made.named(OPERATOR)
    name = x509.load_pem_x509_certificate(made.ours.certificate.read_bytes()).subject.rfc4514_string()
    forged = make(folder.parent, "forged", name, authority=True)
    (folder / "ours.pem").write_bytes(pem(revocations(pair(made.ours))))
    (folder / "forged.pem").write_bytes(pem(revocations(forged, shown, since=timedelta())))
    (folder / "theirs.pem").write_bytes(pem(revocations(pair(made.theirs), shown, since=timedelta())))
    assert (await said(house, shown)).startswith("250")


async def test_a_peer_we_vouch_for_needs_no_list_of_an_authority_we_do_not_know(
    house: MailHouse, made: Certificates
) -> None:
    alone = made.self_signed("alone.example")
    await trust.add(house.app, "alone.example", alone[0].read_bytes())
    assert (await said(house, alone, "x@alone.example")).startswith("250")


# ---- to whom we write ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revoked", [True, False])
@pytest.mark.parametrize("listed", [True, False])
async def test_nothing_leaves_for_a_server_whose_certificate_is_revoked(
    listed: bool, revoked: bool, tmp_path: Path, sqlite_url: str, folder: Path, made: Certificates
) -> None:
    """Whether its name is on the white list, or it bears the name of the host."""
    shown = made.named(OPERATOR) if listed else made.operator("autre.example")
    taken_back = [shown] if revoked else []
    (folder / "ours.pem").write_bytes(pem(revocations(pair(made.ours), *taken_back)))
    async with other_operator(shown, made.ours.certificate) as operator:
        async with open_mail_house(
            tmp_path,
            sqlite_url,
            tls_crl=str(folder),
            mail_relay=f"127.0.0.1:{operator.port}",
            mail_retry_seconds="3600",
        ) as house:
            await trust_lists.take(house.app, white_list(("operator.example", OPERATOR)))
            assert (await bring(house, plain())).startswith("250")
            (entry,) = await house.entries("dominique")
            await house.answer("dominique", entry.conversation, "Merci")
            await house.delivered()
        assert len(operator.got) == (0 if revoked else 1)


# ---- the lists themselves --------------------------------------------------------------------------------------------


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Pair, Pair, Pair]:
    """A root, an authority under it, and an operator under that."""
    root = make(tmp_path, "root", "CN=Root", authority=True, lasts=WEEK)
    under = make(tmp_path, "under", "CN=Under", root, authority=True, lasts=WEEK)
    return root, under, make(tmp_path, "leaf", OPERATOR, under, lasts=WEEK)


def lists(settings: Settings, *authorities: Pair, before: revocation.Lists | None = None) -> revocation.Lists:
    return revocation.load(settings, tuple(read(one) for one in authorities), before)


def read(pair_: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair_[0].read_bytes())


def test_an_authority_that_its_root_took_back_takes_its_operators_with_it(
    tmp_path: Path, folder: Path, chain: tuple[Pair, Pair, Pair]
) -> None:
    root, under, leaf = chain
    settings = settings_for(tmp_path, tls_crl=str(folder))
    (folder / "both.pem").write_bytes(pem(revocations(under)) + pem(revocations(root)))
    first = lists(settings, root, under)
    assert first.standing(read(leaf)) == "good"
    assert lists(settings, root).standing(read(leaf)) == "unknown", "its authority is not in tls_ca"
    (folder / "both.pem").write_bytes(pem(revocations(under)) + pem(revocations(root, under)))
    assert lists(settings, root, under, before=first).standing(read(leaf)) == "revoked"


def test_a_list_that_does_not_tell_of_everything_is_passed_over(
    tmp_path: Path, folder: Path, chain: tuple[Pair, Pair, Pair]
) -> None:
    def point(
        *, users: bool = False, authorities: bool = False, attributes: bool = False, indirect: bool = False
    ) -> x509.IssuingDistributionPoint:
        where = [x509.UniformResourceIdentifier("http://a.example/crl")]
        return x509.IssuingDistributionPoint(where, None, users, authorities, None, indirect, attributes)

    _, under, leaf = chain
    settings = settings_for(tmp_path, tls_crl=str(folder))
    standings = []
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    passed_over = [point(indirect=True), point(authorities=True), point(attributes=True), unknown]
    for extension in (x509.DeltaCRLIndicator(1), *passed_over, point(users=True)):
        (folder / "one.pem").write_bytes(pem(revocations(under, extension=extension)))
        standings.append(lists(settings, under).standing(read(leaf)))
    assert standings == ["unknown"] * 5 + ["good"]


def test_a_list_that_expires_while_we_run_is_believed_no_longer(
    tmp_path: Path, folder: Path, chain: tuple[Pair, Pair, Pair]
) -> None:
    _, under, leaf = chain
    gone = make(tmp_path, "gone", "CN=gone", under)
    settings = settings_for(tmp_path, tls_crl=str(folder / "one.pem"))
    (folder / "one.pem").write_bytes(pem(revocations(under, gone, lasts=timedelta(hours=2))))
    first = lists(settings, under)
    assert lists(settings, under, before=first) is first
    with time_machine.travel(first.until + timedelta(seconds=1), tick=False):
        later = lists(settings, under, before=first)
        assert later is not first, "what was concluded of each certificate is forgotten"
        assert (later.standing(read(leaf)), later.standing(read(gone))) == ("unknown", "revoked")
        assert [row["authority"] for row in later.facts()] == ["CN=Under"]


def test_without_a_setting_nothing_is_asked(tmp_path: Path, chain: tuple[Pair, Pair, Pair]) -> None:
    root, under, leaf = chain
    assert lists(settings_for(tmp_path), root, under).standing(read(leaf)) == "good"
