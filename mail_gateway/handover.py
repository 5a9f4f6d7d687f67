"""One letter over one open connection: MAIL, RCPT, DATA, and what the answers mean.

Promises: the connection serves for the next letter whatever became of this one, or is closed. No text of the peer is
kept, shown or logged: of a refusal, its number and a reason of ours. Whether a letter may be given to another
connection at once is told apart (`NothingSent`) from whether it may have been taken (`cut`).

RFC 5321 § 4.5.3.2 (how long to wait), RFC 3461 (DSN), RFC 6531 (SMTPUTF8).
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import NoReturn

import aiosmtplib

from server.delivery import Permanent, Temporary

FINAL_S = 600.0  # § 4.5.3.2.6: to give up earlier is to send twice

_REASONS = (
    ("5.1.", "Son adresse n’existe pas, ou n’existe plus."),
    ("5.2.2", "Sa boîte est pleine."),
    ("5.2.", "Sa boîte ne reçoit plus de messages."),
    ("5.3.4", "Le message est trop lourd pour son serveur."),
    ("5.7.", "Son serveur a refusé le message."),
)
_REFUSED = "Son serveur a refusé le message."


def reason(status: str) -> str:
    """Why, for a person, by an enhanced status code (RFC 3463); "" when it says nothing they could use."""
    return next((words for start, words in _REASONS if status.startswith(start)), "")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail and its envelope. `sender` "" is the null path. `envelope_id`: opaque, comes back in reports (RFC 3461);
    `notify`: what we want to hear of it.
    """

    sender: str
    recipient: str
    mail: bytes
    envelope_id: str = ""
    notify: str = "FAILURE,DELAY"


@dataclass(slots=True)
class Connection:
    """An open one. `context`: the trust it was opened under; `certificate`: what the server showed, DER."""

    client: aiosmtplib.SMTP
    host: str
    context: ssl.SSLContext
    certificate: bytes | None
    letters: int = 0
    closing: asyncio.TimerHandle | None = None


def hang_up(connection: Connection) -> None:
    """Its letters are answered for: how we say goodbye makes no difference, and waiting for the answer costs."""
    client = connection.client
    if client.is_connected and client.protocol is not None:
        client.protocol.write(b"QUIT\r\n")
    client.close()


class NothingSent(Exception):
    """The peer hung up, or said 421, before the letter was given: it may be given to another connection at once."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


async def hand_over(connection: Connection, letter: Outgoing) -> None:
    """MAIL, RCPT, DATA. Raises `NothingSent`, `Temporary`, `Permanent`; the connection then serves for the next."""
    client = connection.client
    dsn = client.supports_extension("dsn")
    eight = not letter.mail.isascii() and client.supports_extension("8bitmime")
    international = not letter.recipient.isascii()
    if international and not client.supports_extension("smtputf8"):
        raise Permanent("no_smtputf8", "Son serveur ne sait pas lire les accents de son adresse.", "5.6.7")
    options, wanted = ["BODY=8BITMIME"] if eight else [], list[str]()
    options += ["SMTPUTF8"] if international else []
    options += [f"SIZE={len(letter.mail)}"] if client.supports_extension("size") else []  # RFC 1870: refused unsent
    if dsn:
        options.append("RET=HDRS")
        options += [f"ENVID={letter.envelope_id}"] if letter.envelope_id else []
        wanted = [f"NOTIFY={letter.notify}"]
        wanted += [] if international else [f"ORCPT=rfc822;{_xtext(letter.recipient)}"]
    encoding = "utf-8" if international else "ascii"
    given = False
    connection.letters += 1
    try:
        await client.mail(letter.sender, options=options, encoding=encoding)
        await client.rcpt(letter.recipient, options=wanted, encoding=encoding)
        given = True
        await client.data(letter.mail, timeout=FINAL_S)
    except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError) as error:
        if error.code == 421 and not given:
            raise NothingSent("peer_421") from None
        await _forget(client)
        _refused(error.code, error.message)
    except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
        client.close()
        if given or isinstance(error, ValueError):
            raise Temporary("cut") from None
        raise NothingSent("no_connection") from None
    except asyncio.CancelledError:
        client.close()  # in the middle of a word: of no use to anybody
        raise


async def _forget(client: aiosmtplib.SMTP) -> None:
    try:
        await client.rset()
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        client.close()


def _refused(code: int, text: str) -> NoReturn:
    if 500 <= code < 600 and code != 521:  # 521, 421: the host takes no mail now, whatever the letter
        status = text.partition(" ")[0]
        known = status.count(".") == 2 and status.replace(".", "").isdecimal() and status.startswith("5.")
        detail = reason(status) or _REFUSED
        raise Permanent(f"smtp_{code}", detail, status if known else "5.0.0")
    raise Temporary(f"smtp_{code}")


def _xtext(text: str) -> str:
    """RFC 3461 § 4."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)
