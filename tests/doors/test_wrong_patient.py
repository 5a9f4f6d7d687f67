"""A document reaches the person it is about, and nobody else: held otherwise, with the code its sender is told."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mail_gateway import verdict
from server import people
from tests import letters
from tests.letters import CAMILLE, MARCEL
from tests.mail_house import ELSEWHERE, TO_CAMILLE, TO_DOMINIQUE, MailHouse, bring, open_mail_house

NIR, NIA = "1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"
METADATA = "METADATA.XML"


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as opened:
        yield opened


def with_file(data: bytes, name: str = "IHE_XDM.ZIP", kind: str = "application/zip", number: int = 1) -> bytes:
    message_id = f"<{number}@operator.example>"
    return letters.with_attachments((name, kind, data), from_=ELSEWHERE, message_id=message_id)


def changed(data: bytes, where: str, old: bytes, new: bytes) -> bytes:
    """The archive with its file of that name changed, and nothing said of it."""
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        files = [(name, zipped.read(name)) for name in zipped.namelist() if name[-1] != "/"]
    assert any(old in content for name, content in files if name.endswith(where))
    return letters.archive([(name, text.replace(old, new) if name.endswith(where) else text) for name, text in files])


def in_document(old: bytes, new: bytes, **facts: object) -> bytes:
    """An honest archive of a document in which something stands otherwise."""
    document = letters.cda(**facts)  # type: ignore[arg-type]
    assert old in document
    return letters.xdm_zip(documents=[document.replace(old, new)])


def nobody(data: bytes) -> bytes:
    """METADATA.XML names no patient."""
    return changed(data, METADATA, b"279035121518989^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH", b"^^^&amp;")


async def held(house: MailHouse) -> list[tuple[str, str]]:
    return [(str(one["reason"]), str(one["code"])) for one in await verdict.listed(house.app)]


ID = b'<id extension="279035121518989" root="1.2.250.1.213.1.4.10"/>'
MARCEL_S = b'<id extension="150017505604274" root="1.2.250.1.213.1.4.9"/>'
BIRTH_NAME = b'<family qualifier="BR">PAT-TROIS</family>'
OLD_ID = b'<id extension="1234567890123456789012" root="1.2.250.1.213.1.4.2"/>'

SOMEBODY_ELSE = {
    "all of it about Marcel": letters.xdm_zip(ins=MARCEL),
    "Marcel in METADATA.XML": letters.xdm_zip(metadata_ins=MARCEL),
    "Marcel in the document": letters.xdm_zip(documents=[letters.cda(ins=MARCEL)]),
    "Marcel and Dominique in METADATA.XML": changed(
        letters.xdm_zip(), METADATA, b'<RegistryPackage id="set01">',
        b'<RegistryPackage id="set00"><ExternalIdentifier identificationScheme="urn:uuid:6b5aea1a-874d-4603-a4bc-'
        b'96a0a7b38446" value="150017505604274^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH"/></RegistryPackage>'
        b'<RegistryPackage id="set01">',
    ),
    "one document of two": letters.xdm_zip(documents=[letters.cda(), letters.cda(ins=MARCEL, document_id="1.2.3")]),
    "another INS after the first": in_document(ID, ID + MARCEL_S),
    "another INS before it": in_document(ID, MARCEL_S + ID),
    "another birth name": letters.xdm_zip(birth_name="AUTRE"),
    "another birth date": letters.xdm_zip(birth_date="19790329"),
    "another sex": letters.xdm_zip(sex="M"),
    "another given name": letters.xdm_zip(given="CLAUDE"),
    "a damaged archive about Marcel": letters.xdm_zip(ins=MARCEL, damage=True),
    "another space of the INS": letters.xdm_zip(ins="279035121518988"[:12] + "888"),
}  # fmt: skip


@pytest.mark.parametrize("data", SOMEBODY_ELSE.values(), ids=SOMEBODY_ELSE.keys())
async def test_a_document_about_somebody_else_is_held_and_the_patient_sees_nothing(
    data: bytes, house: MailHouse
) -> None:
    assert (await bring(house, with_file(data))).startswith("250")
    assert await house.entries("dominique") == []
    assert await held(house) == [("wrong_patient", "904")]


SAME_PERSON = {
    "small letters and no hyphen": letters.xdm_zip(birth_name="Pat Trois", given="dominique"),
    "accents": letters.xdm_zip(given="Dômïnique"),
    "several given names": in_document(b"<given>DOMINIQUE</given>", b"<given>DOMINIQUE MARIE-LOUISE</given>"),
    "the second given name first": letters.xdm_zip(given="MARIE DOMINIQUE"),
    "an abbreviated given name": letters.xdm_zip(given="DOM"),
    "a sex that is not known": letters.xdm_zip(sex="U"),
    "a birth name that is masked": in_document(BIRTH_NAME, b'<family nullFlavor="MSK"/>'),
    "an INS in the document only": nobody(letters.xdm_zip()),
    "an INS in METADATA.XML only": in_document(ID, b""),
    "traits alone, and all of them": nobody(in_document(ID, b"")),
    "an INS in small letters and spaces": in_document(ID, ID.replace(b"279035121518989", b" 2 79 03 51 215 189 89 ")),
    "an old INS-C beside": in_document(ID, ID + OLD_ID),
    "a wrong check key, of test people": in_document(b"279035121518989", b"279035121518900"),
}  # fmt: skip


@pytest.mark.parametrize("data", SAME_PERSON.values(), ids=SAME_PERSON.keys())
async def test_a_document_that_names_the_patient_otherwise_but_truly_arrives(data: bytes, house: MailHouse) -> None:
    assert (await bring(house, with_file(data))).startswith("250")
    (entry,) = await house.entries("dominique")
    assert [(file.title, file.damaged) for file in entry.message.attachments[1:]] == [
        ("Compte rendu d’examens biologiques", "")
    ]
    assert await held(house) == []


UNNAMED = {
    "nothing at all": (nobody(in_document(ID, b"", birth_name="", given="", birth_date="", sex="")), "903"),
    "no birth date": (nobody(in_document(ID, b"", birth_date="")), "905"),
    "no birth name": (nobody(in_document(ID, b"", birth_name="")), "905"),
    "no sex": (nobody(in_document(ID, b"", sex="U")), "905"),
    "an INS-C and no trait": (nobody(in_document(ID, OLD_ID, birth_name="", given="", birth_date="")), "903"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "code"), UNNAMED.values(), ids=UNNAMED.keys())
async def test_a_document_that_does_not_say_whom_it_is_about_is_held(data: bytes, code: str, house: MailHouse) -> None:
    assert (await bring(house, with_file(data))).startswith("250")
    assert await house.entries("dominique") == []
    assert await held(house) == [("wrong_patient", code)]


async def test_a_document_that_comes_without_an_archive_is_compared_too(house: MailHouse) -> None:
    """Some software attaches the CDA by itself."""
    for number, (data, name) in enumerate(
        [(letters.cda(ins=MARCEL), "cr.xml"), (letters.cda(), "CR.XML"), (b"<autre/>", "autre.xml")]
    ):
        assert (await bring(house, with_file(data, name, "text/xml", number))).startswith("250")
    own, other = (entry.message.attachments for entry in await house.entries("dominique"))
    assert [(file.name, file.title, file.category) for file in own] == [
        ("CR.XML", "Compte rendu d’examens biologiques", "biology")
    ]
    assert [(file.name, file.title, file.damaged) for file in other] == [("autre.xml", "", "")]
    assert await held(house) == [("wrong_patient", "904")]


async def test_an_archive_of_another_name_in_a_letter_that_announces_documents_is_compared_too(
    house: MailHouse,
) -> None:
    for number, data in enumerate([letters.xdm_zip(ins=MARCEL), letters.xdm_zip()]):
        letter = letters.with_attachments(
            ("documents.zip", "application/octet-stream", data),
            from_=ELSEWHERE,
            message_id=f"<{number}@operator.example>",
            subject="XDM/1.0/DDM+Bilan PAT-TROIS Dominique 28/03/1979",
        )
        assert (await bring(house, letter)).startswith("250")
    (entry,) = await house.entries("dominique")
    assert [file.title for file in entry.message.attachments] == ["", "Compte rendu d’examens biologiques"]
    assert await held(house) == [("wrong_patient", "904")]


async def test_real_people_are_known_by_national_numbers_with_their_key(tmp_path: Path, sqlite_url: str) -> None:
    """`strict_ins_key`, and no test OID: as `pli serve` runs."""
    changes = {"strict_ins_key": True, "ins_oids": f"{NIR},{NIA}"}
    async with open_mail_house(tmp_path, sqlite_url) as house:
        house.app.settings = replace(house.app.settings, **changes)  # type: ignore[arg-type]
        for number, data in enumerate(
            [
                letters.xdm_zip(oid=NIR),
                letters.xdm_zip(oid=NIA, document_id="1.2.3"),
                letters.xdm_zip(),  # a test number
                letters.xdm_zip(oid=NIR, ins="279035121518900"),  # a wrong key
            ]
        ):
            assert (await bring(house, with_file(data, number=number))).startswith("250")
        assert len(await house.entries("dominique")) == 2
        assert sorted(await held(house)) == [("wrong_patient", "903"), ("wrong_patient", "904")]


# ---- what its author hides -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mark", ["INVISIBLE_PATIENT", "Invisible_Patient", "INVISIBLE PATIENT", "INVISIBLEPATIENT", "INVISIBLE-PATIENT"]
)
@pytest.mark.parametrize("where", ["document", "metadata", "damaged"])
async def test_what_is_not_for_the_patient_is_held_however_it_is_spelt(mark: str, where: str, house: MailHouse) -> None:
    data = letters.xdm_zip(confidentiality=("N", mark))
    if where != "document":
        data = changed(letters.xdm_zip(), METADATA, b'nodeRepresentation="N"', f'nodeRepresentation="{mark}"'.encode())
    if where == "damaged":
        data = changed(data, METADATA, b'"hash"', b'"other"')
    assert (await bring(house, with_file(data))).startswith("250")
    assert await house.entries("dominique") == []
    assert await held(house) == [("invisible_patient", "906")]


@pytest.mark.parametrize("mark", ["INVISIBLE_REP_LEGAUX", "INVISIBLE_REPRESENTANTS_LEGAUX"])
async def test_what_is_not_for_the_parents_does_not_reach_the_child_s_mailbox_that_they_read(
    mark: str, house: MailHouse
) -> None:
    about: dict[str, Any] = {"birth_name": "PAT-TROIS", "given": "CAMILLE", "birth_date": "20190614"}
    secret = letters.xdm_zip(ins=CAMILLE, confidentiality=("N", mark), **about)
    plain = letters.xdm_zip(ins=CAMILLE, **about)
    assert (await bring(house, with_file(secret), TO_CAMILLE)).startswith("250")
    assert (await bring(house, with_file(plain, number=2), TO_CAMILLE)).startswith("250")
    assert len(await house.entries("camille")) == 1
    assert await held(house) == [("invisible_representatives", "906")]


async def test_a_grown_up_whom_nobody_represents_reads_it(house: MailHouse) -> None:
    data = letters.xdm_zip(confidentiality=("N", "INVISIBLE_REP_LEGAUX"))
    assert (await bring(house, with_file(data))).startswith("250")
    assert len(await house.entries("dominique")) == 1
    dominique, marcel = house.people["dominique"], house.people["marcel"]
    await people.delegate(house.app, dominique.space_id, marcel.account_id, "representative", None, "operator")
    assert (await bring(house, with_file(data, number=2))).startswith("250")
    assert len(await house.entries("dominique")) == 1
    assert await held(house) == [("invisible_representatives", "906")]


async def test_a_minor_whom_nobody_represents_yet_will_be_read_for(house: MailHouse) -> None:
    born = date.today() - timedelta(days=365 * 17)  # noqa: DTZ011 - a birthday has no zone
    alone = people.Traits("209067505611793", letters.TEST_OID, "SEUL", "Lou", born.isoformat(), "F", "75056")
    house.people["lou"] = await people.open_space(house.app, alone)
    about: dict[str, Any] = {"birth_name": "SEUL", "given": "LOU", "birth_date": f"{born:%Y%m%d}"}
    data = letters.xdm_zip(ins=alone.ins, confidentiality=("INVISIBLE_REP_LEGAUX",), **about)
    address = f"{alone.ins}@{house.app.settings.patient_domain}"
    assert (await bring(house, with_file(data), address)).startswith("250")
    assert await house.entries("lou") == []
    assert await held(house) == [("invisible_representatives", "906")]


async def test_one_of_two_patients_gets_the_letter_and_the_other_does_not(house: MailHouse) -> None:
    """The document is about one of them: the letter is held for the other."""
    assert (await bring(house, with_file(letters.xdm_zip()), TO_DOMINIQUE, TO_CAMILLE)).startswith("250")
    assert len(await house.entries("dominique")) == 1
    assert await house.entries("camille") == []
    assert await held(house) == [("wrong_patient", "904")]
