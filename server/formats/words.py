"""Text out of bytes: encoded words, base64, charsets, and what must not reach a line of text.

Promises: linear, never raises; a charset is one of an allow-list, since Python also "decodes" utf-7, punycode and
unicode_escape (item 27); `clean` leaves no CR, LF, NUL, other control or bidirectional control (item 28).
"""

from __future__ import annotations

import binascii
import re

_ENCODED = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*+)\?=")
# Format controls that reorder or hide what a person reads (Unicode TR9 §2); soft hyphen and zero-width joiner are
# left alone.
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_CLEAN: dict[int, str | None] = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), " ")
_CLEAN |= {ord(char): None for char in _BIDI}
_CLEAN |= {0: None, 0xFEFF: None}
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """One line of text without controls: CR, LF and tab become a space, NUL and bidirectional controls vanish."""
    if text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", text.translate(_CLEAN))


def decode_words(text: str) -> str:
    """RFC 2047 encoded words to text, leniently (adjacent words are joined before decoding, as senders cut
    characters).
    """
    if "=?" not in text:
        return clean(text)
    out: list[str] = []
    pending = bytearray()
    charset = ""
    position = 0
    for match in _ENCODED.finditer(text):
        between = text[position : match.start()]
        word_charset, encoding, payload = match.groups()
        word_charset = word_charset.partition("*")[
            0
        ].lower()  # RFC 2231 §5: the language after the star is of no use here
        if pending and (between.strip(" \t\r\n") or word_charset != charset):
            out.append(decode_text(bytes(pending), charset))
            pending.clear()
            out.append(between if between.strip(" \t\r\n") else "")
        elif not pending:
            out.append(between)
        charset = word_charset
        pending += _word_bytes(encoding, payload)
        position = match.end()
    if pending:
        out.append(decode_text(bytes(pending), charset))
    out.append(text[position:])
    return clean("".join(out))


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_base64(data)
    return binascii.a2b_qp(data, header=True)


def decode_base64(data: bytes) -> bytes:
    """Base64 as mail carries it: foreign characters skipped, missing padding supplied, a lone last one dropped."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        kept = re.sub(rb"[^A-Za-z0-9+/]+", b"", data.partition(b"=")[0] if data.find(b"=") > 0 else data)
        if len(kept) % 4 == 1:
            kept = kept[:-1]
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


# Item 27: only these. Python also knows utf-7, punycode, unicode_escape, rot13, zlib …, none of which is text in a
# mail.
_CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "unicode-1-1-utf-8": "utf-8",
    "us-ascii": "", "ascii": "", "ansi_x3.4-1968": "", "iso646-us": "", "": "", "unknown-8bit": "", "default": "",
    "iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "iso8859-1": "cp1252", "iso_8859-1": "cp1252",
    "windows-1252": "cp1252", "cp1252": "cp1252", "cp-1252": "cp1252", "ansi": "cp1252", "x-ansi": "cp1252",
    "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "utf-32": "utf-32",
    "koi8-r": "koi8_r", "koi8-u": "koi8_u", "macintosh": "mac_roman", "x-mac-roman": "mac_roman",
    "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "cp936": "gb18030",
    "big5": "big5hkscs", "big5-hkscs": "big5hkscs",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932",
    "cp932": "cp932",
    "iso-2022-jp": "iso2022_jp_2", "euc-jp": "euc_jp", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "cp949": "cp949",
    "tis-620": "cp874", "windows-874": "cp874",
    "ibm437": "cp437", "cp437": "cp437", "ibm850": "cp850", "cp850": "cp850", "ibm858": "cp858", "cp858": "cp858",
}  # fmt: skip
_CHARSETS |= {f"iso-8859-{n}": f"iso8859_{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15, 16)} | {
    "iso-8859-9": "cp1254"
}
_CHARSETS |= {"iso-8859-8-i": "iso8859_8", "latin-9": "iso8859_15", "latin9": "iso8859_15", "iso8859-15": "iso8859_15"}
_CHARSETS |= {f"{prefix}125{n}": f"cp125{n}" for prefix in ("windows-", "cp") for n in (0, 1, 3, 4, 5, 6, 7, 8)}


def decode_text(data: bytes, charset: str) -> str:
    """Bytes to text. An unknown or absent charset is read as UTF-8 when it is, as Windows-1252 otherwise. Never
    raises.
    """
    codec = _CHARSETS.get(charset.lower(), "")
    if not codec:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace")
    return data.decode(codec, "replace")
