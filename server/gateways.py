"""What leaves by other ways than mail between health operators: an SMS, a notice by ordinary e-mail.

Promises: nothing leaves but to the gateway or relay that the settings name; the HTTP gateway is never one of this
network (its address is looked at once it is known, and is the one that is called: security item 44), unless
`sms_private` says so; a redirection is a failure; no number, address or text reaches the log. `Unavailable` is the
only way to fail, and says by its code whether nothing is set (`no_gateway`), it cannot be reached now (`gateway_down`),
or it refuses this very thing (`gateway_refused`).

Does not: try again (`server.delivery` does), or choose words. Whoever calls sends no health word and no name (item 53).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
import aiosmtplib
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from server.errors import Unavailable

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

MAIL_S = 30.0


def sends_sms(app: App) -> bool:
    """Whether a gateway is set: otherwise nothing by SMS is offered."""
    return bool(app.settings.sms_url)


def sends_mail(app: App) -> bool:
    """Whether a relay for notices is set."""
    return bool(app.settings.notice_smtp)


async def send_sms(app: App, number: str, text: str) -> None:
    """`number`: E.164, `+33612345678`. Raises `Unavailable`."""
    settings = app.settings
    if not settings.sms_url:
        raise _no_gateway()
    body, kind = sms_body(settings.sms_body, number, text)
    try:
        headers = {"Content-Type": kind, **await asyncio.to_thread(headers_of, settings.sms_headers_file)}
        async with (
            http_session(settings.sms_seconds, private=settings.sms_private) as session,
            session.request(
                settings.sms_method, settings.sms_url, data=body, headers=headers, allow_redirects=False
            ) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        log.warning("sms.failed", error=type(error).__name__)
        raise _down() from error
    if not 200 <= status < 300:
        log.warning("sms.refused", status=status)
        raise _refused() if 400 <= status < 500 and status not in {408, 429} else _down()


async def send_mail(
    app: App, address: str, subject: str, text: str, headers: Mapping[str, str] | None = None, *, html: str = ""
) -> None:
    """A notice, by the relay of the settings: never the way of health mail. `html`: the same words. Raises
    `Unavailable`.
    """
    settings = app.settings
    if not settings.notice_smtp:
        raise _no_gateway()
    host, _, port = settings.notice_smtp.rpartition(":")
    try:
        password = await asyncio.to_thread(_secret, settings.notice_password_file)
        await aiosmtplib.send(
            _notice(settings.notice_from, address, subject, text, headers or {}, html),
            sender=settings.notice_from,
            recipients=[address],
            hostname=host.strip("[]"),
            port=int(port),
            use_tls=settings.notice_tls == "tls",
            start_tls=settings.notice_tls == "starttls",
            username=settings.notice_user or None,
            password=password or None,
            timeout=MAIL_S,
        )
    except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPResponseException) as error:
        log.warning("notice.refused", error=type(error).__name__)
        raise _refused() if _for_good(error) else _down() from error
    except (aiosmtplib.SMTPException, TimeoutError, OSError, ssl.SSLError, ValueError) as error:
        log.warning("notice.failed", error=type(error).__name__)
        raise _down() from error


def http_session(seconds: float, *, private: bool = False) -> aiohttp.ClientSession:
    """A session for one call to an address that somebody gave: never one of this network, whatever its name says now
    or later (DNS rebinding), unless `private`. No cookie, no proxy of the environment.
    """
    resolver: AbstractResolver = ThreadedResolver() if private else _Outside()
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
    trace = aiohttp.TraceConfig()
    if not private:
        trace.on_request_start.append(_no_private_literal)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
    )


class _Outside(ThreadedResolver):
    """Addresses of the world only. What is called is what was looked at: there is no second look-up."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = [result for result in await super().resolve(host, port, family) if is_outside(result["host"])]
        if not found:
            raise OSError("no address outside this network")
        return found


async def _no_private_literal(_session: Any, _context: Any, asked: aiohttp.TraceRequestStartParams) -> None:
    # A host that is a number is not looked up, so the resolver does not see it.
    try:
        number = ipaddress.ip_address((asked.url.host or "").strip("[]"))
    except ValueError:
        return
    if not is_outside(str(number)):
        raise OSError("an address of this network")


def is_outside(address: str) -> bool:
    """Whether an IP address is one of the world: not private, loopback, link-local, multicast or reserved, also when
    written as IPv6 (RFC 4291 § 2.5.5.2, RFC 6052).
    """
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        if number.ipv4_mapped is not None:
            number = number.ipv4_mapped
        elif number in ipaddress.ip_network("64:ff9b::/96"):
            number = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    return number.is_global and not number.is_multicast


def sms_body(template: str, number: str, text: str) -> tuple[bytes, str]:
    """The body of the call and its type: JSON when the template is, else a form (`to={number}&text={text}`). Values
    are put in after the template is read: no text can add a field. Raises `ValueError` on a template that is neither.
    """

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        if isinstance(value, str):
            return text.join(part.replace("{number}", number) for part in value.split("{text}"))
        return value

    if template.lstrip().startswith(("{", "[")):
        return json.dumps(filled(json.loads(template)), ensure_ascii=False).encode(), "application/json"
    fields = parse_qsl(template, keep_blank_values=True, strict_parsing=True)
    return urlencode([(name, filled(value)) for name, value in fields]).encode(), "application/x-www-form-urlencoded"


def headers_of(path: str) -> dict[str, str]:
    """`Name: value` a line, as a file that only the server reads. Raises `OSError`, `ValueError`."""
    found = {}
    for line in _secret(path).splitlines():
        name, colon, value = line.partition(":")
        if line.strip() and not (colon and name.strip()):
            raise ValueError("sms_headers_file: not a list of headers")
        if line.strip():
            found[name.strip()] = value.strip()
    return found


def _notice(
    sender: str, address: str, subject: str, text: str, headers: Mapping[str, str], html: str = ""
) -> EmailMessage:
    """RFC 3834: nobody's holiday answers it. Raises `ValueError` on a header with a line break in it."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, address, subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    for name, value in headers.items():
        message[name] = value
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def _for_good(error: aiosmtplib.SMTPException) -> bool:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(refused.code >= 500 for refused in error.recipients)
    return isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 500


def _secret(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip() if path else ""


def _no_gateway() -> Unavailable:
    return Unavailable("no_gateway", "Ce moyen d’envoi n’est pas ouvert ici. Choisissez-en un autre.")


def _down() -> Unavailable:
    return Unavailable("gateway_down", "L’envoi n’a pas pu se faire. Réessayez dans quelques minutes.")


def _refused() -> Unavailable:
    return Unavailable("gateway_refused", "L’envoi est refusé à cette adresse ou à ce numéro. Vérifiez-le.")
