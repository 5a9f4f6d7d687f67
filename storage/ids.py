"""Ids and instants: 128 random bits in URL-safe text, milliseconds since 1970 UTC."""

from __future__ import annotations

import base64
import os
import time


def new_id() -> str:
    """22 characters, 128 bits from the system's generator, starting with a letter so that a mail client never takes it for an option."""
    while True:
        text = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        if text[0].isalpha():
            return text


def now_ms() -> int:
    """Milliseconds since 1970-01-01T00:00Z."""
    return time.time_ns() // 1_000_000
