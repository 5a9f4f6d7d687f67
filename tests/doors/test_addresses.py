"""Whose mailbox an address names: patients by their INS, and nobody by accident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.fr import nir

from mail_gateway.addresses import ins_key_ok, is_address, normalise, parse_patient, split_token
from server.formats.malformed import Malformed
from tests.letters import CAMILLE, DOMINIQUE, MARCEL

DOMAINS = ("patient.pli.example", "Patient.MSSante.fr")
WRONG_KEY = "276037510669380"  # of an official example


def refused(address: str, **how: bool) -> str:
    with pytest.raises(Malformed) as caught:
        parse_patient(address, DOMAINS, **how)
    assert not any(digit in str(caught.value) for digit in (address, DOMINIQUE, WRONG_KEY))
    return caught.value.code


@pytest.mark.parametrize("ins", [DOMINIQUE, CAMILLE, MARCEL])
def test_the_people_of_the_demo_are_found_by_their_number(ins: str) -> None:
    found = parse_patient(f"{ins}@patient.pli.example", DOMAINS)
    assert (found.ins, found.key_ok, found.token) == (ins, True, "")


def test_a_patient_is_found_whatever_the_capitals_of_the_domain() -> None:
    assert parse_patient(f"{DOMINIQUE}@PATIENT.mssante.FR", DOMAINS).ins == DOMINIQUE


def test_a_thread_token_after_a_plus_is_told_from_the_number() -> None:
    found = parse_patient(f"{DOMINIQUE}+t4k3n@patient.pli.example", DOMAINS)
    assert (found.ins, found.token) == (DOMINIQUE, "t4k3n")
    assert split_token(f"{DOMINIQUE}+t4k3n@patient.pli.example") == (f"{DOMINIQUE}@patient.pli.example", "t4k3n")
    assert split_token("labo@pli.example") == ("labo@pli.example", "")


@pytest.mark.parametrize(("department", "stands_for"), [("2A", "19"), ("2B", "18"), ("2a", "19"), ("2b", "18")])
def test_a_patient_born_in_corsica_is_found_in_either_case(department: str, stands_for: str) -> None:
    number = f"17903{department}121518"
    key = 97 - int(f"17903{stands_for}121518") % 97
    found = parse_patient(f"{number}{key:02}@patient.pli.example", DOMAINS, strict_key=True)
    assert found.ins == f"{number}{key:02}".upper()


def test_a_wrong_key_is_a_warning_on_test_numbers_and_a_refusal_on_real_ones() -> None:
    address = f"{WRONG_KEY}@patient.pli.example"
    assert not parse_patient(address, DOMAINS).key_ok
    assert refused(address, test_oids=False) == "ins"
    assert refused(address, strict_key=True) == "ins"
    assert not parse_patient(address, DOMAINS, test_oids=False, strict_key=False).key_ok


@pytest.mark.parametrize(
    "local",
    [
        "", "279035121518", DOMINIQUE + "0", "979035121518989", "579035121518989", "27903512151898A", "2790352C1518989",
        "\u066279035121518989", "\uff1279035121518989", f" {DOMINIQUE}", f"{DOMINIQUE}\n", f'"{DOMINIQUE}"',
        "dominique", "27903 5121518989",
    ],
)  # fmt: skip
def test_what_is_not_a_number_of_fifteen_names_no_patient(local: str) -> None:
    assert refused(f"{local}@patient.pli.example") == "ins"


@pytest.mark.parametrize(
    "address", [DOMINIQUE, f"{DOMINIQUE}@", f"{DOMINIQUE}@pli.example", f"{DOMINIQUE}@evil.patient.pli.example"]
)
def test_a_number_at_another_domain_names_no_patient(address: str) -> None:
    assert refused(address) == "domain"


@given(st.text("0123456789", min_size=13, max_size=13))
def test_the_key_is_the_one_the_library_of_numbers_computes(number: str) -> None:
    for letters in (number, f"1{number[1:5]}2A{number[7:]}", f"1{number[1:5]}2B{number[7:]}"):
        key = nir.calc_check_digits(letters)
        if letters[0] in "123478":
            assert ins_key_ok(letters + key)
            assert not ins_key_ok(letters + f"{(int(key) + 1) % 98:02}")


@given(st.text(max_size=40))
def test_no_address_raises_anything_but_a_refusal(text: str) -> None:
    for address in (text, f"{text}@patient.pli.example"):
        try:
            parse_patient(address, DOMAINS)
        except Malformed as refusal:
            assert refusal.code in ("ins", "domain")  # noqa: PT017  # most texts are refused, a few might not be
    is_address(text)
    normalise(text)
    split_token(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agathe.morel@pli.example", True),
        ("labo+x@pli.example", True),
        ("été@hôpital.example", True),
        ("agathe.morel", False),
        ("@pli.example", False),
        ("a@", False),
        ("a@b@c", False),
        ("a b@c", False),
        ("a@b\r\nRCPT TO:<x@y>", False),
        ("a@[127.0.0.1]", False),
        ('"a"@b', False),
        ("a@b..c", False),
        ("a@-b", False),
        ("a@b.", False),
        (".a@b", False),
        ("a\u202e@b", False),
        ("<a@b>", False),
        ("a" * 65 + "@b", False),
        ("a@" + "b" * 400, False),
    ],
)
def test_a_plain_address_is_told_from_everything_else(text: str, expected: bool) -> None:
    assert is_address(text) is expected


def test_addresses_are_compared_by_the_domain_in_small_letters_and_the_rest_as_written() -> None:
    assert normalise(" Agathe.Morel@PLI.Example ") == "Agathe.Morel@pli.example"
