"""Settings, one table of over 400 lines: a TOML file, overridden by the environment; frozen once read.

Each setting is a field with its sentence; the environment name is `PLI_` and the field's name in capitals.
`pli doctor` says what is wrong with them.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

from server import gateway_settings
from server.dossier import habilitation
from server.safe_settings import unsafe


class BadSettings(Exception):
    """A setting is unknown or cannot be understood. The text says which."""


def _say(sentence: str, default: Any) -> Any:
    return field(default=default, metadata={"sentence": sentence})


_CLAMD = re.compile(r"unix:/.+|[^:\s]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}")
PLACE = ZoneInfo("Europe/Paris")  # where hours are told: on screen, in letters, to operators
ROLES = ("all", "web", "smtp", "imap", "worker")


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of Pli."""

    # ruff: noqa: RUF009 - each call only builds a field with its sentence

    data_dir: Path = _say("Folder of the embedded database, the blobs and the master key.", Path("var"))
    database_url: str = _say("sqlite:///path or postgresql://…; SQLite in the data folder when empty.", "")
    redis_url: str = _say("Redis for wake-ups between processes; one process needs none.", "")
    blob_url: str = _say("file:///path of the folder of sealed blobs; in the data folder when empty.", "")
    public_url: str = _say("Address people type; https:// in production.", "")
    host: str = _say("Address the doors listen on.", "127.0.0.1")
    http_port: int = _say("Web pages, live chat and HTTP API. 0 takes a free port, as for every door.", 8080)
    smtp_port: int = _say("MX door, for trusted operators.", 2525)
    submission_port: int = _say("Submission door (STARTTLS and AUTH), for professionals whose mailbox is here.", 5870)
    submissions_port: int = _say(
        "The same with TLS from the first octet (RFC 8314). Takes a free port too when submission_port is 0.", 4650
    )
    submission_messages_per_hour: int = _say(
        "Letters an account may send in an hour, each recipient counting as one; 0 for no limit.", 500
    )
    imap_port: int = _say("IMAP door (STARTTLS), for the same professionals.", 1430)
    imaps_port: int = _say(
        "The same with TLS from the first octet (RFC 8314). Takes a free port too when imap_port is 0.", 9930
    )
    mailbox_quota_mb: int = _say(
        "Megabytes of mail that a professional's mailbox may hold before its mail client keeps no more drafts there; a"
        " letter that comes is never refused for it. 0: no limit.",
        0,
    )
    mail_main_password: str = _say(
        "allowed, or refused: whether mail programs may sign in with the password of the account, or need one of their"
        " own (« Messagerie sur mes appareils »).",
        "allowed",
    )
    mail_session_hours: int = _say("How long a mail program that Pro Santé Connect signed in stays so (1 to 24).", 12)
    mail_relays: str = _say(
        "refused, or allowed: mail programs whose maker's servers read mail in their place, with its passwords.",
        "refused",
    )
    mail_relays_file: str = _say("File of the networks of these makers (JSON, as the one shipped), in its place.", "")
    mail_host: str = _say("Name that mail programs connect to, one of tls_certificate; mail_domain when empty.", "")
    mail_ports: str = _say(
        "Ports that programs are told in place of the doors' own (imaps=993, imap=143, submissions=465; 0: none).", ""
    )
    mail_domain: str = _say("Domain of the professionals hosted here.", "pli.example")
    patient_domain: str = _say("Domain of the patients' addresses.", "patient.pli.example")
    master_key_file: str = _say(
        "File of the master key; in the data folder when empty. Keep it out of the backups.", ""
    )
    erased: str = _say(
        "File of the ids of destroyed spaces, applied at every start; in the data folder when empty. Keep it out of "
        "the backups: it is what keeps them from bringing anybody back.",
        "",
    )
    tls_certificate: str = _say("PEM chain shown by the mail doors and to other operators.", "")
    tls_key: str = _say("PEM key of that certificate.", "")
    tls_ca: str = _say(
        "PEM of the authorities of other operators' certificates (IGC-Santé, its whole chain); for their servers, the"
        " system's when empty.",
        "",
    )
    tls_crl: str = _say("File or folder of revocation lists (CRL), PEM or DER, read again when they change.", "")
    tls_crl_url: str = _say("Addresses of revocation lists, by commas, fetched hourly; http is enough: signed.", "")
    trust_list_url: str = _say(
        "https:// address of the published white list of operators; none is fetched if empty.", ""
    )
    trust_list_checksum_url: str = _say("https:// address of the list's SHA-256, checked when set.", "")
    trust_list_hours: int = _say("How often the white list is fetched; 0: by `pli trust refresh` only.", 24)
    trust_list_ca: str = _say("PEM of the authorities of the list's server (IGC-Santé); the system's when empty.", "")
    mail_relay: str = _say("host:port that takes all outgoing mail; MX look-up when empty.", "")
    mail_routes: str = _say("domain=host:port, …: servers known beforehand; relay or MX look-up for the others.", "")
    mail_retry_seconds: str = _say("Waits between attempts of an outgoing mail, in seconds.", "300,600,1200,2400,4000")
    quarantine_retry_seconds: str = _say(
        "Waits before a letter that could not be read by a fault of ours is read again, in seconds; then it is held.",
        "60,600",
    )
    mail_give_up_hours: int = _say("After how long an outgoing mail is given up and its writer told.", 120)
    mail_warn_hours: int = _say("After how long the writer of an outgoing mail is told that it is late; 0 never.", 4)
    mss_nil: str = _say("Product number for the X-MSS-NIL header of every outgoing mail; no header if empty.", "")
    dkim_keys: str = _say(
        "Folder of <selector>._domainkey.<domain>.pem, or domain=selector:path, …; mail is not signed if empty.", ""
    )
    clamd: str = _say(
        "clamd (ClamAV), unix:/path of its socket or host:port; incoming mail is not scanned if empty.", ""
    )
    clamd_required: bool = _say("Mail that clamd could not scan is put off (451) rather than taken unscanned.", True)
    clamd_seconds: int = _say("How long clamd may take over one letter.", 30)
    blocked_senders: str = _say("told, or silent: what a professional learns whom the patient blocked.", "told")
    reply_tokens: bool = _say(
        "Ask that a patient's letter be answered at an address that names its conversation.", True
    )
    ins_oids: str = _say(
        "OIDs of INS numbers taken: NIR, NIA; the test one is for demonstrations.",
        "1.2.250.1.213.1.4.8,1.2.250.1.213.1.4.9",
    )
    strict_ins_key: bool = _say("Refuse an INS whose check key is wrong.", True)
    habilitation_file: str = _say(
        "The matrix of professions and types of documents (JSON, as the one shipped); « illustrative » takes the one "
        "shipped knowingly, which is not the official table.",
        "",
    )
    document_mb: int = _say("Megabytes of a document that a patient adds, at most (1 to 20).", 5)
    audit_anchor_file: str = _say(
        "File on another mount that the chain of the audit is told to, every few minutes; append-only if it can be.", ""
    )
    audit_anchor_url: str = _say("https:// address elsewhere that it is posted to: {number, chain, at}.", "")
    audit_anchor_private: bool = _say("That address may be one of this network.", False)
    correction_hours: int = _say("For how long whoever wrote a message may correct it, with its trace; 0: never.", 24)
    prevention_rules: str = _say("File of the prevention rules (JSON, as the one shipped), in its place.", "")
    prevention_switches: str = _say(
        "Rows switched on or off, by commas: their ids, « - » before those switched off (rsv-75,-dtp-45).", ""
    )
    prevention_seasons: str = _say("File of the dates of campaigns (JSON, as the one shipped), in its place.", "")
    session_idle_minutes: int = _say("A session unused for that long ends.", 30)
    session_hours: int = _say("A session ends after that long, used or not.", 12)
    device_days: int = _say("A remembered device is asked for a second factor again after that long.", 90)
    step_up_minutes: int = _say("A second factor given that long ago does for a dangerous act.", 10)
    samu_organisations: str = _say(
        "Organisation ids (FINESS) of the SAMU whose doctors regulate calls, by commas; nobody does if empty.", ""
    )
    evening_hour: int = _say("At that hour in Paris an office is told who is ready for the next day (0 to 23).", 17)
    help_team: str = _say(
        "Address of the team whose people help those whom the assistant cannot; nobody does if empty.", ""
    )
    assistant_hourly: int = _say("How many messages an hour the assistant answers in one conversation.", 60)
    helper_months: int = _say("A helper is asked to be confirmed again after that many months at most.", 12)
    sms_url: str = _say("https:// address of the gateway that sends SMS; none is sent, nor offered, if empty.", "")
    sms_method: str = _say("POST or PUT.", "POST")
    sms_body: str = _say(
        "What is sent to it, with {number} and {text}: JSON, or a form (to={number}&text={text}).",
        '{"to": "{number}", "text": "{text}"}',
    )
    sms_headers_file: str = _say("File of the headers it asks for (Authorization: …), one a line.", "")
    sms_seconds: int = _say("How long the SMS gateway may take to answer.", 10)
    sms_private: bool = _say("The SMS gateway may be at an address of this network.", False)
    notice_smtp: str = _say(
        "host:port of the relay of notices and recovery codes by ordinary e-mail; none is sent if empty.", ""
    )
    notice_tls: str = _say("starttls, tls (from the first octet), or none for a relay on this machine.", "starttls")
    notice_user: str = _say("Name under which we sign in there; we do not if empty.", "")
    notice_password_file: str = _say("File of the password of that name.", "")
    notice_from: str = _say("Address notices come from.", "")
    vapid_key: str = _say("PEM of our P-256 key for web push; one is made and kept sealed if empty.", "")
    push_private: bool = _say("Push services may be at addresses of this network, without TLS (tests).", False)
    reminder_rounds: bool = _say(
        "Look at every household on its day and write the prevention reminders that are due. Check the rules against"
        " the ministry's calendar first.",
        False,
    )
    reminder_hours: str = _say("Between which hours, there where people live, reminders are written.", "10-18")
    reminder_any_day: bool = _say("On weekends and public holidays too.", False)
    reminders_at_once: int = _say("Reminders that one person gets at a time, at most (1 to 9).", 3)
    proxies: str = _say(
        "Addresses or networks of our own reverse proxies, by commas: they say who calls (X-Forwarded-For).",
        "127.0.0.1,::1",
    )
    helpline: str = _say("Whom to call when nothing else lets one in, in plain words; a reception's link if empty.", "")
    patient_sign_in: str = _say(
        "How patients come in, by commas: password, franceconnect; links alone must be chosen knowingly.",
        "password,franceconnect",
    )
    professional_sign_in: str = _say(
        "How professionals come in, by commas: psc (Pro Santé Connect); links alone must be chosen knowingly.", "psc"
    )
    psc_issuer: str = _say("Issuer of Pro Santé Connect, https://…; it is not offered if empty.", "")
    psc_discovery: str = _say("Where it describes itself, after that.", "/.well-known/wallet-openid-configuration")
    psc_client_id: str = _say("Our name there.", "")
    psc_client_auth: str = _say("How we prove it: basic, post, private_key_jwt, tls (a certificate).", "basic")
    psc_client_secret_file: str = _say("File of our secret there, for basic and post; readable by its owner alone.", "")
    psc_client_certificate: str = _say("PEM of our certificate there, for tls.", "")
    psc_client_key: str = _say("PEM of our key there, for tls and private_key_jwt.", "")
    psc_scope: str = _say("What we ask of it.", "openid scope_all")
    psc_acr: str = _say("The level it must vouch for.", "eidas1")
    psc_mail_clients: str = _say(
        "Names there of the mail programs whose tokens sign in to mail, by commas; ours always does.", ""
    )
    psc_ca: str = _say("PEM of the authorities of its server; the system's when empty.", "")
    franceconnect_issuer: str = _say("Issuer of FranceConnect, https://…; it is not offered if empty.", "")
    franceconnect_discovery: str = _say("As psc_discovery.", "/.well-known/openid-configuration")
    franceconnect_client_id: str = _say("As psc_client_id.", "")
    franceconnect_client_auth: str = _say("As psc_client_auth.", "post")
    franceconnect_client_secret_file: str = _say("As psc_client_secret_file.", "")
    franceconnect_client_certificate: str = _say("As psc_client_certificate.", "")
    franceconnect_client_key: str = _say("As psc_client_key; it opens, too, what was encrypted for us.", "")
    franceconnect_scope: str = _say(
        "The pivot identity and nothing else.", "openid given_name family_name birthdate gender birthplace birthcountry"
    )
    franceconnect_acr: str = _say("Health services need a substantial level: eidas2.", "eidas2")
    franceconnect_ca: str = _say("As psc_ca.", "")
    oidc_private: bool = _say("These providers may be at addresses of this network (tests, demonstrations).", False)
    role: str = _say("all, or one of web, smtp, imap, worker when processes are split (PostgreSQL only).", "all")
    demo: bool = _say("Demonstration: test people, sign-in without a second factor. Set by `pli demo` only.", False)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'pli.db'}"

    @property
    def blob_dir(self) -> Path:
        return Path(self.blob_url.removeprefix("file://")) if self.blob_url else self.data_dir / "blobs"

    @property
    def key_file(self) -> Path:
        return Path(self.master_key_file) if self.master_key_file else self.data_dir / "master.key"

    @property
    def erased_file(self) -> Path:
        return Path(self.erased) if self.erased else self.data_dir / "erased"

    @property
    def secure(self) -> bool:
        """Whether people reach us over TLS: cookies are then `Secure` and `__Host-`."""
        return self.public_url.startswith("https://")


