"""What the door says it can do, by how far a client has come (RFC 9051 § 6.1.1). One table: what is not in it is not
said, and what is in it has its test (tests/doors/test_imap_capabilities.py).

LITERAL+ says all that LITERAL- does, and a door says one of the two (RFC 7888 § 5). What revision 2 holds is also said
by its own name, for who knows revision 1 alone.
"""

from __future__ import annotations

from mail_gateway import sasl
from server.drafts import MAX_MAIL

ALWAYS = ("IMAP4rev1", "IMAP4rev2", "LITERAL+", "ID")  # RFC 3501, 9051, 7888, 2971
IN_CLEAR = ("LOGINDISABLED",)
STARTTLS = ("STARTTLS",)
# RFC 4959; 4616, 7628
MECHANISMS = ("SASL-IR", *(f"AUTH={name}" for name in sasl.MECHANISMS))
APPEND_LIMIT = MAX_MAIL  # octets of a mail that is given to the door (RFC 7889)
SIGNED_IN = (
    "ENABLE",  # RFC 5161
    "NAMESPACE", "UNSELECT", "IDLE",  # 2342, 3691, 2177
    "UIDPLUS", "MOVE",  # 4315, 6851
    "CHILDREN", "SPECIAL-USE",  # 3348, 6154
    "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE",  # 5258, 5819, 8438
    "ESEARCH", "SEARCHRES", "WITHIN",  # 4731, 5182, 5032
    "CONDSTORE", "QRESYNC",  # 7162
    "OBJECTID", "BINARY", "PREVIEW",  # 8474, 3516, 8970
    "UTF8=ACCEPT",  # 6855
    f"APPENDLIMIT={APPEND_LIMIT}",  # 7889
    "QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE",  # 9208
)  # fmt: skip


def said(*, secure: bool, tls: bool, signed_in: bool) -> str:
    """The capabilities of a session: `secure` when it is under TLS, `tls` when it could be."""
    if signed_in:
        return " ".join(ALWAYS + SIGNED_IN)
    if secure:
        return " ".join(ALWAYS + MECHANISMS)
    return " ".join(ALWAYS + IN_CLEAR + (STARTTLS if tls else ()))
