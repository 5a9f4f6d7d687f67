"""Addresses: whose mailbox an address names.

A patient is `<INS>@<patient domain>`, the INS being the 15 characters of the national number, key included (MSSanté,
facts on the citizen mailbox; ECO.2.2.6). Promises: pure, linear, ASCII only; an address is never put in an error.
Does not say whether such a person exists: nobody may learn that from a parser.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from server.formats.malformed import Malformed

__all__ = ["Malformed", "PatientAddress", "ins_key_ok", "is_address", "normalise", "parse_patient", "split_token"]

# First digit: 1 and 2 sex, 3 and 4 provisional, 7 and 8 NIA. [0-9] and not \d: other scripts have digits too.
_INS = re.compile(r"[1-478][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{8}")
_ADDRESS = re.compile(
    r"""[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~\-\u0080-\uffff]{1,64}@[a-zA-Z0-9\u0080-\uffff](?:[a-zA-Z0-9.\-\u0080-\uffff]{0,253})"""
)
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class PatientAddress:
    """The INS an address names (upper case, 15 characters), its token after a plus, and whether its key is right."""

    ins: str
    key_ok: bool
    token: str = ""


def parse_patient(
    address: str, patient_domains: Collection[str], test_oids: bool = True, *, strict_key: bool | None = None
) -> PatientAddress:
    """The patient an address names: `<INS>@domain`, or `<INS>+token@domain`, the domain one of `patient_domains`.

    A wrong key is refused when `strict_key`; by default it is refused in production and kept as `key_ok` False where
    test OIDs are in use, since the official test patients have wrong keys. Raises Malformed("ins"), without quoting
    the address; Malformed("domain") when the domain is no patient domain.
    """
    local, at, domain = address.rpartition("@")
    if not at or domain.lower() not in {known.lower() for known in patient_domains}:
        raise Malformed("domain", "Cette adresse n’est pas celle d’un patient.")
    local, _, token = local.partition("+")
    ins = local.upper()
    if not ins.isascii() or not _INS.fullmatch(ins):
        raise Malformed("ins", "L’adresse d’un patient est son matricule INS de 15 caractères.")
    key_ok = ins_key_ok(ins)
    if not key_ok and (strict_key if strict_key is not None else not test_oids):
        raise Malformed("ins", "La clé du matricule INS est fausse.")
    return PatientAddress(ins, key_ok, token)


def ins_key_ok(ins: str) -> bool:
    """97 less the first thirteen modulo 97, where 2A counts as 19 and 2B as 18 (Corsica)."""
    if not ins.isascii() or not _INS.fullmatch(ins):
        return False
    number = ins[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(number) % 97 == int(ins[13:])


def split_token(address: str) -> tuple[str, str]:
    """`local+token@domain` to ("local@domain", "token"); the token is "" when there is none."""
    local, at, domain = address.rpartition("@")
    local, _, token = local.partition("+")
    return f"{local}{at}{domain}", token


def normalise(address: str) -> str:
    """The form to compare and store: domain in lower case, local part as written (RFC 5321 §2.4)."""
    local, at, domain = address.strip().rpartition("@")
    return f"{local}{at}{domain.lower()}"


def is_address(text: str) -> bool:
    """Whether this is one plain `local@domain`: no quotes, no literal, no route, no control character."""
    if len(text) > 320 or _CONTROL.search(text) or not _ADDRESS.fullmatch(text):
        return False
    local, _, domain = text.partition("@")
    return (
        ".." not in domain and not domain.endswith((".", "-")) and not local.startswith(".") and not local.endswith(".")
    )
