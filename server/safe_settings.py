"""What settings must say before real people come: each refusal is one line that names the setting. Pure but for the
files it looks at.

`pli serve` refuses to start on any of them and `pli doctor` prints them; a demonstration is asked none of this. Does
not check that settings can be understood (`server.settings`).
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from server.settings import Settings

MAX_IDLE_MINUTES = 60  # NIST SP 800-63B-4 § 2.2.3: an hour of inactivity
MAX_SESSION_HOURS = 12  # security checklist item 3
MAX_DEVICE_DAYS = 90  # our own measure: no text names one
TEST_OID = "1.2.250.1.213.1.4.10"
PROVIDERS = {"psc": "Pro Santé Connect", "franceconnect": "FranceConnect"}
WAYS = {"patient": ("password", "franceconnect", "links"), "professional": ("psc", "links")}
CLIENT_AUTH = {
    "basic": ("client_secret_file",),
    "post": ("client_secret_file",),
    "private_key_jwt": ("client_key",),
    "tls": ("client_certificate", "client_key"),
}
_SECRETS = ("client_secret_file", "client_key")
_NOBODYS = (".example", ".test", ".invalid", ".localhost", ".local", ".example.com", ".example.org", ".example.net")
_OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO


def ways_in(settings: Settings, kind: str) -> tuple[str, ...]:
    """The ways that are chosen and open for a `kind` of people (patient, professional), in the order of the setting.
    `links`, which an operator issues, always work: choosing them says that they are meant to be the way.
    """
    chosen = _chosen(settings, kind)
    return tuple(way for way in chosen if way not in PROVIDERS or getattr(settings, f"{way}_issuer"))


def unsafe(settings: Settings) -> list[str]:
    """Every reason not to serve real people with these settings."""
    found = _names(settings) + _sessions(settings) + _identities(settings) + _secrets(settings)
    if settings.role in {"all", "web"}:
        for kind in WAYS:
            found += _ways(settings, kind)
        for name in PROVIDERS:
            found += _provider(settings, name) if getattr(settings, f"{name}_issuer") else []
        if settings.oidc_private:
            found.append("oidc_private: for tests and demonstrations only; these providers are in the world.")
    if settings.push_private:
        found.append("push_private: for tests only.")
    if not settings.habilitation_file:
        found.append("habilitation_file: who may read which documents is not settled; « illustrative » is ours alone.")
    return found


def _names(settings: Settings) -> list[str]:
    found = []
    host = urlsplit(settings.public_url).hostname or ""
    for name, domain in (
        ("public_url", host),
        ("mail_domain", settings.mail_domain),
        ("patient_domain", settings.patient_domain),
    ):
        if domain == "localhost" or f".{domain.lower()}".endswith(_NOBODYS):
            found.append(f"{name}: still the example domain.")
    return found


def _sessions(settings: Settings) -> list[str]:
    found = []
    if not 1 <= settings.session_idle_minutes <= MAX_IDLE_MINUTES:
        found.append(f"session_idle_minutes: from 1 to {MAX_IDLE_MINUTES}.")
    if not 1 <= settings.session_hours <= MAX_SESSION_HOURS:
        found.append(f"session_hours: from 1 to {MAX_SESSION_HOURS}.")
    if not 1 <= settings.step_up_minutes <= MAX_IDLE_MINUTES:
        found.append(f"step_up_minutes: from 1 to {MAX_IDLE_MINUTES}.")
    if settings.device_days > MAX_DEVICE_DAYS:
        found.append(f"device_days: {MAX_DEVICE_DAYS} at most.")
    return found


def _identities(settings: Settings) -> list[str]:
    found = []
    if TEST_OID in {oid.strip() for oid in settings.ins_oids.split(",")}:
        found.append(f"ins_oids: {TEST_OID} is for test people only.")
    if not settings.strict_ins_key:
        found.append("strict_ins_key: off, it takes the numbers of test people.")
    return found


def _chosen(settings: Settings, kind: str) -> list[str]:
    return [way for part in getattr(settings, f"{kind}_sign_in").split(",") if (way := part.strip())]


def _ways(settings: Settings, kind: str) -> list[str]:
    name, known = f"{kind}_sign_in", WAYS[kind]
    if strange := [way for way in _chosen(settings, kind) if way not in known]:
        return [f"{name}: « {strange[0]} » is not one of {', '.join(known)}."]
    if not ways_in(settings, kind):
        needed = " or ".join(f"{way}_issuer" for way in known if way in PROVIDERS)
        return [f"{name}: no way in is open for {kind}s; set {needed}, or choose links knowingly."]
    return []


def _provider(settings: Settings, name: str) -> list[str]:
    """What keeps us from being known, safely, at a provider that is offered."""
    found = []
    for setting in (f"{name}_issuer", f"{name}_discovery"):
        value = getattr(settings, setting)
        if (setting.endswith("issuer") or "://" in value) and not value.startswith("https://"):
            found.append(f"{setting}: must start with https://.")
    if not getattr(settings, f"{name}_client_id"):
        found.append(f"{name}_client_id: {PROVIDERS[name]} does not know us without it.")
    if "openid" not in getattr(settings, f"{name}_scope").split():
        found.append(f"{name}_scope: says nothing of anybody without openid.")
    if not getattr(settings, f"{name}_acr"):
        found.append(f"{name}_acr: a level must be asked for (eidas1, eidas2, eidas3).")
    needed = CLIENT_AUTH.get(getattr(settings, f"{name}_client_auth"))
    if needed is None:
        return [*found, f"{name}_client_auth: not one of {', '.join(CLIENT_AUTH)}."]
    for setting in (f"{name}_{end}" for end in needed):
        value = getattr(settings, setting)
        if not value or not Path(value).is_file():
            way = getattr(settings, f"{name}_client_auth")
            found.append(f"{setting}: {value} is not a file." if value else f"{setting}: « {way} » needs it.")
    ca = getattr(settings, f"{name}_ca")
    return [*found, f"{name}_ca: {ca} is not a file."] if ca and not Path(ca).is_file() else found


def _secrets(settings: Settings) -> list[str]:
    """Files whose content is worth an account, a mailbox or everything."""
    named = [("master_key_file", str(settings.key_file)), ("tls_key", settings.tls_key)]
    named += [(f"{name}_{end}", getattr(settings, f"{name}_{end}")) for name in PROVIDERS for end in _SECRETS]
    named += [(name, getattr(settings, name)) for name in ("sms_headers_file", "notice_password_file", "vapid_key")]
    found = [
        f"{name}: {value} can be read by others (chmod 600)."
        for name, value in named
        if value and Path(value).is_file() and Path(value).stat().st_mode & _OTHERS_MAY_READ
    ]
    kept = [settings.blob_dir, settings.data_dir / "backups"]
    if any(settings.key_file.resolve().is_relative_to(folder.resolve()) for folder in kept):
        found.append("master_key_file: stands among what is backed up; without it nothing opens, with it everything.")
    return found
