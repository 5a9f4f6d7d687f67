"""The command line: one clear line for a mistake, and work done beside a running server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from server.admin import admin_door
from tests.house import House
from tests.support.command import ROOT, pli


@pytest.fixture(scope="module")
def new_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder where nobody is yet; making its tables is paid once."""
    return tmp_path_factory.mktemp("new")


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (("nonsense",), {}, "No such command"),
        (("serve",), {"PLI_HTTP_PORT": "abc"}, "http_port"),
        (("serve",), {"PLI_ROLE": "everything"}, "role"),
        (("serve",), {}, "public_url"),
        (("--config", "no-such-file.toml", "serve"), {}, "no-such-file.toml"),
        (("people", "end", "nobody@pli.example"), {}, "nobody@pli.example"),
        (("people", "add", "bot", "not an address", "--name", "X"), {}, "adresse"),
        (("trust", "add", "operator.example", "--certificate", "README.md"), {}, "certificat"),
        (("trust", "add", "operator.example", "--subject", "GIP, no name"), {}, "sujet"),
        (("people", "open-space", "--traits-file", "README.md"), {}, "traits"),
        (("people", "absence", "nobody@pli.example"), {}, "--until"),
        (("people", "absence", "nobody@pli.example", "--end"), {}, "nobody@pli.example"),
        (("people", "represent", "nobody", "nobody", "--until", "demain"), {}, "2031-12-24"),
        (("people", "unrepresent", "nobody", "nobody"), {}, "titulaire"),
        (("reviews", "close", "nothing", "--decision", "vu"), {}, "décidé"),
        (("reviews", "close", "nothing", "--decision", "vu et compris"), {}, "examen"),
        (("inspect", "README.md"), {}, "neither a CDA document"),
        (("inspect", "no-such-file.xml"), {}, "no-such-file.xml"),
    ],
)
def test_a_mistake_gets_one_clear_line_and_status_2(
    new_house: Path, words: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    done = pli(*words, PLI_DATA_DIR=str(new_house), **environ)
    assert done.returncode == 2
    assert said.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert done.stderr.count("pli: ") == 1


def test_the_program_starts_by_its_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server", "--help"], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
    )
    assert "Usage:" in done.stdout


def test_every_command_explains_itself() -> None:
    for words in (
        ("demo",),
        ("serve",),
        ("migrate",),
        ("doctor",),
        ("people",),
        ("people", "add"),
        ("trust", "add"),
        ("inspect",),
    ):
        done = pli(*words, "--help")
        assert done.returncode == 0
        assert "Usage:" in done.stdout


