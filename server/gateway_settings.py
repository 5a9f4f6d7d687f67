"""What is wrong with the settings of the ways out of the house: proxies, SMS, notices, the anchor of the audit.

Each fault is one sentence that names the setting. Pure but for the files it looks at.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from server import mail_servers

if TYPE_CHECKING:
    from server.settings import Settings


def problems(settings: Settings) -> list[str]:
    found = mail_servers.problems(settings)
    try:
        for each in filter(None, (part.strip() for part in settings.proxies.split(","))):
            ipaddress.ip_network(each)
    except ValueError:
        found.append("proxies: not a list of addresses or networks.")
    if settings.audit_anchor_url and not (settings.demo or settings.audit_anchor_url.startswith("https://")):
        found.append("audit_anchor_url: must start with https://.")
    if settings.sms_url and not (settings.demo or settings.sms_url.startswith("https://")):
        found.append("sms_url: must start with https://.")
    if settings.sms_method not in {"POST", "PUT"}:
        found.append("sms_method: neither POST nor PUT.")
    try:
        if settings.sms_body.lstrip().startswith(("{", "[")):
            json.loads(settings.sms_body)
        else:
            parse_qsl(settings.sms_body, strict_parsing=True)
    except ValueError:
        found.append("sms_body: neither JSON nor a form.")
    for name in ("sms_headers_file", "notice_password_file", "vapid_key"):
        if getattr(settings, name) and not Path(getattr(settings, name)).is_file():
            found.append(f"{name}: {getattr(settings, name)} is not a file.")
    if settings.notice_tls not in {"starttls", "tls", "none"}:
        found.append("notice_tls: not one of starttls, tls, none.")
    if settings.notice_smtp:
        host, _, port = settings.notice_smtp.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            found.append("notice_smtp: not host:port.")
        if settings.notice_from.count("@") != 1:
            found.append("notice_from: notices need an address they come from.")
        if settings.notice_tls == "none" and host.strip("[]") not in {"localhost", "127.0.0.1", "::1"}:
            found.append("notice_tls: none is for a relay on this machine only.")
    return found
