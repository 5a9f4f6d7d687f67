"""What an identifier and a password must be, as a table; and where somebody may be reached."""

from __future__ import annotations

import pytest

from server import contacts, strength
from server.demo import HOLDERS
from server.errors import Invalid

DOMINIQUE = HOLDERS["dominique"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tulipe.jaune", ""),
        ("  Tulipe.JAUNE ", ""),
        ("été-2026-à-la-mer", ""),
        ("tulipe", "identifier_short"),
        ("dominique@courrier.example", "identifier_email"),
        ("279035121518989", "identifier_nir"),
        ("2 79 03 51 215 189 89", "identifier_nir"),
        ("2790351215189", "identifier_nir"),  # without its key
        ("279032A215189", "identifier_nir"),  # Corse
        ("FR7630006000011234567890189", "identifier_iban"),
        ("fr76 3000 6000 0112 3456 7890 189", "identifier_iban"),
        ("tulipe jaune", "identifier_signs"),
        ("tulipe\u202ejaune", "identifier_signs"),
        ("<script>alert(1)</script>", "identifier_signs"),
        ("t" * 65, "identifier_signs"),
    ],
)
def test_an_identifier_is_of_ones_own_choice_and_nothing_that_others_know(text: str, told: str) -> None:
    assert _code(strength.identifier, text) == told


def test_an_identifier_is_found_however_it_is_typed() -> None:
    typed = ("Tulipe.Été", "tulipe.ete", " TULIPE.ÉTÉ ", "tulipe.e\u0301te\u0301")
    assert {strength.known_as(text) for text in typed} == {strength.identifier("tulipe.ete")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Xu7!qLm2w", ""),  # nine, of four kinds
        ("Xu7!qLm2", "password_short"),
        ("xu7!qlm2w", "password_short"),  # no capital
        ("XU7!QLM2W", "password_short"),
        ("Xuz!qLmew", "password_short"),
        ("Xu7aqLm2w", "password_short"),
        ("le merle chante", ""),  # fifteen, of any kind
        ("le merle chant", "password_short"),
        ("le merle chante sous la pluie d’avril", ""),
        ("大きな木の下で雨宿りをする鳥たち", ""),
        ("aaaaaaaaaaaaaaaaaaaa", "password_common"),
        ("Azerty123!", "password_common"),
        ("motdepassemotdepasse", "password_common"),
        ("M0tDeP@sse1234!", "password_common"),
        ("Pat-Trois le retour", "password_personal"),
        ("je suis DOMINIQUE !", "password_personal"),
        ("né le 28/03/1979 à Pli", "password_personal"),
        ("mon numéro 2790351215189", "password_personal"),
        ("oh la tulipe jaune", "password_personal"),  # the identifier
        ("x" * 257, "password_long"),
    ],
)
def test_a_password_is_long_or_mixed_and_made_of_nothing_one_knows_of_her(text: str, told: str) -> None:
    assert _code(strength.password, text, "tulipe.jaune", DOMINIQUE) == told


@pytest.mark.parametrize(
    ("text", "said"),
    [("azerty", "weak"), ("", "weak"), ("Xu7!qLm2w", "fair"), ("le merle chante", "fair"),
     ("le merle chante sous la pluie", "strong"), ("a" * 40, "weak")],
)  # fmt: skip
def test_how_strong_it_is_is_said_in_words(text: str, said: str) -> None:
    """50 bits with a brake, 80 alone (CNIL 2022-100)."""
    assert strength.strength(text) == said


def test_a_password_is_the_same_from_every_keyboard() -> None:
    assert strength.prepared("été ﬁn") == strength.prepared("e\u0301te\u0301 fin")


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        ("phone", "06 12 34 56 78", "+33612345678"),
        ("phone", "06.12.34.56.78", "+33612345678"),
        ("phone", "0033 6 12 34 56 78", "+33612345678"),
        ("phone", "+32 470 12 34 56", "+32470123456"),
        ("phone", "06 12 34 56", "bad_phone"),
        ("phone", "+33612345678;drop", "bad_phone"),
        ("phone", "15", "bad_phone"),
        ("email", " Dominique@Courrier.EXAMPLE ", "Dominique@courrier.example"),
        ("email", "dominique@courrier", "bad_email"),
        ("email", "a@b.example\nBcc: c@d.example", "bad_email"),
        ("email", "a b@c.example", "bad_email"),
        ("email", "<a@b.example>", "bad_email"),
    ],
)
def test_a_contact_is_kept_as_machines_write_it(kind: str, text: str, kept: str) -> None:
    read = contacts.phone if kind == "phone" else contacts.email
    if kept.startswith("bad"):
        assert _code(read, text) == kept
    else:
        assert read(text) == kept


def test_ones_own_contact_is_recognised_and_not_shown() -> None:
    assert contacts.Contact("1", "phone", "+33612345678", verified=True).masked == "•••• 78"
    assert contacts.Contact("1", "email", "dominique@courrier.example", verified=True).masked == "d•••@courrier.example"


def _code(rule: object, *given: object) -> str:
    try:
        rule(*given)  # type: ignore[operator]
    except Invalid as error:
        return error.code
    return ""
