"""What a mail program must know to read and to write here, in two of the formats that programs ask for it in.

    thunderbird()      config-v1.1.xml, for Thunderbird, K-9 and others (draft-ietf-mailmaint-autoconfig)
    autodiscover()     MS-OXDSCLI in XML, for Outlook classic; `autodiscover_error`, its way to refuse
    autodiscover_v2()  its JSON, which only says where the XML is

An iPhone or a Mac takes a profile: `server.mail_profile`. What stands in the DNS: `server.dns_records`.

Promises: pure, and about nobody: every address of our domain gets the same answer, whether somebody has it or not. Does
not look at a mailbox, nor know a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lxml import etree

from server.errors import Invalid
from server.formats import xml
from server.formats.malformed import Malformed
from server.mail_servers import HELP, Servers

REQUEST = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
ENVELOPE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
ANSWER = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
MAX_REQUEST = 20_000  # octets; Outlook sends 400
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")


# ---- Thunderbird -----------------------------------------------------------------------------------------------------


def thunderbird(told: Servers, described: Mapping[str, str]) -> bytes:
    """`config-v1.1.xml`. `described`: what the page of help is called, by language."""
    root = etree.Element("clientConfig", version="1.1")
    provider = etree.SubElement(root, "emailProvider", id=told.domain)
    _say(provider, domain=told.domain, displayName="Pli", displayShortName="Pli")
    for one in (*told.reading, *told.writing):
        way = "incomingServer" if one.protocol == "imap" else "outgoingServer"
        element = etree.SubElement(provider, way, type=one.protocol)
        _say(element, hostname=one.host, port=str(one.port), socketType="SSL" if one.tls else "STARTTLS")
        # The first one a program knows is taken: a bearer token only where somebody set that up.
        for method in ("password-cleartext", "OAuth2"):  # within TLS, always
            _say(element, authentication=method)
        _say(element, username="%EMAILADDRESS%")
    page = etree.SubElement(provider, "documentation", url=told.site + HELP)
    for language, text in described.items():
        etree.SubElement(page, "descr", lang=language).text = text
    etree.SubElement(etree.SubElement(root, "webMail"), "loginPage", url=f"{told.site}/sign-in")
    return _written(root)


# ---- Outlook ---------------------------------------------------------------------------------------------------------


def address_asked(body: bytes) -> str:
    """The address of an Autodiscover request (MS-OXDSCLI § 2.2.3). Raises `Invalid`: `code` 600, not understood; 601,
    it asks for another kind of answer.
    """
    try:
        root = xml.parse(body)
    except Malformed:
        raise Invalid("600", "Invalid Request") from None
    address = root.findtext(f"{{{REQUEST}}}Request/{{{REQUEST}}}EMailAddress", "").strip()
    wanted = root.findtext(f"{{{REQUEST}}}Request/{{{REQUEST}}}AcceptableResponseSchema", "").strip()
    if wanted != ANSWER and root.tag.endswith("Autodiscover") and len(root):
        raise Invalid("601", "Provider is not available")  # as a telephone's ActiveSync, which we do not speak
    if not _ADDRESS.fullmatch(address):
        raise Invalid("600", "Invalid Request")
    return address


def ours(told: Servers, address: str) -> bool:
    """Whether the address may be one of ours: by its domain alone, so that nobody learns who is here."""
    return bool(_ADDRESS.fullmatch(address)) and address.rpartition("@")[2].lower() == told.domain


def autodiscover(told: Servers, address: str) -> bytes:
    """The settings for that address (§ 2.2.4.1). Outlook takes one server of each kind: the best."""
    root = etree.Element(f"{{{ENVELOPE}}}Autodiscover", nsmap=_default(ENVELOPE))
    response = etree.SubElement(root, f"{{{ANSWER}}}Response", nsmap=_default(ANSWER))
    etree.SubElement(etree.SubElement(response, f"{{{ANSWER}}}User"), f"{{{ANSWER}}}DisplayName").text = address
    account = etree.SubElement(response, f"{{{ANSWER}}}Account")
    _say(account, ANSWER, AccountType="email", Action="settings")
    for one in (*told.reading[:1], *told.writing[:1]):
        protocol = etree.SubElement(account, f"{{{ANSWER}}}Protocol")
        _say(
            protocol, ANSWER, Type=one.protocol.upper(), Server=one.host, Port=str(one.port), DomainRequired="off",
            LoginName=address, SPA="off", SSL="on", Encryption="SSL" if one.tls else "TLS", AuthRequired="on",
        )  # fmt: skip
        if one.protocol == "smtp":
            _say(protocol, ANSWER, UsePOPAuth="off", SMTPLast="off")
    return _written(root)


def autodiscover_error(code: str, message: str, at: datetime) -> bytes:
    """A refusal (§ 2.2.4.1.1.1). The `Id` is of an instance of a server: always the same here."""
    root = etree.Element(f"{{{ENVELOPE}}}Autodiscover", nsmap=_default(ENVELOPE))
    response = etree.SubElement(root, f"{{{ENVELOPE}}}Response")
    error = etree.SubElement(response, f"{{{ENVELOPE}}}Error", Time=f"{at:%H:%M:%S.%f}", Id="1")
    _say(error, ENVELOPE, ErrorCode=code, Message=message)
    etree.SubElement(error, f"{{{ENVELOPE}}}DebugData")
    return _written(root)


def autodiscover_v2(told: Servers, address: str, protocol: str) -> tuple[int, dict[str, str]]:
    """(status, JSON): where the XML is. Of the protocols it may be asked for, ours is that one alone."""
    if not _ADDRESS.fullmatch(address):
        return 400, {"ErrorCode": "InvalidUserId", "ErrorMessage": "Email is not an address."}
    if not ours(told, address):
        return 404, {"ErrorCode": "UserNotFound", "ErrorMessage": "Addresses of this domain are not here."}
    if protocol.lower() != "autodiscoverv1":
        said = "The supported value of Protocol is AutodiscoverV1."
        return 400, {"ErrorCode": "InvalidProtocol", "ErrorMessage": said}
    return 200, {"Protocol": "AutodiscoverV1", "Url": f"{told.site}/autodiscover/autodiscover.xml"}


def _default(namespace: str) -> dict[Any, str]:
    """lxml's way to say that a namespace needs no prefix; its types know of none."""
    return {None: namespace}


def _say(parent: etree._Element, namespace: str = "", **texts: str) -> None:
    for name, text in texts.items():
        etree.SubElement(parent, f"{{{namespace}}}{name}" if namespace else name).text = text


def _written(root: etree._Element) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True))
