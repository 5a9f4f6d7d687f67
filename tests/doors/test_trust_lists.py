"""How the lists of the trust circle come: by command, by https, by themselves; and what is said of them."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from mail_gateway import trust, trust_lists
from mail_gateway.trust_lists import RETRY_S, Keeper, kept_fresh
from server import admin, doctor
from server.admin import admin_door
from server.app import App, open_app, open_core
from server.errors import PliError
from server.settings import problems
from storage import operators
from tests.certificates import Certificates, Pair, pair, pem, revocations
from tests.house import House, settings_for
from tests.support.command import pli
from tests.white_lists import OPERATOR, OTHER, Publisher, many, publisher, white_list

GOOD = white_list(("a.fr", OPERATOR), ("b.fr", OTHER))


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates.at(tmp_path / "certificates")


@pytest.fixture
async def published(made: Certificates) -> AsyncIterator[Publisher]:
    """The list and its checksum, at an https server that the authority of the tests certified."""
    async with publisher(made.named("CN=localhost")) as open_:
        open_.publish(GOOD)
        yield open_


@pytest.fixture
async def app(tmp_path: Path, sqlite_url: str, published: Publisher, made: Certificates) -> AsyncIterator[App]:
    settings = settings_for(
        tmp_path, database_url=sqlite_url, trust_list_url=published.url("list.xml"),
        trust_list_checksum_url=published.url("checksum"), trust_list_ca=str(made.ours.certificate),
    )  # fmt: skip
    async with open_core(settings) as opened:
        yield opened


async def listed(app: App) -> set[str]:
    return {domain for domain, _ in await app.db.read(operators.listed, trust.LIST)}


def gauge(app: App) -> float:
    value = app.metrics.registry.get_sample_value("pli_trust_list_age_seconds")
    assert value is not None
    return value


# ---- by https --------------------------------------------------------------------------------------------------------


async def test_the_list_is_fetched_with_its_checksum(app: App, published: Publisher) -> None:
    assert (await trust_lists.refresh(app)).added == 2
    assert await listed(app) == {"a.fr", "b.fr"}
    assert published.asked == ["list.xml", "checksum"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"checksum": b"0" * 64}, "checksum"),
        ({"checksum": b""}, "checksum"),
        ({"checksum": 404}, "http_404"),
        ({"list.xml": GOOD[:-40]}, "checksum"),
        ({"list.xml": 503}, "http_503"),
        ({"list.xml": 302}, "http_302"),
        ({"checksum": b"0" * 5000}, "too_large"),
    ],
)
async def test_what_comes_wrong_changes_nothing(
    files: dict[str, bytes | int], code: str, app: App, published: Publisher
) -> None:
    await trust_lists.refresh(app)
    published.publish(white_list(("c.fr", OTHER), ("a.fr", OPERATOR), generated="2025-03-14T00:00:00Z"))
    published.files |= files
    with pytest.raises(PliError) as refused:
        await trust_lists.refresh(app)
    assert refused.value.code == code
    assert await listed(app) == {"a.fr", "b.fr"}


@pytest.mark.parametrize("shown", ["stranger", "self_signed", "expired"])
async def test_a_server_that_is_not_proven_is_not_believed(shown: str, app: App, made: Certificates) -> None:
    pair_: Pair = getattr(made, shown)("localhost")
    async with publisher(pair_) as impostor:
        impostor.publish(GOOD)
        object.__setattr__(app.settings, "trust_list_url", impostor.url("list.xml"))
        with pytest.raises(PliError) as refused:
            await trust_lists.refresh(app)
        assert (refused.value.code, impostor.asked) == ("tls", [])


# ---- by itself -------------------------------------------------------------------------------------------------------


async def test_a_server_that_opens_asks_for_its_lists(
    tmp_path: Path, sqlite_url: str, published: Publisher, made: Certificates
) -> None:
    settings = settings_for(
        tmp_path, database_url=sqlite_url, trust_list_url=published.url("list.xml"),
        trust_list_ca=str(made.ours.certificate),
    )  # fmt: skip
    async with open_app(settings):
        await asyncio.wait_for(published.heard.wait(), 30)


async def test_a_list_is_taken_by_itself_and_its_age_is_counted(app: App) -> None:
    assert math.isnan(gauge(app))
    rounds = asyncio.Event()
    async with kept_fresh(app, rounds.set):
        await asyncio.wait_for(rounds.wait(), 30)
        assert await listed(app) == {"a.fr", "b.fr"}
        await trust.reload(app)
        assert 0 <= gauge(app) < 60


async def test_it_is_fetched_again_when_a_day_has_passed_and_sooner_after_a_failure(
    app: App, published: Publisher
) -> None:
    keeper = Keeper(app)
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        day = 24 * 3600
        assert await keeper.round() == day
        assert await keeper.round() == day
        assert published.asked == ["list.xml", "checksum"]
        published.files["list.xml"] = 500
        clock.shift(day)
        assert await keeper.round() == RETRY_S
        published.publish(white_list(("a.fr", OPERATOR), ("c.fr", OTHER), generated="2025-03-14T00:00:00Z"))
        clock.shift(RETRY_S)
        assert await keeper.round() == day
        assert await listed(app) == {"a.fr", "c.fr"}
        assert await Keeper(app).round() == pytest.approx(day, abs=1), (
            "a server that starts again knows how old its list is"
        )


async def test_a_failure_keeps_the_last_good_copy_and_is_seen(app: App, published: Publisher) -> None:
    await trust_lists.refresh(app)
    published.files["list.xml"] = 500
    object.__setattr__(app.settings, "trust_list_hours", 1)
    await app.db.write(operators.set_list, trust.LIST, operators.ListInForce("d", "2025-03-13T14:54:10Z", 1, 2))
    await Keeper(app).round()
    assert await listed(app) == {"a.fr", "b.fr"}
    counted = {"list": "white_list"}
    assert app.metrics.registry.get_sample_value("pli_trust_refresh_failures_total", counted) == 1
    status = await trust_lists.status(app.settings, app.db, app)
    assert status["failures"] == {"mssante": "http_500"}

    async def told(_settings: object) -> dict[str, object]:
        return status

    said = [finding.text for finding in await doctor.examine(app.settings, told) if not finding.good]
    assert any("the last fetch failed (http_500); the last good copy stays in force" in text for text in said)
    assert any(text.startswith("white list: of 2025-03-13") for text in said), "it is too old"


# ---- lists of revocations --------------------------------------------------------------------------------------------


async def test_revocations_are_fetched_and_the_last_good_list_is_kept(
    tmp_path: Path, sqlite_url: str, made: Certificates
) -> None:
    good, stranger = pair(made.ours), pair(made.theirs)
    async with publisher(None) as published:
        settings = settings_for(tmp_path, database_url=sqlite_url, tls_crl_url=published.url("ours.crl"))
        async with open_core(settings) as app:
            published.files["ours.crl"] = pem(revocations(good, made.operator()))
            await Keeper(app).round()
            (kept,) = (settings.data_dir / "crl").iterdir()
            first = kept.read_bytes()
            assert first == published.files["ours.crl"]
            for worse in (
                revocations(stranger),
                revocations(good, since=-timedelta(days=3), lasts=-timedelta(days=1)),
                revocations(good, since=-timedelta(days=2)),
            ):
                published.files["ours.crl"] = pem(worse)
                with pytest.raises(PliError):
                    await trust_lists.refresh_all(app)
            published.files["ours.crl"] = first[:-60]
            with pytest.raises(PliError):
                await trust_lists.refresh_all(app)
            assert kept.read_bytes() == first
            published.files["ours.crl"] = newer = pem(revocations(good, since=timedelta()))
            await trust_lists.refresh_all(app)
            assert kept.read_bytes() == newer


async def test_doctor_tells_which_lists_of_revocations_are_missing_or_over(
    tmp_path: Path, sqlite_url: str, made: Certificates
) -> None:
    file = tmp_path / "lists.pem"
    file.write_bytes(b"")
    both = tmp_path / "both.pem"
    both.write_bytes(made.ours.certificate.read_bytes() + made.theirs.certificate.read_bytes())
    settings = settings_for(tmp_path, database_url=sqlite_url, tls_crl=str(file), tls_ca=str(both))

    async def said() -> list[tuple[bool, str]]:
        found = await doctor.examine(settings, admin.trust_status)
        return [(one.good, one.text.split(" »")[1]) for one in found if one.text.startswith("revocation list of")]

    missing = (False, ": none, so that whoever it certified is told to come again (451)")
    assert await said() == [missing, missing]
    file.write_bytes(pem(revocations(pair(made.ours), lasts=-timedelta(minutes=1))))
    ((good, text), theirs) = await said()
    assert (good, theirs) == (False, missing)
    assert text.startswith(": expired on")
    file.write_bytes(pem(revocations(pair(made.ours))))
    ((good, text), theirs) = await said()
    assert (good, theirs) == (True, missing)


# ---- by command ------------------------------------------------------------------------------------------------------


async def test_a_list_is_imported_beside_the_running_server(house: House, tmp_path: Path) -> None:
    settings = house.app.settings
    environ = {"PLI_DATA_DIR": str(settings.data_dir), "PLI_DATABASE_URL": settings.database}
    file = tmp_path / "list.xml"
    file.write_bytes(many(8_655))
    async with admin_door(house.app):

        async def say(*words: str) -> tuple[int, str, str]:
            done = await asyncio.to_thread(pli, "trust", *words, **environ)
            return done.returncode, done.stdout, done.stderr

        code, out, err = await say("import", str(file))
        assert (code, err) == (0, "")
        assert json.loads(out) == {
            "generated": "2025-03-13T14:54:10Z", "added": 8_655, "removed": 0, "kept": 0, "skipped": 0, "ours": 0,
        }  # fmt: skip
        assert (await trust.current(house.app)).knows("d8654.mssante.fr")
        file.write_bytes(many(4_000, "2025-03-14T00:00:00Z"))
        code, out, err = await say("import", str(file))
        assert (code, out) == (2, "")
        assert err == "pli: La liste retirerait 4655 entrées sur 8655 ; --shrinking la prend quand même.\n"
        code, out, err = await say("import", "README.md")
        assert (code, out, err) == (2, "", "pli: Le document XML est mal formé.\n")
        code, out, err = await say("list")
        assert len(out.splitlines()) == 8_655
        status = await admin.trust_status(settings)
        assert status is not None
        assert status["list"]["entries"] == 8_655


def test_doctor_tells_of_the_list_without_a_running_server(tmp_path: Path) -> None:
    (tmp_path / "list.xml").write_bytes(GOOD)
    environ = {"PLI_DATA_DIR": str(tmp_path / "data")}
    assert pli("trust", "import", str(tmp_path / "list.xml"), **environ).returncode == 0
    said = pli("doctor", **environ).stdout
    assert "white list: of 2025-03-13T14:54:10Z, 2 entries" in said
    assert "its subjects say nothing without tls_ca" in said


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("trust_list_url", "http://localhost/list.xml"), ("trust_list_url", "file:///list.xml"),
        ("trust_list_checksum_url", "http://localhost/checksum"), ("tls_crl_url", "ftp://localhost/ours.crl"),
        ("tls_crl", "no-such-file"), ("trust_list_ca", "no-such-file"),
    ],
)  # fmt: skip
def test_doctor_says_which_setting_cannot_be(setting: str, value: str, tmp_path: Path) -> None:
    assert [line for line in problems(settings_for(tmp_path, **{setting: value})) if line.startswith(setting)]
