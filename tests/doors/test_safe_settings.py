"""`pli serve` refuses settings that are not safe, each by its name in one line; `pli doctor` says the same."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.certificates import Authority
from server.safe_settings import MAX_IDLE_MINUTES, MAX_SESSION_HOURS, TEST_OID, WAYS, unsafe, ways_in
from server.settings import BadSettings, Settings, load, problems
from tests.support.command import ROOT, pli
from tests.support.programs import running

GOOD: dict[str, Any] = {
    "public_url": "https://espace.hopital-de-pli.fr",
    "mail_domain": "pli.hopital-de-pli.fr",
    "patient_domain": "patient.hopital-de-pli.fr",
    "psc_issuer": "https://auth.hopital-de-pli.fr/realms/psc",
    "psc_client_id": "pli",
    "franceconnect_issuer": "https://fc.hopital-de-pli.fr/api/v2",
    "franceconnect_client_id": "pli",
    "habilitation_file": "illustrative",
}
NO_WAY = "no way in is open for"


@pytest.fixture
def good(tmp_path: Path) -> Settings:
    """Settings that real people may be served with."""
    certificate, key = Authority.at(tmp_path / "certificates").issue("pli", ["hopital-de-pli.fr"], server=True)
    (tmp_path / "secret").write_text("un secret\n")
    (tmp_path / "secret").chmod(0o600)
    return replace(
        Settings(data_dir=tmp_path / "data", tls_certificate=str(certificate), tls_key=str(key)),
        psc_client_secret_file=str(tmp_path / "secret"),
        franceconnect_client_secret_file=str(tmp_path / "secret"),
        **GOOD,
    )


def test_good_settings_are_not_refused(good: Settings) -> None:
    assert problems(good) == []
    assert problems(replace(good, psc_issuer="", professional_sign_in="links")) == [], "links, chosen knowingly"
    assert problems(replace(good, franceconnect_issuer="")) == [], "patients have their passwords"
    assert problems(replace(good, psc_client_auth="tls", psc_client_certificate=good.tls_certificate,
                            psc_client_key=good.tls_key, psc_client_secret_file="")) == []  # fmt: skip


REFUSALS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"public_url": "http://espace.hopital-de-pli.fr"}, "public_url: must start with https:// to serve real people."),
    ({"public_url": ""}, "public_url: must start with https:// to serve real people."),
    ({"public_url": "https://pli.example"}, "public_url: still the example domain."),
    ({"public_url": "https://localhost:8080"}, "public_url: still the example domain."),
    ({"habilitation_file": ""}, "habilitation_file: who may read which documents is not settled; « illustrative » is "
     "ours alone."),
    ({"mail_domain": "pli.example"}, "mail_domain: still the example domain."),
    ({"patient_domain": "patient.pli.example"}, "patient_domain: still the example domain."),
    ({"patient_domain": "mail.example.org"}, "patient_domain: still the example domain."),
    ({"professional_sign_in": ""},
     f"professional_sign_in: {NO_WAY} professionals; set psc_issuer, or choose links knowingly."),
    ({"psc_issuer": ""}, f"professional_sign_in: {NO_WAY} professionals; set psc_issuer, or choose links knowingly."),
    ({"patient_sign_in": "franceconnect", "franceconnect_issuer": ""},
     f"patient_sign_in: {NO_WAY} patients; set franceconnect_issuer, or choose links knowingly."),
    ({"patient_sign_in": "password,sms"}, "patient_sign_in: « sms » is not one of password, franceconnect, links."),
    ({"psc_issuer": "http://auth.hopital-de-pli.fr"}, "psc_issuer: must start with https://."),
    ({"franceconnect_issuer": "http://fc.hopital-de-pli.fr"}, "franceconnect_issuer: must start with https://."),
    ({"psc_discovery": "http://auth.hopital-de-pli.fr/d"}, "psc_discovery: must start with https://."),
    ({"psc_client_id": ""}, "psc_client_id: Pro Santé Connect does not know us without it."),
    ({"psc_scope": "scope_all"}, "psc_scope: says nothing of anybody without openid."),
    ({"franceconnect_acr": ""}, "franceconnect_acr: a level must be asked for (eidas1, eidas2, eidas3)."),
    ({"psc_client_auth": "none"}, "psc_client_auth: not one of basic, post, private_key_jwt, tls."),
    ({"psc_client_secret_file": "nowhere"}, "psc_client_secret_file: nowhere is not a file."),
    ({"franceconnect_client_auth": "private_key_jwt"}, "franceconnect_client_key: « private_key_jwt » needs it."),
    ({"psc_ca": "nowhere.pem"}, "psc_ca: nowhere.pem is not a file."),
    ({"oidc_private": True}, "oidc_private: for tests and demonstrations only; these providers are in the world."),
    ({"push_private": True}, "push_private: for tests only."),
    ({"session_idle_minutes": MAX_IDLE_MINUTES + 1}, "session_idle_minutes: from 1 to 60."),
    ({"session_idle_minutes": 0}, "session_idle_minutes: from 1 to 60."),
    ({"session_hours": MAX_SESSION_HOURS + 1}, "session_hours: from 1 to 12."),
    ({"step_up_minutes": 0}, "step_up_minutes: from 1 to 60."),
    ({"device_days": 91}, "device_days: 90 at most."),
    ({"ins_oids": f"1.2.250.1.213.1.4.8, {TEST_OID}"}, f"ins_oids: {TEST_OID} is for test people only."),
    ({"strict_ins_key": False}, "strict_ins_key: off, it takes the numbers of test people."),
    ({"sms_url": "http://sms.hopital-de-pli.fr"}, "sms_url: must start with https://."),
    ({"notice_smtp": "relay.hopital-de-pli.fr:25", "notice_from": "pli@hopital-de-pli.fr", "notice_tls": "none"},
     "notice_tls: none is for a relay on this machine only."),
    ({"tls_certificate": "", "tls_key": ""}, "tls_certificate, tls_key: the mail doors do not open without them."),
)  # fmt: skip


@pytest.mark.parametrize(("change", "line"), REFUSALS, ids=[",".join(change) for change, _ in REFUSALS])
def test_each_is_refused_by_its_name_in_one_line(good: Settings, change: dict[str, Any], line: str) -> None:
    assert problems(replace(good, **change)) == [line]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("psc_client_secret_file", 0o644),
        ("franceconnect_client_key", 0o640),
        ("master_key_file", 0o604),
        ("sms_headers_file", 0o660),
        ("notice_password_file", 0o644),
        ("tls_key", 0o644),
    ],
)
def test_a_secret_that_others_may_read_is_refused(good: Settings, tmp_path: Path, name: str, mode: int) -> None:
    path = tmp_path / "read-by-all"
    path.write_bytes(b"a secret")
    path.chmod(mode)
    change: dict[str, Any] = {name: str(path)}
    settings = replace(good, **change)
    assert problems(settings) == [f"{name}: {path} can be read by others (chmod 600)."]
    path.chmod(0o600)
    assert problems(settings) == []


def test_the_master_key_never_stands_among_what_is_backed_up(good: Settings) -> None:
    line = "master_key_file: stands among what is backed up; without it nothing opens, with it everything."
    for folder in (good.data_dir / "blobs", good.data_dir / "backups" / "monday"):
        assert problems(replace(good, master_key_file=str(folder / "master.key"))) == [line]


def test_a_process_without_pages_needs_no_way_in(good: Settings) -> None:
    mail = replace(good, role="smtp", psc_issuer="", professional_sign_in="", session_hours=MAX_SESSION_HOURS)
    assert unsafe(mail) == []


def test_the_ways_in_are_those_chosen_and_set(good: Settings) -> None:
    assert ways_in(good, "patient") == ("password", "franceconnect")
    assert ways_in(replace(good, franceconnect_issuer=""), "patient") == ("password",)
    assert ways_in(replace(good, patient_sign_in="links"), "patient") == ("links",)
    for kind, ways in WAYS.items():
        chosen: dict[str, Any] = {f"{kind}_sign_in": ",".join(ways)}
        assert ways_in(replace(good, **chosen), kind) == ways


def test_a_demonstration_is_only_opened_by_its_own_command(tmp_path: Path) -> None:
    (tmp_path / "pli.toml").write_text("demo = true\n")
    with pytest.raises(BadSettings, match=r"demo: set by `pli demo` only; take it out"):
        load(tmp_path / "pli.toml", {})
    with pytest.raises(BadSettings, match="demo"):
        load(None, {"PLI_DEMO": "yes"})


def environment(good: Settings, **changes: str) -> dict[str, str]:
    """The same settings as an operator gives them."""
    files = ("tls_certificate", "tls_key", "psc_client_secret_file", "franceconnect_client_secret_file")
    told = {name: str(getattr(good, name)) for name in ("data_dir", *files, *GOOD)} | changes
    return {f"PLI_{name.upper()}": value for name, value in told.items()}


def test_serve_refuses_and_doctor_says_the_same(good: Settings) -> None:
    told = environment(good, psc_issuer="http://auth.hopital-de-pli.fr", session_hours="24")
    lines = ["session_hours: from 1 to 12.", "psc_issuer: must start with https://."]
    served, examined = pli("serve", **told), pli("doctor", **told)
    assert (served.returncode, examined.returncode) == (2, 2)
    assert [line.strip("- ") for line in served.stderr.splitlines() if line.startswith("  - ")] == lines
    for line in lines:
        assert f"WRONG {line}" in examined.stdout


async def test_good_settings_serve(good: Settings) -> None:
    ports = {f"{door}_port": "0" for door in ("http", "smtp", "submission", "imap")}
    command = [sys.executable, "-m", "server", "serve"]
    env = {**os.environ, **environment(good, **ports)}
    with running(command, ready='"pli.open"', cwd=ROOT, env=env) as serving:
        opened = next(json.loads(line) for line in serving.lines if '"pli.open"' in line)
        async with (
            aiohttp.ClientSession() as browser,
            browser.get(f"http://127.0.0.1:{opened['http']}/sign-in") as door,
        ):
            text = await door.text()
    assert door.status == 200
    assert "S’identifier avec Pro Santé Connect" in text
    assert "S’identifier avec FranceConnect" in text
