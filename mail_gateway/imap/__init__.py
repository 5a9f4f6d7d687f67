r"""The professional's mailbox over IMAP (RFC 3501): our store seen by an ordinary mail client.

    server    the door             session   until somebody is signed in   desk     what they may then ask for
    wire      lines, literals, TLS parser    bytes → command               selected what is done in an open folder
    syntax    the grammar's words  fetch     the pieces of a mail          view     which message has which number
    folders   INBOX and Sent       search    what SEARCH keys match        answers  NO and BYE

A UID is the number of an entry in its mailbox; INBOX and Sent are folders of one numbering. Flags are the entry's, so
\Seen here and « lu » in the chat are one state. Expunging takes a message out of this mailbox; the conversation keeps
it.
Served: IMAP4rev1, STARTTLS (asked for before a password), AUTH=PLAIN, SASL-IR (RFC 4959), LITERAL+ (7888), ID (2971),
NAMESPACE (2342), IDLE (2177), UIDPLUS (4315), UNSELECT (3691), SPECIAL-USE (6154).
Not served, on purpose: folders of one's own, COPY and MOVE, keywords, APPEND of what was not sent here, \Recent.
"""

from __future__ import annotations

from mail_gateway.imap.server import imap_door

__all__ = ["imap_door"]