def load(config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file (`pli.toml` when present) and the environment. Raises `BadSettings`."""
    values: dict[str, Any] = {}
    path = config or Path("pli.toml")
    if path.exists():
        try:
            values = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise BadSettings(f"{path}: {error}") from error
    elif config is not None:
        raise BadSettings(f"{config}: no such file")
    known = {item.name for item in fields(Settings)}
    for name in values:
        if name not in known:
            raise BadSettings(f"{path}: unknown setting « {name} »")
    for name in known:
        if (text := environ.get(f"PLI_{name.upper()}")) is not None:
            values[name] = text
    types = get_type_hints(Settings)
    found = Settings(**{name: _as(types[name], name, value) for name, value in values.items()})
    if found.demo:
        raise BadSettings("demo: set by `pli demo` only; take it out")
    return found


def _as(kind: Any, name: str, value: Any) -> Any:
    text = str(value)
    if kind is int:
        if not text.isdecimal():
            raise BadSettings(f"{name}: « {text} » is not a whole number")
        return int(text)
    if kind is bool:
        if text.lower() not in {"true", "false", "1", "0", "yes", "no"}:
            raise BadSettings(f"{name}: « {text} » is neither yes nor no")
        return text.lower() in {"true", "1", "yes"}
    if name in {"mail_main_password", "mail_relays"} and text not in {"allowed", "refused"}:
        raise BadSettings(f"{name}: « {text} » is neither allowed nor refused")
    if name == "blocked_senders" and text not in {"told", "silent"}:
        raise BadSettings(f"blocked_senders: « {text} » is neither told nor silent")
    if name == "role" and text not in ROLES:
        raise BadSettings(f"role: « {text} » is not one of {', '.join(ROLES)}")
    return Path(text) if kind is Path else text


def problems(settings: Settings) -> list[str]:
    """What is wrong with these settings, each in one sentence; empty when they can serve."""
    found = []
    postgres = settings.database.startswith("postgresql")
    if settings.role != "all" and not postgres:
        found.append("role: processes can be split on PostgreSQL only; SQLite has one writer in one process.")
    if settings.role != "all" and postgres and not settings.redis_url:
        found.append("redis_url: split processes need Redis to wake each other's readers.")
    if not settings.database.startswith(("sqlite:///", "postgresql://", "postgresql+asyncpg://")):
        found.append("database_url: neither sqlite:/// nor postgresql://.")
    if settings.blob_url and not settings.blob_url.startswith("file:///"):
        found.append("blob_url: only file:/// is served by this version.")
    for name in ("tls_certificate", "tls_key", "tls_ca", "trust_list_ca", "mail_relays_file"):
        value = getattr(settings, name)
        if value and not Path(value).is_file():
            found.append(f"{name}: {value} is not a file.")
    if not 1 <= settings.document_mb <= 20:
        found.append("document_mb: from 1 to 20.")
    if not 0 <= settings.evening_hour <= 23:
        found.append("evening_hour: an hour, from 0 to 23.")
    if not 1 <= settings.mail_session_hours <= 24:
        found.append("mail_session_hours: from 1 to 24.")
    if settings.mailbox_quota_mb < 0:
        found.append("mailbox_quota_mb: 0 or more.")
    if not 1 <= settings.helper_months <= 12:
        found.append("helper_months: from 1 to 12; a helper's right is confirmed every year at least.")
    if not 10 <= settings.assistant_hourly <= 1000:
        found.append("assistant_hourly: from 10 to 1000.")
    if not 1 <= settings.reminders_at_once <= 9:
        found.append("reminders_at_once: from 1 to 9.")
    if not re.fullmatch(r"\d{1,2}-\d{1,2}", settings.reminder_hours) or not _follow(settings.reminder_hours):
        found.append("reminder_hours: two hours from 0 to 24, the later one last, as 10-18.")
    if settings.clamd and not _CLAMD.fullmatch(settings.clamd):
        found.append("clamd: neither unix:/path nor host:port.")
    if settings.habilitation_file not in {"", habilitation.ILLUSTRATIVE}:
        try:
            habilitation.matrix(settings.habilitation_file)
        except ValueError:
            found.append(f"habilitation_file: {settings.habilitation_file} is no matrix of habilitations.")
    found += _trust_problems(settings)
    found += gateway_settings.problems(settings)
    found += _prevention_problems(settings)
    if not settings.demo:
        if not settings.secure:
            found.append("public_url: must start with https:// to serve real people.")
        if settings.role in {"all", "smtp", "imap"} and not (settings.tls_certificate and settings.tls_key):
            found.append("tls_certificate, tls_key: the mail doors do not open without them.")
        found += unsafe(settings)
    try:
        retry_waits(settings)
    except ValueError:
        found.append("mail_retry_seconds: not a list of whole numbers.")
    try:
        routes(settings)
    except ValueError:
        found.append("mail_routes: not a list of domain=host:port.")
    if not re.fullmatch(r"[!-~]{0,60}", settings.mss_nil):
        found.append("mss_nil: not a product number.")
    try:
        quarantine_waits(settings)
    except ValueError:
        found.append("quarantine_retry_seconds: not a list of whole numbers.")
    return found


def _follow(hours: str) -> bool:
    start, _, end = hours.partition("-")
    return int(start) < int(end) <= 24


def _trust_problems(settings: Settings) -> list[str]:
    found = []
    if settings.tls_crl and not Path(settings.tls_crl).exists():
        found.append(f"tls_crl: {settings.tls_crl} is neither a file nor a folder.")
    if not all(url.startswith(("http://", "https://")) for url in crl_urls(settings)):
        found.append("tls_crl_url: not a list of http:// or https:// addresses.")
    for name in ("trust_list_url", "trust_list_checksum_url"):
        if getattr(settings, name) and not getattr(settings, name).startswith("https://"):
            found.append(f"{name}: must start with https://.")
    if not settings.tls_ca:
        for name in ("tls_crl", "tls_crl_url", "trust_list_url"):
            if getattr(settings, name):
                found.append(f"{name}: says nothing without tls_ca, the authorities of the certificates it is about.")
    return found


def _prevention_problems(settings: Settings) -> list[str]:
    from server.prevention.rules import BadRules, of_settings  # who starts without a fault reads them once, anyway

    try:
        of_settings(settings)
    except BadRules as error:
        return [
            f"prevention_rules, prevention_switches, prevention_seasons: {line}" for line in str(error).splitlines()
        ]
    return []


def crl_urls(settings: Settings) -> tuple[str, ...]:
    """Where revocation lists are fetched."""
    return tuple(url.strip() for url in settings.tls_crl_url.split(",") if url.strip())


def routes(settings: Settings) -> dict[str, tuple[str, int]]:
    """The (host, port) known beforehand of a domain. Raises `ValueError`."""
    found = {}
    for entry in filter(None, (part.strip() for part in settings.mail_routes.split(","))):
        domain, _, server = entry.partition("=")
        host, _, port = server.strip().rpartition(":")
        if not domain.strip() or not host or not 0 < int(port) < 65536:
            raise ValueError(entry)
        found[domain.strip().lower()] = (host.strip("[]"), int(port))
    return found


def retry_waits(settings: Settings) -> tuple[int, ...]:
    """Seconds between the attempts of an outgoing mail; the last one repeats."""
    return tuple(int(part) for part in settings.mail_retry_seconds.split(","))


def quarantine_waits(settings: Settings) -> tuple[int, ...]:
    """Seconds before each further reading of a letter that could not be read."""
    return tuple(int(part) for part in settings.quarantine_retry_seconds.split(","))
