"""An appointment that repeats, on all its dates: by the rules of RFC 5545, across the changes of clocks, and whatever a
stranger's rule says.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from server.agenda.recurrence import occurrences, understood

PARIS = ZoneInfo("Europe/Paris")
ALWAYS = datetime(1990, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


def dates(start: str, rrule: str = "", *, window: tuple[datetime, datetime] = ALWAYS, most: int = 366,
          **facts: object) -> list[str]:  # fmt: skip
    found = occurrences({"start": start, "rrule": rrule, **facts}, *window, most)
    return [one.start.isoformat() for one in found]


def test_physiotherapy_stays_at_nine_when_the_clocks_go_back_and_forward() -> None:
    autumn = dates("2026-10-18T09:00:00+02:00", "FREQ=WEEKLY;COUNT=3", zone="Europe/Paris")
    assert autumn == ["2026-10-18T09:00:00+02:00", "2026-10-25T09:00:00+01:00", "2026-11-01T09:00:00+01:00"]
    spring = dates("2027-03-26T09:00:00+01:00", "FREQ=DAILY;COUNT=3")
    assert spring == ["2027-03-26T09:00:00+01:00", "2027-03-27T09:00:00+01:00", "2027-03-28T09:00:00+02:00"]


def test_another_country_changes_its_clocks_on_its_own_day() -> None:
    new_york = dates("2026-10-28T10:00:00-04:00", "FREQ=WEEKLY;COUNT=2", zone="America/New_York")
    assert new_york == ["2026-10-28T10:00:00-04:00", "2026-11-04T10:00:00-05:00"]
    reunion = dates("2026-10-22T10:00:00+04:00", "FREQ=WEEKLY;COUNT=2", zone="Indian/Reunion")
    assert reunion == ["2026-10-22T10:00:00+04:00", "2026-10-29T10:00:00+04:00"]
    utc = dates("2026-10-22T08:00:00+00:00", "FREQ=WEEKLY;COUNT=2", zone="UTC")
    assert utc == ["2026-10-22T08:00:00+00:00", "2026-10-29T08:00:00+00:00"]


def test_half_past_two_when_there_is_none_and_when_there_are_two() -> None:
    """RFC 5545 § 3.3.5: the offset before the gap; the first of the two."""
    spring = dates("2027-03-27T02:30:00+01:00", "FREQ=DAILY;COUNT=3", zone="Europe/Paris")
    assert spring == ["2027-03-27T02:30:00+01:00", "2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"]
    autumn = dates("2026-10-24T02:30:00+02:00", "FREQ=DAILY;COUNT=3", zone="Europe/Paris")
    assert autumn == ["2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_a_night_of_infusion_lasts_eight_hours_also_when_the_clocks_change() -> None:
    facts = {"start": "2026-10-23T22:00:00+02:00", "end": "2026-10-24T06:00:00+02:00", "rrule": "FREQ=DAILY;COUNT=3"}
    assert [one.end.isoformat() for one in occurrences(facts, *ALWAYS)] == [
        "2026-10-24T06:00:00+02:00", "2026-10-25T05:00:00+01:00", "2026-10-26T06:00:00+01:00",
    ]  # fmt: skip


def test_days_of_the_series_that_moved_were_added_or_will_not_be() -> None:
    found = occurrences(
        {
            "start": "2026-12-01T09:00:00+01:00",
            "end": "2026-12-01T09:30:00+01:00",
            "rrule": "FREQ=WEEKLY;COUNT=4",
            "exdates": ["2026-12-08T08:00:00Z"],
            "rdates": ["2026-12-24T10:00:00+01:00"],
            "moved": [{"instance": "2026-12-15T08:00:00+00:00", "start": "2026-12-16T11:00:00+01:00"}],
        },
        *ALWAYS,
    )
    assert [(one.start.isoformat(), one.instance) for one in found] == [
        ("2026-12-01T09:00:00+01:00", "2026-12-01T08:00:00+00:00"),
        ("2026-12-16T11:00:00+01:00", "2026-12-15T08:00:00+00:00"),
        ("2026-12-22T09:00:00+01:00", "2026-12-22T08:00:00+00:00"),
        ("2026-12-24T10:00:00+01:00", "2026-12-24T09:00:00+00:00"),
    ]


def test_whole_days_repeat_as_days() -> None:
    found = occurrences({"start": "2026-12-30", "all_day": True, "rrule": "FREQ=DAILY;UNTIL=20270101"}, *ALWAYS)
    assert [(one.start, one.end) for one in found] == [
        (day, day + timedelta(days=1)) for day in (date(2026, 12, 30), date(2026, 12, 31), date(2027, 1, 1))
    ]


def test_a_window_shows_what_touches_it() -> None:
    night = {"start": "2026-12-01T22:00:00+01:00", "end": "2026-12-02T06:00:00+01:00", "rrule": "FREQ=DAILY"}
    window = datetime(2030, 1, 1, tzinfo=PARIS), datetime(2030, 1, 2, tzinfo=PARIS)
    assert [one.start.isoformat() for one in occurrences(night, *window)] == [
        "2029-12-31T22:00:00+01:00", "2030-01-01T22:00:00+01:00",
    ]  # fmt: skip
    assert occurrences({"start": "", "end": ""}, *window) == []
    assert occurrences({"start": "mardi"}, *window) == []


HOSTILE = (
    "FREQ=SECONDLY", "FREQ=MINUTELY;COUNT=10", "FREQ=HOURLY", "FREQ=DAILY;BYHOUR=1,2,3", "FREQ=DAILY;COUNT=0",
    "FREQ=DAILY;BYSECOND=0,1", "FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z", "FREQ=DAILY;INTERVAL=0", "FREQ=", "=", ";;",
    "FREQ=DAILY;FREQ=WEEKLY", "FREQ=DAILY;INTERVAL=١", "FREQ=WEEKLY;BYDAY=XX", "FREQ=MONTHLY;BYMONTHDAY=0",
    "FREQ=DAILY;UNTIL=hier", "FREQ=YEARLY;BYDAY=99MO", "FREQ=DAILY;X-PLI=1", "FREQ=DAILY;" + "BYMONTH=1" * 100,
)  # fmt: skip


@pytest.mark.parametrize("rule", HOSTILE)
def test_a_rule_that_is_not_followed_leaves_the_one_date(rule: str) -> None:
    assert dates("2026-12-01T09:00:00+01:00", rule) == ["2026-12-01T09:00:00+01:00"]
    assert not understood(rule, "2026-12-01T09:00:00+01:00")


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",
        "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1;COUNT=9", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
        "FREQ=DAILY;INTERVAL=7;BYDAY=SU", "FREQ=DAILY;COUNT=100000", "FREQ=YEARLY;INTERVAL=1000;COUNT=100000",
    ],
)  # fmt: skip
def test_what_never_ends_or_never_comes_true_ends(rule: str) -> None:
    """Security item 30: 366 dates at most; a rule of a century is looked at in its window only."""
    started = time.process_time()
    assert 1 <= len(dates("1995-12-01T09:00:00+01:00", rule)) <= 366
    assert time.process_time() - started < 5  # for ever, otherwise


def test_a_rule_of_a_century_ago_is_shown_next_week() -> None:
    window = datetime(2026, 11, 23, tzinfo=PARIS), datetime(2026, 11, 30, tzinfo=PARIS)
    assert dates("1926-01-05T09:00:00+00:00", "FREQ=WEEKLY;BYDAY=TU", zone="Europe/Paris", window=window) == [
        "2026-11-24T09:00:00+01:00"
    ]


# ---- as dateutil does ------------------------------------------------------------------------------------------------

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules that come true: dateutil walks the others until the year 9999."""
    freq, interval = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])), draw(st.integers(1, 5))
    parts, part = (
        [f"FREQ={freq}", f"INTERVAL={interval}"],
        draw(st.sampled_from(["", "day", "nth", "date", "yday", "place"])),
    )
    days = st.lists(st.sampled_from(_WEEKDAYS), min_size=1, max_size=3, unique=True)
    if part == "day" or (part == "place" and freq in ("MONTHLY", "YEARLY")):
        parts += [f"BYDAY={','.join(draw(days))}"] if freq != "DAILY" else []
        parts += [f"BYSETPOS={draw(st.sampled_from([1, 2, -1]))}"] if part == "place" else []
    elif part == "nth" and freq in ("MONTHLY", "YEARLY"):
        parts.append(f"BYDAY={','.join(draw(st.sampled_from(['1', '2', '-1', '-2'])) + day for day in draw(days))}")
    elif part == "date" and freq in ("MONTHLY", "YEARLY"):
        parts.append(f"BYMONTHDAY={draw(st.sampled_from([1, 13, 28, -1, -3]))}")
    elif part == "yday" and freq == "YEARLY":
        parts.append(f"BYYEARDAY={draw(st.sampled_from([1, 60, 200, 365, -1]))}")
    if (freq != "MONTHLY" or interval in (1, 5)) and draw(st.integers(0, 2)) == 0:
        parts.append(f"BYMONTH={','.join(map(str, draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))))}")
    parts.append(f"WKST={draw(st.sampled_from(['MO', 'SU']))}")
    return ";".join(parts + ([f"COUNT={draw(st.integers(1, 20))}"] if draw(st.booleans()) else []))


