"""CDA headers: the thirty examples of the ANS, and everything that trips a parser in them or could be put into one."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.dossier import documents as shelf
from server.formats import cda, document_types, hl7
from server.formats.malformed import Malformed
from server.formats.sniff import sniff
from tests import letters

PARIS = timezone(timedelta(hours=1))

# From the table of the samples: type, class of the map, category, body.
EXAMPLES = {
    "ANEST-CR-CPA_2022.01": ("34749-2", "10", "reports", "N3"),
    "AVC-SUNV_2022.01": ("34133-9", "11", "summaries", "N3"),
    "BIO-CR-BIO_2021.01_CDA-R2-Niveau-1": ("11502-2", "10", "biology", "N1"),
    "BIO-CR-BIO_2024.01_Electrophorese": ("11502-2", "10", "biology", "N3"),
    "BIO-CR-BIO_2024.01_Glycemie-deux-unites": ("11502-2", "10", "biology", "N3"),
    "BIO-CR-BIO_2024.01_Microbiologie_V1": ("11502-2", "10", "biology", "N3"),
    "BIO-CR-BIO_2024.01_Microbiologie_V2": ("11502-2", "10", "biology", "N3"),
    "BIO-TROD_2024.01_COVID-19": ("96173-0", "52", "prevention", "N3"),
    "CANCER-D2LM-FIDD_2022.01": ("18748-4", "31", "imaging", "N3"),
    "CANCER-FRCP_2022.01_Transversale": ("34794-8", "10", "reports", "N3"),
    "CARD-F-PRC-AVK_2022.01": ("34133-9", "11", "summaries", "N3"),
    "CNAM-HR_2021.01": ("REMB", "60", "reimbursements", "N3"),
    "CSE-CS9_2025.01": ("CERT_DECL", "52", "certificates", "N3"),
    "CSE-MDE_2023.01": ("29274-8", "10", "reports", "N3"),
    "DLU-EHPAD-FLUDT_2022.01": ("74207-2", "11", "summaries", "N3"),
    "DOC_NON_STRUCTURE_CDA-R2-N1": ("11502-2", "10", "biology", "N1"),
    "IMG-DA-IMG_2024.01_Radiographie_ChevilleGenou": ("55115-0", "42", "prescriptions", "N3"),
    "IMG_CR_IMG_2024.01": ("18748-4", "31", "imaging", "N3"),
    "IMG_CR_IMG_2024.01_CDA-R2-Niveau-1": ("18748-4", "31", "imaging", "N1"),
    "LDL-SES_2022.01": ("11490-0", "10", "reports", "N3"),
    "OBP-SEM_2024.01": ("78489-2", "11", "summaries", "N3"),
    "OPH-BRE_2022.02": ("78513-9", "10", "reports", "N3"),
    "SDM-MR_2024.01_nouveau-ne": ("34133-9", "11", "summaries", "N3"),
    "TLM-CR_2022.01": ("85208-7", "10", "reports", "N1"),
    "TLM-DA_2022.01_TCG": ("75496-0", "10", "reports", "N3"),
    "VAC-NOTE_2023.01": ("87273-9", "52", "prevention", "N3"),
    "VAC_2023.01": ("11369-6", "52", "prevention", "N3"),
    "VSM_1.4_2022.01": ("SYNTH", "11", "summaries", "N3"),
    "eDISP-MED_2024.01": ("60593-1", "43", "prescriptions", "N3"),
    "eP-MED-DM_2024.01_PosoStruct": ("57833-6", "42", "prescriptions", "N3"),
}


def refused(data: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        cda.read_header(data)
    assert caught.value.detail.endswith(".")
    return caught.value.code


# ---- the examples of the ANS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_of_the_ans_says_what_it_is_and_of_whom(name: str, samples: Path) -> None:
    data = (samples / "cda" / f"{name}.xml").read_bytes()
    header = cda.read_header(data)
    assert (header.type_code, header.class_code, header.category, header.body) == EXAMPLES[name]
    assert header.id
    assert header.set_id
    assert header.title
    assert header.type_label
    assert header.effective is not None
    assert header.effective.tzinfo is not None
    assert header.confidentiality == ("N",)
    assert len(header.patient.ins) == 15
    assert header.patient.birth_name
    assert header.patient.given
    assert header.patient.birth_date is not None
    assert header.patient.sex == "F"
    assert header.authors
    assert all(author.name and author.identifier for author in header.authors)
    assert header.custodian
    body = cda.n1_body(cda.find(data))
    assert (body is not None) == (header.body == "N1")
    if body is not None:
        assert body[0] == header.media == "application/pdf"
        assert body[1].startswith(b"%PDF-")


def test_no_example_is_left_unread(samples: Path) -> None:
    assert {path.stem for path in (samples / "cda").glob("*.xml")} == set(EXAMPLES)


def test_the_second_version_names_the_first(samples: Path) -> None:
    header = cda.read_header((samples / "cda" / "BIO-CR-BIO_2024.01_Microbiologie_V2.xml").read_bytes())
    assert (header.version, header.replaces) == (2, "1.2.250.1.213.1.1.1.55.12345.13")


def test_given_names_before_family_names_and_an_old_used_name_are_read(samples: Path) -> None:
    patient = cda.read_header((samples / "cda" / "eDISP-MED_2024.01.xml").read_bytes()).patient
    assert (patient.birth_name, patient.given, patient.used_name) == ("NESSI", "RUTH", "DECOURCY")


def test_the_insurer_s_machine_is_an_author(samples: Path) -> None:
    (author,) = cda.read_header((samples / "cda" / "CNAM-HR_2021.01.xml").read_bytes()).authors
    assert author.name == "Assurance Maladie"


def test_the_pdf_copy_of_a_structured_document_is_found(samples: Path) -> None:
    with_copy, without = (
        cda.find((samples / "cda" / f"{name}.xml").read_bytes())
        for name in ("BIO-CR-BIO_2024.01_Electrophorese", "VSM_1.4_2022.01")
    )
    assert (cda.pdf_copy(with_copy) or b"")[:5] == b"%PDF-"
    assert cda.pdf_copy(without) is None


# ---- what trips a parser ---------------------------------------------------------------------------------------------


def test_the_report_of_the_lab_is_read_whole() -> None:
    header = cda.read_header(letters.cda())
    assert header.patient == cda.CdaPatient(
        letters.DOMINIQUE,
        letters.TEST_OID,
        "PAT-TROIS",
        "DOMINIQUE",
        "DOMINIQUE",
        "",
        "",
        date(1979, 3, 28),
        "F",
        "51215",
        ((letters.DOMINIQUE, letters.TEST_OID),),
    )
    assert header.authors == (
        cda.CdaAuthor("Dr Marcel CAMPARINI", "Médecin - Biologie médicale (SM)", "Laboratoire de Pli", "801234534765"),
    )
    assert header.effective == datetime(2026, 11, 20, 10, 15, tzinfo=PARIS)
    assert header.custodian == "Laboratoire de Pli"
    assert header.media == "application/pdf"


def test_a_self_presenting_file_is_read_without_running_its_stylesheet() -> None:
    inner = letters.cda().split(b"?>", 1)[1]
    data = (
        b'<?xml version="1.0"?><xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        b'<xsl:template match="/"><xsl:message terminate="yes"/></xsl:template>' + inner + b"</xsl:stylesheet>"
    )
    assert cda.read_header(data).patient.ins == letters.DOMINIQUE


def test_a_byte_order_mark_blanks_and_comments_come_before_a_document() -> None:
    body = letters.cda().split(b"?>", 1)[1]
    assert cda.read_header(b"\xef\xbb\xbf" + letters.cda()).version == 1
    assert cda.read_header(b"\r\n  <!-- <!DOCTYPE a> --><?xml-stylesheet href='../x.xsl'?>" + body).version == 1


def test_other_encodings_of_western_europe_are_read() -> None:
    text = letters.cda(organisation="Hôpital").decode().replace("UTF-8", "ISO-8859-1")
    assert cda.read_header(text.encode("cp1252")).custodian == "Hôpital"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20240106113623+100", datetime(2024, 1, 6, 11, 36, 23, tzinfo=PARIS)),
        ("20240106113623.123-0400", datetime(2024, 1, 6, 11, 36, 23, tzinfo=timezone(-timedelta(hours=4)))),
        ("202401061136+0100", datetime(2024, 1, 6, 11, 36, tzinfo=PARIS)),
        ("20240706113623", datetime(2024, 7, 6, 11, 36, 23, tzinfo=timezone(timedelta(hours=2)))),
        ("20240106", datetime(2024, 1, 6, tzinfo=PARIS)),
        ("202401", datetime(2024, 1, 1, tzinfo=PARIS)),
        ("2024", datetime(2024, 1, 1, tzinfo=PARIS)),
        ("20240106113623+01", datetime(2024, 1, 6, 11, 36, 23, tzinfo=PARIS)),
        ("20240106113623+0000", datetime(2024, 1, 6, 11, 36, 23, tzinfo=UTC)),
        ("20240230", None),
        ("99991231235959+0100", None),
        ("20240106113623+9999", None),
        ("hier", None),
        ("", None),
        ("2" * 1000, None),
    ],
)
def test_every_form_of_date_met_in_the_examples_is_an_instant(value: str, expected: datetime | None) -> None:
    assert hl7.instant(value) == expected
    assert cda.read_header(letters.cda(effective=value)).effective == expected


def test_masked_and_unknown_values_are_absent_and_never_printed() -> None:
    data = letters.cda().replace(b'<family qualifier="BR">PAT-TROIS</family>', b'<family nullFlavor="MSK"/>')
    data = data.replace(b'<effectiveTime value="20261120101500+0100"/>', b'<effectiveTime nullFlavor="UNK"/>')
    header = cda.read_header(data)
    assert header.patient.birth_name == ""
    assert header.effective is None


def test_the_national_number_is_preferred_whatever_the_order_of_identifiers() -> None:
    data = letters.cda().replace(
        b"</patientRole>", b'<id extension="150017505604274" root="1.2.250.1.213.1.4.8"/></patientRole>'
    )
    patient = cda.read_header(data).patient
    assert patient.ins == letters.MARCEL
    assert [value for value, _ in patient.ids] == [letters.MARCEL, letters.DOMINIQUE]


def test_a_document_hidden_from_its_patient_says_so_in_either_spelling() -> None:
    header = cda.read_header(letters.cda(confidentiality=("N", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX")))
    assert header.confidentiality == ("N", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX")


def test_a_document_with_little_in_its_header_says_what_it_can() -> None:
    data = letters.cda(body=b"", ins="", confidentiality=())
    data = data.replace(b"<assignedPerson>", b"<person>").replace(b"</assignedPerson>", b"</person>")
    start, end = data.index(b"<patient>"), data.index(b"</patient>") + len(b"</patient>")
    header = cda.read_header(data[:start] + data[end:])
    assert header.patient == cda.CdaPatient("", "", "", "", "", "", "", None, "", "")
    assert header.authors[0].name == ""
    assert header.confidentiality == ()
    assert hl7.day("1979") is hl7.day("19790230") is None


def test_a_text_written_as_it_is_in_a_level_one_document_is_given() -> None:
    data = letters.cda(body=b"x", media_type="text/plain").replace(b' representation="B64">eA==', ">Glycémie".encode())
    assert cda.n1_body(cda.find(data)) == ("text/plain", "Glycémie\n".encode())


def test_a_picture_announced_as_another_kind_is_what_its_bytes_say() -> None:
    header = cda.read_header(letters.cda(body=b"\x89PNG\r\n\x1a\nxx", media_type="image/jpeg"))
    assert header.media == "image/png"


def test_a_type_the_map_does_not_know_keeps_the_name_its_author_gave() -> None:
    data = letters.cda(type_code="99999-9").replace(b'code="99999-9"', b'code="99999-9" displayName="Note nouvelle"')
    header = cda.read_header(data)
    assert (header.type_label, header.class_code, header.category) == ("Note nouvelle", "", "reports")


@pytest.mark.parametrize("element", [b"<id root=", b"<code code=", b"<recordTarget>"])
def test_a_document_without_identity_is_refused(element: bytes) -> None:
    other = element.replace(b"<", b"<x")
    data = (
        letters.cda()
        .replace(element, other, 1)
        .replace(b"</recordTarget>", b"</xrecordTarget>" if b"rec" in element else b"</recordTarget>")
    )
    assert refused(data) == "cda"


# ---- what could be put into one --------------------------------------------------------------------------------------

BODY = letters.cda().split(b"?>", 1)[1]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + BODY, "xml_doctype"),
        (b'<?xml version="1.0"?><!-- a --><!DOCTYPE a SYSTEM "http://x.example/a.dtd">' + BODY, "xml_doctype"),
        (b'<?xml version="1.0" encoding="UTF-7"?>' + BODY, "xml"),
        (b'<?xml version="1.0" encoding="IBM037"?>' + BODY, "xml"),
        (('<?xml version="1.0" encoding="UTF-16"?>' + BODY.decode()).encode("utf-16"), "xml"),
        (BODY.replace(b"PAT-TROIS", b"&x;"), "xml"),
        (BODY[:-20], "xml"),
        (b"", "xml"),
        (b"\x00" * 100, "xml"),
        (b"<a/>", "cda"),
        (b'<ClinicalDocument xmlns="urn:other"/>', "cda"),
        (letters.pdf(), "xml"),
        (b"<a>" * 100_000, "xml"),
        (b"<a>" * 3000 + b"</a>" * 3000, "xml"),
        (b"<a>" + b"<b/>" * 1_000_000 + b"</a>", "xml_size"),
        (b"<a " + b"a='1' " * 1_000_000 + b"/>", "xml_size"),
    ],
)  # fmt: skip
def test_a_document_that_could_harm_is_refused_before_it_is_parsed(data: bytes, code: str) -> None:
    started = time.process_time()
    assert refused(data) == code
    assert time.process_time() - started < 0.5


def test_a_large_pdf_in_a_document_is_read() -> None:
    large = letters.pdf() + bytes(9_000_000)
    body = cda.n1_body(cda.find(letters.cda(body=large)))
    assert body == ("application/pdf", large)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_to_a_document_raises_anything_but_a_refusal(data: st.DataObject) -> None:
    raw = bytearray(letters.cda())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 20))] = data.draw(
            st.sampled_from((b"", b"<", b"\xff", b"nullFlavor='UNK'", b"&#0;", b"/>"))
        )
    try:
        document = cda.find(bytes(raw))
        header = cda.header(document)
        cda.n1_body(document)
        cda.pdf_copy(document)
        cda.media(document)
    except Malformed:
        return
    assert header.id
    for shown in (header.title, header.patient.birth_name, *(author.name for author in header.authors)):
        assert not set(shown) & set("\r\n\0\u202e")


# ---- codes and signatures --------------------------------------------------------------------------------------------


def test_the_ten_categories_have_names_in_both_languages_and_every_type_one_of_them() -> None:
    assert len(document_types.CATEGORIES) == 10
    assert [document_types.category_label(slug) for slug in document_types.CATEGORIES][:2] == [
        "Synthèses",
        "Ordonnances et soins",
    ]
    assert all(document_types.category_label(slug, "en") for slug in document_types.CATEGORIES)
    assert "ANS" in document_types.SOURCE
    for code in ("11502-2", "IMG-KOS", "DOCPAT06", "EXPPAT_3", "PRESC-BIO", "87273-9", "REMB"):
        assert document_types.category(code) in document_types.CATEGORIES
        assert document_types.type_label(code)
        assert document_types.type_label(code, "en")
    assert document_types.category("FEUILLE-DE-STYLE") == ""  # never shown
    assert document_types.category("unknown", "31") == "imaging"
    assert document_types.category("unknown") == "reports"


def test_the_dossier_shows_the_categories_this_door_speaks_of() -> None:
    for slug in document_types.CATEGORIES:
        assert shelf.CATEGORIES[slug] == (
            document_types.category_label(slug),
            document_types.category_label(slug, "en"),
        )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (letters.pdf(), "application/pdf"),
        (b"junk %PDF-1.4", "application/octet-stream"),
        (letters.xdm_zip(), "application/zip"),
        (letters.archive([("[Content_Types].xml", b"x"), ("word/document.xml", b"x")]),
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (letters.archive([("IHE_XDM/[Content_Types].xml", b"x"), ("word/a", b"x")]), "application/zip"),
        (letters.cda(), "application/xml"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"II*\x00", "image/tiff"),
        (b"{\\rtf1", "application/rtf"),
        (b"MZ\x90\x00", "application/x-dosexec"),
        (b"<html><script>", "text/html"),
        (b"<?xml version='1.0'?><html>", "text/html"),
        (b"<svg onload=x>", "text/html"),
        ("Glycémie : 0,92 g/L".encode(), "text/plain"),
        (letters.ics().encode(), "text/calendar"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (bytes(128) + b"DICM", "application/dicom"),
        ("été".encode("utf-16"), "text/plain"),
        (b"", "application/octet-stream"),
        (b"\x00\x01\x02", "application/octet-stream"),
    ],
)  # fmt: skip
def test_a_file_is_what_its_first_octets_say(data: bytes, expected: str) -> None:
    assert sniff(data) == expected
