"""The published white list: what is read of it, and what it may change. How it comes, `test_trust_lists` tells."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mail_gateway import subjects, trust, trust_lists, whitelist
from server.app import App, open_core
from server.errors import PliError
from server.formats.malformed import Malformed
from storage import operators
from tests.certificates import Certificates, make
from tests.house import settings_for
from tests.white_lists import OPERATOR, OTHER, many, white_list


@pytest.fixture
async def app(tmp_path: Path, sqlite_url: str) -> AsyncIterator[App]:
    async with open_core(settings_for(tmp_path, database_url=sqlite_url)) as opened:
        yield opened


async def listed(app: App) -> set[tuple[str, str]]:
    return set(await app.db.read(operators.listed, trust.LIST))


# ---- what is read ----------------------------------------------------------------------------------------------------


def test_the_list_is_read_as_it_is_published() -> None:
    """A name may stand several times, once a certificate; some are written with capitals."""
    data = white_list(("15-20.mssante.fr", OPERATOR), ("15-20.mssante.fr", OTHER), ("UC-CMP.mssante.fr", OPERATOR))
    read = whitelist.read(data)
    assert read.entries == (
        ("15-20.mssante.fr", OPERATOR), ("15-20.mssante.fr", OTHER), ("uc-cmp.mssante.fr", OPERATOR),
    )  # fmt: skip
    assert (read.generated, read.skipped) == ("2025-03-13T14:54:10Z", 0)


def test_a_list_of_a_whole_country_is_read() -> None:
    read = whitelist.read(many(20_000))
    assert (len(read.entries), read.skipped) == (20_000, 0)


def test_an_entry_that_names_no_domain_or_no_certificate_is_skipped_and_the_others_stand() -> None:
    bad = [
        ("", OPERATOR), ("b.mssante.fr", ""), ("pas un domaine", OPERATOR), ("\u212aafé.mssante.fr", OPERATOR),
        ("-.mssante.fr", OPERATOR), ("x" * 64 + ".fr", OPERATOR), ("c.mssante.fr", "GIP"), ("d.mssante.fr", "XX=a"),
        ("e.mssante.fr", "CN=" + "a" * 2000), ("f.mssante.fr</Nom><Nom>g.mssante.fr", OPERATOR),
    ]  # fmt: skip
    read = whitelist.read(white_list(*bad, ("a.mssante.fr", OPERATOR)))
    assert (read.entries, read.skipped) == ((("a.mssante.fr", OPERATOR),), len(bad))


GOOD = white_list(("a.mssante.fr", OPERATOR))
HOSTILE = {
    "xml": [b"", b"a list", GOOD[:-30], GOOD[: len(GOOD) // 2], GOOD.decode().encode("utf-16"), GOOD + GOOD],
    "xml_doctype": [GOOD.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY a "b">]>', 1)],
    "xml_size": [GOOD + b" " * whitelist.MAX_BYTES, white_list(*[("a.fr", "CN=a")] * 50_001)],
    "white_list": [
        white_list(("a.mssante.fr", OPERATOR), namespace="https://else.example/schema"),
        GOOD.replace(b"ListeBlancheMSSante", b"ListeNoire"),
        GOOD.replace(b"ListeDomaines", b"Domaines"),
        GOOD.replace(b"<ListeDomaines>", b"<ListeDomaines/><ListeDomaines>"),
        GOOD.replace(b"DateDeGeneration", b"Date"),
    ],
    "white_list_date": [
        white_list(("a.mssante.fr", OPERATOR), generated=date)
        for date in ("", "hier", "2025-03-13", "2025-03-13T14:54:10", "2025-13-13T14:54:10Z")
    ],
    "white_list_empty": [white_list(), white_list(("", OPERATOR), ("a.mssante.fr", ""))],
}


@pytest.mark.parametrize("code", HOSTILE)
def test_what_is_no_white_list_is_refused_with_its_reason(code: str) -> None:
    for data in HOSTILE[code]:
        with pytest.raises(Malformed) as refused:
            whitelist.read(data)
        assert refused.value.code == code


@given(st.binary(max_size=200) | st.builds(lambda at, junk: GOOD[:at] + junk + GOOD[at:], st.integers(0, len(GOOD)),
                                           st.binary(max_size=20)))  # fmt: skip
def test_whatever_the_file_it_is_read_or_refused(data: bytes) -> None:
    try:
        assert whitelist.read(data).entries
    except Malformed:
        pass


# ---- names of certificates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelt",
    [
        "CN=smtp.example,OU=1750048886,O=GIP\\, SÉSAN,ST=Paris (75),C=FR",
        "C=FR,ST=Paris (75),O=GIP\\, SÉSAN,OU=1750048886,CN=smtp.example",
        "cn=SMTP.example, ou=1750048886 ,o=gip\\2c  sésan,st=paris (75),c=fr",
        'CN=smtp.example,OU=1750048886,O="GIP, SÉSAN",S=Paris (75),C=FR',
        "CN=smtp.example,OU=1750048886,O=GIP\\, S\\C3\\89SAN,ST=Paris (75),C=FR",
        "2.5.4.3=smtp.example,OID.2.5.4.11=1750048886,O=GIP\\, SE\u0301SAN,2.5.4.8=Paris (75),C=FR",
        "commonName=#130c736d74702e6578616d706c65,OU=1750048886,O=GIP\\, SÉSAN,SP=Paris (75),countryName=FR",
    ],
)
def test_a_name_is_the_same_however_it_is_spelt(spelt: str, tmp_path: Path) -> None:
    published = subjects.parse("CN=smtp.example,OU=1750048886,O=GIP\\, SÉSAN,ST=Paris (75),C=FR")
    assert subjects.parse(spelt) == published
    shown = make(tmp_path, "shown", "CN=smtp.example,OU=1750048886,O=GIP\\, SÉSAN,ST=Paris (75),C=FR")[0]
    assert subjects.of(x509.load_pem_x509_certificate(shown.read_bytes())) == published


def test_a_certificate_written_the_other_way_round_has_the_same_name(tmp_path: Path) -> None:
    """Its authority put the common name first, so that RFC 4514 shows it last."""
    shown = make(tmp_path, "shown", "C=FR,ST=Paris (75),O=GIP,OU=1,CN=smtp.example")[0]
    found = subjects.of(x509.load_pem_x509_certificate(shown.read_bytes()))
    assert found == subjects.parse("CN=smtp.example,OU=1,O=GIP,ST=Paris (75),C=FR")


@pytest.mark.parametrize(
    "near",
    [
        "CN=smtp.example,O=GIP", "CN=smtp.example,O=GIP,C=FR,C=FR", "O=GIP,CN=smtp.example,C=FR",
        "CN=smtp.example,O=GIP2,C=FR",
        "CN=smtp.example+O=GIP,C=FR", "CN=smtp.example,OU=GIP,C=FR", "CN=smtp.example\\,O\\=GIP,C=FR",
        "CN=smtp.example\\00,O=GIP,C=FR", "CN=sмtp.example,O=GIP,C=FR",
    ],
)  # fmt: skip
def test_a_name_that_is_only_near_is_another(near: str) -> None:
    assert subjects.parse(near) != subjects.parse("CN=smtp.example,O=GIP,C=FR")


@pytest.mark.parametrize(
    "text",
    ["", "CN", "CN=", "=a", "CN=a,", "CN=a,,C=FR", "XX=a", "CN=a+b", "CN=a\\", "CN=\\ff", "CN=#0c05", "CN=GIP, X",
     "CN=#0c02ffff", 'CN="a"b', 'CN=a"b', "CN= ", "CN=" + "a" * 1000],
)  # fmt: skip
def test_a_name_that_cannot_be_read_for_sure_is_nobodys(text: str) -> None:
    with pytest.raises(Malformed):
        subjects.parse(text)


@given(st.text(max_size=60) | st.from_regex(r'(?:CN|O|1\.2)=[a-z\\",+#= 0-9]{0,12}(?:,C=FR)?', fullmatch=True))
def test_whatever_the_name_it_is_read_or_refused(text: str) -> None:
    try:
        assert subjects.parse(text)
    except Malformed:
        pass


# ---- what it changes -------------------------------------------------------------------------------------------------


async def test_a_list_replaces_the_one_before_and_leaves_those_trusted_by_hand(
    database_url: str, tmp_path: Path
) -> None:
    async with open_core(settings_for(tmp_path, database_url=database_url)) as app:
        made = Certificates.at(tmp_path / "certificates")
        await trust.add(app, "operator.example", made.operator()[0].read_bytes())
        first = white_list(("a.fr", OPERATOR), ("b.fr", OPERATOR), ("c.fr", OTHER), ("", OTHER))
        taken = await trust_lists.take(app, first)
        assert (taken.added, taken.removed, taken.kept, taken.skipped) == (3, 0, 0, 1)
        second = white_list(("b.fr", OPERATOR), ("c.fr", OTHER), ("d.fr", OTHER), generated="2025-03-14T00:00:00Z")
        taken = await trust_lists.take(app, second)
        assert (taken.added, taken.removed, taken.kept, taken.skipped) == (1, 1, 2, 0)
        assert await listed(app) == {("b.fr", OPERATOR), ("c.fr", OTHER), ("d.fr", OTHER)}
        assert [operator.domain for operator in await trust.operators(app)] == ["operator.example"]
        again = await trust_lists.take(app, second)
        assert (again.added, again.removed, again.kept) == (0, 0, 3)
        now = await trust.current(app)
        known = [now.knows(domain) for domain in ("operator.example", "a.fr", "b.fr", "d.fr")]
        assert known == [True, False, True, True]


async def test_a_list_of_a_whole_country_is_taken_on_both_engines(database_url: str, tmp_path: Path) -> None:
    async with open_core(settings_for(tmp_path, database_url=database_url)) as app:
        assert (await trust_lists.take(app, many(3_000))).added == 3_000
        taken = await trust_lists.take(app, many(1_600, "2025-03-14T00:00:00Z"))
        assert (taken.added, taken.removed, taken.kept) == (0, 1_400, 1_600)
        assert len(await listed(app)) == 1_600


UNFIT = {code: files[-1] for code, files in HOSTILE.items()} | {
    "older_list": many(10, "2025-03-13T14:54:09Z"),
    "shrinking_list": many(4, "2025-03-14T00:00:00Z"),
    "white_list_date": many(10, "2999-01-01T00:00:00Z"),
    "white_list_empty": white_list(("pli.example", OTHER), generated="2025-03-14T00:00:00Z"),
}


@pytest.mark.parametrize("code", UNFIT)
async def test_a_bad_empty_older_or_shrunken_list_changes_nothing(code: str, app: App) -> None:
    await trust_lists.take(app, many(10))
    before, in_force = await listed(app), await app.db.read(operators.list_in_force, trust.LIST)
    with pytest.raises(PliError) as refused:
        await trust_lists.take(app, UNFIT[code])
    assert refused.value.code == code
    assert await listed(app) == before
    assert await app.db.read(operators.list_in_force, trust.LIST) == in_force


async def test_a_first_list_that_is_refused_leaves_no_list(app: App) -> None:
    with pytest.raises(PliError):
        await trust_lists.take(app, white_list())
    assert await app.db.read(operators.list_in_force, trust.LIST) is None


async def test_an_operator_may_insist(app: App) -> None:
    await trust_lists.take(app, many(10))
    taken = await trust_lists.take(app, many(2, "2024-01-01T00:00:00Z"), older=True, shrinking=True)
    assert (taken.removed, taken.kept) == (8, 2)
    assert (await trust_lists.take(app, many(3, "2024-01-02T00:00:00Z"))).added == 1, "the older one is now in force"


async def test_nobody_gets_our_own_domains_from_a_list(app: App) -> None:
    data = white_list(("pli.example", OTHER), ("PATIENT.pli.example", OTHER), ("a.fr", OPERATOR))
    taken = await trust_lists.take(app, data)
    assert (taken.added, taken.ours) == (1, 2)
    assert await listed(app) == {("a.fr", OPERATOR)}


async def test_of_two_lists_at_once_one_is_in_force_whole(database_url: str, tmp_path: Path) -> None:
    async with open_core(settings_for(tmp_path, database_url=database_url)) as app:
        lists = [many(700), white_list(*((f"d{n}.mssante.fr", OTHER) for n in range(700)))]
        await asyncio.gather(*(trust_lists.take(app, data, shrinking=True) for data in lists))
        in_force = await app.db.read(operators.list_in_force, trust.LIST)
        assert in_force is not None
        assert in_force.digest in {whitelist.read(data).digest for data in lists}
        assert await listed(app) in [set(whitelist.read(data).entries) for data in lists]


async def test_a_list_that_another_process_took_counts_when_it_is_read_again(app: App, tmp_path: Path) -> None:
    shown = Certificates.at(tmp_path / "certificates").named(OPERATOR)[0]
    der = ssl.PEM_cert_to_DER_cert(shown.read_text())
    before = await trust.current(app)
    entries = [("a.fr", OPERATOR), ("b.fr", OPERATOR), ("c.fr", OTHER)]
    in_force = operators.ListInForce("digest", "2025-03-13T14:54:10Z", 0, 3)
    await app.db.write(operators.hold_list, trust.LIST)
    await app.db.write(operators.insert_listed, trust.LIST, entries)
    await app.db.write(operators.set_list, trust.LIST, in_force)
    again = await trust.reload(app)
    assert again.domains(der) == {"a.fr", "b.fr"}
    assert again.incoming is before.incoming, "the white list is not in the TLS contexts"
