"""Who vouches for which domain: `pli trust`, and what it changes at once."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mail_gateway import trust
from mail_gateway.inbound import mx_door, submission_door
from server.app import App, open_core
from server.errors import Invalid
from server.settings import BadSettings
from storage import operators
from storage.operators import Operator
from tests.certificates import Certificates
from tests.house import settings_for


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
    for pem, code in (
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "bad_certificate"),
        (b"\x00\xff", "bad_certificate"),
        (made.expired()[0].read_bytes(), "expired_certificate"),
        (b"", "no_certificate"),
    ):
        with pytest.raises(Invalid) as refused:
            await trust.add(app, "operator.example", pem)
        assert refused.value.code == code
    assert await trust.operators(app) == []


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
