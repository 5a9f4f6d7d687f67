"""The doors of people's mail programs as these are told of them: names and ports. Each format says them its way
(`mail_setup`, `mail_profile`), and so do the page of help and the DNS (`dns_records`).

Pure. Does not know who has an address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from server.settings import Settings

HELP = "/aide/messagerie"
# Each door: protocol, TLS from the first octet. RFC 8314 § 3: that first, STARTTLS then.
DOORS = {"imaps": ("imap", True), "imap": ("imap", False), "submissions": ("smtp", True), "submission": ("smtp", False)}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Server:
    """A door as a program is told of it. `tls`: from the first octet; else STARTTLS."""

    protocol: str
    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Servers:
    """All of them. `site`: the address of our pages, without a slash at its end."""

    domain: str
    site: str
    reading: tuple[Server, ...]
    writing: tuple[Server, ...]


def servers(settings: Settings, open_ports: Mapping[str, int]) -> Servers:
    """`open_ports`: of the doors of this process, by name; the settings say the others."""
    ports = told_ports(settings)
    for name in DOORS:
        ports.setdefault(name, open_ports.get(name) or int(getattr(settings, f"{name}_port", 0)))
    found = [Server(protocol, host(settings), ports[name], tls) for name, (protocol, tls) in DOORS.items()]
    reading, writing = (
        tuple(one for one in found if one.port and one.protocol == wanted) for wanted in ("imap", "smtp")
    )
    return Servers(settings.mail_domain.lower(), site(settings, open_ports), reading, writing)


def site(settings: Settings, open_ports: Mapping[str, int]) -> str:
    """Where our pages are."""
    here = f"http://{settings.host}:{open_ports.get('http') or settings.http_port}"
    return (settings.public_url or here).rstrip("/")


def host(settings: Settings) -> str:
    """The name that mail programs connect to: one of the doors' certificate."""
    if settings.mail_host or not settings.demo:
        return (settings.mail_host or settings.mail_domain).lower()
    here = {"", "0.0.0.0", "::", "127.0.0.1", "::1"}  # noqa: S104 - compared only
    return "localhost" if settings.host in here else settings.host


def told_ports(settings: Settings) -> dict[str, int]:
    """The ports of the setting `mail_ports`, by door. Raises `ValueError`."""
    found = {}
    for entry in filter(None, (part.strip() for part in settings.mail_ports.split(","))):
        name, _, port = (part.strip() for part in entry.partition("="))
        if name not in DOORS or not 0 <= int(port) < 65536:
            raise ValueError(entry)
        found[name] = int(port)
    return found


def problems(settings: Settings) -> list[str]:
    """What is wrong with these settings, each in one sentence."""
    found = []
    if settings.mail_host and not _HOST.fullmatch(settings.mail_host):
        found.append("mail_host: not a name of a server.")
    try:
        told_ports(settings)
    except ValueError:
        found.append(f"mail_ports: not a list of {', '.join(f'{name}=port' for name in DOORS)}.")
    return found


def is_name(host: str) -> bool:
    """Whether that is a name, as the DNS wants it, and not a number."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def web_host(told: Servers) -> tuple[str, int]:
    """(name, port) of our pages."""
    parts = urlsplit(told.site)
    return parts.hostname or told.domain, parts.port or (443 if parts.scheme == "https" else 80)
