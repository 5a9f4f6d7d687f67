"""Who the patients of the crowd are, so that load clients can write about them without anything of the server."""

from __future__ import annotations

TEST_OID = "1.2.250.1.213.1.4.10"
NAME, BIRTH_DATE, SEX, BIRTH_PLACE = "VITESSE", "1950-01-01", "F", "99000"
_FIRST_COMMUNE = 99000


def ins(number: int) -> str:
    """A well-formed test INS (13 digits and their key, 97 less the remainder): a woman born in 1950, n-th of a
    commune.
    """
    body = f"25001{_FIRST_COMMUNE + number // 1000:05d}{number % 1000:03d}"
    return f"{body}{97 - int(body) % 97:02d}"


def given(number: int) -> str:
    return f"Patient {number}"


def number_of(address: str) -> int:
    """Which patient has this mail address."""
    return (int(address[5:10]) - _FIRST_COMMUNE) * 1000 + int(address[10:13])
