"""What goes back to who asked: the answers as text, as a PDF, and as a FHIR R4 QuestionnaireResponse. Pure.

The text can be read in any mail client; numbers are those of the letter that asked (`cards.letter`), so that a person
finds their way. Promises: only questions that were asked are there, and only what was answered to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from server.forms import fhir, logic, reading
from server.forms.logic import Answers
from server.forms.questionnaires import QUESTIONS, Form, Item, questions
from server.settings import PLACE

PDF_NAME: Final = "reponses.pdf"
JSON_NAME: Final = "reponses.json"


@dataclass(frozen=True, slots=True)
class Returned:
    """Who answered what, about whom, when. `source`: patient, related or practitioner. `patient`: (system, value) of
    their identifier; `about`: their name. `again`: it corrects what was sent before.
    """

    form: Form
    answers: Answers
    name: str
    source: str
    about: str
    patient: tuple[str, str]
    at: datetime
    id: str
    again: bool = False


def text(sent: Returned) -> str:
    """The answers, a line each."""
    numbers = {item.id: number for number, item in enumerate(questions(sent.form), 1)}
    head = "Réponses corrigées" if sent.again else "Réponses"
    lines = [f"{head} : {sent.form.title}", ""]
    for item, kept in _given(sent):
        if item.type == "group":
            lines += ["", item.text] if item.text else []
        else:
            shown = reading.all_said(item, kept) or "sans réponse"
            lines.append(f"{numbers[item.id]}. {item.text} : {shown}")
    return "\n".join([*lines, "", f"Rempli par {sent.name}, {_when(sent.at)}."])


def _when(at: datetime) -> str:
    here = at.astimezone(PLACE)
    return f"le {here:%d/%m/%Y} à {here.hour} h {here.minute:02}"


def _given(sent: Returned) -> Iterator[tuple[Item, tuple[str, ...]]]:
    for item in logic.shown(sent.form, sent.answers):
        if item.type in QUESTIONS or item.type == "group":
            yield item, tuple(sent.answers.get(item.id, ()))


def pdf(sent: Returned) -> bytes:
    """The same on paper, A4."""
    from server.copies.readable import Part
    from server.copies.readable import pdf as paper

    parts: list[Part] = []
    rows: list[tuple[str, ...]] = []
    title = "Réponses"

    def close() -> None:
        if rows:
            parts.append(Part(title, columns=("Question", "Réponse"), rows=tuple(rows)))
            rows.clear()

    for item, kept in _given(sent):
        if item.type == "group":
            close()
            title = item.text or title
        else:
            rows.append((item.text, reading.all_said(item, kept) or "sans réponse"))
    close()
    state = "Réponses corrigées" if sent.again else "Réponses"
    about = f"Concerne {sent.about}. " if sent.about else ""
    head = Part(state, words=(f"{about}Rempli par {sent.name}, {_when(sent.at)}.", _of(sent.form)))
    return paper(sent.form.title, [head, *parts])


def _of(form: Form) -> str:
    said = f"Questionnaire : {form.title}, version {form.version}"
    return f"{said}, {form.publisher}." if form.publisher else f"{said}."


# ---- FHIR ------------------------------------------------------------------------------------------------------------

_SOURCES: Final = {"patient": "Patient", "related": "RelatedPerson", "practitioner": "Practitioner"}


def response(sent: Returned) -> dict[str, Any]:
    """A QuestionnaireResponse (https://hl7.org/fhir/R4/questionnaireresponse.html), completed or amended."""
    subject: dict[str, Any] = {"type": "Patient", "display": sent.about}
    if sent.patient[1]:
        subject["identifier"] = dict(zip(("system", "value"), sent.patient, strict=True))
    who = subject if sent.source == "patient" else {"type": _SOURCES[sent.source], "display": sent.name}
    resource: dict[str, Any] = {"resourceType": "QuestionnaireResponse", "id": sent.id}
    if sent.form.canonical:
        resource["questionnaire"] = sent.form.canonical
    return resource | {
        "status": "amended" if sent.again else "completed",
        "subject": subject,
        "authored": sent.at.isoformat(timespec="seconds"),
        "author": who,
        "source": who,
        "item": _items(sent.form.items, {item.id for item in logic.shown(sent.form, sent.answers)}, sent.answers),
    }


def _items(items: tuple[Item, ...], shown: set[str], answers: Answers) -> list[dict[str, Any]]:
    found = []
    for item in items:
        if item.id not in shown or item.type == "display":
            continue
        one: dict[str, Any] = {"linkId": item.id} | ({"text": item.text} if item.text else {})
        if item.type == "group":
            one["item"] = _items(item.items, shown, answers)
            if not one["item"]:
                continue
        elif not answers.get(item.id):
            continue
        else:
            one["answer"] = [fhir.value_of(item, kept) for kept in answers[item.id]]
        found.append(one)
    return found


def encoded(resource: dict[str, Any]) -> bytes:
    """The resource, to be read by people too."""
    return msgspec.json.format(msgspec.json.encode(resource), indent=2)
