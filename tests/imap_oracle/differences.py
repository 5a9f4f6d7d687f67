r"""Where our answers are not Dovecot's, each with the clause that allows ours, or says that Dovecot's is a choice.

`step`, `at`, `ours` and `theirs` are as `same` tells them; « … » in them is anything. `(2)` after a step: said again.
The test fails on what differs and is not here, and on what is here and no longer differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Found = Mapping[tuple[str, str], tuple[str, str]]  # (step, where) → (ours, theirs)


@dataclass(frozen=True, slots=True)
class Difference:
    step: str
    at: str
    ours: str
    theirs: str
    clause: str

    def covers(self, found: tuple[tuple[str, str], tuple[str, str]]) -> bool:
        (step, at), (ours, theirs) = found
        pairs = ((self.step, step), (self.at, at), (self.ours, ours), (self.theirs, theirs))
        return all(_like(pattern, said) for pattern, said in pairs)


def _like(pattern: str, said: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), said, re.DOTALL) is not None


def unexplained(found: Found) -> list[str]:
    """What differs and is not known."""
    return [
        f"{step} {at}\n    ours   {ours}\n    theirs {theirs}"
        for (step, at), (ours, theirs) in found.items()
        if not any(one.covers(((step, at), (ours, theirs))) for one in KNOWN)
    ]


def gone(found: Found) -> list[str]:
    """What is known and no longer differs."""
    return [f"{one.step} {one.at}: {one.clause}" for one in KNOWN if not any(map(one.covers, found.items()))]


def _all(clause: str, *rows: tuple[str, str, str, str]) -> Iterable[Difference]:
    return (Difference(*row, clause) for row in rows)


NO_CREATE = "NONEXISTENT is RFC 5530's word; folders are fixed, so TRYCREATE would mislead (RFC 9051 § 6.4.7, § 6.3.12)"
CANNOT = "CANNOT is RFC 5530's word for what a server never does; Dovecot gives none"
EXACT = "RFC 9051 § 9: not in the grammar, so BAD; Dovecot is lenient"
READ_ONLY = "RFC 9051 § 6.3.3: nothing can be changed; NO says so, Dovecot's OK does nothing"
NOT_A_PART = "RFC 9051 § 7.5.2: NIL for what a mail does not have; Dovecot says an empty string, or the nearest part"
NO_PARTS = "RFC 2046 § 5.1.1: a multipart has a boundary and parts; without, it is shown as the text it is"
WHOLE_LINE = "RFC 2046 § 5.1.1: only white space may follow a boundary; Dovecot takes any longer line for one"
ITS_CRLF = "RFC 2046 § 5.1.1: the CRLF before a boundary is the boundary's, so this mail is empty"
CODED_MAIL = "RFC 2046 § 5.2.1: no base64 for message/rfc822; ours is a file, Dovecot reads the base64 as a header"
DEFAULT_TYPE = "RFC 2045 § 5.2: what is no Content-Type is text/plain"
HOSTILE = "Not the grammar of RFC 5322 § 3.4, § 3.6; each server shows what it makes of it"
SEVEN_BIT = "RFC 3501 § 4.3: a quoted string is 7-bit; raw octets are said as RFC 2047 or 2231 would"
FIELDS_ONLY = "RFC 9051 § 6.4.5.1: HEADER.FIELDS.NOT is of fields; a line that is none is no field"
BLANK_LINE = (
    "RFC 9051 § 6.4.5.1: no blank line where the mail has none; Dovecot adds one, and no line end where there is none"
)
UNCHANGED = "RFC 9051 § 6.4.6: the value of the flags is said; Dovecot says it only where it changed"
ANNOUNCED = "RFC 9051 § 7.3.5: a keyword is announced once; ours name those of the registry at SELECT"
ONE_SET = "RFC 9051 § 7.3.5: which keywords there are; ours are a mailbox's, Dovecot's a folder's"
IGNORED = "RFC 9051 § 7.1, PERMANENTFLAGS: a flag that is not in it may be ignored"
NO_DATE = "RFC 9051 § 6.4.4: SENTBEFORE is of the Date field; Dovecot takes a mail without one as of 1970"
MOVED = "RFC 7162 § 3.2.10.2: MODSEQ of what went; Dovecot says it only after ENABLE QRESYNC"
ONE_STATE = "RFC 9051 § 7.5.2: flags may change by others; both copies are one message, with one read state"
DRAFTS = "RFC 9051 § 6.3.12: flags SHOULD be set; a draft is always a draft, and read by who wrote it"
OBJECTS = "RFC 8474 § 4.1; Dovecot 2.3 has no MAILBOXID"
SELECTED = "RFC 9051 § 6.3.11: STATUS of the open folder should not be asked; Dovecot also says CLIENTBUG (RFC 5530)"
ENABLED = "RFC 5161 § 3.2: ENABLED lists what came to be enabled; nothing is a list too"

KNOWN: tuple[Difference, ...] = (
    *_all(
        NO_CREATE,
        ("STATUS Nothing (MESSAGES)", "/code", "'NONEXISTENT'", "nothing"),
        ("SELECT Nothing…", "/code", "'NONEXISTENT'", "nothing"),
        ("EXAMINE Nothing", "/code", "'NONEXISTENT'", "nothing"),
        ("SUBSCRIBE Nothing", "/code", "'NONEXISTENT'", "nothing"),
        ("GETQUOTAROOT Nothing", "/code", "'NONEXISTENT'", "nothing"),
        ("GETQUOTAROOT Nothing", "/result", "'NO'", "'OK'"),
        ("GETQUOTAROOT Nothing", "/other", "nothing", "[['QUOTA', …"),
        ('SELECT ""', "/code", "'NONEXISTENT'", "'CANNOT'"),
        ("COPY 1 Nothing", "/code", "'NONEXISTENT'", "'TRYCREATE'"),
        ("MOVE 1 Nothing", "/code", "'NONEXISTENT'", "'TRYCREATE'"),
        ("APPEND Nothing {}", "/code", "'NONEXISTENT'", "'TRYCREATE'"),
    ),
    *_all(
        CANNOT,
        ("DELETE INBOX", "/code", "'CANNOT'", "nothing"),
        ("UNSUBSCRIBE Trash", "/code", "'CANNOT'", "nothing"),
        ("UNSUBSCRIBE Trash", "/result", "'NO'", "'OK'"),
    ),
    *_all(
        EXACT,
        ("NOOP extra", "/result", "'BAD'", "'OK'"),
        ("ENABLE", "/result", "'BAD'", "'OK'"),
        ("ID", "/result", "'BAD'", "'OK'"),
        ("ID", "/id", "nothing", "True"),
        ("FETCH 1 BODY.PEEK[]<5>", "/…", "…", "…"),
        ("FETCH 1 BODY.PEEK[]<5.0>", "/…", "…", "…"),
        ("FETCH 1 BODY.PEEK[0]", "/…", "…", "…"),
        ("STORE 1 FLAGS", "/result", "'BAD'", "'OK'"),
        ("STORE 1 FLAGS", "/fetch", "nothing", "{'plain': {…'FLAGS': []}}"),
        ("EXPUNGE 1", "/result", "'BAD'", "'OK'"),
        ("SEARCH BEFORE 31-Feb-2026", "/result", "'BAD'", "'OK'"),
        ("SEARCH BEFORE 31-Feb-2026", "/search", "nothing", "[…"),
    ),
    *_all(
        READ_ONLY,
        ("STORE 1 +FLAGS (\\Seen)", "/…", "'…'", "…"),
        ("EXPUNGE (2)", "/…", "'…'", "…"),
        ("UID EXPUNGE 1", "/…", "'…'", "…"),
    ),
    *_all(
        NOT_A_PART,
        ("FETCH {m:plain} (BODY.PEEK[2] …", "/fetch/plain/BODY[…]", "None", "''"),
        ("FETCH {m:mixed} (BODY.PEEK[3] …", "/fetch/mixed/BODY[…]", "None", "'…"),
        ("FETCH {m:forwarded} (BODY.PEEK[2.2] …", "/fetch/forwarded/BODY[…]", "None", "''"),
        ("FETCH {m:unknown encoding} (BINARY…", "/fetch", "nothing", "{'unknown encoding': {}}"),
    ),
    *_all(
        NO_PARTS,
        *(
            row
            for name in ("no boundary", "boundary not found", "closed at once")
            for row in (
                (f"FETCH {{m:{name}}} (RFC822.SIZE…", f"/fetch/{name}/BODY", "{'type': 'TEXT'…", "{'parts'…"),
                (f"FETCH {{m:{name}}} (RFC822.SIZE…", f"/fetch/{name}/BODYSTRUCTURE", "{'type': 'TEXT'…", "{'parts'…"),
                (f"FETCH {{m:{name}}} (BODY.PEEK[1] …", f"/fetch/{name}/BODY[1…]", "'…", "''"),
                (f"FETCH {{m:{name}}} (BINARY.PEEK[1] …", f"/fetch/{name}/BINARY…[1]", "'…", "'…'"),
                ("FETCH 1:* (BODY.PEEK[HEADER]<5.10> …", f"/fetch/{name}/BODY[1]<4>", "'…", "''"),
            )
        ),
    ),
    *_all(
        WHOLE_LINE,
        *(
            row
            for name in ("prefix boundary", "looks like a boundary")
            for row in (
                (f"FETCH {{m:{name}}} (RFC822.SIZE…", f"/fetch/{name}/BODY…/parts", "[…", "[…"),
                (f"FETCH {{m:{name}}} (BODY.PEEK[1] …", f"/fetch/{name}/BODY[…]", "…", "'…"),
                (f"FETCH {{m:{name}}} (BINARY.PEEK[1] …", f"/fetch/{name}/BINARY…", "…", "'…"),
            )
        ),
        ("FETCH 1:* (BODY.PEEK[HEADER]<5.10> …", "/fetch/looks like a boundary/BODY[1]<4>", "'mais pas'", "''"),
    ),
    *_all(
        ITS_CRLF,
        ("FETCH {m:empty mail inside} (RFC822.SIZE…", "/fetch/…/parts/1/lines", "'0'", "'1'"),
        ("FETCH {m:empty mail inside} (RFC822.SIZE…", "/fetch/…/parts/1/size", "'0'", "'2'"),
        ("FETCH {m:empty mail inside} (BODY…", "/fetch/…/BODY[1]", "''", r"'\r\n'"),
    ),
    *_all(
        CODED_MAIL,
        (
            "FETCH {m:enclosed base64} (RFC822.SIZE…",
            "/fetch/…/parts/1",
            "{'type': 'APPLICATION'…",
            "{'type': 'MESSAGE'…",
        ),
        ("FETCH {m:enclosed base64} (BODY…", "/fetch/enclosed base64/BODY[1…]", "…", "'…"),
        ("FETCH {m:enclosed base64} (BINARY…", "/fetch/enclosed base64/BINARY[1.1]", "None", "''"),
    ),
    *_all(
        DEFAULT_TYPE,
        ("FETCH {m:bad type} …", "/fetch/bad type/BODY…", "{'type': 'TEXT'…", "{'type': 'TEXTE'…"),
        ("FETCH {m:slash alone} …", "/fetch/slash alone/BODY…", "{'type': 'TEXT'…", "{'type': ''…"),
    ),
    *_all(
        HOSTILE,
        ("FETCH {m:bad parameters} …", "/fetch/…/parameters/NAME", "'\"a'", "nothing"),
        ("FETCH {m:no address} …", "/fetch/no address/ENVELOPE/6", "None", "[…MISSING_DOMAIN…"),
        ("FETCH {m:angle in name} …", "/fetch/angle in name/ENVELOPE/6/1/…", "'…'", "'…'"),
        ("FETCH {m:two subjects} …", "/fetch/two subjects/ENVELOPE/2", "'two subjects'", "'un autre'"),
        ("FETCH {m:two subjects} …", "/fetch/two subjects/ENVELOPE/6", "[['Dominique…", "[['Dominique…"),
        ("FETCH {m:controls} …", "/fetch/controls/ENVELOPE/2", "'a b c d'", r"'a\x07b\x1bc\x7fd'"),
    ),
    *_all(
        SEVEN_BIT,
        ("FETCH {m:eight bit subject} …", "/fetch/…/ENVELOPE/2", "'=?utf-8?B?…", "'Été à Noël'"),
        ("FETCH {m:latin1 subject} …", "/fetch/…/ENVELOPE/2", "'=?utf-8?B?…", r"'\\xc9t\\xe9'"),
        ("FETCH {m:eight bit name} …", "/fetch/…/ENVELOPE/6/1/1", "'=?utf-8?B?…", "'Éloïse'"),
        ("FETCH {m:eight bit parameter} …", "/fetch/…/parameters/NAME", "nothing", "'été.pdf'"),
        ("FETCH {m:eight bit parameter} …", "/fetch/…/parameters/NAME*", "\"utf-8''%C3%A9t%C3%A9.pdf\"", "nothing"),
    ),
    *_all(FIELDS_ONLY, ("FETCH 1:* (BODY.PEEK[HEADER.FIELDS…", "/fetch/line without colon/BODY[…", "'…", '"…')),
    *_all(
        BLANK_LINE,
        ("FETCH 1:* (BODY.PEEK[HEADER…", "/fetch/no body at all/BODY[HEADER.FIELDS (…", "'…'", r"'…\r\n'"),
        ("FETCH {m:empty mail inside} …", "/fetch/…/BODY[1.HEADER.FIELDS (SUBJECT)]", "''", r"'\r\n'"),
        (
            "FETCH {m:mail cut short} …",
            "/fetch/…/BODY[1.HEADER.FIELDS (SUBJECT)]",
            r"'Subject: coupe\r\n'",
            "'Subject: coupe'",
        ),
    ),
    *_all(
        UNCHANGED,
        ("STORE 9 FLAGS ()", "/fetch", "{'unknown charset': {'FLAGS': []…", "nothing"),
        ("UID STORE {u:html alone} FLAGS.SILENT (\\Seen)", "/fetch", "{'html alone': {…'MODSEQ'…", "nothing"),
        ("STORE $ +FLAGS (\\Flagged)", "/fetch/no charset", "{'FLAGS'…", "nothing"),
        ("STORE 1 +FLAGS (\\Flagged) (2)", "/fetch", "{…", "nothing"),
        ("STORE 2:3 (UNCHANGEDSINCE {high}) +FLAGS (\\Seen)", "/fetch/html alone", "{'FLAGS'…", "nothing"),
        ("b: STORE 5 -FLAGS (\\Seen)", "/fetch", "{'long line': {'FLAGS': []}}", "nothing"),
        ("b: STORE 4 +FLAGS (\\Answered)", "/fetch/plain", "nothing", "{'FLAGS'…"),
    ),
    *_all(
        ANNOUNCED,
        ("STORE 1 +FLAGS ($Forwarded)", "/…", "nothing", "…"),
        ("STORE 2:3 +FLAGS ($MDNSent $Junk)", "/…", "nothing", "…"),
        ("SEARCH KEYWORD $nosuch", "/…", "nothing", "…"),
    ),
    *_all(
        ONE_SET,
        ("…SELECT …", "/flags", "['Urgent']", "[]"),
        ("EXAMINE Archive …", "/flags", "['Urgent']", "[]"),
        ("…SELECT …", "/codes/PERMANENTFLAGS", "\"['Urgent', …", "\"['\\\\\\\\*', …"),
    ),
    *_all(IGNORED, ("STORE 1 +FLAGS (\\Recent)", "/…", "…", "…"), ("STORE 1 +FLAGS (\\NoSuch)", "/…", "…", "…")),
    *_all(
        NO_DATE,
        ("SEARCH SENTBEFORE …", "/search", "…", "['bad date', 'no body at all', 'no date', 'nothing but from']"),
    ),
    *_all(
        MOVED,
        ("MOVE …", "/code", "'HIGHESTMODSEQ a value'", "nothing"),
        ("UID MOVE …", "/code", "'HIGHESTMODSEQ a value'", "nothing"),
        ("EXPUNGE (…)", "/code", "'HIGHESTMODSEQ a value'", "nothing"),
        ("UID EXPUNGE {u:plain}", "/code", "'HIGHESTMODSEQ a value'", "nothing"),
    ),
    *_all(
        ONE_STATE,
        ("…", "/fetch/#99", "…", "nothing"),
        ("…", "/fetch/#100", "…", "nothing"),
        ("SEARCH DRAFT (3)", "/search", "['#99']", "[]"),
        ("…", "/fetch/#4/FLAGS", "['\\\\flagged']", "[]"),
    ),
    *_all(
        DRAFTS,
        ("SELECT Drafts", "/codes/UNSEEN", "nothing", "'2'"),
        ("FETCH 1:* (UID FLAGS RFC822.SIZE)", "/fetch/#2/FLAGS", "['\\\\seen']", "[]"),
        ("STORE 1:* +FLAGS (\\Deleted)", "/fetch/#2/FLAGS", "['\\\\seen']", "[]"),
        ("STORE 1:* +FLAGS (\\Deleted)", "/fetch/#3/FLAGS", "['\\\\draft', '\\\\seen']", "[]"),
    ),
    *_all(
        "RFC 9051 § 7.3.1: a server that does not know whether a folder is interesting says neither",
        ("LIST …", "/list/Sent/attributes", "[]", r"['\\marked']"),
    ),
    *_all(OBJECTS, ("…", "/codes/MAILBOXID", "'a value'", "nothing")),
    *_all(SELECTED, ("STATUS INBOX …", "/code", "nothing", "'CLIENTBUG'")),
    *_all(
        ENABLED,
        ("ENABLE NOSUCH", "/other", "[['ENABLED']]", "nothing"),
        ("ENABLE CONDSTORE", "/other/1", "[]", "['CONDSTORE']"),
    ),
    *_all(
        "RFC 5530 § 3 and RFC 9051 § 6.4.4: BADCHARSET may list those that are known",
        ("SEARCH CHARSET X-NOSUCH SUBJECT a", "/code", "'BADCHARSET (…)'", "'BADCHARSET'"),
    ),
    *_all(
        "RFC 9051 § 6.3.11: DELETED is of revision 2, which Dovecot 2.3 does not have",
        ("b: STATUS Archive (MESSAGES DELETED)", "/…", "…", "…"),
    ),
)
