"""The two folders of a mailbox, and LIST over them (RFC 3501 § 6.3.8, RFC 6154). Pure."""

from __future__ import annotations

import re

FOLDERS = {"INBOX": "inbox", "Sent": "sent"}  # name → folder of storage.entries
_ATTRIBUTES = {"INBOX": "\\HasNoChildren", "Sent": "\\HasNoChildren \\Sent"}
MAX_PATTERN = 200


def listing(command: str, reference: str, pattern: str) -> list[str]:
    """The untagged LIST or LSUB lines for this pattern."""
    if not pattern:
        return [f'* {command} (\\Noselect) "/" ""']
    wanted = f"{reference}{pattern}"
    return [f'* {command} ({_ATTRIBUTES[name]}) "/" {name}' for name in FOLDERS if _matches(name, wanted)]


def _matches(name: str, pattern: str) -> bool:
    """No folder has children, so `%` is `*`. Wildcards side by side are one: no pattern can be made slow."""
    if len(pattern) > MAX_PATTERN:
        return False
    expression = re.sub(r"[*%]+", "*", pattern)
    expression = ".*".join(re.escape(piece) for piece in expression.split("*"))
    return re.fullmatch(expression, name, re.IGNORECASE if name == "INBOX" else 0) is not None
