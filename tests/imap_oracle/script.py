"""What a client says to both: the session, step by step (`sides` tells how one is written; ` | ` stands between two).

The mailbox starts as `mails` and `hostile` made it, nothing read; each chapter leaves what the next one builds on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

# Before and beside any folder.
BASICS = r"""
NOOP | CHECK | CLOSE | UNSELECT | EXPUNGE | FETCH 1 FLAGS | SEARCH ALL | STORE 1 FLAGS () | NOSUCH | NOOP extra |
LOGIN a b | STARTTLS | AUTHENTICATE PLAIN | UID | UID NOOP | NAMESPACE | LIST "" "" | LIST "" "*" | LIST "" "%" |
LIST "" INBOX | LIST "" inbox | LIST "" "I%" | LIST "" "*e*" | LIST "" "S%t" | LIST "" Nothing | LIST "" "Sent/%" |
LIST "Se" "nt" | LSUB "" "*" | LSUB "" "Dr%" | LIST "" Sent | LIST "" "SENT" | LIST (SPECIAL-USE) "" "*" |
LIST "" "*" RETURN (SPECIAL-USE) | LIST (SUBSCRIBED) "" "*" | LIST "" ("Sent" "Tr*") |
LIST "" "*" RETURN (SUBSCRIBED CHILDREN) | LIST (REMOTE) "" "%" | LIST (RECURSIVEMATCH SUBSCRIBED) "" "*" |
LIST (RECURSIVEMATCH) "" "*" | LIST (NOSUCH) "" "*" | LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN)) |
LIST "" (INBOX) RETURN (STATUS (SIZE UIDNEXT)) | STATUS INBOX (MESSAGES) |
STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT HIGHESTMODSEQ) | STATUS INBOX (SIZE) |
STATUS Sent (MESSAGES SIZE UNSEEN) | STATUS Nothing (MESSAGES) | STATUS INBOX () | STATUS INBOX (NOSUCH) |
STATUS INBOX | STATUS inbox (MESSAGES) | SELECT Nothing | EXAMINE Nothing | SELECT | SELECT "" | DELETE INBOX |
DELETE Nothing | SUBSCRIBE INBOX | SUBSCRIBE Sent | UNSUBSCRIBE Trash | LSUB "" "*" | SUBSCRIBE Trash |
SUBSCRIBE Nothing | LSUB "" "Tr%" | GETQUOTAROOT Nothing | ENABLE NOSUCH | ENABLE | ID NIL | ID ("name" "oracle") |
ID | APPEND | APPEND INBOX | RENAME Sent
"""

# A folder is opened, and closed again.
OPENING = r"""
EXAMINE INBOX | STORE 1 +FLAGS (\Seen) | EXPUNGE | UID EXPUNGE 1 | FETCH 1 BODY[TEXT]<0.1> | FETCH 1 FLAGS | CLOSE |
FETCH 1 FLAGS | EXAMINE Sent | FETCH 1 FLAGS | SEARCH ALL | UNSELECT | SELECT INBOX | CHECK | NOOP | SELECT Nothing |
FETCH 1 FLAGS | SELECT inbox | UNSELECT | SELECT "INBOX" | STATUS INBOX (MESSAGES UNSEEN) | UNSELECT | SELECT INBOX
"""

# Every mail at once, by its pieces.
WHOLE = r"""
FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE) | FETCH 1:* (BODY.PEEK[]) |
FETCH 1:* (BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[]<10.40> BODY.PEEK[TEXT]<3.7>) |
FETCH 1:* (BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID References Content-Type X-A Received)]) |
FETCH 1:* (BODY.PEEK[HEADER.FIELDS.NOT (From To Cc Bcc Subject Date Message-ID References Content-Type X-A Received)]) |
FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Nothing)] BODY.PEEK[HEADER.FIELDS.NOT (Nothing)]) |
FETCH {m:plain} (BODY.PEEK[2] BODY.PEEK[1.1] BODY.PEEK[2.MIME] BODY.PEEK[1.HEADER] BODY.PEEK[1.TEXT]) |
FETCH {m:mixed} (BODY.PEEK[3] BODY.PEEK[1.1] BODY.PEEK[2.1.MIME] BODY.PEEK[2.HEADER] BODY.PEEK[99999]) |
FETCH {m:forwarded} (BODY.PEEK[2.2] BODY.PEEK[2.1.1] BODY.PEEK[2.1.HEADER] BODY.PEEK[3.TEXT]) |
FETCH 1:* (BODY.PEEK[HEADER]<5.10> BODY.PEEK[1]<4.8> BODY.PEEK[HEADER.FIELDS (Subject)]<4.9>)
"""

# FETCH, written in every way, and wrongly.
ASKING = r"""
FETCH 1 ALL | FETCH 1 FAST | FETCH 1 FULL | FETCH 1 UID | FETCH 1:3 FLAGS | FETCH 3:1 UID | FETCH 1,3,2,2 UID |
FETCH * UID | FETCH 1:* UID | FETCH *:1 UID | FETCH *:* UID | FETCH 5:* UID | FETCH 9999 UID | FETCH 9999:* UID |
FETCH 1:9999 UID | FETCH 0 UID | FETCH 1,9999 UID | UID FETCH {u:plain} FLAGS | UID FETCH {u:plain}:{u:latin1} UID |
UID FETCH {u:latin1}:{u:plain} UID | UID FETCH 999999 FLAGS | UID FETCH 999999:* UID | UID FETCH *:999999 FLAGS |
UID FETCH 1:* FLAGS | UID FETCH * (UID) | FETCH 1 (FLAGS UID FLAGS) | fetch 1 (flags uid) | FETCH 1 RFC822.SIZE |
FETCH 1 RFC822.HEADER | FETCH 1 BODY.PEEK[HEADER.FIELDS (from SUBJECT)] | FETCH 1 INTERNALDATE |
FETCH 1 BODY.PEEK[HEADER.FIELDS ("Date")] | FETCH 1 BODY.PEEK[]<0.5> | FETCH 1 BODY.PEEK[]<99999.5> |
FETCH 1 BODY.PEEK[TEXT]<0.99999> | FETCH 1 BODY.PEEK[]<5> | FETCH 1 BODY.PEEK[]<5.0> |
FETCH 1 (BODY.PEEK[] BODY.PEEK[]<0.3>) | FETCH 1 NOSUCH | FETCH 1 (FLAGS | FETCH 1 | FETCH | FETCH 1 () |
FETCH a FLAGS | FETCH 1: FLAGS | FETCH ,1 FLAGS | FETCH 1 BODY[ | FETCH 1 BODY.PEEK[0] | NOOP |
FETCH 1 BODY.PEEK[NOSUCH] | FETCH 1 BODY.PEEK[MIME] | FETCH 1 BODY.PEEK[1.NOSUCH] | FETCH 1 BODY.PEEK[HEADER.FIELDS] |
FETCH 1 BODY.PEEK[HEADER.FIELDS ()] | FETCH 1 ALL FLAGS | FETCH 1 (ALL) | FETCH 1 BODY.PEEK[1.] |
FETCH 1 BODY.PEEK[.1] | UID FETCH 0 FLAGS | NOOP | FETCH {m:mixed} PREVIEW | FETCH 1:20 (PREVIEW) |
FETCH 1 (PREVIEW (LAZY)) | FETCH 2 BODY[] | FETCH 3 RFC822 | FETCH 4 RFC822.TEXT | FETCH 5 BODY[TEXT]<0.4> |
FETCH 1:6 FLAGS | FETCH 6 (BODY[HEADER] FLAGS) | FETCH 7 BINARY[1] | FETCH 1:8 FLAGS | SEARCH SEEN | FETCH 2 BODY[]
"""

# STORE in every form; what the searches then find.
MARKS = r"""
STORE 1 +FLAGS (\Seen) | STORE 2 -FLAGS (\Seen) | STORE 1:4 FLAGS (\Answered) | FETCH 1:5 FLAGS |
STORE 5,7 +FLAGS.SILENT (\Flagged) | FETCH 5:7 FLAGS | STORE 8 +FLAGS \Flagged \Seen | STORE 9 FLAGS () |
STORE 10:12 FLAGS.SILENT (\Seen \Draft) | STORE 12:10 -FLAGS (\Draft) | UID STORE {u:no charset} +FLAGS (\Flagged) |
UID STORE {u:html alone} FLAGS.SILENT (\Seen) | UID STORE 999999 +FLAGS (\Seen) |
UID STORE {u:plain},{u:deep} +FLAGS (\Seen) | STORE 9999 FLAGS () | STORE 1 +FLAGS ($Forwarded) |
STORE 2:3 +FLAGS ($MDNSent $Junk) | STORE 3 -FLAGS ($Junk) | STORE 4:6 +FLAGS (Urgent) | FETCH 1:6 FLAGS |
STORE 5 -FLAGS (urgent) | STORE 6 FLAGS (URGENT) | FETCH 4:6 FLAGS | STORE 1 +FLAGS (\Recent) |
STORE 1 +FLAGS (\NoSuch) | STORE 1 FLAGS | STORE 1 | STORE 1 FLAGS (\Seen) | STORE 1 =FLAGS (\Seen) |
STORE 1 FLAGZ (\Seen) | STORE 1 +FLAGS (\Seen | STORE 1 ++FLAGS () | NOOP | STORE 20 +FLAGS (\Deleted) |
STORE 20 -FLAGS (\Deleted) | FETCH 1:21 FLAGS
"""

# Every key, alone and together.
SEARCHING = r"""
SEARCH ANSWERED | SEARCH UNANSWERED | SEARCH DELETED | SEARCH UNDELETED | SEARCH DRAFT | SEARCH UNDRAFT |
SEARCH FLAGGED | SEARCH UNFLAGGED | SEARCH SEEN | SEARCH UNSEEN | SEARCH ALL | SEARCH KEYWORD Urgent |
SEARCH UNKEYWORD Urgent 1:10 | SEARCH KEYWORD $Forwarded | SEARCH KEYWORD $nosuch | SEARCH 1:5 | SEARCH 5:1 |
SEARCH * | SEARCH 1,3:4,* | SEARCH 9999 | SEARCH UID {u:plain} | SEARCH UID {u:plain}:* | SEARCH UID 999999 |
SEARCH UID 999999:* | SEARCH NOT 1:10 | SEARCH OR 1 3 | SEARCH OR SEEN FLAGGED | SEARCH (1:5 SEEN) |
SEARCH NOT (SEEN) | SEARCH OR (SEEN 1:3) NOT 5:* | SEARCH NOT NOT SEEN | SEARCH SEEN UNFLAGGED | SEARCH ((1:3)) |
SEARCH SENTBEFORE 1-Jun-2026 | SEARCH SENTBEFORE 10-Jun-2026 | SEARCH SENTBEFORE "15-Jun-2026" |
SEARCH SENTBEFORE 1-Jan-1999 | SEARCH SENTBEFORE 3-Jun-2026 | SEARCH SENTBEFORE 2-Jun-2026 |
SEARCH SENTON 1-Jun-2026 | SEARCH SENTON 10-Jun-2026 | SEARCH SENTON "15-Jun-2026" | SEARCH SENTON 1-Jan-1999 |
SEARCH SENTON 3-Jun-2026 | SEARCH SENTON 2-Jun-2026 | SEARCH SENTSINCE 1-Jun-2026 | SEARCH SENTSINCE 10-Jun-2026 |
SEARCH SENTSINCE "15-Jun-2026" | SEARCH SENTSINCE 1-Jan-1999 | SEARCH SENTSINCE 3-Jun-2026 |
SEARCH SENTSINCE 2-Jun-2026 | SEARCH LARGER 1000 | SEARCH SMALLER 500 | SEARCH LARGER 0 | SEARCH SMALLER 0 |
SEARCH LARGER 99999 | SEARCH FROM petit | SEARCH FROM PETIT | SEARCH FROM claire.petit@pli.example |
SEARCH FROM nobody | SEARCH TO dominique | SEARCH TO 279035121518989 | SEARCH CC leroy | SEARCH BCC undisclosed |
SEARCH CC p39@b.example | SEARCH TO "bob@c.example" | SEARCH FROM "Claire P" | SEARCH BCC petit |
SEARCH SUBJECT parts | SEARCH SUBJECT ALTERNATIVE | SEARCH SUBJECT nosuch | SEARCH SUBJECT "no " | SEARCH SUBJECT "" |
SEARCH HEADER X-A "" | SEARCH HEADER X-A 1 | SEARCH HEADER x-a 2 | SEARCH HEADER Message-ID "<plain@" |
SEARCH HEADER Received more | SEARCH HEADER Nothing "" | SEARCH HEADER References "<a@b>" |
SEARCH HEADER Content-Type "multipart" | SEARCH SUBJECT suite | SEARCH BODY jeun | SEARCH BODY JEUN |
SEARCH BODY nosuch | SEARCH TEXT petit | SEARCH TEXT jeun | SEARCH BODY "Ci-joint" | SEARCH BODY "une ligne" |
SEARCH TEXT X-Field-12 | SEARCH TEXT nosuchtext | SEARCH BODY normaux | SEARCH BODY lendemain | SEARCH BODY demain |
SEARCH BODY resume | SEARCH OLDER 3600 | SEARCH YOUNGER 86400 | SEARCH NOT YOUNGER 86400 | SEARCH MODSEQ 1 |
SEARCH OLD | SEARCH NOT SUBJECT a | SEARCH OR SUBJECT deep SUBJECT nested | SEARCH SEEN SUBJECT a |
SEARCH 1:20 LARGER 400 NOT FROM nobody | SEARCH CHARSET UTF-8 SUBJECT plain | search subject plain |
SEARCH CHARSET US-ASCII BODY jeun | SEARCH CHARSET X-NOSUCH SUBJECT a | UID SEARCH SUBJECT nested | UID SEARCH 1:3 |
UID SEARCH UID {u:plain}:{u:latin1} SEEN | UID SEARCH NOT SEEN 1:30 | SEARCH RETURN () 1:10 UNSEEN |
SEARCH RETURN (MIN) 1:10 UNSEEN | SEARCH RETURN (MAX) 1:10 UNSEEN | SEARCH RETURN (COUNT) 1:10 UNSEEN |
SEARCH RETURN (ALL) 1:10 UNSEEN | SEARCH RETURN (MIN MAX COUNT) 1:10 UNSEEN | SEARCH RETURN (ALL) SUBJECT nosuch |
SEARCH RETURN (COUNT MIN) SUBJECT nosuch | NOOP | UID SEARCH RETURN (MIN MAX ALL COUNT) FLAGGED |
UID SEARCH RETURN () ALL | SEARCH RETURN (NOSUCH) ALL | SEARCH RETURN (SAVE) FLAGGED | FETCH $ UID |
UID FETCH $ FLAGS | SEARCH $ | SEARCH NOT $ 1:10 | SEARCH RETURN (SAVE COUNT) SUBJECT nosuch | FETCH $ UID |
SEARCH RETURN (SAVE MIN) SEEN | FETCH $ UID | SEARCH RETURN (SAVE ALL) 2:4 | STORE $ +FLAGS (\Flagged) |
UID SEARCH UID $ | SEARCH RETURN (SAVE) X | SEARCH | SEARCH NOSUCH | SEARCH NOT | SEARCH OR 1 | SEARCH (1 |
SEARCH SUBJECT | SEARCH BEFORE x | NOOP | SEARCH LARGER x | SEARCH BEFORE 31-Feb-2026 | SEARCH 0 | SEARCH UID |
SEARCH KEYWORD | SEARCH () | NOOP
"""

# COPY, MOVE, EXPUNGE, with two clients of one mailbox.
MOVING = r"""
COPY 1 Nothing | MOVE 1 Nothing | COPY 9999 Archive | UID COPY 999999 Archive | UID MOVE 999999 Trash |
COPY 1:3 Archive | STATUS Archive (MESSAGES UNSEEN SIZE) | COPY {m:deep} Archive | NOOP | COPY 1 |
UID COPY {u:nested},{u:mixed} Archive | b: SELECT Archive | b: FETCH 1:* (UID FLAGS RFC822.SIZE) |
b: FETCH 1 ENVELOPE | b: SEARCH SUBJECT nested | b: FETCH 5 BODYSTRUCTURE | b: FETCH 2 BODY.PEEK[] |
b: STORE 1 +FLAGS (\Deleted) | b: STORE 3 +FLAGS (\Deleted) | b: UID EXPUNGE {u:#3} | b: EXPUNGE |
b: STATUS Archive (MESSAGES DELETED) | b: FETCH 1:* UID | b: NOOP | MOVE {m:flowed} Trash | NOOP |
UID MOVE {u:report}:{u:partial} Trash | SEARCH SUBJECT digest | MOVE 2:3 Archive | b: NOOP |
b: FETCH 1:* (UID FLAGS) | FETCH 1:5 UID | STATUS Trash (MESSAGES) | b: SELECT INBOX |
STORE 3:5 +FLAGS.SILENT (\Deleted) | b: NOOP | b: FETCH 1:6 FLAGS | EXPUNGE | b: SEARCH ALL | b: NOOP |
b: FETCH 1:3 UID | STORE 1:2 +FLAGS (\Deleted) | UID EXPUNGE {u:plain} | FETCH 1:3 UID | SEARCH DELETED |
b: STORE 4 +FLAGS (\Answered) | NOOP | FETCH 4 FLAGS | CLOSE | b: NOOP | SELECT INBOX | FETCH 1:4 (UID FLAGS) |
SELECT Trash | FETCH 1:* UID | MOVE 1 INBOX | CLOSE | b: NOOP | b: SEARCH SUBJECT flowed | b: FETCH * (UID FLAGS) |
SELECT INBOX | EXPUNGE | UID EXPUNGE 999999 | EXPUNGE 1 | UID EXPUNGE | COPY 1:2 INBOX | NOOP | b: NOOP |
b: UNSELECT
"""

# APPEND to Drafts, and what then stands there. The octets are in `DRAFT`.
DRAFTS = r"""
APPEND Drafts (\Draft \Seen) {} | APPEND Drafts (\Draft) "15-Jun-2026 10:00:00 +0200" {} | SELECT Drafts |
FETCH 1:* (UID FLAGS RFC822.SIZE) | FETCH 1:* BODY.PEEK[] | FETCH 1 ENVELOPE | FETCH 1 BODYSTRUCTURE |
STORE 1 +FLAGS (\Flagged) | SEARCH DRAFT | SEARCH SUBJECT brouillon | APPEND Drafts {} | NOOP |
STORE 1 +FLAGS (\Deleted) | EXPUNGE | SEARCH ALL | STORE 1:* +FLAGS (\Deleted) | CLOSE | STATUS Drafts (MESSAGES) |
APPEND Nothing {} | NOOP
"""

DRAFT = (
    b"From: paul.leroy@pli.example\r\nTo: 279035121518989@patient.pli.example\r\nSubject: brouillon %d\r\n"
    b"Message-ID: <brouillon.%d@client.example>\r\nDate: Mon, 15 Jun 2026 10:00:00 +0200\r\n\r\nA finir.\r\n"
)

# CONDSTORE and QRESYNC (RFC 7162).
SYNCING = r"""
SELECT INBOX (CONDSTORE) | FETCH 1 (MODSEQ) | mark start | STORE 1 +FLAGS (\Flagged) |
FETCH 1:* (FLAGS) (CHANGEDSINCE {high:start}) | UID FETCH 1:* (FLAGS) (CHANGEDSINCE {high}) | mark two |
STORE 2:3 (UNCHANGEDSINCE {high}) +FLAGS (\Seen) | STORE 2 (UNCHANGEDSINCE {high:start}) -FLAGS (\Seen) |
STORE 1:3 (UNCHANGEDSINCE {high:two}) +FLAGS.SILENT (\Draft) | SEARCH MODSEQ {high:two} | SEARCH DRAFT |
UID STORE {u:deep} (UNCHANGEDSINCE {high:start}) +FLAGS (\Flagged) | SEARCH MODSEQ 99999999 |
SEARCH RETURN (ALL COUNT) MODSEQ {high:two} | FETCH 1 (FLAGS) (CHANGEDSINCE x) | FETCH 1:2 (UID MODSEQ) |
STATUS INBOX (HIGHESTMODSEQ) | STORE 1 (UNCHANGEDSINCE) FLAGS () | UNSELECT | mark gone | b: SELECT INBOX |
b: STORE 1:2 +FLAGS.SILENT (\Deleted) | b: EXPUNGE | b: STORE 5 -FLAGS (\Seen) | b: STORE 5 +FLAGS (\Seen) |
b: UNSELECT | SELECT INBOX (QRESYNC ({validity} {high:gone})) | ENABLE QRESYNC |
SELECT INBOX (QRESYNC ({validity} {high:gone})) | FETCH 1:3 FLAGS |
SELECT INBOX (QRESYNC ({validity} {high:gone} 1:999)) | SELECT INBOX (QRESYNC (1 1)) | NOOP |
UID FETCH 1:* (FLAGS) (CHANGEDSINCE {high:gone} VANISHED) | FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED) |
STORE 1 +FLAGS (\Deleted) | EXPUNGE | STORE 1 +FLAGS (\Deleted) | UID EXPUNGE 1:* | MOVE 1 Archive | SELECT Archive |
FETCH 1:* (UID FLAGS) | EXAMINE Archive (QRESYNC ({validity} 1)) | CLOSE | ENABLE CONDSTORE
"""


def steps(chapter: str) -> Iterator[str]:
    yield from (step for line in chapter.strip().splitlines() for step in line.removesuffix(" |").split(" | "))


def searching(names: Sequence[str]) -> Iterator[str]:
    """SEARCHING, and what depends on the day and on the mails."""
    today = datetime.now(UTC)
    days = [f"{today + timedelta(days=shift):%d-%b-%Y}".lstrip("0") for shift in (0, -1, 1)]
    yield from (f"SEARCH {key} {day}" for key in ("BEFORE", "ON", "SINCE") for day in days)
    yield from (f'SEARCH HEADER Message-ID "<{name.replace(" ", ".")}@"' for name in names[::12])
    yield from steps(SEARCHING)


def describing(name: str) -> str:
    return f"FETCH {{m:{name}}} (RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)"


def described(names: Sequence[str]) -> Iterator[str]:
    """Each mail: what is said of it, and its octets."""
    yield from map(describing, names)
    yield from steps(WHOLE)


LEAF, MULTIPART, MAIL = "leaf", "multipart", "mail"


def parts(node: dict[str, Any], number: str = "", within: str = "") -> Iterator[tuple[str, str]]:
    """(number, LEAF, MULTIPART or MAIL) of every part in a BODYSTRUCTURE (RFC 9051 § 6.4.5.1); of a long one the first
    six. `within`: the number of the mail that it is the root of.
    """
    for place, part in enumerate(node.get("parts", ())[:6], 1):
        yield from parts(part, f"{number}.{place}" if number else f"{place}")
    if "parts" in node:
        if number != within:
            yield number, MULTIPART
        return
    own = number or "1"
    inner = node.get("structure")
    yield own, LEAF if inner is None else MAIL
    if inner is not None:
        yield from parts(inner, own if "parts" in inner else f"{own}.1", own)


def pieces(name: str, found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Every section of every part of a mail; every part with its encoding undone (RFC 3516)."""
    of_mail = (".HEADER", ".TEXT", ".HEADER.FIELDS (Subject)")
    sections = [
        f"BODY.PEEK[{number}{kind}]" for number, what in found for kind in ("", ".MIME", *of_mail[: 3 * (what == MAIL)])
    ]
    yield f"FETCH {{m:{name}}} ({' '.join(sections)})"
    sections = [f"BINARY.PEEK[{number}] BINARY.SIZE[{number}]" for number, what in found if what == LEAF]
    if sections:
        yield f"FETCH {{m:{name}}} ({' '.join(sections)})"
