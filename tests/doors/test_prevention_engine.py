"""What people may rely on when prevention looks at what is known of them: nothing is asked twice, begun again, or too
early; and the same question has the same answer.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.prevention import engine
from server.prevention.at_age import near
from server.prevention.cases import Answer, Case
from server.prevention.engine import Given, Known, Person, Said, Situation, Standing, evaluate, invitations
from server.prevention.rules import Rules, Season, rules
from server.prevention.spans import FOREVER, Span, minus, months_old, plus, span

TODAY = date(2026, 11, 1)
NOTHING = Known()
CAMILLE = Person(date(2019, 6, 7), "F")
DOMINIQUE = Person(date(1979, 3, 28), "F")
MARCEL = Person(date(1950, 1, 17), "M")


def stand(row: str, person: Person, known: Known = NOTHING, today: date = TODAY, book: Rules | None = None) -> Standing:
    (found,) = (one for one in evaluate(book or rules(), person, known, today) if one.rule.id == row)
    return found


def against(*diseases: str, on: date | None, **facts: Any) -> list[Given]:
    return [Given(slug, on, "document", f"doc-{on}", **facts) for slug in diseases]


# what Marcel, Dominique and Camille are told


def test_marcel_is_told_what_a_man_of_76_may_think_of_and_why() -> None:
    due = {one.rule.id: one for one in evaluate(rules(), MARCEL, Known(), TODAY) if one.state in {"due", "late"}}
    assert set(due) == {"dtp-65", "pneumococcus-65", "zoster-65", "rsv-75"}
    assert due["pneumococcus-65"].since == date(2015, 1, 17)
    assert due["pneumococcus-65"].why == ("Recommandé à partir de 65 ans.", "Recommended from 65.")
    assert due["pneumococcus-65"].sources == ("VID", "OPH", "QMG")
    assert due["dtp-65"].since == date(2025, 1, 17), "at 75"


def test_everybody_has_one_standing_a_rule_in_the_order_of_the_file() -> None:
    for person in (CAMILLE, DOMINIQUE, MARCEL, Person(TODAY, "M"), Person(date(2027, 1, 1), "F")):
        assert [one.rule for one in evaluate(rules(), person, Known(), TODAY)] == list(rules().active)


def test_a_child_who_is_not_born_yet_is_asked_nothing() -> None:
    assert {one.state for one in evaluate(rules(), Person(date(2027, 1, 1), "F"), Known(), TODAY)} == {"not_concerned"}


def test_a_combined_vaccine_counts_for_each_of_its_diseases() -> None:
    """dTcaP at 45: the booster without pertussis is done too."""
    known = Known(against("diphtheria", "tetanus", "polio", "pertussis", on=date(2024, 5, 2)))
    found = stand("dtp-45", DOMINIQUE, known)
    assert (found.state, found.since) == ("done", date(2024, 5, 2))
    assert [one.where for one in found.evidence] == ["doc-2024-05-02"], "said once, not once a disease"


def test_a_course_is_where_its_least_advanced_disease_is() -> None:
    """Five in one, without hepatitis B, at two months: its first dose is still to be given."""
    baby = Person(date(2026, 1, 1), "F")
    known = Known(against("diphtheria", "tetanus", "pertussis", "polio", "hib", on=date(2026, 3, 1)))
    assert stand("hexavalent", baby, known, date(2026, 5, 1)).dose == 1


def test_a_dose_given_too_early_does_not_count_and_it_is_said() -> None:
    early, second = date(2025, 10, 20), date(2026, 2, 1)
    child = Person(date(2025, 1, 1), "F")
    known = Known(against("measles", "mumps", "rubella", on=early) + against("measles", "mumps", "rubella", on=second))
    known_early = Known(against("measles", "mumps", "rubella", on=early))
    assert stand("measles-mumps-rubella", child, known).dose == 2
    assert stand("measles-mumps-rubella", Person(date(2024, 11, 1), "F"), known_early).state != "done"
    teen = Person(date(2014, 1, 1), "F")
    close = Known(against("hpv", on=date(2026, 1, 5)) + against("hpv", on=date(2026, 4, 5)))
    found = stand("hpv", teen, close)
    assert (found.dose, found.doses) == (2, 2)
    assert "La dose du 5 avril 2026 ne compte pas : elle a été faite trop tôt." in found.why[0]
    assert "The dose of 5 April 2026 does not count" in found.why[1]
    assert found.since == date(2026, 9, 5), "five months after the one that was too early"


def test_a_late_course_is_completed_never_begun_again() -> None:
    known = Known(against("hpv", on=date(2013, 5, 1)))
    found = stand("hpv", Person(date(2001, 1, 1), "F"), known)
    assert (found.state, found.dose, found.doses) == ("late", 2, 2), "thirteen years later"
    assert stand("hpv-catch-up", Person(date(2001, 1, 1), "F"), known).state == "not_concerned"


def test_a_rank_that_is_said_counts_for_the_doses_before() -> None:
    child = Person(date(2018, 1, 1), "F")
    known = Known(against("measles", "mumps", "rubella", on=date(2019, 5, 1), dose=2))
    assert stand("measles-mumps-rubella", child, known).state == "done"


def test_what_has_no_date_counts_for_a_life_and_not_for_an_age() -> None:
    adult = Person(date(1990, 1, 1), "F")
    both = Known([*against("measles", "mumps", "rubella", on=None, dose=2)])
    assert stand("measles-mumps-rubella-1980", adult, both).state == "done"
    found = stand("dtp-45", DOMINIQUE, Known(against("diphtheria", "tetanus", "polio", on=None)))
    assert found.state == "late"
    assert "sans date connue" in found.why[0]


def test_a_screening_of_an_unknown_day_is_still_asked_for_and_why_is_said() -> None:
    found = stand("breast", Person(date(1970, 1, 1), "F"), Known([Given("mammography")]))
    assert found.state == "late"
    assert "sans date connue" in found.why[0]


def test_a_pregnancy_without_its_dates_asks_nothing_and_says_which_is_missing() -> None:
    found = stand("pertussis-pregnancy", Person(date(1995, 1, 1), "F", {"pregnancy": Situation()}))
    assert (found.state, found.why[1]) == ("not_concerned", "A date is missing to tell when this concerns you.")


def test_whichever_rotavirus_vaccine_was_finished_the_other_is_not_asked_for() -> None:
    days = (date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 2))
    drunk = [dose for at in days for dose in against("rotavirus", on=at, product="J07BH02")]
    baby = Person(date(2026, 1, 1), "F")
    assert stand("rotavirus-rotarix", baby, Known(drunk), date(2026, 5, 20)).state == "done"
    begun = stand("rotavirus-rotarix", baby, Known(drunk[:2]), date(2026, 4, 20))
    assert begun.why == ("Un autre vaccin fait le même travail.", "Another vaccine does the same.")


def test_a_plan_is_not_a_dose_nor_is_what_was_before_birth() -> None:
    for at in (TODAY + timedelta(1), MARCEL.birth - timedelta(1)):
        assert stand("pneumococcus-65", MARCEL, Known(against("pneumococcus", on=at))).state == "late"


def test_the_same_injection_told_twice_is_one() -> None:
    at = date(2026, 9, 15)
    twice = [*against("hpv", on=at), Given("hpv", at, "patient", "said"), Given("hpv", at, "professional", "pro")]
    found = stand("hpv-catch-up", Person(date(2008, 1, 1), "M"), Known(twice))
    assert (found.dose, len(found.evidence), found.evidence[0].by) == (2, 1, "document")


def test_an_abnormal_result_is_the_doctors_no_longer_a_reminders() -> None:
    woman = Person(date(1960, 1, 1), "F")
    found = stand("breast", woman, Known([Given("mammography", date(2023, 1, 5), "document", "d", normal=False)]))
    assert (found.state, found.why[0]) == (
        "not_concerned",
        "Un résultat demande un suivi : votre médecin vous dira la suite.",
    )
    later = [Given("mammography", date(2023, 1, 5), normal=False), Given("mammography", date(2024, 6, 5), normal=True)]
    assert stand("breast", woman, Known(later)).state == "due", "followed up since, and it is time again"


# what was said


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (Said("refused", date(2024, 1, 1)), "refused"),
        (Said("not_concerned", date(2024, 1, 1)), "not_concerned"),
        (Said("later", date(2026, 10, 1), until=date(2026, 11, 2)), "later"),
        (Said("later", date(2026, 10, 1), until=TODAY), "late"),
        (Said("later", date(2026, 10, 20)), "later"),
        (Said("later", date(2026, 10, 1)), "late"),
        (Said("sent", date(2026, 10, 1)), "late"),
        (Said("no_answer", date(2026, 10, 1)), "late"),
        (Said("done", date(2026, 10, 1), on=date(2025, 3, 1)), "done"),
        (Said("done", date(2026, 10, 1)), "done"),
    ],
)
def test_an_answer_is_kept_to(said: Said, state: str) -> None:
    assert stand("pneumococcus-65", MARCEL, Known((), {"pneumococcus-65": said})).state == state


def test_what_was_done_is_done_whatever_was_said() -> None:
    known = Known(against("pneumococcus", on=date(2025, 3, 1)), {"pneumococcus-65": Said("refused", date(2024, 1, 1))})
    assert stand("pneumococcus-65", MARCEL, known).state == "done"


def test_one_answer_is_one_dose() -> None:
    baby, first = Person(date(2026, 1, 1), "F"), Said("done", date(2026, 3, 2))
    found = stand("hexavalent", baby, Known((), {"hexavalent": first}), date(2026, 5, 5))
    assert (found.state, found.dose) == ("due", 2)
    second = Known([Given("hexavalent", date(2026, 3, 2))], {"hexavalent": Said("done", date(2026, 5, 6))})
    assert stand("hexavalent", baby, second, date(2026, 12, 5)).dose == 3


def test_a_screening_said_done_without_a_day_is_done_as_of_that_day() -> None:
    woman, known = Person(date(1970, 1, 1), "F"), Known((), {"colorectal": Said("done", date(2025, 6, 1))})
    found = stand("colorectal", woman, known)
    assert (found.state, found.until) == ("done", date(2027, 6, 1))
    assert found.why[0] == "Fait le 1er juin 2025. À refaire à partir du 1er juin 2027."
    assert stand("colorectal", woman, known, date(2027, 6, 1)).state == "due"


def test_screenings_are_written_again_after_six_and_twelve_months_and_vaccines_are_not() -> None:
    found = stand("breast", Person(date(1976, 10, 1), "F"))
    assert invitations(found) == [date(2026, 10, 1), date(2027, 4, 1), date(2027, 10, 1)]
    assert invitations(stand("dtp-45", DOMINIQUE)) == [date(2024, 3, 28)]
    assert invitations(stand("breast", DOMINIQUE)) == [], "not due"
    last = stand("breast", Person(date(1952, 3, 1), "F"), Known([Given("mammography", date(2024, 10, 1))]))
    assert invitations(last) == [date(2026, 10, 1)], "not after 74"


def test_a_second_dose_whose_time_is_not_verified_is_the_professionals_to_say() -> None:
    found = stand("zoster-65", MARCEL, Known(against("zoster", on=date(2026, 1, 1))))
    assert (found.state, found.since, found.dose) == ("upcoming", None, 2)
    assert "pharmacien vous dira quand" in found.why[0]


# ages


def test_a_child_of_29_february_is_older_on_the_first_of_march() -> None:
    leap = date(2020, 2, 29)
    assert plus(leap, span("1y")) == plus(leap, span("12m")) == date(2021, 3, 1)
    assert plus(leap, span("4y")) == date(2024, 2, 29)
    assert [months_old(leap, date(2026, 2, 28)), months_old(leap, date(2026, 3, 1))] == [71, 72]
    assert stand("dtcap-6", Person(leap, "M"), today=date(2026, 2, 28)).state == "upcoming"
    assert stand("dtcap-6", Person(leap, "M"), today=date(2026, 3, 1)).state == "due"


def test_months_are_exact() -> None:
    assert plus(date(2026, 1, 31), span("1m")) == date(2026, 3, 1)
    assert plus(date(2026, 8, 31), span("6m")) == date(2027, 3, 1)
    assert minus(date(2026, 3, 31), span("1m")) == date(2026, 2, 28)
    assert plus(date(2026, 1, 1), span("8w")) == date(2026, 2, 26)
    assert plus(date(9000, 1, 1), span("9999y")) == plus(FOREVER, span("1d")) == FOREVER


@pytest.mark.parametrize("text", ["", "m", "2", "2 m", "-2m", "2M", "99999m", "²m"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a span"):
        span(text)


# what holds for everybody

DAYS = st.dates(date(2025, 6, 1), date(2028, 1, 1))
SLUGS = sorted({slug for row in rules().book.rules for slug in (*row.counts, *row.repeat)} | set(rules().by_id))
SITUATIONS = st.dictionaries(
    st.sampled_from(sorted(rules().book.situations)),
    st.builds(Situation, st.none() | DAYS, st.none() | DAYS),
    max_size=2,
)
ANSWERS: tuple[Answer, ...] = ("done", "later", "not_concerned", "refused", "no_answer", "sent")


@lru_cache
def everything() -> Rules:
    """Every row on, and seasons that are open."""
    names = {row.season for row in rules().book.rules if row.season}
    seasons = [
        Season(name, date(year, 10, 1), date(year + 1, 2, 28), date(year, 9, 1), True)
        for name in sorted(names)
        for year in (2025, 2026, 2027)
    ]
    return rules().with_seasons(tuple(seasons)).switched({row.id: True for row in rules().book.rules})


@st.composite
def people(draw: st.DrawFn) -> tuple[Person, Known, date]:
    """Of an age, and with doses, that a row is about."""
    today, row = draw(DAYS), draw(st.sampled_from(rules().book.rules))
    group = draw(st.sampled_from(row.population))
    oldest = minus(today, group.before or span("99y")) - timedelta(200)
    birth = draw(st.dates(oldest, minus(today, group.from_ or span("0d"))) | st.dates(date(1930, 1, 1), today))
    person = Person(birth, draw(st.sampled_from("FM")), draw(SITUATIONS))
    slugs = st.sampled_from([*row.counts, *row.counts, *row.repeat, row.id]) | st.sampled_from(SLUGS)
    lived = (today - person.birth).days
    known = [
        Given(
            draw(slugs),
            None if draw(st.integers(0, 9)) == 0 else person.birth + timedelta(draw(st.integers(0, lived))),
            draw(st.sampled_from(("document", "professional", "patient"))),
            draw(st.sampled_from("abc")),
            draw(st.sampled_from((None, None, None, 1, 2))),
            normal=draw(st.sampled_from((None, None, True, False))),
        )
        for _ in range(draw(st.integers(0, 8)))
    ]
    said = draw(
        st.dictionaries(
            st.sampled_from(sorted(rules().by_id)),
            st.builds(Said, st.sampled_from(ANSWERS), st.just(today), st.none(), st.none() | DAYS),
            max_size=2,
        )
    )
    return person, Known(known, said), today


@settings(max_examples=120, deadline=None)
@given(people(), st.randoms(use_true_random=False))
def test_the_same_question_has_the_same_answer_in_whatever_order_it_is_told(
    asked: tuple[Person, Known, date], chance: Any
) -> None:
    person, known, today = asked
    first = evaluate(everything(), person, known, today)
    shuffled = list(known.given)
    chance.shuffle(shuffled)
    assert evaluate(everything(), person, Known(shuffled, known.said), today) == first


@settings(max_examples=120, deadline=None)
@given(people())
def test_nothing_is_asked_outside_its_window_or_of_somebody_else(asked: tuple[Person, Known, date]) -> None:
    person, known, today = asked
    for found in evaluate(everything(), person, known, today):
        assert found.sources
        assert all(found.why)
        if found.state not in {"due", "late"}:
            continue
        row = found.rule
        assert found.since is not None
        assert found.since <= today
        assert found.until is None or found.until >= today
        assert 1 <= found.dose <= found.doses
        assert any(
            group.sex in {"", person.sex}
            and (group.from_ is None or plus(person.birth, group.from_) <= today)
            and (group.before is None or today < plus(person.birth, row.finish_before or group.before))
            for group in row.population
        ), row.id
        assert not row.window or row.window.of in person.situations


@settings(max_examples=80, deadline=None)
@given(people())
def test_what_is_given_when_it_is_due_is_no_longer_due(asked: tuple[Person, Known, date]) -> None:
    person, known, today = asked
    for before in evaluate(everything(), person, known, today):
        if before.state not in {"due", "late"}:
            continue
        row = before.rule  # of two examinations whose windows overlap, which one it was is said
        now = [Given(slug, today, "document", "now") for slug in ((row.id,) if row.not_of else row.counts)]
        after = stand(before.rule.id, person, Known([*known.given, *now], known.said), today, everything())
        assert after.state not in {"due", "late"}, f"{before} → {after}"


@settings(max_examples=80, deadline=None)
@given(people(), st.integers(1, 1500))
def test_what_is_done_is_not_asked_again_before_its_time(asked: tuple[Person, Known, date], days: int) -> None:
    person, known, today = asked
    then = today + timedelta(days)
    later = {one.rule.id: one for one in evaluate(everything(), person, known, then)}
    for found in evaluate(everything(), person, known, today):
        if found.state == "done" and (found.until is None or then < found.until):
            after = later[found.rule.id]
            assert after.state not in {"due", "late"} or found.rule.window, f"{found} → {after}"


@settings(max_examples=60, deadline=None)
@given(people())
def test_what_an_age_is_not_near_to_would_not_be_asked_of_it(asked: tuple[Person, Known, date]) -> None:
    """The rows that are not looked at, for speed, are those that would say nothing."""
    person, known, today = asked
    _, looked = near(everything(), person.sex, months_old(person.birth, today), bool(person.situations))
    case = Case(person, known, today)
    for number, row in enumerate(everything().active):
        if number not in looked:
            assert engine._standing(everything(), row, case).state in {"not_concerned", "done"}, row.id


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 1200))
def test_whoever_is_born_later_is_never_older(one: date, other: date, months: int) -> None:
    first, second = sorted((one, other))
    assert plus(first, Span(months, "m")) <= plus(second, Span(months, "m"))
    assert months_old(first, date(2100, 1, 1)) >= months_old(second, date(2100, 1, 1))
