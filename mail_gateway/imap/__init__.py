r"""The professional's mailbox over IMAP (RFC 3501 and 9051): our store seen by an ordinary mail client.

    the door        server wire      listens; lines, literals, TLS
    what is asked   parser           bytes → `commands`, by `syntax`, `mailboxes`, `items`, `search`, `names`: all pure
    the session     session desk     until somebody is signed in; then which folder is open, and what they are told
                    client enabled   what a client is and has turned on     capabilities   what the door says it can do
    the folders     boxes folders    whose mailboxes, and their folders     listing append quota   asked without opening
    an open folder  selected         over a `shelves.Shelf`: messages, or drafts (`draft_shelf`)
                    fetching fetch   the responses; the pieces of a mail    searching   which messages match
                    view news idle   which message has which number; what is told of it; for as long as one likes
    answers                          NO and BYE

A UID is a number of its mailbox's one counter, whatever the folder: an entry's own where it is at home (INBOX, Sent), a
new one where it was put. Flags are the entry's, \Deleted the place's, so \Seen here and « lu » in the chat are one
state. Expunging takes a message out of this mailbox; the conversation keeps it.
What is served stands in `capabilities`. Not served, on purpose: folders of one's own, APPEND of what was not sent here
but to Drafts, \Recent, MULTIAPPEND, CATENATE, SORT, THREAD.
"""

from __future__ import annotations

from mail_gateway.imap.server import imap_door

__all__ = ["imap_door"]
