"""What people type as an answer, and which questions are asked: by examples, and by properties that hold for all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.forms import cards, fhir, logic, reading, returning, ticking
from server.forms.questionnaires import Form, Item, Option, When, checked, is_kept, questions
from server.forms.reading import BadAnswer

SMOKES = (Option("never", "Non, jamais"), Option("former", "J’ai arrêté"), Option("now", "Oui"))


def item(kind: str, **more: Any) -> Item:
    return Item("a", kind, "Question ?", **more)


KG, CM = item("quantity", unit="kg", least="2", greatest="350"), item("quantity", unit="cm")
CHOICE, OPEN = item("choice", options=SMOKES), item("open-choice", options=SMOKES)


@pytest.mark.parametrize(("of", "typed", "kept"), [
    (item("boolean"), "Oui, souvent", "true"), (item("boolean"), "non.", "false"), (item("boolean"), "No", "false"),
    (item("integer"), "10 cigarettes", "10"), (item("integer"), "1 200", "1200"), (item("decimal"), "-1,50", "-1.5"),
    (KG, "72,4 kilos", "72.4|kg"), (KG, "72400 g", "72.4|kg"), (CM, "1m72", "172|cm"), (CM, "1,72 m", "172|cm"),
    (CM, "172", "172|cm"), (item("date"), "le 3 mai 2026", "2026-05-03"), (item("date"), "1er août 2025", "2025-08-01"),
    (item("date"), "05/2024", "2024-05"), (item("date"), "28.03.2021", "2021-03-28"), (item("date"), "2021", "2021"),
    (item("time"), "8 h 30", "08:30"), (item("time"), "20h", "20:00"), (CHOICE, "non jamais", "never"),
    (CHOICE, "j'ai arrete", "former"), (CHOICE, "OUI", "now"), (OPEN, "Parfois, en fête", ":Parfois, en fête"),
    (item("string"), "  deux   mots ", "deux mots"), (item("text"), "une\nligne", "une\nligne"),
])  # fmt: skip
def test_an_answer_is_read_as_it_is_meant(of: Item, typed: str, kept: str) -> None:
    assert reading.read(of, [typed]) == (kept,)


@pytest.mark.parametrize(("of", "typed"), [
    (item("boolean"), "peut-être"), (item("integer"), "12,5"), (item("integer"), "dix"), (item("integer"), "12 ou 13"),
    (KG, "160 livres"), (KG, "1,2"), (KG, "3500"), (item("date"), "31/02/2026"), (item("date"), "hier ?"),
    (item("time"), "25 h"), (CHOICE, "jamais de la vie"), (item("string", max_length=3), "quatre"),
    (item("decimal"), "9" * 30), (item("date", least="2020-01-01"), "2019-12-31"),
])  # fmt: skip
def test_what_is_not_sure_is_not_guessed_and_said_with_its_question(of: Item, typed: str) -> None:
    with pytest.raises(BadAnswer) as refused:
        reading.read(of, [typed])
    assert "Question ?" in refused.value.detail
    assert refused.value.item is of


words = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=30)
kinds = st.sampled_from(
    ["boolean", "integer", "decimal", "quantity", "date", "time", "string", "choice", "open-choice"]
)


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Questions that hang on those before them."""
    items: list[Item] = []
    for number in range(draw(st.integers(1, 6))):
        kind, when = draw(kinds), tuple[When, ...]()
        asked = [one for one in items if one.type in {"boolean", "choice", "integer"}]
        if draw(st.booleans()) and asked:
            about = draw(st.sampled_from(asked))
            sign = draw(st.sampled_from(["=", "!=", "exists"] + ([">", "<="] if about.type == "integer" else [])))
            answers = {"boolean": ["true", "false"], "choice": ["never", "now"], "integer": ["0", "7"]}[about.type]
            when = (When(about.id, sign, draw(st.sampled_from(["true", "false"] if sign == "exists" else answers))),)
        options, unit = SMOKES if "choice" in kind else (), "kg" if kind == "quantity" else ""
        items.append(Item(f"q{number}", kind, f"Question {number}", options=options, unit=unit, when=when))
    return checked(Form("Titre", tuple(items)))


