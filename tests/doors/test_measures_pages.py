"""The pages of measures by HTTP alone, as a browser without JavaScript uses them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from server import access
from server.dossier import findings, measures
from server.formats.findings import Coded, Measure, Quantity
from tests.browser.visitor import visitor
from tests.house import House

LOINC = "2.16.840.1.113883.6.1"


def _day(ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=ago)).date().isoformat()


async def _kept(house: House, slug: str, who: str = "dominique") -> list[measures.MeasureView]:
    handle = await access.dossier(house.app, await house.mailbox(who))
    return await measures.series(house.app, handle, slug)


async def test_dominique_notes_her_blood_pressure_as_she_reads_it_and_sees_it_with_its_source(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        empty = await dominique.get("/measures")
        assert "Aucune mesure" in empty.said
        form = {"value": "13", "second": "8", "heart_rate": "72", "date": _day(3), "time": "08:00", "client_key": "k"}
        first = await dominique.post("/measures/blood-pressure", form)
        second = await dominique.post("/measures/blood-pressure", form)
        assert (first.status, first.place) == (second.status, second.place) == (303, "/measures/blood-pressure")
        shown = await dominique.get("/measures/blood-pressure")
        assert shown.text.count("130/80\u00a0mmHg</td>") == 1  # sent twice, kept once
        assert "saisi par Dominique PAT-TROIS" in shown.said
        every = await dominique.get("/measures")
        assert "Fréquence cardiaque" in every.said
        thread = re.search(r'href="(/c/[^"#/?]+)["#?]', (await dominique.get("/")).text)
        assert thread is not None
        told = await dominique.get(thread[1])
        assert "Noté : tension artérielle 130/80 mmHg, fréquence cardiaque 72 /min" in told.said
    assert [(one.values, one.source) for one in await _kept(house, "blood-pressure")] == [(("130", "80"), "patient")]


async def test_a_likely_slip_is_asked_again_and_what_cannot_be_is_refused_with_what_was_typed_kept(
    house: House,
) -> None:
    async with visitor(house, "dominique") as dominique:
        form = {"value": "720", "unit": "kg", "date": _day(0), "note": "après la sieste"}
        asked = await dominique.post("/measures/weight", form)
        assert asked.status == 422
        assert "720 kg : est-ce bien 72 kg ?" in asked.said
        assert 'value="720"' in asked.text
        assert 'value="après la sieste"' in asked.text
        tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
        for wrong, said in (
            ({**form, "value": "soixante"}, "Écrivez un nombre"),
            ({**form, "value": "7200"}, "cette valeur n’est pas possible"),
            ({**form, "value": "72", "date": tomorrow}, "Cette date n’est pas encore passée."),
            ({**form, "value": "72", "date": "1960-01-01"}, "Cette date est avant la naissance."),
        ):
            refused = await dominique.post("/measures/weight", wrong)
            assert refused.status == 422
            assert said in refused.said
        assert await _kept(house, "weight") == []
        await dominique.post("/measures/weight", {**form, "sure": "1"})
    assert [one.values for one in await _kept(house, "weight")] == [("720",)]


async def test_a_correction_stands_beside_what_it_corrects_and_nothing_is_lost(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        await dominique.post("/measures/blood-pressure", {"value": "180", "second": "80", "date": _day(1)})
        one = (await _kept(house, "blood-pressure"))[0]
        sheet = await dominique.get(f"/measures/blood-pressure?change={one.id}")
        assert 'value="180"' in sheet.text
        await dominique.post(
            "/measures/blood-pressure/correct", {"id": one.id, "value": "130", "second": "80", "date": _day(1)}
        )
        shown = await dominique.get("/measures/blood-pressure")
        assert "130/80 mmHg" in shown.said
        assert re.search(r"180/80 mmHg, .* : corrigé par Dominique PAT-TROIS", shown.said)
        again = await dominique.post(
            "/measures/blood-pressure/correct", {"id": one.id, "value": "131", "second": "80", "date": _day(1)}
        )
        assert again.status == 409
        now = (await _kept(house, "blood-pressure"))[0]
        await dominique.post("/measures/blood-pressure/correct", {"id": now.id, "do": "withdraw"})
        gone = await dominique.get("/measures/blood-pressure")
        assert re.search(r"130/80 mmHg, .* : retiré par Dominique", gone.said)
    assert await _kept(house, "blood-pressure") == []


async def test_what_a_document_reports_in_grams_is_shown_in_kilograms_and_left_out_when_she_says_so(
    house: House,
) -> None:
    handle = await access.dossier(house.app, await house.mailbox("dominique"))
    said = Measure(at=_day(5), what=Coded("29463-7", LOINC, "Poids"), value=Quantity("72400", "g"))
    other = Measure(at=_day(5), what=Coded("9999-9", LOINC, "Autre"), value=Quantity("1", "kg"))
    await house.app.db.write(lambda tx: [findings.enter(tx, handle, one) for one in (said, other)])
    async with visitor(house, "dominique") as dominique:
        await dominique.post("/measures/height", {"value": "1,68", "unit": "m", "date": _day(2)})
        weight = await dominique.get("/measures/weight")
        assert "72,4 kg" in weight.said
        assert "écrit 72400 g dans le document" in weight.said
        index = await dominique.get("/measures/bmi")
        assert "25,7 kg/m²" in index.said  # 72.4 / 1.68²
        assert "calculé avec le poids et la taille" in index.said
        assert "se calcule tout seul" in index.said


async def test_a_target_is_a_record_with_its_author_and_a_line_on_the_curve(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        await dominique.post("/measures/hba1c", {"value": "6,8", "date": _day(9)})
        turned = await dominique.post("/measures/hba1c/target", {"low": "7", "high": "6"})
        assert turned.status == 422
        await dominique.post("/measures/hba1c/target", {"high": "7"})
        shown = await dominique.get("/measures/hba1c")
        assert "7 % au plus noté par Dominique PAT-TROIS" in shown.said
        assert "Objectif : 7 au plus" in shown.said
        await dominique.post("/measures/blood-pressure", {"value": "13", "second": "8"})
        await dominique.post("/measures/blood-pressure/target", {"high": "13,5/8,5"})
        assert "135/85 mmHg au plus" in (await dominique.get("/measures/blood-pressure")).said
        await dominique.post("/measures/hba1c/target", {"do": "remove"})
        assert "au plus noté par" not in (await dominique.get("/measures/hba1c")).said


async def test_she_sends_a_period_to_dr_morel_who_reads_it_in_a_plain_letter_with_a_table(house: House) -> None:
    letter = await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique:
        for ago, value in ((40, "16"), (5, "13"), (3, "14"), (1, "12")):
            await dominique.post(
                "/measures/blood-pressure", {"value": value, "second": "8", "date": _day(ago), "note": "=1+1"}
            )
        page = await dominique.get("/measures/blood-pressure")
        to = re.search(r'<option value="([^"]+)">Dr Agathe MOREL', page.text)
        assert to is not None
        form = {"to": to[1], "since": _day(10), "until": _day(0), "client_key": "send"}
        sent = await dominique.post("/measures/blood-pressure/send", form)
        assert sent.place.startswith(f"/c/{letter.conversation}#m-")
        again = await dominique.post("/measures/blood-pressure/send", form)
        assert again.place == sent.place
        none = await dominique.post("/measures/blood-pressure/send", {**form, "until": _day(9), "client_key": "x"})
        assert "Il n’y a pas de mesure entre ces deux dates." in none.said
        stranger = await dominique.post("/measures/blood-pressure/send", {**form, "to": "nobody", "client_key": "y"})
        assert stranger.status == 404
    async with visitor(house, "morel") as morel:
        read = await morel.get(f"/c/{letter.conversation}")
        assert "Tension artérielle de Dominique PAT-TROIS, du" in read.said
        assert "3 mesures. Moyenne : 130/80 mmHg." in read.said
        assert "160/80" not in read.said
        file = re.search(r'href="(/files/[^"]+)" download', read.text)
        assert file is not None
        table = (await morel.get(file[1])).text
    assert table.startswith("\ufeffDate;Heure;")
    assert "'=1+1" in table


async def test_camilles_curves_stand_among_the_children_of_her_age_and_her_mother_writes_them(house: House) -> None:
    camille = house.camille.mailbox_id
    async with visitor(house, "dominique") as dominique:
        base = f"/for/{camille}/measures/height"
        for ago, value in ((400, "115"), (10, "122")):
            answer = await dominique.post(base, {"value": value, "unit": "cm", "date": _day(ago)})
            assert answer.status == 303
        shown = await dominique.get(base)
    assert "Organisation mondiale de la santé" in shown.said
    assert "saisi par Dominique PAT-TROIS" in shown.said
    assert len(re.findall(r"\d+e percentile", shown.said)) >= 5
    async with visitor(house, "marcel") as marcel:
        assert (await marcel.get(base)).status == 404
    kept = await _kept(house, "height", "camille")
    assert [one.source for one in kept] == ["delegate", "delegate"]
