"""What leaves by SMS and by ordinary e-mail: a real gateway, a real relay, and what is never called."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from server import gateways
from server.errors import Unavailable
from server.settings import Settings, problems
from tests.gateways import Gateway, gateway
from tests.house import settings_for

NUMBER, TEXT = "+33612345678", "Votre code : 123456"


@pytest.fixture
async def sms() -> AsyncIterator[Gateway]:
    async with gateway() as opened:
        yield opened


def app_with(**settings: Any) -> Any:
    return SimpleNamespace(settings=Settings(**settings))


async def test_a_code_goes_out_as_the_gateway_wants_it(sms: Gateway, tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer secret\nX-Account: pli\n")
    app = app_with(sms_url=sms.url, sms_private=True, sms_headers_file=str(headers))
    await gateways.send_sms(app, NUMBER, 'Code "1" & {number} {text}')
    app = app_with(sms_url=sms.url, sms_private=True, sms_body="to={number}&msg={text}&from=Pli", sms_method="PUT")
    await gateways.send_sms(app, NUMBER, TEXT + "&to=1")
    (first, second) = sms.calls
    assert first.method == "POST"
    assert first.headers["Authorization"] == "Bearer secret"
    assert first.json == {"to": NUMBER, "text": 'Code "1" & {number} {text}'}, "what is sent is no template"
    assert (second.method, second.form) == ("PUT", {"to": NUMBER, "msg": TEXT + "&to=1", "from": "Pli"})


@pytest.mark.parametrize(
    ("status", "code"), [(500, "gateway_down"), (429, "gateway_down"), (400, "gateway_refused"), (302, "gateway_down")]
)
async def test_a_gateway_that_says_no_is_told_apart_from_one_that_cannot(sms: Gateway, status: int, code: str) -> None:
    sms.status = status
    with pytest.raises(Unavailable) as told:
        await gateways.send_sms(app_with(sms_url=sms.url, sms_private=True), NUMBER, TEXT)
    assert told.value.code == code
    assert len(sms.calls) == 1, "a redirection is not followed"


async def test_nothing_of_this_network_is_called(sms: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, by name, or by a name that says something else the second time."""
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):  # noqa: S104 - a way to say localhost
        with pytest.raises(Unavailable) as told:
            await gateways.send_sms(app_with(sms_url=f"http://{host}:{sms.port}/send"), NUMBER, TEXT)
        assert told.value.code == "gateway_down"
    assert sms.calls == []
    assert [
        number
        for number in ("10.1.2.3", "192.168.1.1", "169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "fe80::1",
                       "fc00::1", "224.0.0.1", "100.64.0.1", "93.184.216.34", "2606:2800:220:1::1")
        if gateways.is_outside(number)
    ] == ["93.184.216.34", "2606:2800:220:1::1"]  # fmt: skip


async def test_without_a_gateway_it_says_so_and_nothing_is_offered() -> None:
    app = app_with()
    assert not gateways.sends_sms(app)
    assert not gateways.sends_mail(app)
    for call in (gateways.send_sms(app, NUMBER, TEXT), gateways.send_mail(app, "a@b.example", "x", "y")):
        with pytest.raises(Unavailable) as told:
            await call
        assert told.value.code == "no_gateway"


async def test_a_notice_goes_by_its_own_relay(tmp_path: Path) -> None:
    taken: list[Any] = []

    class Relay:
        async def handle_RCPT(  # noqa: N802 - the library's name
            self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
        ) -> str:
            if address.startswith("gone"):
                return "550 5.1.1 no such mailbox"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            taken.append(envelope)
            return "250 OK"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    relay = Controller(Relay(), hostname="127.0.0.1", port=port)
    relay.start()
    try:
        app = app_with(notice_smtp=f"127.0.0.1:{port}", notice_tls="none", notice_from="ne-pas-repondre@pli.example")
        await gateways.send_mail(app, "a@b.example", "Une lettre", "Elle vous attend.", {"List-Unsubscribe": "<x:y>"})
        with pytest.raises(Unavailable) as told:
            await gateways.send_mail(app, "gone@b.example", "Une lettre", "Elle vous attend.")
        assert told.value.code == "gateway_refused"
        with pytest.raises(Unavailable):
            await gateways.send_mail(app, "a@b.example", "Une lettre\nBcc: tous@b.example", "Elle vous attend.")
    finally:
        relay.stop()
    (envelope,) = taken
    message = message_from_bytes(envelope.content)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("ne-pas-repondre@pli.example", ["a@b.example"])
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] == "<x:y>"
    with pytest.raises(Unavailable) as told:
        await gateways.send_mail(app, "a@b.example", "Une lettre", "Elle vous attend.")
    assert told.value.code == "gateway_down"


def test_settings_of_gateways_that_cannot_serve_are_named(tmp_path: Path) -> None:
    good = settings_for(tmp_path / "pli", sms_url="https://sms.example/send", notice_smtp="smtp.example:587",
                        notice_from="pli@pli.example")  # fmt: skip
    assert problems(good) == []
    for change in (
        {"sms_method": "GET"}, {"sms_body": "{"}, {"sms_headers_file": "absent"}, {"notice_smtp": "smtp.example"},
        {"notice_from": ""}, {"notice_tls": "none"}, {"notice_tls": "maybe"}, {"notice_password_file": "absent"},
    ):  # fmt: skip
        (told,) = problems(replace(good, **change))  # type: ignore[arg-type]
        assert told.partition(":")[0] == next(iter(change))
    assert any(
        line.startswith("sms_url") for line in problems(replace(good, demo=False, sms_url="http://sms.example/send"))
    )