TYPED = {
    "boolean": ["true", "false"], "integer": ["0", "7", "-3"], "decimal": ["1.5", "0"], "quantity": ["72|kg", "1.5|kg"],
    "date": ["2026-05-03", "2026", "2026-05"], "time": ["08:30"], "choice": ["never", "now"],
    "open-choice": ["never", ":autre chose"], "string": ["des mots"],
}  # fmt: skip


@st.composite
def filled(draw: st.DrawFn) -> tuple[Form, dict[str, tuple[str, ...]]]:
    form = draw(forms())
    given_to = draw(st.sets(st.sampled_from([one.id for one in form.items])))
    answers: dict[str, tuple[str, ...]] = {}
    answers |= {one.id: (draw(st.sampled_from(TYPED[one.type])),) for one in form.items if one.id in given_to}
    return form, answers


@settings(max_examples=60, deadline=None)
@given(filled())
def test_a_form_asks_the_same_whatever_is_answered_to_what_it_does_not_ask(
    one: tuple[Form, dict[str, tuple[str, ...]]],
) -> None:
    form, answers = one
    counting = logic.counting(form, answers)
    assert logic.asked(form, counting) == logic.asked(form, answers), "what is not asked counts for nothing"
    assert logic.counting(form, counting) == counting
    asked = {item.id for item in logic.asked(form, answers)}
    assert set(counting) == asked & set(answers)
    for item in form.items:  # as FHIR says it, word for word
        for when in item.when:
            known = counting.get(when.question, ())
            equal = when.answer in known
            exists = bool(known) == (when.answer == "true")
            expected = {"=": equal, "!=": not equal, "exists": exists}.get(when.operator)
            if expected is not None:
                assert (item.id in asked) == expected


@settings(max_examples=60, deadline=None)
@given(filled())
def test_a_form_and_its_answers_go_to_fhir_and_a_letter_and_come_back(
    one: tuple[Form, dict[str, tuple[str, ...]]],
) -> None:
    form, answers = one
    assert fhir.read(fhir.write(form)) == form
    assert cards.form_of(cards.form_card(form)) == form
    by_id = {item.id: item for item in form.items}
    lines = [
        f"{number} : {reading.said(item, answers[item.id][0])}"
        for number, item in enumerate(questions(form), 1)
        if item.id in answers
    ]
    mailed = reading.mailed(form, "Bonjour,\n\n" + "\n".join(lines) + "\n\nBien à vous")
    assert mailed.wrong == ()
    assert mailed.answers == answers
    for link, kept in answers.items():
        assert all(is_kept(by_id[link], value) for value in kept)
        assert fhir.value_of(by_id[link], kept[0])


@settings(max_examples=60, deadline=None)
@given(kinds, st.text(max_size=60))
def test_whatever_is_typed_is_kept_as_it_should_be_or_refused(kind: str, typed: str) -> None:
    of = item(kind, options=SMOKES if "choice" in kind else (), unit="kg" if kind == "quantity" else "")
    try:
        kept = reading.read(of, [typed])
    except BadAnswer:
        return
    assert all(is_kept(of, one) for one in kept)
    for one in kept:
        if kind not in {"string", "open-choice"}:
            assert reading.read(of, [reading.said(of, one)]) == (one,)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_no_mail_is_too_strange(text: str) -> None:
    form = Form(
        "x", (Item("1", "boolean", "?"), Item("2", "string", "?", repeats=True, most=10), Item("3", "date", "?"))
    )
    mailed = reading.mailed(form, text)
    assert set(mailed.answers) <= {"1", "2", "3"}
    assert ticking.numbers(text, 9) <= set(range(1, 10))


def test_a_response_holds_what_was_asked_and_answered() -> None:
    when = (When("q", "=", "true"),)
    form = Form("x", (Item("q", "boolean", "?"), Item("g", "group", "G", when=when, items=(Item("i", "string", "?"),))))
    sent = returning.Returned(
        form, {"q": ("false",), "i": ("caché",)}, "D", "patient", "D", ("", ""), datetime.now(UTC), "1"
    )
    response = returning.response(sent)
    assert [one["linkId"] for one in response["item"]] == ["q"]
    assert "caché" not in returning.text(sent)
    assert returning.pdf(sent).startswith(b"%PDF-")
