"""Mails made to cost time, memory or an exception, by name."""

from __future__ import annotations

FROM = b"From: agathe.morel@pli.example\r\n"


def nested(levels: int) -> bytes:
    return FROM + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels)
    )


# security.md M5: what costs the standard library between 6 and 27 seconds, or an exception; and the like of it.
HOSTILE = {
    "50 000 commas": FROM + b"To: " + b"," * 50_000 + b"\r\n\r\nx",
    "24 000 addresses": FROM + b"To: " + b"a@b," * 24_000 + b"\r\n\r\nx",
    "20 000 parameters": FROM + b"Content-Type: text/plain" + b";a=b" * 20_000 + b"\r\n\r\nx",
    "unclosed parameters": FROM + b"Content-Type: text/plain" + b';a="\\"' * 15_000 + b"\r\n\r\nx",
    "sections": FROM + b"Content-Type: text/plain" + b";a*1*=%41" * 9_000 + b"\r\n\r\nx",
    "15 000 fields": FROM + b"X: y\r\n" * 15_000 + b"\r\nx",
    "a header of 10 MB": FROM + b"X: " + b"y" * 10_000_000 + b"\r\n\r\nx",
    "100 000 parts": FROM + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n\r\n" * 100_000,
    "a million lookalikes": FROM + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--xy\r\n" * 1_000_000,
    "50 000 parentheses": FROM + b"To: " + b"(" * 50_000 + b"\r\n\r\nx",
    "brackets": FROM + b"To: " + b'<"\\"' * 20_000 + b">\r\n\r\nx",
    "quotes": FROM + b"To: " + b'"\\' * 40_000 + b"\r\n\r\nx",
    "groups": FROM + b"To: " + b"a:" * 40_000 + b"\r\n\r\nx",
    "encoded words": FROM + b"Subject: " + b"=?utf-8?q?=C3?= " * 6_000 + b"\r\n\r\nx",
    "half words": FROM + b"Subject: " + b"=?a?b?" * 15_000 + b"\r\n\r\nx",
    "references": FROM + b"References: " + b"<" * 90_000 + b"\r\n\r\nx",
    "1000 nested": nested(1000),
    "101 nested": nested(101),
    "parts of parts": FROM
    + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    + b"--b\r\n\r\n\r\n" * 600
    + b"--b--\r\n"
    + b"--a\r\n\r\n\r\n" * 600,
    "90 nested around 20 MB": nested(90) + b"x\n" * 10_000_000,
    "forwards of forwards": FROM + b"Content-Type: message/rfc822\r\n\r\n" * 90 + b"\n" * 20_000_000,
    "HTML brackets": FROM + b"Content-Type: text/html\r\n\r\n" + b"<" * 3_000_000,
    "HTML tags": FROM + b"Content-Type: text/html\r\n\r\n" + b"<p><!--" * 500_000,
    "HTML number": FROM + b"Content-Type: text/html\r\n\r\n&#" + b"9" * 100_000 + b";",
    "flowed": FROM + b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"> \n" * 300_000,
    "empty lines": FROM + b"\r\n" + b"\n" * 20_000_000,
    "base64 of nothing": FROM
    + b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + b"a-\n" * 5_000_000,
    "a long boundary": FROM + b"Content-Type: multipart/mixed; boundary=" + b"x" * 3000 + b"\r\n\r\nx",
    "no message id": FROM + b"Message-ID: <>\r\n\r\nx",
    "half a literal": FROM + b"To: a@[1.2\r\n\r\nx",
    "nothing": b"",
    "newlines": b"\r\n\r\n",
    "NUL": b"\0" * 1000,
    "a mailbox file": b"From a@b Mon Nov 23\r\nFrom: a@b.fr\r\n\r\nx",
}
