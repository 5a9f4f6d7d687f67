"""Who vouches for which domain: `pli trust`, and what it changes at once."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from mail_gateway import trust, trust_lists
from mail_gateway.inbound import mx_door, submission_door
from server.app import App, open_core
from server.errors import Invalid
from server.settings import BadSettings
from storage import operators
from storage.operators import Operator
from tests.certificates import Certificates, Pair, make, pair, pem, revocations
from tests.house import settings_for
from tests.mail_house import TO_DOMINIQUE, MailHouse, open_mail_house, plain
from tests.white_lists import OPERATOR, OTHER, white_list
from tests.wire import connected


@pytest.fixture
async def app(tmp_path: Path, sqlite_url: str) -> AsyncIterator[App]:
    async with open_core(settings_for(tmp_path, database_url=sqlite_url)) as opened:
        yield opened


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates.at(tmp_path / "certificates")


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


async def test_a_certificate_vouches_for_the_domain_it_was_added_for(app: App, made: Certificates) -> None:
    good, other = made.operator()[0], made.operator("autre.example")[0]
    await trust.add(app, "Operator.Example", good.read_bytes())
    now = await trust.current(app)
    assert now.domains(der(good)) == {"operator.example"}
    assert now.domains(der(other)) == frozenset()
    assert now.domains(None) == frozenset()
    assert (now.knows("operator.example"), now.knows("autre.example")) == (True, False)


async def test_a_domain_may_have_several_certificates_and_a_certificate_several_domains(
    app: App, made: Certificates
) -> None:
    """As on the white list: 619 entries for 516 names."""
    one, two = made.operator()[0], made.operator("autre.example")[0]
    for domain, path in (("a.example", one), ("a.example", two), ("b.example", one), ("a.example", one)):
        await trust.add(app, domain, path.read_bytes())
    now = await trust.current(app)
    assert now.domains(der(one)) == {"a.example", "b.example"}
    assert now.domains(der(two)) == {"a.example"}
    assert len(await trust.operators(app)) == 3


async def test_a_row_of_the_white_list_is_matched_by_its_subject(app: App, made: Certificates) -> None:
    good = made.operator()[0]
    await trust.add(app, "operator.example", subject="cn=operator.example, C=FR")
    now = await trust.current(app)
    assert now.domains(der(good)) == {"operator.example"}
    assert now.domains(der(made.operator("autre.example")[0])) == frozenset()


async def test_a_certificate_trusted_by_hand_does_not_borrow_a_listed_name(app: App, made: Certificates) -> None:
    """Its owner wrote it, and could have written any subject. One that our authority issued may be both."""
    await trust_lists.take(app, white_list(("listed.example", OPERATOR)))
    alone, issued = make(made.folder, "alone", OPERATOR)[0], made.named(OPERATOR)[0]
    for path in (alone, issued):
        await trust.add(app, "by-hand.example", path.read_bytes())
    now = await trust.current(app)
    assert now.domains(der(alone)) == {"by-hand.example"}
    assert now.domains(der(issued)) == {"by-hand.example", "listed.example"}


async def test_without_an_authority_a_list_of_names_vouches_for_nobody(
    tmp_path: Path, sqlite_url: str, made: Certificates
) -> None:
    async with open_core(replace(settings_for(tmp_path, database_url=sqlite_url), tls_ca="")) as opened:
        await trust_lists.take(opened, white_list(("listed.example", OPERATOR)))
        assert (await trust.current(opened)).domains(der(made.named(OPERATOR)[0])) == frozenset()


async def test_a_certificate_speaks_until_it_ends_on_an_open_connection_too(app: App, made: Certificates) -> None:
    shown = made.named(OPERATOR)[0]
    await trust_lists.take(app, white_list(("listed.example", OPERATOR)))
    now = await trust.current(app)
    assert now.domains(der(shown)) == {"listed.example"}
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        assert now.domains(der(shown)) == frozenset()


async def test_the_certificate_of_an_authority_is_not_an_operators(app: App, made: Certificates) -> None:
    """It could sign anybody's name."""
    for path in (made.theirs.certificate, make(made.folder, "ca", "CN=x.example", authority=True)[0]):
        with pytest.raises(Invalid) as refused:
            await trust.add(app, "operator.example", path.read_bytes())
        assert refused.value.code == "authority_certificate"


async def test_what_is_removed_counts_at_once(app: App, made: Certificates) -> None:
    one, two = made.operator()[0], made.operator("autre.example")[0]
    added = [await trust.add(app, "operator.example", path.read_bytes()) for path in (one, two)]
    assert await trust.remove(app, "operator.example", added[0].fingerprint) == 1
    assert (await trust.current(app)).domains(der(one)) == frozenset()
    assert (await trust.current(app)).domains(der(two)) == {"operator.example"}
    assert await trust.remove(app, "operator.example") == 1
    assert await trust.remove(app, "operator.example") == 0
    assert not (await trust.current(app)).knows("operator.example")


async def test_what_another_process_changed_is_seen_when_it_is_read_again(app: App) -> None:
    before = await trust.current(app)
    await app.db.write(operators.insert, Operator("x.example", "", "CN=x", ""))
    assert (await trust.current(app)) is before, "for a few seconds"
    again = await trust.reload(app)
    assert again.knows("x.example")
    assert again.incoming is not before.incoming
    assert (await trust.reload(app)).incoming is again.incoming, "nothing changed: nothing is made anew"


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ("pas un domaine", "bad_domain"), ("", "bad_domain"), ("localhost", "bad_domain"), ("a..example", "bad_domain"),
        ("pli.example", "own_domain"), ("PATIENT.pli.example", "own_domain"),
    ],
)  # fmt: skip
async def test_a_wrong_domain_is_refused(domain: str, code: str, app: App, made: Certificates) -> None:
    with pytest.raises(Invalid) as refused:
        await trust.add(app, domain, made.operator()[0].read_bytes())
    assert refused.value.code == code


