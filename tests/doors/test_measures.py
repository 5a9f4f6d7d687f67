"""What measures are: exact factors, ranges, doubts, dates; growth curves at points the WHO prints; who may write."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from server import access
from server.dossier import filing, findings, growth, measures
from server.dossier import measure_kinds as kinds
from server.dossier.measure_kinds import Entry
from server.drafts import FileFacts
from server.errors import Invalid, NotAllowed, Refused
from server.formats.findings import Coded, Measure, Quantity
from storage import visibilities
from storage.database import Tx
from storage.ids import now_ms
from tests.house import House

NOW = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)
FACTS = FileFacts("rapport.pdf", "application/pdf", 8, title="Rapport", document_type="11488-4", category="reports")


def test_every_measure_has_two_names_a_code_of_its_own_and_ranges_that_hold_together() -> None:
    codes = [code for one in kinds.KINDS.values() for code in (*one.codes, *one.also)]
    assert len(codes) == len(set(codes))
    assert len(kinds.LISTED) == 16  # fourteen of Mon espace santé, and two more of the guide
    for one in kinds.KINDS.values():
        assert one.fr != one.en
        assert one.units[one.unit] == 1
        assert one.parts or one.least <= one.usual[0] < one.usual[1] <= one.most


@pytest.mark.parametrize(
    ("slug", "value", "unit", "kept"),
    [
        ("weight", "3450", "g", "3.45"), ("weight", "72,40", "kg", "72.4"), ("height", "1,68", "m", "168"),
        ("glucose", "1,12", "g/L", "112"), ("glucose", "6.2", "mmol/L", "112"), ("glucose", "112", "mg/dL", "112"),
        ("steps", "8 000", "", "8000"), ("head", "425", "mm", "42.5"), ("oxygen", "97", "%", "97"),
    ],
)  # fmt: skip
def test_a_unit_is_changed_by_its_exact_factor(slug: str, value: str, unit: str, kept: str) -> None:
    assert kinds.checked(Entry(slug, (value,), unit, "2026-11-20"), NOW).values == (kept,)


@pytest.mark.parametrize(
    ("entry", "asked"),
    [
        (Entry("weight", ("720",)), "720 kg : est-ce bien 72 kg ?"),
        (Entry("height", ("22",)), "22 cm : est-ce bien 220 cm ?"),
        (Entry("blood-pressure", ("135", "12")), None),
        (Entry("temperature", ("43",)), "43 °C : est-ce bien cela ?"),
        (Entry("weight", ("72",)), ""),
    ],
)
def test_what_is_unlikely_is_a_question_and_what_cannot_be_a_refusal(entry: Entry, asked: str | None) -> None:
    if asked is None:
        with pytest.raises(Invalid, match="implausible_measure"):
            kinds.checked(entry, NOW)
        return
    said = " ".join(doubt.said() for doubt in kinds.doubts(kinds.checked(entry, NOW)))
    assert said.replace("\u00a0", " ") == asked


def test_a_measure_is_never_of_the_future_nor_of_before_birth_and_says_its_hour_in_paris() -> None:
    weight, born = ("72",), date(1979, 3, 28)
    for at, code in (("2026-11-24", "future"), ("1979-03-27", "before_birth"), ("hier", "bad_date")):
        with pytest.raises(Invalid, match=code):
            kinds.checked(Entry("weight", weight, at=at), NOW, born)
    assert kinds.checked(Entry("weight", weight), NOW, born).at == "2026-11-23T14:05+01:00"
    assert kinds.checked(Entry("weight", weight, at="2026-07-01T08:00"), NOW, born).at == "2026-07-01T08:00+02:00"
    assert kinds.checked(Entry("weight", weight, at="2026-11-20"), NOW, born).at == "2026-11-20"


# Points as the WHO prints them, to their last digit (weight-for-age, length/height-for-age, BMI-for-age, head): the
# percentile and the value of its table.
PRINTED = [
    ("weight", "M", 0, 50, "3.3"), ("weight", "M", 0, 3, "2.5"), ("weight", "M", 365, 97, "11.8"),
    ("weight", "F", 365, 50, "8.9"), ("weight", "F", 1826, 50, "18.2"), ("height", "F", 0, 50, "49.1"),
    ("height", "M", 730, 50, "87.8"), ("height", "M", 731, 50, "87.1"), ("height", "M", 1826, 3, "101.2"),
    ("head", "F", 91, 50, "39.5"), ("bmi", "M", 6940, 50, "22.2"), ("height", "F", 6940, 50, "163.2"),
]  # fmt: skip


@pytest.mark.parametrize(("slug", "sex", "days", "percent", "value"), PRINTED)
def test_a_growth_curve_goes_through_the_points_that_are_printed(
    slug: str, sex: str, days: int, percent: int, value: str
) -> None:
    found = growth.value_at(slug, sex, days, percent)
    assert found is not None
    assert f"{found:.1f}" == value
    there = growth.percentile(slug, sex, days, found)
    assert there is not None
    assert round(there, 6) == percent


def test_there_is_no_curve_where_nothing_was_published() -> None:
    assert growth.percentile("weight", "F", 4000, 40.0) is None  # after ten years
    assert growth.percentile("head", "M", 2000, 52.0) is None  # after five
    assert not growth.has("weight", "other", 100)
    assert growth.curve("weight", "F", 4000, 5000, 50) == []


async def test_the_index_of_body_mass_uses_the_nearest_height(sqlite_core: House) -> None:
    core = sqlite_core
    handle = await access.dossier(core.app, await core.mailbox("dominique"))
    for slug, value, at in (
        ("height", "170", "2010-01-01"), ("height", "168", "2026-01-01"), ("weight", "72.4", "2026-02-01"),
        ("weight", "70", "2011-02-01"),
    ):  # fmt: skip
        entry = await measures.checked(core.app, handle, Entry(slug, (value,), at=at))
        await core.app.db.write(measures.enter, handle, entry)
    found = await measures.series(core.app, handle, "bmi")
    assert [(one.values, one.source) for one in found] == [(("24.2",), "computed"), (("25.7",), "computed")]


async def test_only_who_may_writes_a_measure_and_only_whose_it_is_corrects_it(sqlite_core: House) -> None:
    core = sqlite_core
    handle = await access.dossier(core.app, await core.mailbox("dominique"))
    entry = await measures.checked(core.app, handle, Entry("weight", ("72",)))
    [mine] = await core.app.db.write(measures.enter, handle, entry)
    await core.letter("morel", "dominique")
    cares = await access.record_of(core.app, await core.mailbox("morel"), core.dominique.space_id)
    [hers] = await core.app.db.write(measures.enter, cares, entry)
    seen = await measures.series(core.app, handle, "weight")
    assert {(one.id, one.source, one.by, one.mine) for one in seen} == {
        (mine, "patient", "Dominique PAT-TROIS", True), (hers, "professional", "Dr Agathe MOREL", False),
    }  # fmt: skip
    with pytest.raises(NotAllowed, match="not_your_entry"):
        await core.app.db.write(lambda tx: measures.correct(tx, handle, hers, None))
    with pytest.raises(Refused):
        await core.app.db.write(lambda tx: measures.correct(tx, cares, mine, None))


async def test_measures_of_documents_stand_beside_hers_unless_she_opts_out(sqlite_core: House) -> None:
    core = sqlite_core
    handle = await access.dossier(core.app, await core.mailbox("dominique"))
    ready = await filing.of_octets(core.app, handle.keys, FACTS, b"%PDF-1.4", source="patient")
    said = Measure(at="2026-11-01", what=Coded("29463-7", kinds.LOINC, "Poids"), value=Quantity("72400", "g"))

    def put(tx: Tx) -> str:
        document = filing.file(tx, core.app.vault, handle.keys, ready, handle.actor.account_id, now_ms())
        filing.add_finding(tx, handle.keys, said, "document", "", now_ms(), document_id=document)
        return document

    document = await core.app.db.write(put)
    [one] = await measures.series(core.app, handle, "weight")
    assert (one.values, one.reported, one.source, one.document) == (("72.4",), "72400 g", "document", document)
    [held] = await findings.of(core.app, handle, ("measure",))
    assert isinstance(held.finding, Measure)
    assert held.finding.value == Quantity("72400", "g")  # as reported, for ever
    await core.app.db.write(
        visibilities.choose, handle.space_id, "measures_from_documents", "off", core.dominique.account_id
    )
    assert await measures.series(core.app, handle, "weight") == []
    assert Decimal("72.4") == one.decimals[0]
