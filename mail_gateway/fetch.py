"""A file fetched from an address that an operator configured, within bounds.

Promises: at most `most` octets, `PATIENCE_S` seconds, one answer (a redirection is a failure: the address is one that
was chosen), no proxy from the environment, no decompression. Raises `NotFetched` only. Does not judge what came.
"""

from __future__ import annotations

import ssl

import aiohttp

PATIENCE_S = 60.0


class NotFetched(Exception):
    """`code`: http_404, tls, too_large, no_answer … for the log."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def fetch(url: str, most: int, authorities: str = "") -> bytes:
    """`authorities`: PEM file of those believed for https; the system's when empty."""
    try:
        context = ssl.create_default_context(cafile=authorities or None)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            headers = {"Accept-Encoding": "identity"}
            async with session.get(url, ssl=context, allow_redirects=False, headers=headers) as answer:
                if answer.status != 200:
                    raise NotFetched(f"http_{answer.status}")
                return await _body(answer, most)
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError):
        raise NotFetched("tls") from None
    except TimeoutError:
        raise NotFetched("no_answer") from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise NotFetched("no_connection") from None


async def _body(answer: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_chunked(1 << 16):
        body += piece
        if len(body) > most:
            raise NotFetched("too_large")
    return bytes(body)