async def test_a_wrong_certificate_is_refused(app: App, made: Certificates) -> None:
    for data, code in (
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "bad_certificate"),
        (b"\x00\xff", "bad_certificate"),
        (made.expired()[0].read_bytes(), "expired_certificate"),
        (b"", "no_certificate"),
    ):
        with pytest.raises(Invalid) as refused:
            await trust.add(app, "operator.example", data)
        assert refused.value.code == code
    assert await trust.operators(app) == []


# ---- at the door -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    """`listed.example` and `other.example` are on the white list, by their certificates' names."""
    lists = tmp_path / "lists.pem"
    made = Certificates.at(tmp_path / "certificates")
    lists.write_bytes(pem(revocations(pair(made.ours), made.named("CN=taken back,C=FR"))))
    async with open_mail_house(tmp_path, sqlite_url, tls_crl=str(lists)) as opened:
        listed = (("listed.example", OPERATOR), ("listed.example", "CN=taken back,C=FR"), ("other.example", OTHER))
        await trust_lists.take(opened.app, white_list(*listed))
        yield opened


async def mail_from(house: MailHouse, shown: Pair | None, sender: str = "x@listed.example") -> str:
    """The reply to MAIL; "" when the handshake was as far as it went."""
    context = house.peer(shown) if shown else house.client()
    try:
        async with connected(house.app.ports["smtp"], context) as wire:
            return await wire.say(f"MAIL FROM:<{sender}>")
    except (OSError, AssertionError):
        return ""


async def test_a_listed_operator_brings_mail_by_the_name_of_its_certificate(house: MailHouse) -> None:
    """However its authority wrote it: the list and the certificate need not agree on capitals or on order."""
    ours = pair(house.certificates.ours)
    for number, name in enumerate((OPERATOR, OPERATOR.upper(), ",".join(reversed(OPERATOR.split(","))))):
        shown = make(house.certificates.folder, f"spelt-{number}", name, ours)
        async with connected(house.app.ports["smtp"], house.peer(shown)) as wire:
            said = await wire.envelope("x@LISTED.example", TO_DOMINIQUE)
            assert [line[:3] for line in said] == ["250", "250"]
            letter = plain(f"n° {number}", from_=("X", "x@listed.example"), message_id=f"<{number}@listed.example>")
            assert (await wire.data(letter)).startswith("250")
    assert await house.texts("dominique") == ["n° 0", "n° 1", "n° 2"]


@pytest.mark.parametrize(
    "which", ["none", "self-signed", "expired", "of another authority", "of another domain", "revoked"]
)
async def test_whoever_is_not_that_operator_is_refused_before_mail(which: str, house: MailHouse) -> None:
    made = house.certificates
    shown = {
        "none": None,
        "self-signed": make(made.folder, "self", OPERATOR),
        "expired": make(made.folder, "late", OPERATOR, pair(made.ours), lasts=timedelta(minutes=-1)),
        "of another authority": make(made.folder, "theirs", OPERATOR, pair(made.theirs)),
        "of another domain": made.named(OTHER),
        "revoked": made.named("CN=taken back,C=FR"),
    }[which]
    assert (await mail_from(house, made.named(OPERATOR)))[:3] == "250", "the true one is not"
    said = await mail_from(house, shown)
    if which in {"none", "of another domain", "revoked"}:
        assert said.startswith("550 5.7.1")
    else:
        assert not said.startswith("2")


async def test_who_is_no_longer_listed_is_refused_on_the_open_connection(house: MailHouse) -> None:
    async with connected(house.app.ports["smtp"], house.peer(house.certificates.named(OPERATOR))) as wire:
        assert (await wire.say("MAIL FROM:<x@listed.example>")).startswith("250")
        later = white_list(("other.example", OTHER), generated="2025-03-14T00:00:00Z")
        await trust_lists.take(house.app, later, shrinking=True)
        assert (await wire.say(f"RCPT TO:<{TO_DOMINIQUE}>")).startswith("550 5.7.1")
        assert (await wire.say("RSET")).startswith("250")
        assert (await wire.say("MAIL FROM:<x@listed.example>")).startswith("550 5.7.1")


async def test_the_mail_doors_do_not_open_in_clear(app: App) -> None:
    app.settings = replace(app.settings, tls_certificate="", tls_key="")
    for door in (mx_door, submission_door):
        with pytest.raises(BadSettings, match="tls_certificate"):
            async with door(app):
                pass
    assert app.ports == {}


async def test_nor_with_a_key_that_is_not_the_certificates(app: App, made: Certificates) -> None:
    app.settings = replace(app.settings, tls_key=str(made.operator()[1]))
    with pytest.raises(BadSettings, match="cannot be used"):
        async with mx_door(app):
            pass


async def test_operators_are_kept_the_same_way_by_both_engines(database_url: str, tmp_path: Path) -> None:
    async with open_core(settings_for(tmp_path, database_url=database_url)) as opened:
        one, two = Operator("a.example", "01", "CN=a", "PEM"), Operator("a.example", "02", "CN=b", "PEM")
        other = Operator("b.example", "", "CN=c", "")
        assert [await opened.db.write(operators.insert, row) for row in (one, two, other, one)] == [
            True,
            True,
            True,
            False,
        ]
        assert await opened.db.read(operators.every) == [one, two, other]
        assert await opened.db.write(operators.remove, "a.example", "02") == 1
        assert await opened.db.write(operators.remove, "b.example", "") == 1
        assert await opened.db.read(operators.every) == [one]
