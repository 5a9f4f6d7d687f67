"""Mail programs that hand the password and every message to their maker's servers, which then read here in their place:
known by where they call from, or by what they call themselves (RFC 2971), and refused in words unless `mail_relays`
allows them.

Rules are data: `data/relays.json`, each row with its source, its date and what it rests on; a row that could not be
verified is off. An operator puts a file of their own in its place (`mail_relays_file`).

Does not: find a relay that calls from somewhere else. This keeps honest people from a mistake, not liars out.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server.settings import BadSettings

if TYPE_CHECKING:
    from server.settings import Settings

SHIPPED: Final = Path(__file__).parent / "data" / "relays.json"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class _Row(msgspec.Struct, frozen=True):
    """`clients`: how it begins the name it gives of itself, in lower case."""

    name: str
    maker: str
    on: bool
    source: str
    read: str
    basis: str
    networks: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True):
    version: str
    basis: str
    relays: tuple[_Row, ...]


@dataclass(frozen=True, slots=True)
class Relay:
    """A program that is refused, and who reads in its place."""

    name: str
    maker: str

    @property
    def why(self) -> tuple[str, str]:
        """In French, in English; ASCII, as every text of the IMAP door."""
        return (
            f"{_ascii(self.name)} fait passer votre mot de passe et vos messages par les serveurs de"
            f" {_ascii(self.maker)} : c'est refuse ici. Prenez un logiciel qui se connecte lui-meme ; adresse de"
            " l'aide : /aide/messagerie",
            f"this program hands your password and your messages to the servers of {_ascii(self.maker)}: this is not"
            " allowed here. Take one that connects by itself",
        )


class Relays:
    """Those of a table that are on."""

    def __init__(self, rows: tuple[_Row, ...]) -> None:
        self._networks = [
            (ipaddress.ip_network(each), Relay(row.name, row.maker)) for row in rows if row.on for each in row.networks
        ]
        self._clients = [(each, Relay(row.name, row.maker)) for row in rows if row.on for each in row.clients]

    def at(self, address: str) -> Relay | None:
        """Which one calls from this address."""
        try:
            where = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(where, ipaddress.IPv6Address) and where.ipv4_mapped is not None:
            where = where.ipv4_mapped
        return next((relay for network, relay in self._networks if where in network), None)

    def called(self, client: str) -> Relay | None:
        """Which one calls itself so."""
        client = client.lower()
        return next((relay for start, relay in self._clients if client.startswith(start)), None)


_NOBODY: Final = Relays(())


def refused(settings: Settings) -> Relays:
    """Those that may not sign in. Raises `BadSettings` when the file of the setting is not one."""
    if settings.mail_relays == "allowed":
        return _NOBODY
    return _read(Path(settings.mail_relays_file) if settings.mail_relays_file else SHIPPED)


@cache
def _read(path: Path) -> Relays:
    try:
        return Relays(msgspec.json.decode(path.read_bytes(), type=_File).relays)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise BadSettings(f"mail_relays_file: {path} is no table of relays ({type(error).__name__}).") from error


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
