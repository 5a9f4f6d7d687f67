"""Results over time: as they were reported, in the unit they were reported in, with a way to ask and no flag."""

from __future__ import annotations

import re

from msgspec.structs import replace

from server.dossier import results
from server.formats.findings import Coded, Quantity, Result
from tests.browser.visitor import visitor
from tests.doors.test_documents_pages import send
from tests.house import House
from tests.support import cda_documents as made
from tests.support.told import analytes, told
from webchat import charts

YEARS = (("2024-03-12", "5.9", "N"), ("2025-02-03", "6.4", "H"))


async def bring(house: House) -> str:
    """Three reports of a fasting glucose, the last in two units; returns the key of the analyte."""
    for at, value, said in YEARS:
        one = replace(made.GLUCOSE, at=at, value=Quantity(value, "mmol/L"), interpretation=said)
        await told(house, "dominique", made.cda(results=[one], document_id=f"1.4.{at}"), f"Bilan de {at[:4]}", at)
    grams = replace(made.GLUCOSE_TWICE[1], at="2023-01-05", value=Quantity("1.05", "g/L"))
    await told(house, "dominique", made.cda(results=[grams], document_id="1.4.0"), "Bilan de 2023", "2023-01-05")
    await told(house, "dominique", made.cda(results=made.GLUCOSE_TWICE), "Bilan de 2026")
    (glucose,) = await analytes(house, "dominique")
    return glucose.key


async def test_one_analyte_in_two_units_is_one_series_and_nothing_is_converted(house: House) -> None:
    await bring(house)
    (glucose,) = await analytes(house, "dominique")
    drawn = results.trend(glucose)
    assert drawn is not None
    assert (drawn.unit, drawn.low, drawn.high) == ("mmol/L", "3.89", "6.00")
    assert [value for _, value in drawn.points] == ["5.9", "6.4", "7.2"]
    assert drawn.left_out == 1, "1,05 g/L of 2023 stands in the table alone"
    assert len(glucose.reported) == 4, "the last report gives one result, twice"
    assert (glucose.last.value.value, glucose.last.same_as) == ("7.2", Quantity("1.30", "g/L"))


async def test_the_page_of_an_analyte_has_its_curve_its_table_and_words_for_both(house: House) -> None:
    key = await bring(house)
    async with visitor(house, "dominique") as dominique:
        page = await dominique.get(f"/health/results/{key}")
        assert f"/health/results/{key}" in (await dominique.get("/health/results")).text
    (picture,) = re.findall(r'<svg class="chart" role="img".*?</svg>', page.text, re.DOTALL)
    assert "3 résultats, du 12 mars 2024 au 20 novembre 2026" in re.sub("<[^>]+>", " ", picture)
    assert picture.count("<circle") == 3
    assert 'class="chart-band"' in picture
    (table,) = re.findall(r"<table.*?</table>", page.text, re.DOTALL)
    assert table.count('<tr role="row">') == 1 + 4
    for said in ("7,2\N{NO-BREAK SPACE}mmol/L", "1,30\N{NO-BREAK SPACE}g/L", "1,05\N{NO-BREAK SPACE}g/L"):
        assert said in table
    assert "Au-dessus de l’intervalle, selon le laboratoire." in page.said
    assert "1 résultat n’est pas dessiné" in page.said
    assert not re.search(r'style=|class="[^"]*(warn|error|red)', page.text)


async def test_an_address_says_nothing_of_what_was_measured_and_is_nobody_elses(house: House) -> None:
    key = await bring(house)
    assert re.fullmatch(r"[0-9a-f]{32}", key)
    await told(house, "marcel", made.cda("marcel", results=[made.GLUCOSE]))
    (his,) = await analytes(house, "marcel")
    assert his.key != key
    async with visitor(house, "marcel") as marcel:
        assert (await marcel.get(f"/health/results/{key}")).status == 404
    async with visitor(house, "morel") as morel:
        assert (await morel.get(f"/for/{house.dominique.mailbox_id}/health/results/{key}")).status == 404


async def test_the_results_of_a_letter_lead_back_to_who_sent_it(house: House) -> None:
    body = made.cda(results=[made.GLUCOSE])
    page = await send(house, 1, title="Bilan", documents=[body])
    async with visitor(house, "dominique") as dominique:
        assert (await dominique.press(page, "dossier.file")).status == 303
        (glucose,) = await analytes(house, "dominique")
        trend = await dominique.get(f"/health/results/{glucose.key}")
        by_document = await dominique.get("/health/results?by=document")
    assert f'href="{page}"' in trend.text
    assert "Écrire à qui l’a envoyé" in trend.said
    assert "Biochimie Glucose à jeun 7,2 mmol/L" in by_document.said


def test_what_is_no_number_is_no_point() -> None:
    words = [charts.number_of(text) for text in ("5.40", "-1,5", "< 5", "négatif", "", "9" * 50, "1.2.3")]
    assert words == [5.4, -1.5, None, None, None, None, None]
    said = charts.line_chart([charts.Series("x", [])], title="<b>", key="k", last="<i>")
    assert "<svg" not in said
    assert "&lt;i&gt;" in said


def test_codes_come_first_then_words_without_case_or_accent() -> None:
    loinc = Coded("2345-7", results.LOINC, "Glucose")
    assert results.concept(loinc) == results.concept(replace(loinc, label="Glucose [Moles/Volume]"))
    assert results.concept(Coded(label="Créatinine ")) == results.concept(Coded(label="creatinine"))
    assert results.concept(Coded("1", "2.3", "a")) != results.concept(Coded("1", "2.4", "a"))
    assert Result().analyte == Coded()
