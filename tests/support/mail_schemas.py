"""What mail programs accept when they set themselves up, as RELAX NG: written from what each program's maker publishes
(Mozilla's « Autoconfig file format » 1.1; MS-OXDSCLI § 2.2.4), stricter where we promise less: no POP3, TLS always.
"""

from __future__ import annotations

from lxml import etree

RNG = 'xmlns="http://relaxng.org/ns/structure/1.0" datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes"'
PORT = '<data type="unsignedShort"><param name="minInclusive">1</param></data>'


def _element(name: str, content: str, attributes: str = "") -> str:
    return f'<element name="{name}">{attributes}{content}</element>'


def _attribute(name: str, content: str) -> str:
    return f'<attribute name="{name}">{content}</attribute>'


def _values(*values: str) -> str:
    return f"<choice>{''.join(f'<value>{value}</value>' for value in values)}</choice>"


def _server(name: str, kind: str) -> str:
    content = _element("hostname", '<data type="token"><param name="minLength">1</param></data>')
    content += _element("port", PORT) + _element("socketType", _values("SSL", "STARTTLS"))
    content += f"<oneOrMore>{_element('authentication', _values('password-cleartext', 'OAuth2'))}</oneOrMore>"
    content += _element("username", "<value>%EMAILADDRESS%</value>")
    return f"<oneOrMore>{_element(name, content, _attribute('type', f'<value>{kind}</value>'))}</oneOrMore>"


_URI = '<data type="anyURI"/>'
_DESCRIBED = _element("descr", "<text/>", _attribute("lang", '<data type="language"/>'))
_PROVIDER = (
    f"<oneOrMore>{_element('domain', '<text/>')}</oneOrMore>"
    + _element("displayName", "<text/>")
    + _element("displayShortName", "<text/>")
    + _server("incomingServer", "imap")
    + _server("outgoingServer", "smtp")
    + _element("documentation", f"<oneOrMore>{_DESCRIBED}</oneOrMore>", _attribute("url", _URI))
)
AUTOCONFIG = _element(
    "clientConfig",
    _element("emailProvider", _PROVIDER, _attribute("id", '<data type="token"/>'))
    + _element("webMail", _element("loginPage", "<empty/>", _attribute("url", _URI))),
    _attribute("version", "<value>1.1</value>"),
)


def _protocol(kind: str, more: str) -> str:
    off, on = "<value>off</value>", "<value>on</value>"
    content = _element("Type", f"<value>{kind}</value>") + _element("Server", "<text/>") + _element("Port", PORT)
    content += _element("DomainRequired", off) + _element("LoginName", "<text/>") + _element("SPA", off)
    content += _element("SSL", on) + _element("Encryption", _values("SSL", "TLS")) + _element("AuthRequired", on)
    return _element("Protocol", content + more)


_ENVELOPE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_ANSWER = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_ACCOUNT = (
    _element("AccountType", "<value>email</value>")
    + _element("Action", "<value>settings</value>")
    + _protocol("IMAP", "")
    + _protocol("SMTP", _element("UsePOPAuth", "<value>off</value>") + _element("SMTPLast", "<value>off</value>"))
)
_SETTINGS = (
    f'<element name="Response" ns="{_ANSWER}">'
    + _element("User", _element("DisplayName", "<text/>"))
    + _element("Account", _ACCOUNT)
    + "</element>"
)
_TIME = _attribute("Time", r'<data type="string"><param name="pattern">\d\d:\d\d:\d\d\.\d+</param></data>')
_ERROR = _element(
    "Response",
    _element(
        "Error",
        _element("ErrorCode", _values("500", "600", "601")) + _element("Message", "<text/>")
        + _element("DebugData", "<empty/>"),
        _TIME + _attribute("Id", '<data type="unsignedInt"/>'),
    ),
)  # fmt: skip


def _envelope(content: str) -> str:
    return f'<element name="Autodiscover" ns="{_ENVELOPE}">{content}</element>'


SCHEMAS = {"autoconfig": AUTOCONFIG, "autodiscover": _envelope(_SETTINGS), "refusal": _envelope(_ERROR)}


def valid(name: str, document: bytes) -> etree._Element:
    """The document's root; fails when the schema of that name does not admit it."""
    schema = etree.fromstring(SCHEMAS[name].replace(">", f" {RNG}>", 1))
    root = etree.fromstring(document)
    etree.RelaxNG(schema).assertValid(root)
    return root
