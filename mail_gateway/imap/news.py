"""What a client is told without having asked: EXISTS, FETCH of flags, EXPUNGE or VANISHED. Pure: octets from a view.

Promises: MODSEQ with every such FETCH once the client knows of it (RFC 7162 § 3.1), and VANISHED in place of EXPUNGE
once QRESYNC is enabled (§ 3.2.10); never RECENT, which RFC 9051 dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mail_gateway.imap.enabled import Enabled
from mail_gateway.imap.view import View


def flags_of(view: View, places: Iterable[int], enabled: Enabled) -> bytes:
    """The FETCH of flags of these places."""
    said = []
    for place in places:
        flags = view.names.listed(view.flags[place])
        number = b" MODSEQ (%d)" % view.modseqs[place] if enabled.condstore else b""
        said.append(b"* %d FETCH (UID %d FLAGS %b%b)\r\n" % (place + 1, view.uids[place], flags, number))
    return b"".join(said)


def exists(view: View) -> bytes:
    return b"* %d EXISTS\r\n" % len(view.uids)


def expunged(view: View, enabled: Enabled) -> bytes:
    """What left, and was held back, is told now."""
    dropped = view.expunge()
    if not dropped:
        return b""
    if enabled.qresync:
        return b"* VANISHED %b\r\n" % uid_set(uid for _, uid in reversed(dropped))
    return b"".join(b"* %d EXPUNGE\r\n" % number for number, _ in dropped)


def vanished_earlier(uids: Sequence[int]) -> bytes:
    """RFC 7162 § 3.2.10.1."""
    return b"* VANISHED (EARLIER) %b\r\n" % uid_set(uids) if uids else b""


def flag_names(view: View) -> bytes:
    """Which flags there are, and which the client may set."""
    permanent = b"()" if view.read_only else view.names.permanent
    return b"* FLAGS %b\r\n* OK [PERMANENTFLAGS %b] Flags kept\r\n" % (view.names.all, permanent)


def uid_set(uids: Iterable[int]) -> bytes:
    """As a sequence set, in the order given: `3:5,9`."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in runs)
