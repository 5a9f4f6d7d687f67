"""HL7 and XDS values: times, identifiers, names in carets. Pure and linear; what cannot be read is None or ""."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

FRANCE = ZoneInfo("Europe/Paris")

# National INS: NIR, NIA; then test, demonstration, one found in the ANS examples without a word, and the old INS-C.
INS_OIDS = ("1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9")
TEST_INS_OIDS = ("1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11", "1.2.250.1.213.1.4.13", "1.2.250.1.213.1.4.2")

_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:[.,]\d{1,9})?)?)?)?)?)?(?:([+-])(\d{2,4}))?"
)


def instant(value: str, without_zone: tzinfo = FRANCE) -> datetime | None:
    """An HL7 TS (YYYY[MM[DD[HH[MM[SS[.f]]]]]][±ZZzz]) as an aware datetime; missing parts are the first of their
    kind.

    A zone of three digits is read as in the official examples: +100 is one hour. Without a zone: that of
    `without_zone`, France for a CDA, UTC for XDS metadata.
    """
    match = _TIME.fullmatch(value.strip()) if len(value) < 60 else None
    if match is None:
        return None
    year, month, day, hour, minute, second, sign, zone = match.groups()
    zone_info = without_zone
    if sign:
        digits = f"{zone}00" if len(zone) == 2 else zone.zfill(4)
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        if offset >= timedelta(hours=24):
            return None
        zone_info = timezone(-offset if sign == "-" else offset) if offset else UTC
    try:
        moment = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            min(int(second or 0), 59),
            tzinfo=zone_info,
        )
        return moment if 1800 <= moment.year <= 9998 else None
    except ValueError:
        return None


def day(value: str) -> date | None:
    """The calendar day of an HL7 TS of at least 8 digits; None otherwise."""
    match = _TIME.fullmatch(value.strip()) if len(value) < 60 else None
    if match is None or match[3] is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def patient_id(value: str) -> tuple[str, str]:
    """An XDS patientId `id^^^&oid&ISO^NH` as (id, oid); ("", "") when it is none."""
    fields = value.split("^")
    authority = fields[3].split("&") if len(fields) > 3 else []
    if not fields[0] or len(authority) < 2:
        return "", ""
    return fields[0].strip(), authority[1].strip()


def person(value: str) -> tuple[str, str]:
    """An XCN `id^FAMILY^Given^…^prefix` as ("Given FAMILY", id). A device has its name in the second field alone."""
    fields = [field.strip() for field in value.split("^")]
    fields += [""] * (6 - len(fields))
    return " ".join(piece for piece in (fields[5], fields[2], fields[1]) if piece), fields[0]


def organisation(value: str) -> tuple[str, str]:
    """An XON `name^^^^^&oid&ISO^IDNST^^^id` as (name, id)."""
    fields = [field.strip() for field in value.split("^")]
    return fields[0], fields[9] if len(fields) > 9 else ""


def source_patient(lines: tuple[str, ...]) -> tuple[str, str, date | None, str]:
    """sourcePatientInfo (`PID-5|NAME^Given^…^^^^L`, `PID-7|19790328`, `PID-8|F`) as (birth name, given, day, sex):
    of the names, the one of type L, which is the birth name (CI-SIS).
    """
    fields = [line.partition("|")[::2] for line in lines]
    names = [value.split("^") for key, value in fields if key == "PID-5"]
    birth = next((name for name in names if len(name) > 6 and name[6] == "L"), [])
    known = dict(reversed(fields))
    family, given = (birth[0].strip(), birth[1].strip()) if birth else ("", "")
    return family, given, day(known.get("PID-7", "")), known.get("PID-8", "").strip()[:1].upper()
