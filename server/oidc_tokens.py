"""Signed tokens: what an identity provider signed for us, verified; what we sign for it. Pure.

Promises: only the algorithms of `ALGORITHMS`, each with its own kind of key, so that neither « none » nor a public key
taken for a shared secret (HS256) can pass; a key that says what it is for is used for that alone; a token counts only
for this issuer, this client, this request and these minutes (OpenID Connect Core § 3.1.3.7). Raises `NotVerified` only,
whose code goes to the log; nothing of a token does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwe, jwk, jws, jwt
from joserfc.errors import JoseError, SecurityWarning

ALGORITHMS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
_OURS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
_OPENED = ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "A128GCM", "A256GCM"]  # what was encrypted for us
MIN_RSA_BITS = 2048
LEEWAY_S = 30  # clocks of two houses
MAX_AGE_S = 600  # an id_token is made for the request we just made
MOST = 128_000

Claims = dict[str, Any]


class NotVerified(Exception):
    """`code`: alg, signature, nonce, audience … for the log."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UnknownKey(NotVerified):
    """No key we know is named by this token: the provider may have new ones."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `nonce`, `access_token`: of this request."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    acr: str


def read_keys(document: Any) -> list[jwk.Key]:
    """The public keys of a JWKS (RFC 7517) that we may verify with; others are passed over."""
    found = []
    for data in document.get("keys", []) if isinstance(document, dict) else []:
        try:
            key = _import(data)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if key.key_type in ALGORITHMS.values() and data.get("use", "sig") == "sig" and _strong(key):
            found.append(key)
    return found


def _import(data: Any) -> jwk.Key:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # weak keys are passed over below
        return jwk.JWKRegistry.import_key(data)


def _strong(key: jwk.Key) -> bool:
    return key.key_type != "RSA" or getattr(key.public_key, "key_size", 0) >= MIN_RSA_BITS


def verified(token: str, keys: Sequence[jwk.Key]) -> tuple[str, Claims]:
    """(algorithm, claims) of a signed token. Raises `NotVerified`, `UnknownKey`."""
    header = _header(token)
    kind = ALGORITHMS.get(header.get("alg", ""))
    if kind is None:
        raise NotVerified("alg")
    algorithm, name = header["alg"], header.get("kid")
    usable = [key for key in keys if key.key_type == kind and key.get("alg", algorithm) == algorithm]
    if name is not None:
        usable = [key for key in usable if key.kid == name]
    if not usable:
        raise UnknownKey("kid")
    if len(usable) > 1:
        raise NotVerified("kid")  # which of them signed is not said: none is tried at random
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        return algorithm, dict(jwt.decode(token, usable[0], algorithms=[algorithm], registry=registry).claims)
    except (JoseError, ValueError, TypeError) as error:
        raise NotVerified("signature") from error


def _header(token: str) -> Mapping[str, Any]:
    """The header as it is said, before anything is believed."""
    first = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except ValueError as error:
        raise NotVerified("malformed") from error
    if not isinstance(header, dict) or len(token) > MOST or not isinstance(header.get("alg"), str):
        raise NotVerified("malformed")
    return header


def opened(token: str, key: jwk.Key | None) -> str:
    """The signed token inside one that was encrypted for us (five parts, RFC 7516); another is given back."""
    if token.count(".") != 4:
        return token
    if key is None:
        raise NotVerified("no_key_to_open")
    registry = jwe.JWERegistry(algorithms=_OPENED, strict_check_header=False)
    try:
        plain = jwe.decrypt_compact(token, key, registry=registry).plaintext
    except (JoseError, ValueError, TypeError) as error:
        raise NotVerified("not_opened") from error
    return (plain or b"").decode("ascii", "replace")


def check_id_token(algorithm: str, claims: Claims, expected: Expected, now: float) -> None:
    """Whether an id_token is about this very request. Raises `NotVerified`."""
    check_meant_for_us(claims, expected)
    if "iss" not in claims or "aud" not in claims:
        raise NotVerified("missing")
    expires, made = _instant(claims, "exp"), _instant(claims, "iat")
    if now > expires + LEEWAY_S:
        raise NotVerified("expired")
    if not now - MAX_AGE_S <= made <= now + LEEWAY_S:
        raise NotVerified("age")
    if not _same(claims.get("nonce"), expected.nonce):
        raise NotVerified("nonce")
    if "at_hash" in claims and not _same(claims["at_hash"], _half_hash(algorithm, expected.access_token)):
        raise NotVerified("at_hash")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise NotVerified("sub")
    if not reaches(claims.get("acr"), expected.acr):
        raise NotVerified("acr")


def check_meant_for_us(claims: Claims, expected: Expected) -> None:
    """The issuer and the audience, where they are said: an id_token must (§ 3.1.3.7), a userinfo should (§ 5.3.2)."""
    if claims.get("iss", expected.issuer) != expected.issuer:
        raise NotVerified("issuer")
    audience = claims.get("aud", expected.client_id)
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise NotVerified("audience")
    if claims.get("azp", expected.client_id) != expected.client_id or (len(audiences) > 1 and "azp" not in claims):
        raise NotVerified("azp")


def reaches(said: Any, wanted: str) -> bool:
    """Whether a level is the one we asked for, or above it (eidas1 < eidas2 < eidas3)."""
    ranks = [re.fullmatch(r"eidas([1-3])", str(level)) for level in (said, wanted)]
    if ranks[0] and ranks[1]:
        return int(ranks[0][1]) >= int(ranks[1][1])
    return isinstance(said, str) and said == wanted


def _half_hash(algorithm: str, access_token: str) -> str:
    digest = (hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256)(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


def _same(said: Any, expected: str) -> bool:
    return isinstance(said, str) and hmac.compare_digest(said.encode(), expected.encode())


def _instant(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotVerified("missing")
    return float(value)


def private_key(pem: bytes) -> jwk.Key:
    """Our own key, of whichever kind it is. Raises `NotVerified`."""
    for kind in _OURS:
        try:
            return jwk.JWKRegistry.import_key(pem, kind)
        except (JoseError, ValueError, TypeError, AttributeError):
            continue
    raise NotVerified("client_key")


def assertion(key: jwk.Key, client_id: str, audience: str, now: float) -> str:
    """Who we are, signed, good once and for a minute (`private_key_jwt`, OpenID Connect Core § 9)."""
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "jti": secrets.token_urlsafe(16)}
    algorithm = _OURS[key.key_type]
    header = {"alg": algorithm, "kid": key.thumbprint()}
    return jwt.encode(header, {**claims, "iat": int(now), "exp": int(now) + 60}, key, algorithms=[algorithm])
