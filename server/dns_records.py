"""The records of our domains' zones: what `pli doctor --dns` prints to be pasted, and compares with what is there.

    SRV     where mail programs read and write (RFC 6186, RFC 8314 § 5.1), and that there is no POP3; where Outlook asks
    CNAME   autoconfig and autodiscover: where Thunderbird and Outlook ask first
    MX      where other operators bring mail, for patients and for professionals
    TXT     the keys of DKIM, as they are given

`lines` is pure; `differences` asks a resolver. Does not write to any zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from server import mail_servers
from server.mail_servers import Servers
from server.settings import Settings

TTL_S = 3600
MX_PORT = 25  # RFC 5321 § 4.5.4.2: other operators know no other
NOWHERE = "0 0 0 ."  # RFC 6186 § 3.4, RFC 2782: decidedly not offered


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `name` and what `value` names are whole, without the last dot in `name`."""

    name: str
    kind: str
    value: str

    def line(self) -> str:
        """As a zone file has it (RFC 1035 § 5.1)."""
        return f"{self.name}. {TTL_S} IN {self.kind} {self.value}"


def records(settings: Settings, keys: Iterable[tuple[str, str]] = ()) -> list[Record]:
    """Everything to publish. `keys`: (name, text) of each key of DKIM."""
    told = mail_servers.servers(settings, {})
    host, domain = mail_servers.host(settings), told.domain
    found = [Record(each, "MX", f"10 {host}.") for each in dict.fromkeys((domain, settings.patient_domain.lower()))]
    found += _services(told)
    web, port = mail_servers.web_host(told)
    if mail_servers.is_name(web):
        found.append(Record(f"_autodiscover._tcp.{domain}", "SRV", f"0 1 {port} {web}."))
        found += [Record(f"{name}.{domain}", "CNAME", f"{web}.") for name in ("autoconfig", "autodiscover")]
    return found + [Record(name.lower(), "TXT", quoted(text)) for name, text in keys]


def _services(told: Servers) -> list[Record]:
    """With TLS from the first octet before STARTTLS: the lower number is taken first (RFC 8314 § 5.1)."""
    found = []
    for name, (protocol, tls) in mail_servers.DOORS.items():
        there = next(
            (one for one in (*told.reading, *told.writing) if (one.protocol, one.tls) == (protocol, tls)), None
        )
        value = f"{0 if there.tls else 10} 1 {there.port} {there.host}." if there else NOWHERE
        found.append(Record(f"_{name}._tcp.{told.domain}", "SRV", value))
    return found + [Record(f"_{name}._tcp.{told.domain}", "SRV", NOWHERE) for name in ("pop3", "pop3s")]


def quoted(text: str) -> str:
    """RFC 1035 § 3.3.14: strings of 255 octets at most."""
    return " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))


def remarks(settings: Settings) -> list[str]:
    """What somebody must know before pasting, each in a sentence."""
    host, said = mail_servers.host(settings), []
    web = mail_servers.web_host(mail_servers.servers(settings, {}))[0]
    if not mail_servers.is_name(host):
        said.append(f"mail_host: {host} is a number; MX and SRV need a name.")
    if settings.smtp_port != MX_PORT:
        said.append(f"other operators come to port {MX_PORT}, smtp_port is {settings.smtp_port}: lead it there.")
    if not settings.secure or not mail_servers.is_name(web):
        said.append("public_url: without https:// and a name, no mail program finds its settings by itself.")
    said.append(f"{' and '.join(dict.fromkeys((host, web)))}: an A and an AAAA record each.")
    return [*said, "the certificate of the pages: for autoconfig and autodiscover of the domain too."]


def lines(settings: Settings, keys: Iterable[tuple[str, str]] = ()) -> list[str]:
    """The zone lines, and the remarks as comments."""
    return [f"; {remark}" for remark in remarks(settings)] + [one.line() for one in records(settings, keys)]


async def differences(
    wanted: Sequence[Record], resolver: dns.asyncresolver.Resolver | None = None
) -> list[tuple[Record, str]]:
    """Each record with what is there instead: '' when it is as it should be; `nothing`; `no answer`."""
    asked = resolver or dns.asyncresolver.get_default_resolver()
    return [(one, await _difference(one, asked)) for one in wanted]


async def _difference(wanted: Record, resolver: dns.asyncresolver.Resolver) -> str:
    try:
        answer = await resolver.resolve(f"{wanted.name}.", wanted.kind, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return "nothing"
    except dns.exception.DNSException:
        return "no answer"
    kind = dns.rdatatype.from_text(wanted.kind)
    right = dns.rdata.from_text(dns.rdataclass.IN, kind, wanted.value)
    found = [rdata.to_text() for rdata in answer]
    return "" if _plain(right.to_text()) in {_plain(text) for text in found} else ", ".join(sorted(found))


def _plain(text: str) -> str:
    """Names whatever their case; a TXT whatever its pieces."""
    return text.replace('" "', "") if text.startswith('"') else text.lower()
