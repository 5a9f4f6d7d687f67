"""What an identifier and a password must be, and how strong a password is.

An identifier: 8 characters at least, of one's own choice; not an e-mail address, a social security number or an IBAN,
which others know. Case does not count.

A password: 15 characters of any kind (NIST SP 800-63B-4 § 3.1.1.2), or 9 with a capital, a small letter, a digit and a
sign (as people know it from Mon espace santé); 50 bits at least, since tries are braked (CNIL 2022-100); not made of
what is known of the person, of the identifier, or of the keyboard; not the last one. Nothing else is asked, and it
never has to be renewed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING

from stdnum import iban
from stdnum.exceptions import ValidationError

from server.errors import Invalid

if TYPE_CHECKING:
    from server.people import Traits

IDENTIFIER, IDENTIFIER_MOST = 8, 64
SHORT, LONG, MOST = 9, 15, 256
BITS_BRAKED, BITS_ALONE = 50, 80  # CNIL 2022-100
OWN = 5  # characters that are no part of the commonest
_CLASSES = ((r"[a-z]", 26), (r"[A-Z]", 26), (r"[0-9]", 10), (r"[^a-zA-Z0-9\s]", 33))
_NIR = re.compile(r"[1-478][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{6}(?:[0-9]{2})?")
_SPELLED = str.maketrans("@4301$57!", "aaeoisstl")
# What fingers find by themselves; a password may hold them, not be made of them.
_FOUND = (
    "motdepasse", "password", "passe", "azerty", "qwerty", "uiop", "qsdf", "wxcv", "asdf", "zxcv", "bonjour", "soleil",
    "doudou", "loulou", "chouchou", "santé", "sante", "monespace", "123456789", "12345678", "1234567", "123456",
    "12345", "1234", "0000", "1111", "abcdef", "abcd",
)  # fmt: skip


def identifier(text: str) -> str:
    """The identifier as it is looked up. Raises `Invalid`."""
    value = _folded(text.strip())
    bare = re.sub(r"[\s.\-]", "", value).upper()
    if "@" in value:
        raise Invalid("identifier_email", "Choisissez un identifiant qui n’est pas une adresse e-mail.")
    if len(value) < IDENTIFIER:
        raise Invalid("identifier_short", f"L’identifiant doit avoir au moins {IDENTIFIER} caractères.")
    if _NIR.fullmatch(bare):
        raise Invalid("identifier_nir", "Choisissez un identifiant qui n’est pas un numéro de sécurité sociale.")
    if _iban(bare):
        raise Invalid("identifier_iban", "Choisissez un identifiant qui n’est pas un numéro de compte bancaire.")
    if len(value) > IDENTIFIER_MOST or not re.fullmatch(r"[\w.\-]+", value):
        raise Invalid(
            "identifier_signs",
            f"L’identifiant est fait de lettres, de chiffres, de points et de tirets, {IDENTIFIER_MOST} au plus.",
        )
    return value


def known_as(text: str) -> str:
    """As `identifier`, for whoever signs in: nothing is refused, so that nothing is told."""
    return _folded(text.strip())[:MOST]


def prepared(password: str) -> str:
    """A password as it is hashed: the same characters however the keyboard makes them (NIST SP 800-63B-4 § 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)[: 4 * MOST]


def password(text: str, identifier_: str, traits: Traits | None) -> None:
    """Raises `Invalid`, with what to change."""
    if len(text) > MOST:
        raise Invalid("password_long", f"Le mot de passe a {MOST} caractères au plus.")
    missing = [pattern for pattern, _ in _CLASSES if not re.search(pattern, text)]
    if len(text) < SHORT or (len(text) < LONG and missing):
        raise Invalid(
            "password_short",
            f"Prenez une phrase de {LONG} caractères ou plus ; ou {SHORT} caractères au moins, avec une majuscule, une"
            " minuscule, un chiffre et un signe.",
        )
    if _made_of(text, _known_of(identifier_, traits)):
        raise Invalid(
            "password_personal",
            "Ce mot de passe contient votre nom, votre date de naissance ou votre identifiant. Choisissez-en un autre.",
        )
    if bits(text) < BITS_BRAKED or _own(text) < OWN:
        raise Invalid("password_common", "Ce mot de passe se devine trop vite. Ajoutez des mots qui ne se suivent pas.")


def bits(text: str) -> float:
    """How many yes-or-no questions a guesser needs at most: characters by their kinds; one that returns counts less."""
    pool = sum(size for pattern, size in _CLASSES if re.search(pattern, text))
    return min(len(text), 2 * len(set(text))) * math.log2(pool) if pool else 0.0


def strength(text: str) -> str:
    """weak, fair or strong: below, between and above the bounds of CNIL 2022-100."""
    found = bits(text)
    return "weak" if found < BITS_BRAKED else "fair" if found < BITS_ALONE else "strong"


def _known_of(identifier_: str, traits: Traits | None) -> list[str]:
    found = [identifier_]
    if traits is not None:
        year, month, day = [*traits.birth_date.split("-"), "", ""][:3]
        found += [traits.birth_name, traits.used_name, *traits.given.split(), traits.ins[:13]]
        found += [day + month + year, year + month + day, day + month + year[2:], year[2:] + month + day]
    return [each for each in found if len(each) >= 4]


def _made_of(text: str, known: list[str]) -> bool:
    bare = re.sub(r"[\W_]", "", _folded(text))
    return any(re.sub(r"[\W_]", "", _folded(each)) in bare for each in known if re.sub(r"[\W_]", "", each))


def _own(text: str) -> int:
    """How many characters are no part of what fingers find by themselves, also when spelled with digits."""
    plain = _folded(text)
    spelled, found = plain.translate(_SPELLED), set[int]()
    for part in _FOUND:
        for written in (plain, spelled):
            for match in re.finditer(re.escape(part), written):
                found.update(range(*match.span()))
    return len(plain) - len(found)


def _folded(text: str) -> str:
    """Without case and accents."""
    flat = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(sign for sign in flat if not unicodedata.combining(sign))


def _iban(bare: str) -> bool:
    try:
        iban.validate(bare)
    except ValidationError:
        return False
    return True
