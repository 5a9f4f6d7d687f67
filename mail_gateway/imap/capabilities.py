"""What the door says it can do, by how far a client has come (RFC 9051 § 6.1.1). One table: what is not in it is not
said, and what is in it has its test (tests/doors/test_imap_capabilities.py).

LITERAL+ says all that LITERAL- does, and a door says one of the two (RFC 7888 § 5).
"""

from __future__ import annotations

from mail_gateway import sasl
from server.drafts import MAX_MAIL

ALWAYS = ("IMAP4rev1", "LITERAL+", "ID")
IN_CLEAR = ("LOGINDISABLED",)
STARTTLS = ("STARTTLS",)
MECHANISMS = ("SASL-IR", *(f"AUTH={name}" for name in sasl.MECHANISMS))
SIGNED_IN = ("NAMESPACE", "IDLE", "UIDPLUS", "UNSELECT", "SPECIAL-USE")
APPEND_LIMIT = MAX_MAIL  # octets of a mail that is given to the door (RFC 7889)


def said(*, secure: bool, tls: bool, signed_in: bool) -> str:
    """The capabilities of a session: `secure` when it is under TLS, `tls` when it could be."""
    if signed_in:
        return " ".join(ALWAYS + SIGNED_IN)
    if secure:
        return " ".join(ALWAYS + MECHANISMS)
    return " ".join(ALWAYS + IN_CLEAR + (STARTTLS if tls else ()))
