"""The prevention rules as people get them: who is asked what, at which age; and a file that is not fit is not read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from server.__main__ import cli
from server.dossier.vaccinations import diseases_of
from server.prevention import rules as reading
from server.prevention.engine import Given, Known, Person, Said, Situation, Standing, evaluate
from server.prevention.rules import BadRules, Rules, Season, load, rules
from server.settings import Settings, problems
from tests.doors.prevention_examples import EXAMINATIONS, EXAMPLES

ASKED = ("due", "late")
FILE = reading.DATA / "rules.json"


def day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def asked(row: str, line: str) -> tuple[Standing, str, str]:
    """(where the person of the line stands, the state that is right, the dose that is)."""
    told, _, right = line.partition("=")
    born, today, *pieces = told.split()
    switches, seasons, sex, given, said = {row: True}, rules().calendar, "F", [], {}
    situations: dict[str, Situation] = {}
    for piece in pieces:
        if piece == "M":
            sex = piece
        elif piece.startswith("+"):
            given += list(_given(row, piece[1:]))
        elif piece.startswith("~"):
            name, since, until = piece[1:].split(":")
            situations[name] = Situation(day(since), day(until))
        elif piece.startswith("!"):
            opens, closes = (date.fromisoformat(text) for text in piece[1:].split(".."))
            seasons = (Season(rules().by_id[row].season, opens, closes, opens, True),)
        elif piece.startswith("-"):
            switches[piece[1:]] = False
        else:
            _, state, at = piece.split(":")
            said[row] = Said(state, date.fromisoformat(at))  # type: ignore[arg-type]
    book = rules().with_seasons(seasons).switched(switches)
    person = Person(date.fromisoformat(born), sex, situations)
    state, _, dose = right.strip().partition(" ")
    return stand(book, row, person, Known(given, said), date.fromisoformat(today)), state, dose


def _given(row: str, piece: str) -> Iterator[Given]:
    what, at, *more = piece.split(":")
    for slug in rules().by_id[row].counts if what == "all" else (what,):
        normal = False if more == ["abnormal"] else None
        yield Given(
            slug, date.fromisoformat(at), "document", "d", None, "" if normal is False else "".join(more), normal
        )


def stand(book: Rules, row: str, person: Person, known: Known, today: date) -> Standing:
    (found,) = (one for one in evaluate(book, person, known, today) if one.rule.id == row)
    return found


@pytest.mark.parametrize("row", EXAMPLES)
def test_each_row_is_asked_of_whom_it_is_for_and_of_nobody_else(row: str) -> None:
    for line in filter(None, (text.strip() for text in EXAMPLES[row].splitlines())):
        found, state, dose = asked(row, line)
        assert found.state == state, f"{line} → {found}"
        assert not dose or f"{found.dose}/{found.doses}" == dose, f"{line} → {found}"
        assert bool(dose) == (state in ASKED), line
        assert found.sources, "each says its sources"
        assert all(found.why), "each says why, in both languages"


def test_every_row_has_examples_of_who_is_asked_and_of_who_is_not() -> None:
    """A row that is added without them fails here."""
    numbered = {row.id for row in rules().book.rules if row.number}
    assert {row.id for row in rules().book.rules} == {*EXAMPLES, *numbered}
    for row, examples in EXAMPLES.items():
        states = {line.partition("=")[2].split()[0] for line in examples.strip().splitlines()}
        assert states - set(ASKED), f"{row}: nobody is left alone"
        assert states & set(ASKED) or rules().by_id[row].campaign_only, f"{row}: nobody is asked"


@pytest.mark.parametrize("number", EXAMINATIONS)
def test_the_twenty_examinations_have_the_windows_of_the_list(number: int) -> None:
    """Of a child born on 1 January 2026: due on the first and the last day, never before or after."""
    row, child = f"child-exam-{number:02}", Person(date(2026, 1, 1), "F")
    first, last = (date.fromisoformat(text) for text in EXAMINATIONS[number])
    states = [stand(rules(), row, child, Known(), at).state for at in (first, last, last + timedelta(1))]
    assert states == ["due", "due", "not_concerned"]
    if number > 1:
        assert stand(rules(), row, child, Known(), first - timedelta(1)).state == "upcoming"
    done = Known([Given("child-exam", last, "document", "d")])
    assert stand(rules(), row, child, done, last).state == "done"


def test_there_are_twenty_examinations_and_three_have_a_certificate() -> None:
    rows = [row for row in rules().active if row.number]
    assert [row.number for row in rows] == list(range(1, 21)) == list(EXAMINATIONS)
    assert [row.number for row in rows if row.certificate] == [1, 8, 12]


def test_one_examination_is_not_two() -> None:
    """The windows of month 24 or 25 and of the third year overlap."""
    child, at = Person(date(2026, 1, 1), "F"), date(2028, 1, 15)
    once = Known([Given("child-exam", at)])
    assert stand(rules(), "child-exam-12", child, once, at).state == "done"
    assert stand(rules(), "child-exam-13", child, once, at).state == "due"
    twice = Known([*once.given, Given("child-exam", date(2028, 6, 1))])
    assert stand(rules(), "child-exam-13", child, twice, date(2028, 6, 1)).state == "done"


# the file


def test_what_is_not_verified_or_conflicts_is_off_and_the_rest_is_on() -> None:
    off = {row.id for row in rules().book.rules} - {row.id for row in rules().active}
    assert off == {
        "meningococcus-b-catch-up", "rotavirus-rotateq", "hib-catch-up", "hepatitis-b-catch-up", "hepatitis-b-risk",
        "varicella-teen", "dtcap-45", "dtcap-65", "lung-pilot",
    }  # fmt: skip
    assert all(not rules().by_id[name].verified for name in off - {"lung-pilot"})


def test_every_reminder_is_written_for_who_reads_it_for_a_child_in_english_and_in_easy_french() -> None:
    for row in rules().book.rules:
        assert any(word in row.said("fr", "Camille")[0] for word in (" de Camille", " pour Camille"))
        assert any(word in row.said("fr", "Alice")[0] for word in (" d’Alice", " pour Alice"))
        assert "Camille" in row.said("en", "Camille")[0]
        lines = row.said("falc")[1].splitlines()
        assert len(lines) >= 4, f"{row.id}: one idea a line"
        assert max(len(line) for line in lines) <= 90, f"{row.id}: short sentences"
        assert row.level != "obligatoire" or "obligatoire" in row.text_falc
        assert (
            row.level == "obligatoire"
            or "Vous pouvez dire non." in row.text_falc
            or "Vous choisissez." in row.text_falc
        )


def broken(tmp_path: Path, row: str, **change: Any) -> Path:
    book = json.loads(FILE.read_bytes())
    next(one for one in book["rules"] if one["id"] == row).update(change)
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(book))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kolour": "red"}, "hpv: Object contains unknown field `kolour`"),
        ({"level": "obligatory"}, "hpv: Invalid enum value 'obligatory'"),
        ({"finish_before": "27 years"}, "hpv: « 27 years » is not a span"),
        ({"sources": ["SP", "WEB"]}, "hpv: sources: unknown « WEB »"),
        ({"sources": []}, "hpv: sources: a row says where it comes from"),
        ({"counts": ["papilloma"]}, "hpv: counts: unknown « papilloma »"),
        ({"counts": []}, "hpv: counts: what is done by it is not said"),
        ({"id": "breast"}, "breast: id: stands 2 times"),
        ({"verified": False}, "hpv: active: a row that is not verified"),
        ({"conflict": "[A] says 3 doses"}, "hpv: active: a row that is not verified, or conflicts, is off"),
        ({"catch_up_of": "none"}, "hpv: catch_up_of: unknown « none »"),
        ({"catch_up_of": "hpv-catch-up"}, "hpv: catch_up_of: a catch-up names a rule that is none"),
        ({"alternatives": ["none"]}, "hpv: alternatives: unknown « none »"),
        ({"not_of": "none"}, "hpv: not_of: unknown « none »"),
        ({"valid_until": "2024-01-01"}, "hpv: valid_until: before valid_from"),
        ({"version": 0}, "hpv: version: from 1 on"),
        ({"finish_before": "14y"}, "hpv: finish_before: sooner than the window"),
        (
            {"population": [{"from": "15y", "before": "11y", "label": "a", "label_en": "a"}]},
            "population 1: before: not",
        ),
        ({"population": [{"born_from": "2018-01-01", "born_before": "2017-01-01"}]}, "population 1: born_before: not"),
        ({"population": [{"from": "11y", "before": "15y"}]}, "hpv: population 1: label"),
        ({"population": [{"situations": ["tall"], "label": "a", "label_en": "a"}]}, "population: unknown « tall »"),
        ({"doses": []}, "hpv: doses: none"),
        ({"doses": [{}, {"interval": "5m"}]}, "hpv: doses 2: min_interval: not said"),
        ({"doses": [{}, {"min_interval": "0m"}]}, "hpv: doses 2: min_interval: not positive"),
        ({"doses": [{}, {"interval": "1m", "min_interval": "5m"}]}, "doses 2: interval: shorter than min_interval"),
        ({"doses": [{"interval": "1m"}]}, "hpv: doses 1: interval: there is no dose before"),
        ({"doses": [{"at": "12y", "min_age": "13y"}]}, "hpv: doses 1: min_age, at, max_age: not in order"),
        ({"doses": [{"at": "13y"}, {"at": "12y", "min_interval": "5m"}]}, "hpv: doses 2: at: before that of the dose"),
        ({"doses": [{"max_age": "9y"}]}, "hpv: doses 1: max_age: before the window"),
        ({"rhythm": ["12m", "6m"]}, "hpv: rhythm: not in order"),
        ({"repeat": {"mammography": "2y"}}, "hpv: repeat: each thing that counts has its span"),
        ({"steps": "10m"}, "hpv: steps: years"),
        ({"steps": "10y", "yearly": True}, "hpv: repeat: only one of repeat, steps, yearly, season"),
        ({"early": "1y"}, "hpv: early: of steps only"),
        ({"window": {"of": "pregnancy", "from": "30w", "before": "20w"}}, "hpv: window: before: not after from"),
        ({"text_falc": " "}, "hpv: text_falc: empty"),
        ({"title_for": "Le vaccin"}, "hpv: title_for: {name} stands in title_for"),
        ({"spacing": [{"what": ["tetanus"], "least": "0d"}]}, "hpv: spacing: not positive"),
    ],
)
def test_a_file_with_a_fault_is_not_read_and_the_row_and_the_field_are_said(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadRules) as refused:
        load(broken(tmp_path, "hpv", **change))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"closes": "2025-09-01"}, "closes: before it opens"),
        ({"counts_from": "2025-11-01"}, "counts_from: after it opens"),
        ({"sources": []}, "sources: a verified season says where its dates come from"),
        ({"sources": ["WEB"]}, "sources: unknown code WEB"),
        ({"opens_in": {"paris": "2025-09-09"}}, "opens_in: unknown situation paris"),
        ({"opens": "soon"}, "Invalid RFC3339"),
    ],
)
def test_dates_of_campaigns_are_checked_too(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    calendar = json.loads((reading.DATA / "seasons.json").read_bytes())
    next(one for one in calendar["seasons"] if one["season"] == "influenza").update(change)
    path = tmp_path / "seasons.json"
    path.write_text(json.dumps(calendar))
    with pytest.raises(BadRules) as refused:
        load(seasons=path)
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rules": [{}]}', '{"rules": 1}'])
def test_what_is_no_file_of_rules_is_said_in_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.json").write_text(text)
    with pytest.raises(BadRules, match=r"rules\.json: "):
        load(tmp_path / "rules.json")


def test_a_season_that_is_not_verified_is_as_if_it_were_not_there() -> None:
    season = Season("influenza", date(2026, 10, 13), date(2027, 1, 31), date(2026, 10, 1), False)
    marcel = Person(date(1950, 1, 1), "M")
    book = rules().with_seasons((season,))
    assert stand(book, "influenza", marcel, Known(), date(2026, 11, 1)).state == "not_concerned"


def test_mayotte_begins_before_the_others() -> None:
    there, at = Person(date(1950, 1, 1), "M", {"mayotte": Situation()}), date(2025, 9, 15)
    assert stand(rules(), "influenza", there, Known(), at).state == "due"
    assert stand(rules(), "influenza", Person(date(1950, 1, 1), "M"), Known(), at).state == "upcoming"


def test_vaccines_that_documents_name_by_their_code_count_for_the_rows() -> None:
    """ATC: what meningococci a vaccine is against, what a newborn gets against RSV, and which rotavirus vaccine."""
    named = {code: diseases_of(code) for code in ("J07AH08", "J07AH09", "J07AH07", "J06BD08", "J07BH01", "J07CA09")}
    assert named == {
        "J07AH08": ("meningococcus-acwy",), "J07AH09": ("meningococcus-b",), "J07AH07": ("meningococcus",),
        "J06BD08": ("rsv",), "J07BH01": ("rotavirus",), "J07CA09": named["J07CA09"],
    }  # fmt: skip
    assert set(named["J07CA09"]) == set(rules().by_id["hexavalent"].counts)


# the operator


def test_an_operator_switches_rows_and_replaces_the_file(tmp_path: Path) -> None:
    book = rules("", "varicella-teen, -dtp-45")
    assert book.is_active(book.by_id["varicella-teen"])
    assert not book.is_active(book.by_id["dtp-45"])
    mine = rules(str(broken(tmp_path, "hpv", version=7)))
    assert mine.by_id["hpv"].version == 7
    with pytest.raises(BadRules, match="no such rule: hpw"):
        rules("", "hpw")


def test_settings_that_name_no_fit_file_are_a_problem(tmp_path: Path) -> None:
    def told(**change: Any) -> list[str]:
        return [line for line in problems(replace(Settings(), **change)) if line.startswith("prevention_")]

    assert told() == []
    assert "No such file" in told(prevention_rules=str(tmp_path / "none.json"))[0]
    assert "unknown « WEB »" in told(prevention_rules=str(broken(tmp_path, "hpv", sources=["WEB"])))[0]
    assert "no such rule" in told(prevention_switches="-hpw")[0]


def test_an_operator_checks_a_file_and_sees_which_rows_speak(tmp_path: Path) -> None:
    run = CliRunner().invoke
    fine = run(cli, ["prevention", "check", str(FILE)])
    assert (fine.exit_code, "75 rows, 66 on" in fine.output) == (0, True)
    wrong = run(cli, ["prevention", "check", str(broken(tmp_path, "hpv", doses=[], sources=["WEB"]))])
    assert (wrong.exit_code, wrong.output.splitlines()) == (1, ["hpv: sources: unknown « WEB »", "hpv: doses: none"])
    assert run(cli, ["prevention", "check", str(tmp_path / "none")]).exit_code == 2
    shown = run(cli, ["prevention", "show"], env={"PLI_PREVENTION_SWITCHES": "-hpv"}).output.splitlines()
    assert any(line.startswith("on  pneumococcus-65 ") for line in shown)
    assert any(line.startswith("off hpv ") and "switched by the operator" in line for line in shown)
    assert any(line.startswith("off dtcap-45 ") and "conflict: [IRV]" in line for line in shown)
    assert any("influenza" in line and "no dates known" not in line for line in shown)
    assert all(line.startswith("off") for line in run(cli, ["prevention", "show", "--off"]).output.splitlines()[1:10])
    bad = run(cli, ["prevention", "show"], env={"PLI_PREVENTION_RULES": str(tmp_path / "none")})
    assert bad.exit_code == 2
