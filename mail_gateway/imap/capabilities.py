"""What the door says it can do, by how far a client has come (RFC 9051 § 6.1.1). One table: what is not in it is not
said, and what is in it has its test (tests/doors/test_imap_capabilities.py).

LITERAL+ says all that LITERAL- does, and a door says one of the two (RFC 7888 § 5). What revision 2 holds is also said
by its own name, for who knows revision 1 alone.
"""

from __future__ import annotations

from mail_gateway import sasl
from server.drafts import MAX_MAIL

ALWAYS = ("IMAP4rev1", "IMAP4rev2", "LITERAL+", "ID")
IN_CLEAR = ("LOGINDISABLED",)
STARTTLS = ("STARTTLS",)
MECHANISMS = ("SASL-IR", *(f"AUTH={name}" for name in sasl.MECHANISMS))
APPEND_LIMIT = MAX_MAIL  # octets of a mail that is given to the door (RFC 7889)
SIGNED_IN = (
    "ENABLE", "NAMESPACE", "UNSELECT", "IDLE", "UIDPLUS", "MOVE",
    "CHILDREN", "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE",
    "ESEARCH", "SEARCHRES", "WITHIN", "CONDSTORE", "QRESYNC", "OBJECTID", "BINARY", "PREVIEW", "UTF8=ACCEPT",
    f"APPENDLIMIT={APPEND_LIMIT}", "QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE",
)  # fmt: skip


def said(*, secure: bool, tls: bool, signed_in: bool) -> str:
    """The capabilities of a session: `secure` when it is under TLS, `tls` when it could be."""
    if signed_in:
        return " ".join(ALWAYS + SIGNED_IN)
    if secure:
        return " ".join(ALWAYS + MECHANISMS)
    return " ".join(ALWAYS + IN_CLEAR + (STARTTLS if tls else ()))