@settings(max_examples=200, deadline=None, derandomize=True, phases=[Phase.generate])
@given(rules(), st.dates(date(2024, 1, 1), date(2027, 12, 28)), st.integers(0, 500))
def test_the_dates_are_those_that_dateutil_finds(rule: str, day: date, later: int) -> None:
    start = datetime.combine(day.replace(day=min(day.day, 28)), datetime.min.time()).replace(hour=9)
    since, until = start + timedelta(days=later), start + timedelta(days=later + 1500)
    last = (start + timedelta(days=900)).replace(hour=23)
    if later % 3 == 0 and "COUNT" not in rule:
        rule += f";UNTIL={last:%Y%m%dT%H%M%S}"
    expected = {at.date() for at in rrulestr(rule, dtstart=start).between(since, until, inc=True)}
    facts = {"start": start.replace(tzinfo=PARIS).isoformat(), "rrule": rule, "zone": "Europe/Paris"}
    window = since.replace(tzinfo=PARIS), (until + timedelta(seconds=1)).replace(tzinfo=PARIS)
    found = {one.start.date() for one in occurrences(facts, *window, 5000) if isinstance(one.start, datetime)}
    assert found - {start.date()} == expected - {start.date()}, (rule, start)  # DTSTART is always one of them


@pytest.mark.parametrize(
    ("until", "last"),
    [("20270601T070000Z", "2027-06-01"), ("20270601T065959Z", "2027-05-25"), ("20270601", "2027-06-01")],
)
def test_the_last_date_is_the_one_the_rule_says_in_utc(until: str, last: str) -> None:
    found = dates("2027-01-05T09:00:00+01:00", f"FREQ=WEEKLY;UNTIL={until}", zone="Europe/Paris")
    assert found[-1][:10] == last