def test_doctor_says_what_is_wrong_and_what_is_well(tmp_path: Path) -> None:
    done = pli("doctor", PLI_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 2
    assert "WRONG public_url" in done.stdout
    assert "synchronous FULL" in done.stdout


async def test_an_operator_works_beside_the_running_server(house: House) -> None:
    settings = house.app.settings
    environ = {"PLI_DATA_DIR": str(settings.data_dir), "PLI_DATABASE_URL": settings.database}
    async with admin_door(house.app):
        done = await asyncio.to_thread(
            pli, "people", "add", "professional", "paul.bertin@pli.example", "--name", "Dr Paul BERTIN",
            "--password-file", "-", given="un mot de passe tout neuf\n", **environ,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["address"] == "paul.bertin@pli.example"
        again = await asyncio.to_thread(
            pli, "people", "add", "professional", "paul.bertin@pli.example", "--name", "Dr Paul BERTIN", **environ
        )
        assert again.returncode == 2
        assert "déjà prise" in again.stderr
        listed = await asyncio.to_thread(pli, "people", "list", **environ)
        holders = [row for row in map(json.loads, listed.stdout.splitlines()) if row["kind"] == "holder"]
        assert len(holders) == 3
        assert {row["name"] for row in holders} == {""}, "an operator has no business with patients' names"
        link = await asyncio.to_thread(pli, "people", "sign-in-link", house.address("morel"), **environ)
        lost = ("people", "reset-sign-in")
        reset = await asyncio.to_thread(pli, *lost, house.dominique.account_id, **environ)
        assert json.loads(reset.stdout) == {"account": house.dominique.account_id, "had_login": False}
        nobody = await asyncio.to_thread(pli, *lost, house.address("morel"), **environ)
        assert (nobody.returncode, nobody.stderr.count("\n")) == (2, 1), "she has no identifier of her own"

    async with aiohttp.ClientSession() as browser:
        url = json.loads(link.stdout)["link"]
        path = "/sign-in/" + url.rsplit("/", 1)[1]
        async with browser.get(house.http + path) as first:
            text = await first.text()
        assert first.status in {200, 303}, text


async def test_doctor_looks_through_the_running_server(house: House) -> None:
    told = {"PLI_DATA_DIR": str(house.app.settings.data_dir), "PLI_DATABASE_URL": house.app.settings.database}
    told["PLI_SMTP_PORT"] = str(house.app.ports["smtp"])
    async with admin_door(house.app):
        done = await asyncio.to_thread(pli, "doctor", **told)
    said = done.stdout.splitlines()
    assert any(line.startswith("ok    smtp_port") and line.endswith("Pli is running") for line in said)
    assert any(line.startswith("ok    database: ") and " answers (" in line for line in said)
    assert "ok    quarantine: no letter waits or is held" in said


async def test_an_absence_is_declared_for_a_while_and_ended(house: House) -> None:
    told = {"PLI_DATA_DIR": str(house.app.settings.data_dir)}
    who = ("people", "absence", "agathe.morel@pli.example")
    async with admin_door(house.app):
        dates = ("--from", "2026-12-24", "--until", "2036-01-04T08:00", "--text-file", "-")
        done = await asyncio.to_thread(pli, *who, *dates, given="Je reviens le 4.", **told)
        assert json.loads(done.stdout)["from"] == "2026-12-24T00:00:00+01:00"
        wrong = await asyncio.to_thread(pli, *who, "--until", "demain", "--text-file", "-", given="x", **told)
        assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
        back = await asyncio.to_thread(pli, *who, "--end", **told)
        assert json.loads(back.stdout) == {"ended": 1}


async def test_a_parent_is_recorded_until_the_majority_and_ended(house: House) -> None:
    told = {"PLI_DATA_DIR": str(house.app.settings.data_dir)}
    child, parent = house.ins("camille"), house.marcel.account_id  # an INS, or an account
    async with admin_door(house.app):
        done = await asyncio.to_thread(pli, "people", "represent", child, parent, **told)
        assert json.loads(done.stdout) == {"account": parent, "until": "2037-06-13T22:00:00.000Z"}
        twice = await asyncio.to_thread(pli, "people", "represent", child, parent, "--until", "2030-01-01", **told)
        assert (twice.returncode, twice.stderr.count("\n")) == (2, 1)
        ended = await asyncio.to_thread(pli, "people", "unrepresent", child, parent, **told)
        assert json.loads(ended.stdout) == {"account": parent}
        again = await asyncio.to_thread(pli, "people", "represent", child, parent, "--until", "2030-01-01", **told)
        assert json.loads(again.stdout)["until"] == "2030-01-01T23:00:00.000Z", "to the end of that day, in Paris"


def test_two_servers_never_share_an_embedded_database(tmp_path: Path) -> None:
    environ = {f"PLI_{door}_PORT": "0" for door in ("HTTP", "SMTP", "SUBMISSION", "IMAP")}
    first = subprocess.Popen(
        [sys.executable, "-m", "server", "demo", "--data-dir", str(tmp_path / "d")], cwd=ROOT,
        env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert first.stdout is not None
        assert "Pli est ouvert" in first.stdout.readline()
        modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "d").iterdir()}
        assert set(modes.values()) == {0}, modes
        second = pli("demo", "--data-dir", str(tmp_path / "d"), **environ)
        assert second.returncode == 2
        assert "another process is using" in second.stderr
        assert pli("demo", "--reset", "--data-dir", str(tmp_path / "d"), **environ).returncode == 2
        assert (tmp_path / "d" / "demo.json").exists(), "what the running one told is still there"
    finally:
        first.terminate()
        first.communicate(timeout=30)
    assert first.returncode == 0
