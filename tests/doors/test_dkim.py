"""The signature of our domains, judged by another implementation (dkimpy)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dkim as oracle  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mail_gateway import dkim
from mail_gateway.dkim import Keys
from mail_gateway.rendition import as_mail
from server import reading
from server.settings import BadSettings, Settings
from tests import letters
from tests.doors.test_delivery_queue import conversation, opened
from tests.support.command import pli

DOMAIN = "patient.pli.example"


def write(path: Path, key: object) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))  # type: ignore[attr-defined]
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of keys: RSA and Ed25519 for the patients' domain."""
    made = tmp_path_factory.mktemp("dkim")
    write(made / f"r2026._domainkey.{DOMAIN}.pem", rsa_key(65537, 2048))
    write(made / f"e2026._domainkey.{DOMAIN}.pem", Ed25519PrivateKey.generate())
    return made


@pytest.fixture(scope="module")
def keys(folder: Path) -> Keys:
    return dkim.load(replace(Settings(), dkim_keys=str(folder)))


def verified(keys: Keys, mail: bytes) -> list[bool]:
    """What a verifier that asks the DNS finds of each signature."""
    published = dict(key.record() for key in keys[DOMAIN])

    def ask(name: bytes, timeout: int = 5) -> bytes:
        return published[name.decode().rstrip(".")].encode()

    return [oracle.DKIM(mail).verify(idx=number, dnsfunc=ask) for number in range(mail.count(b"DKIM-Signature:"))]


async def test_a_letter_of_a_patient_leaves_signed_and_is_kept_as_it_was(
    folder: Path, keys: Keys, tmp_path: Path, sqlite_url: str
) -> None:
    async with opened(tmp_path, sqlite_url, dkim_keys=str(folder), mss_nil="DEV935997") as (house, peer):
        message = (await house.answer("dominique", await conversation(house), "Merci, à bientôt")).message
        await house.delivered()
        (got,) = peer.got
        assert verified(keys, got) == [True, True]
        space = await house.app.db.read(lambda tx: reading.space_keys(house.app, tx, house.dominique.space_id))
        kept = await as_mail(house.app, space, await reading.open_unchecked(house.app, space, message))
        assert got.endswith(kept), "what is added stands above it"
        assert b"DKIM" not in kept


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (b"jeun.", b"jeun!"),
        (b"Subject: ", b"Subject: Re: "),
        (b"\r\nSubject:", b"\r\nFrom: <autre@pli.example>\r\nSubject:"),
        (b"\r\nTo:", b"\r\nX-Other: 1\r\nTo: <x@y.example>\r\nTo:"),
    ],
)
async def test_whoever_changes_it_on_the_way_is_seen(there: bytes, instead: bytes, keys: Keys) -> None:
    mail = await dkim.signed(keys, DOMAIN, letters.plain())
    assert verified(keys, mail) == [True, True]
    assert there in mail
    altered = mail.replace(there, instead, 1)
    try:
        found = verified(keys, altered)
    except oracle.DKIMException:
        found = []
    assert not any(found)


async def test_a_letter_of_25_megabytes_is_signed_too(keys: Keys) -> None:
    mail = letters.with_attachments(("image.bin", "application/octet-stream", bytes(range(256)) * 4000))
    assert verified(keys, await dkim.signed(keys, DOMAIN, mail)) == [True, True]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ab \t", max_size=40), st.lists(st.text("xy \t", max_size=12), max_size=8))
async def test_blanks_are_understood_as_others_understand_them(keys: Keys, value: str, lines: list[str]) -> None:
    mail = (
        f"From: a@{DOMAIN}\r\nSubject: x{value}\r\n {value}y\r\n\r\n".encode()
        + "".join(f"{line}\r\n" for line in lines).encode()
    )
    assert verified(keys, await dkim.signed(keys, DOMAIN, mail)) == [True, True]


async def test_a_domain_without_a_key_is_not_signed_for(keys: Keys) -> None:
    assert await dkim.signed(keys, "operator.example", letters.plain()) == letters.plain()


def test_keys_may_be_named_one_by_one(folder: Path) -> None:
    path = folder / f"r2026._domainkey.{DOMAIN}.pem"
    found = dkim.load(replace(Settings(), dkim_keys=f"pli.example=s1:{path}, autre.example=s2:{path}"))
    assert {(key.domain, key.selector) for ours in found.values() for key in ours} == {
        ("pli.example", "s1"), ("autre.example", "s2"),
    }  # fmt: skip


def test_a_key_that_cannot_serve_is_named(folder: Path, tmp_path: Path) -> None:
    weak = write(tmp_path / "weak.pem", rsa_key(65537, 1024))  # noqa: S505 - as it must not be
    curve = write(tmp_path / "curve.pem", generate_private_key(SECP256R1()))
    (tmp_path / "words.pem").write_text("not a key")
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "misnamed.pem", Ed25519PrivateKey.generate())
    for text, why in [
        (f"d=s:{weak}", "1024 bits"),
        (f"d=s:{curve}", "neither an RSA nor an Ed25519"),
        (f"d=s:{tmp_path / 'words.pem'}", "is not a private key"),
        (f"d=s:{tmp_path / 'absent.pem'}", "cannot be read"),
        (str(tmp_path / "folder"), "is not named"),
        ("d=s", "is neither a folder nor"),
    ]:
        with pytest.raises(BadSettings, match=why):
            dkim.load(replace(Settings(), dkim_keys=text))


def test_the_doctor_says_what_to_publish(folder: Path, keys: Keys) -> None:
    said = pli("doctor", PLI_DKIM_KEYS=str(folder)).stdout
    for key in keys[DOMAIN]:
        name, text = key.record()
        assert f"{name} IN TXT" in said
        assert text[-40:] in said
    assert "is neither a folder nor" in pli("doctor", PLI_DKIM_KEYS="nonsense").stdout
