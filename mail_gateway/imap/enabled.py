"""What a client has turned on for its session (ENABLE, RFC 5161), as everything that answers it must know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Enabled:
    """`condstore`: MODSEQ with every FETCH of flags (RFC 7162 § 3.1); `qresync`: VANISHED in place of EXPUNGE (§ 3.2);
    `utf8`: mails and names in UTF-8 (RFC 6855); `rev2`: the answers of RFC 9051 (appendix E). Never turned off again.
    """

    condstore: bool = False
    qresync: bool = False
    utf8: bool = False
    rev2: bool = False

    @property
    def plain_names(self) -> bool:
        """Whether names of folders go in UTF-8, and not in modified UTF-7 (RFC 6855 § 3, RFC 9051 § 5.1)."""
        return self.utf8 or self.rev2

    def enable(self, names: Iterable[str]) -> tuple[str, ...]:
        """Turn these on; returns those that were off before. What is not known is passed over (RFC 5161 § 3.1)."""
        turned = []
        for name in dict.fromkeys(names):
            field = _FIELDS.get(name)
            if field is not None and not getattr(self, field):
                setattr(self, field, True)
                turned.append(name)
        if self.qresync:
            self.condstore = True  # RFC 7162 § 3.2.3
        return tuple(turned)


_FIELDS = {"CONDSTORE": "condstore", "QRESYNC": "qresync", "UTF8=ACCEPT": "utf8", "IMAP4REV2": "rev2"}
