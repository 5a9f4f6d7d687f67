"""The one error of the pure modules of this folder.

Whatever the bytes of a stranger look like, `structure`, `mime`, `xdm`, `cda`, `calendar` and `addresses` raise
`Malformed` or nothing. It says nothing about the transport: the SMTP door turns it into a 5xx, quarantine or a line
in the thread.
"""

from __future__ import annotations


class Malformed(Exception):
    """What was received cannot be read.

    `code` is a stable slug (`mime_depth`, `xdm_damaged`, `ins` …), safe in logs and metrics. `detail` is one French
    sentence for the person who sent it; it never quotes the content, an address or an INS.
    """

    def __init__(self, code: str, detail: str = "Le contenu reçu est illisible.") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
