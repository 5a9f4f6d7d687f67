"""What a health document says, piece by piece: results, vaccinations, measures, treatments, allergies, problems.

Values as they stand in the document: a number is its decimal text (never a float), a unit is UCUM, a date ISO 8601 with
the precision that was given (2021, 2021-03, 2021-03-28, an instant), "" what is not there. A masked value (nullFlavor
MSK) is `MASKED`, never an absence. Read from CDA by `cda_entries`; made by people too (a measure typed in a chat, a
section of one's medical profile); kept beside its document by `server.dossier.findings`.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

MASKED = "masked"  # as the value of something that its author chose not to show


class Coded(msgspec.Struct, frozen=True, omit_defaults=True):
    """A concept. `system`: its OID, "" for words alone. `label`: what a person reads, never "" when a code is there."""

    code: str = ""
    system: str = ""
    label: str = ""


class Quantity(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value in its unit: a decimal text, or words. `comparator`: <, <=, >, >= or ""."""

    value: str = ""
    unit: str = ""
    comparator: str = ""


class Found(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind"):
    """What every kind has. `at`: when it was true (act, sample, injection …). `note`: words beside it. `group`: what
    stands together in its document (the two numbers of a blood pressure, the results of one panel).
    """

    kind: ClassVar[str] = ""
    at: str = ""
    note: str = ""
    group: str = ""


class Result(Found, frozen=True, omit_defaults=True, tag="result"):
    """One observation of a laboratory. `same_as`: the same result in another unit. `low`, `high`: of the reference
    range; `range_text` when it is words. `interpretation`: N, H, L, HH, LL, A, S, I, R …
    """

    kind: ClassVar[str] = "result"
    analyte: Coded = Coded()
    value: Quantity = Quantity()
    same_as: Quantity | None = None
    low: str = ""
    high: str = ""
    range_text: str = ""
    interpretation: str = ""
    specimen: str = ""
    method: str = ""
    section: str = ""
    previous: str = ""  # what it was before, as the document says it


class Immunisation(Found, frozen=True, omit_defaults=True, tag="immunisation"):
    """A vaccination, done or (`done` false) not, with why. `product`: CIS when known; `atc`: what it is of."""

    kind: ClassVar[str] = "immunisation"
    done: bool = True
    product: Coded = Coded()
    atc: Coded = Coded()
    lot: str = ""
    rank: str = ""
    site: str = ""
    reason: str = ""
    reaction: str = ""
    by: str = ""


class Measure(Found, frozen=True, omit_defaults=True, tag="measure"):
    """A measure of health. `what`: LOINC. `device`: of a connected object. `moment`: before, after a meal …"""

    kind: ClassVar[str] = "measure"
    what: Coded = Coded()
    value: Quantity = Quantity()
    moment: str = ""
    device: str = ""


class Treatment(Found, frozen=True, omit_defaults=True, tag="treatment"):
    """A medicine or a device prescribed (INT), taken (EVN) or dispensed (DISP). `at`: from when; `until`: to when.
    `device`: it is no medicine.
    """

    kind: ClassVar[str] = "treatment"
    mood: str = "EVN"
    product: Coded = Coded()
    atc: Coded = Coded()
    dose: str = ""  # in words, as a person reads it
    route: str = ""
    until: str = ""
    quantity: str = ""
    repeats: str = ""
    substitution: str = ""
    reason: str = ""
    line: str = ""  # the identifier of the prescription's line, root^extension
    answers: str = ""  # for what is dispensed: the line it answers
    device: bool = False


class Allergy(Found, frozen=True, omit_defaults=True, tag="allergy"):
    """An allergy or intolerance; `none_known`: that there is none known, which is said, never supposed. `status`: as
    for `Problem`.
    """

    kind: ClassVar[str] = "allergy"
    agent: Coded = Coded()
    reaction: str = ""
    severity: str = ""
    status: str = ""
    none_known: bool = False


class Problem(Found, frozen=True, omit_defaults=True, tag="problem"):
    """A diagnosis, a history, a symptom. `at`: since when; `until`: when it ended. `none_known`: as for `Allergy`.
    `section`: the LOINC code of its section (11450-4 active, 11348-0 history …). `status` absent: its document says
    that the patient does not have it, and `what` says so in words.
    """

    kind: ClassVar[str] = "problem"
    what: Coded = Coded()
    status: str = ""
    until: str = ""
    section: str = ""
    none_known: bool = False


class Statement(Found, frozen=True, omit_defaults=True, tag="statement"):
    """What a person says in a section of the medical profile. `section`: a slug of the data file of the profile.
    `not_concerned`: that it does not concern them, which is an answer. `text`: their words; `what`: a code, if any.
    """

    kind: ClassVar[str] = "statement"
    section: str = ""
    text: str = ""
    what: Coded = Coded()
    until: str = ""
    not_concerned: bool = False
    values: dict[str, str] = {}


Finding = Result | Immunisation | Measure | Treatment | Allergy | Problem | Statement
KINDS: tuple[type[Found], ...] = (Result, Immunisation, Measure, Treatment, Allergy, Problem, Statement)
