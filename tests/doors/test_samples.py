"""Every sample document of the ANS: read where real ones are, brought as real ones come, laid out to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mail_gateway import verdict
from server import attachments
from server.formats import cda
from server.formats.package import Parcel
from server.formats.parser_process import Parsers
from tests import letters
from tests.letters import DOMINIQUE
from tests.mail_house import ELSEWHERE, bring, open_mail_house
from tests.support.samples import survey
from webchat import narrative

CDA, XDM, OTHERS = 30, 2, 5  # OTHERS: the CDA that are about somebody else than Dominique


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    opened = Parsers(1)
    yield opened
    opened.close()


def documents(folder: Path) -> list[Path]:
    return sorted((folder / "cda").iterdir())


def test_all_of_them_are_understood_without_a_failure(samples: Path, parsers: Parsers) -> None:
    found = survey(samples, parsers.unpack)
    assert found.failures == []
    assert len(found.read) == CDA + XDM
    for name, package in found.read.items():
        (paper,) = package.papers
        for said in (paper.title, paper.label, paper.class_code, paper.category, paper.author, paper.created):
            assert said, name
        assert paper.lineage.unique_id, name
        assert paper.lineage.set_id, name
        assert paper.lineage.organisation_id, name
        assert paper.claim.ids, name
        assert paper.claim.birth_name, name
        assert paper.claim.birth_date, name
        assert paper.marks == ("N",), name
        assert paper.language == "fr-FR", name


def test_every_file_within_them_is_of_the_type_its_octets_say(samples: Path) -> None:
    found: Counter[str] = Counter()
    for path in documents(samples):
        document = cda.find(path.read_bytes())
        whole = cda.n1_body(document)
        found.update([kind for kind, _ in cda.media(document)] + ([whole[0]] if whole else []))
    # One of the two PNG is announced as a JPEG.
    assert found == {"application/pdf": 13, "image/png": 2, "image/jpeg": 2}


def test_the_pictures_of_a_document_that_is_no_pdf_come_beside_it(samples: Path, parsers: Parsers) -> None:
    mammography = (samples / "cda" / "CANCER-D2LM-FIDD_2022.01.xml").read_bytes()
    (paper,) = parsers.unpack(Parcel("document", "", mammography)).papers
    assert [kind for kind, _ in paper.images] == ["image/jpeg", "image/jpeg"]


async def test_those_about_dominique_reach_her_and_the_others_are_held(
    samples: Path, tmp_path: Path, sqlite_url: str
) -> None:
    """Each in an archive of its own, as a hospital sends them."""
    async with open_mail_house(tmp_path, sqlite_url) as house:
        box = await house.mailbox("dominique")
        hers = 0
        for number, path in enumerate(documents(samples)):
            data = path.read_bytes()
            patient = cda.read_header(data).patient
            hers += patient.ins == DOMINIQUE
            archive = letters.xdm_zip(documents=[data], ins=patient.ins, oid=patient.oid)
            letter = letters.with_attachments(
                ("IHE_XDM.ZIP", "application/zip", archive), from_=ELSEWHERE, message_id=f"<{number}@operator.example>"
            )
            assert (await bring(house, letter)).startswith("250"), path.name
        entries = [entry for entry in await house.entries("dominique") if entry.message.kind == "text"]
        assert len(entries) == hers == CDA - OTHERS
        assert Counter(one["code"] for one in await verdict.listed(house.app)) == {"904": OTHERS}
        for entry in entries:
            archive_file, document, *pictures = entry.message.attachments
            assert not archive_file.damaged
            assert document.label
            assert document.category
            _, content = await attachments.opened(house.app, box, document.space, document.id)
            if document.type == "application/xml":
                shown = narrative.read(content)
                assert shown.sections or shown.pdf
            else:
                assert (document.type, content[:5]) == ("application/pdf", b"%PDF-")
            assert {picture.type for picture in pictures} <= {"image/jpeg", "image/png"}
