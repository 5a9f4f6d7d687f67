"""What a structured document says, as findings: the examples of the ANS, counted; what they lack, made here."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.formats import cda, cda_entries
from server.formats.findings import MASKED, Allergy, Coded, Finding, Measure, Problem, Quantity, Result, Treatment
from server.formats.malformed import Malformed
from tests.support import cda_documents as made
from tests.support.cda_documents import LOINC, saying

# results, vaccinations, measures, treatments (devices among them), allergies, problems
COUNTS: dict[str, tuple[int, int, int, int, int, int]] = {
    "ANEST-CR-CPA_2022.01": (0, 0, 7, 1, 1, 18),
    "AVC-SUNV_2022.01": (0, 0, 0, 1, 0, 1),
    "BIO-CR-BIO_2021.01_CDA-R2-Niveau-1": (0, 0, 0, 0, 0, 0),
    "BIO-CR-BIO_2024.01_Electrophorese": (44, 0, 0, 0, 0, 0),
    "BIO-CR-BIO_2024.01_Glycemie-deux-unites": (2, 0, 0, 0, 0, 0),
    "BIO-CR-BIO_2024.01_Microbiologie_V1": (14, 0, 0, 0, 0, 0),
    "BIO-CR-BIO_2024.01_Microbiologie_V2": (14, 0, 0, 0, 0, 0),
    "BIO-TROD_2024.01_COVID-19": (1, 0, 0, 0, 0, 0),
    "CANCER-D2LM-FIDD_2022.01": (0, 0, 0, 0, 0, 0),
    "CANCER-FRCP_2022.01_Transversale": (0, 0, 0, 0, 0, 1),
    "CARD-F-PRC-AVK_2022.01": (0, 0, 0, 4, 4, 2),
    "CNAM-HR_2021.01": (0, 3, 0, 5, 0, 0),
    "CSE-CS9_2025.01": (0, 16, 3, 1, 0, 2),
    "CSE-MDE_2023.01": (0, 0, 3, 0, 0, 0),
    "DLU-EHPAD-FLUDT_2022.01": (0, 0, 5, 1, 0, 0),
    "DOC_NON_STRUCTURE_CDA-R2-N1": (0, 0, 0, 0, 0, 0),
    "IMG-DA-IMG_2024.01_Radiographie_ChevilleGenou": (0, 0, 0, 0, 0, 0),
    "IMG_CR_IMG_2024.01": (0, 0, 0, 1, 0, 0),
    "IMG_CR_IMG_2024.01_CDA-R2-Niveau-1": (0, 0, 0, 0, 0, 0),
    "LDL-SES_2022.01": (0, 0, 0, 3, 1, 0),
    "OBP-SEM_2024.01": (0, 2, 0, 0, 0, 10),
    "OPH-BRE_2022.02": (0, 0, 0, 0, 0, 1),
    "SDM-MR_2024.01_nouveau-ne": (0, 0, 3, 0, 0, 2),
    "TLM-CR_2022.01": (0, 0, 0, 0, 0, 0),
    "TLM-DA_2022.01_TCG": (0, 0, 3, 2, 1, 2),
    "VAC-NOTE_2023.01": (0, 1, 0, 0, 0, 0),
    "VAC_2023.01": (0, 4, 0, 0, 0, 0),
    "VSM_1.4_2022.01": (0, 0, 0, 2, 1, 4),
    "eDISP-MED_2024.01": (0, 0, 0, 2, 0, 0),
    "eP-MED-DM_2024.01_PosoStruct": (0, 0, 2, 3, 0, 0),
}
KINDS = ("result", "immunisation", "measure", "treatment", "allergy", "problem")


def read(data: bytes) -> tuple[Finding, ...]:
    return cda_entries.findings(cda.find(data))


def example(samples: Path, name: str) -> tuple[Finding, ...]:
    return read((samples / "cda" / f"{name}.xml").read_bytes())


def entry(inner: str) -> tuple[Finding, ...]:
    return read(made.cda(entries=f"<entry>{inner}</entry>"))


# ---- the examples of the ANS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTS)
def test_an_example_says_as_much_as_it_says(name: str, samples: Path) -> None:
    found = example(samples, name)
    kinds = Counter(one.kind for one in found)
    assert tuple(kinds[kind] for kind in KINDS) == COUNTS[name]
    for one in found:
        main = getattr(one, "analyte", None) or getattr(one, "what", None) or getattr(one, "agent", None)
        main = main or getattr(one, "product", None)
        assert main is not None
        assert main.label


def test_no_example_is_left_uncounted(samples: Path) -> None:
    assert {path.stem for path in (samples / "cda").glob("*.xml")} == set(COUNTS)


def test_the_same_glucose_in_two_units_is_two_results_that_know_each_other(samples: Path) -> None:
    moles, mass = example(samples, "BIO-CR-BIO_2024.01_Glycemie-deux-unites")
    assert isinstance(moles, Result)
    assert isinstance(mass, Result)
    assert (moles.value, moles.same_as) == (mass.same_as, mass.value) == (Quantity("4.89", "mmol/L"), mass.value)
    assert (mass.low, mass.high, mass.interpretation, mass.at) == ("0.70", "1.08", "N", "2014-04-02T14:55:21+02:00")


def test_an_antibiogram_stands_with_its_germ(samples: Path) -> None:
    found = [one for one in example(samples, "BIO-CR-BIO_2024.01_Microbiologie_V2") if isinstance(one, Result)]
    resistant = next(one for one in found if one.interpretation == "R")
    assert resistant.specimen.startswith("Escherichia coli")
    assert resistant.value == Quantity("0.512", "ug/mL", ">=")
    colour = found[0]
    assert (colour.value, colour.specimen) == (Quantity("paille"), "Urine")


def test_an_earlier_result_stands_beside_the_new_one_and_counts_for_none(samples: Path) -> None:
    urea = next(
        one
        for one in example(samples, "BIO-CR-BIO_2024.01_Electrophorese")
        if isinstance(one, Result) and one.analyte.code == "22664-7"
    )
    assert (urea.value.value, urea.interpretation, urea.low, urea.high) == ("10.02", "H", "3.50", "8")
    assert urea.previous == "8.5 mmol/L (2020-09-12) ; 7.9 mmol/L (2020-01-03)"


def test_a_dispensation_answers_the_line_of_a_prescription(samples: Path) -> None:
    lines = [one for one in example(samples, "eP-MED-DM_2024.01_PosoStruct") if isinstance(one, Treatment)]
    given = [one for one in example(samples, "eDISP-MED_2024.01") if isinstance(one, Treatment)]
    assert [one.mood for one in lines] == ["INT", "INT", "INT"]
    assert [one.device for one in lines] == [False, False, True]
    assert given[0].answers == lines[0].line != ""
    assert {one.mood for one in given} == {"DISP"}
    assert lines[0].dose.startswith("1 comprimé(s) toutes les 8 heures pendant 2 jours")
    assert (lines[0].quantity, lines[0].repeats, lines[0].route) == ("2 boîte(s)", "3", "Voie orale")
    assert lines[0].note == "A prendre au cours d'un repas"


def test_what_an_example_says_the_patient_does_not_have_is_never_read_as_a_disease(samples: Path) -> None:
    problems = [one for one in example(samples, "ANEST-CR-CPA_2022.01") if isinstance(one, Problem)]
    denied = [one for one in problems if one.status == "absent"]
    assert len(denied) == 10
    assert all(one.what.label.startswith("Absence de : ") and not one.what.code for one in denied)


def test_where_an_entry_names_no_agent_the_words_of_its_section_are_read(samples: Path) -> None:
    (allergy,) = [one for one in example(samples, "LDL-SES_2022.01") if isinstance(one, Allergy)]
    assert allergy.agent == Coded(label="Aucune allergie / intolérance identifiée pendant le séjour")


def test_the_first_weight_of_a_child_stays_in_grams_at_the_time_of_its_examination(samples: Path) -> None:
    weight = example(samples, "CSE-MDE_2023.01")[0]
    assert isinstance(weight, Measure)
    assert (weight.value, weight.at, weight.what.code) == (Quantity("3900", "g"), "2021-02-11", "29463-7")


# ---- what they lack --------------------------------------------------------------------------------------------------

SAID: list[Finding] = [
    made.GLUCOSE, made.WEIGHT, made.PENICILLIN, made.DIABETES, made.TETANUS, made.PARACETAMOL,
    replace(made.PARACETAMOL, mood="EVN", reason="Douleur", dose="un comprimé le soir"),
    replace(made.PARACETAMOL, mood="DISP", line="1.2.3^9", answers="1.2.3^4", until="", route="", quantity="2 mg"),
    replace(made.TETANUS, done=False, reason="Refus de la famille", lot="", rank=""),
    replace(made.TETANUS, reaction="Fièvre", at=""),
    replace(made.PENICILLIN, reaction="Urticaire", at="2018"),
    replace(made.DIABETES, status="resolved", until="2023-05"),
    replace(made.GLUCOSE, value=Quantity("0.5", "g/L", "<"), low="", high="", range_text="inférieur à 1"),
    replace(made.GLUCOSE, value=Quantity("présence"), low="", high="", interpretation="", previous="absence"),
    made.NO_ALLERGY,
]  # fmt: skip


@pytest.mark.parametrize("one", SAID, ids=lambda one: one.kind)
def test_what_is_put_into_a_document_is_read_of_it(one: Finding) -> None:
    (found,) = read(saying([one], "marcel"))
    expected = replace(one, group=found.group, note=found.note)
    if found.kind == "immunisation":
        expected = replace(expected, product=Coded(label="vaccins tétaniques"))
    if isinstance(found, Result):
        expected = replace(expected, section="Biochimie")
    if isinstance(found, Problem):
        expected = replace(expected, section="11450-4")
    assert found == expected


def test_a_masked_value_is_masked_and_never_unknown() -> None:
    hidden = replace(made.GLUCOSE, value=Quantity(MASKED), low="", high="")
    result, problem = read(made.cda(results=[hidden], problems=[Problem(what=Coded(label=MASKED))]))
    assert isinstance(result, Result)
    assert isinstance(problem, Problem)
    assert (result.value, problem.what) == (Quantity(MASKED), Coded(label=MASKED))


@pytest.mark.parametrize("language", ["fr-FR", "en-GB", "de-DE"])
def test_any_language_signed_or_not_restricted_or_not_a_document_says_the_same(language: str) -> None:
    plain = read(made.cda(results=made.GLUCOSE_TWICE))
    marks = ("V", "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX")
    data = made.cda("marcel", results=made.GLUCOSE_TWICE, language=language, signed=True, confidentiality=marks)
    assert read(data) == plain
    header = cda.read_header(data)
    assert (header.patient.sex, header.language, header.confidentiality) == ("M", language, marks)
    assert plain[0].same_as == Quantity("1.30", "g/L")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("20240106113623+100", "2024-01-06T11:36:23+01:00"),
        ("202401061136+0100", "2024-01-06T11:36:00+01:00"),
        ("20240706113623", "2024-07-06T11:36:23+02:00"),
        ("20240106113623.123-0400", "2024-01-06T11:36:23-04:00"),
        ("20240106", "2024-01-06"),
        ("202401", "2024-01"),
        ("2024", "2024"),
        ("20092012081500+0100", "2026-11-20T10:15:00+01:00"),  # no month has that number: that of the document
        ("hier", "2026-11-20T10:15:00+01:00"),
    ],
)
def test_a_time_keeps_the_precision_it_was_given(written: str, read_as: str) -> None:
    data = made.cda(results=[made.GLUCOSE]).replace(b"20261120083000+0100", written.encode())
    assert read(data)[0].at == read_as


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('<value xsi:type="c:PQ" xmlns:c="urn:hl7-org:v3" value="1,5" unit="g"/>', Quantity("1.5", "g")),
        ('<value xsi:type="INT" value="4"/>', Quantity("4")),
        ('<value xsi:type="REAL" value="2.50"/>', Quantity("2.50")),
        ('<value xsi:type="BL" value="true"/>', Quantity("oui")),
        ('<value xsi:type="CD"><originalText><reference value="said"/></originalText></value>', Quantity("négatif")),
        ('<value xsi:type="CD"><originalText><reference value="#"/></originalText></value>', Quantity()),
        ('<value xsi:type="CD"><originalText><reference value="#nowhere"/></originalText></value>', Quantity()),
        ('<value xsi:type="CD" nullFlavor="UNK"><translation code="1" displayName="un"/></value>', Quantity("un")),
        ('<value xsi:type="PQ" nullFlavor="NASK"/>', Quantity()),
        ('<value xsi:type="IVL_PQ"><low value="1" unit="mg"/><high value="2" unit="mg"/></value>',
         Quantity("1 – 2", "mg")),
        ('<value xsi:type="IVL_PQ"><high value="2" unit="mg" inclusive="false"/></value>', Quantity("2", "mg", "<")),
        ('<value xsi:type="RTO_PQ_PQ"><numerator value="1"/><denominator value="40"/></value>', Quantity("1 / 40")),
        ('<value xsi:type="ST">né\u202egatif\x85</value>', Quantity("négatif")),
        ('<value xsi:type="CD" displayName="a"/><value xsi:type="CD" displayName="b"/>', Quantity("a ; b")),
    ],
)  # fmt: skip
def test_every_form_of_value_is_read(value: str, expected: Quantity) -> None:
    (found,) = entry(
        '<observation classCode="OBS" moodCode="EVN"><templateId root="1.3.5.1.4.1.19376.1.3.1.6"/>'
        f'<code code="5778-6" codeSystem="{LOINC}"/><entryRelationship typeCode="SUBJ"><act>'
        '<templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.2"/><text ID="said">négatif</text></act></entryRelationship>'
        f"{value}</observation>"
    )
    assert isinstance(found, Result)
    assert found.value == expected
    assert found.analyte.label == "5778-6"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ('<effectiveTime xsi:type="PIVL_TS"><period value="8" unit="h"/></effectiveTime>', "2 mg toutes les 8 heures"),
        ('<effectiveTime xsi:type="PIVL_TS"><period value="1" unit="d"/></effectiveTime>', "2 mg par jour"),
        ('<effectiveTime xsi:type="PIVL_TS"><period value="3" unit="mo"/></effectiveTime>', "2 mg tous les 3 mois"),
        ('<effectiveTime xsi:type="EIVL_TS"><event code="HS"/></effectiveTime>', "2 mg au coucher"),
        ('<effectiveTime xsi:type="EIVL_TS"><event code="ACM"/><offset><low value="-30" unit="min"/></offset>'
         "</effectiveTime>", "2 mg 30 minutes avant le petit déjeuner"),
        ('<effectiveTime xsi:type="SXPR_TS"><comp xsi:type="IVL_TS"><low value="20231201"/><width value="1" unit="d"/>'
         '</comp><comp xsi:type="PIVL_TS"><period value="12" unit="h"/></comp></effectiveTime>',
         "2 mg toutes les 12 heures pendant 1 jour"),
        ('<effectiveTime xsi:type="PIVL_TS"><period value="x" unit="fortnight"/></effectiveTime>', "2 mg"),
    ],
)  # fmt: skip
def test_how_a_medicine_is_taken_is_said_in_words(times: str, expected: str) -> None:
    (found,) = entry(
        '<substanceAdministration moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.7"/>'
        f'{times}<doseQuantity><low value="2" unit="mg"/><high value="2" unit="mg"/></doseQuantity><consumable>'
        "<manufacturedProduct><manufacturedMaterial><name>Plavix</name></manufacturedMaterial></manufacturedProduct>"
        "</consumable></substanceAdministration>"
    )
    assert isinstance(found, Treatment)
    assert found.dose == expected


def test_what_is_said_of_the_family_is_not_said_of_the_patient() -> None:
    inner = made._problem_observation(made.DIABETES)
    assert not entry(
        '<organizer classCode="CLUSTER"><templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.15"/><component>'
        f"{inner}</component></organizer>"
    )
    assert not entry(inner.replace("</observation>", "<subject><relatedSubject/></subject></observation>"))


def test_a_denied_problem_and_a_denied_allergy_say_so_in_their_name() -> None:
    data = made.cda(problems=[made.DIABETES], allergies=[made.PENICILLIN])
    allergy, problem = read(data.replace(b'negationInd="false"', b'negationInd="true"'))
    assert isinstance(allergy, Allergy)
    assert isinstance(problem, Problem)
    assert (allergy.agent, allergy.status) == (Coded(label="Absence de : Pénicillines"), "absent")
    assert (problem.what, problem.status) == (Coded(label="Absence de : Diabète sucré de type 2"), "absent")


# ---- what could be put into one --------------------------------------------------------------------------------------


def test_a_document_of_a_hundred_thousand_entries_gives_no_more_than_is_kept() -> None:
    many = made.cda(entries="".join(f"<entry>{made._problem_observation(Problem(what=Coded(label='a')))}</entry>"
                                    for _ in range(12_000)))  # fmt: skip
    began = time.process_time()
    assert len(read(many)) == cda_entries.MAX
    assert time.process_time() - began < 10


def test_entries_within_entries_are_followed_so_far_and_no_farther() -> None:
    deep = "<act><entryRelationship>" * 100 + made._problem_observation(made.DIABETES)
    assert not entry(deep + "</entryRelationship></act>" * 100)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_damage_to_an_entry_raises_anything_but_a_refusal_of_the_document(data: st.DataObject) -> None:
    raw = bytearray(saying(SAID))
    start = raw.index(b"<structuredBody>")
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(start, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 20))] = data.draw(
            st.sampled_from((b"", b"<", b"\xff", b"nullFlavor='UNK'", b"9" * 70, b"/>", b'value="', b"xsi:type='x:'"))
        )
    try:
        document = cda.find(bytes(raw))
    except Malformed:
        return
    assert isinstance(cda_entries.findings(document), tuple)
