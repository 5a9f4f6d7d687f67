"""Journeys: a sequence of messages bound to an appointment, which moves and is cancelled with it.

A `Sequence` is what an office prepared (« parcours » on screen): steps at so many days from the appointment, as data. A
journey is one bound to an appointment of a patient, as it was that day.

sequences   what may be in one; those shipped as examples, those an office keeps
planning    a journey starts, moves, ends, in the transaction that changes its appointment
binding     an office binds one to an appointment: from a page, or by a letter that names it
sending     the channel that posts a step when its time comes, once
silence     what happens when the patient does not answer: a notice, an SMS, the office's list of calls
standing    where a patient is: read, understood, done, missing
board       who is ready for a day; `evening`: the same, as a mail to the office
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["message", "instructions", "confirmation", "questionnaire", "checklist"]
Way = Literal["push", "sms", "call"]
State = Literal["ready", "waiting", "to_call", "unknown"]


class Silence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens when the patient did not read, or answer, by then: from `by_days` relative to the day of the
    appointment at `hour`, each way in turn, `gap_hours` after the one before.
    """

    by_days: int
    hour: str = "10:00"
    ways: tuple[Way, ...] = ("push", "sms", "call")
    gap_hours: int = 3


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """`days`: relative to the local day of the appointment; `hour`: local, HH:MM. `text` may hold {patient}, {date},
    {hour}, {place} and nothing else in braces. `items`: of a checklist. `questionnaire`: the id of the office's, or of
    a shipped one. `at_once`: sent at once when its time was over before the journey began. `essential`: without it the
    patient is not ready.
    """

    number: int
    kind: Kind
    title: str
    days: int
    hour: str = "09:00"
    text: str = ""
    title_en: str = ""
    text_en: str = ""
    items: tuple[str, ...] = ()
    items_en: tuple[str, ...] = ()
    questionnaire: str = ""
    silence: Silence | None = None
    essential: bool = False
    at_once: bool = False


class Sequence(msgspec.Struct, frozen=True, omit_defaults=True):
    """`about`: for the office, when to use it. `source`: where its words come from."""

    name: str
    about: str
    steps: tuple[Step, ...]
    name_en: str = ""
    about_en: str = ""
    source: str = ""


class StepView(msgspec.Struct, frozen=True):
    """A step of a journey as it is now. `state`: planned, sent, passed, cancelled. Instants in ms. `read`, `answered`:
    by the patient, of one that was sent. `fulfilled`: nothing more is waited for. `told`: how far silence went.
    """

    number: int
    kind: str
    title: str
    title_en: str
    state: str
    due_at: int
    essential: bool
    read: bool
    answered: bool
    fulfilled: bool
    told: str
    message_id: str


class Readiness(msgspec.Struct, frozen=True):
    """Where a patient is before an appointment, by its essential steps. `read`: all that was sent; `understood`: each
    confirmation asked was given; `done`: each questionnaire and checklist asked is complete. `missing`: the steps that
    wait for the patient. `state`: ready; waiting; to_call (the office has to call); unknown (nothing was sent yet, or
    nothing is waited for).
    """

    read: bool
    understood: bool
    done: bool
    missing: tuple[StepView, ...]
    state: State
