"""Who may see what: the decision over the whole product of readers, states and types, held against what it promises.

Nothing here repeats how the decision is made: each test is a promise, asked of every combination.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, combinations, product
from pathlib import Path

import pytest

from server.dossier import habilitation
from server.dossier.habilitation import (
    ADMINISTRATOR,
    CARE_TEAM,
    EMERGENCY,
    EXPLICIT,
    GROUNDS,
    HIDDEN,
    MEASURES,
    PROFILE,
    PSEUDO,
    RECORD,
    RESTRICTED,
    SAMU,
    SECRET,
    UNTOLD,
    UNTYPED,
    Ground,
    Item,
    Reader,
    Reason,
    Verdict,
    decide,
    habilitated,
    matrix,
)
from server.formats import document_types

NOW = 1_000_000
ME, OTHER = "account-of-the-reader", "account-of-somebody-else"
PROFESSIONS = (*matrix().pairs, "G15_10/SM26", "G15_99", "")
TYPES = (*sorted(document_types.TYPES), *PSEUDO, "a-type-nobody-knows")
SOME_TYPES = ("11502-2", "78513-9", "57833-6", "68599-0", UNTYPED, MEASURES, PROFILE, "a-type-nobody-knows")
ALLOWING = {
    Reason.OWN_SPACE, Reason.DELEGATED, Reason.AUTHOR, Reason.CONSENT, Reason.ADMINISTRATOR, Reason.EMERGENCY,
    Reason.SERVICE,
}  # fmt: skip


def subsets(things: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(things, size) for size in range(len(things) + 1))


def items(types: tuple[str, ...] = SOME_TYPES) -> list[Item]:
    """Every state of a document of these types: its marks, whether it shows by itself by now, whose it is."""
    categories = {code: document_types.category(code) for code in document_types.TYPES}
    return [
        Item(code, categories.get(code, ""), author, dict.fromkeys(on, 1), by)
        for code, author, on, by in product(
            types, ("", ME, OTHER), subsets((HIDDEN, UNTOLD, SECRET, RESTRICTED)), (NOW - 1, NOW + 1)
        )
    ]  # fmt: skip


def grounds() -> list[tuple[Ground, ...]]:
    """Every way a professional may have come: none, each alone, what is named and what is not, two at once."""
    one = [Ground(kind, kind) for kind in GROUNDS]
    named = [Ground(EXPLICIT, "e", frozenset({"biology"})), Ground(EXPLICIT, "e", frozenset({MEASURES}))]
    pairs = [(named[0], one[-1]), (named[0], named[1]), (one[2], one[-2])]
    return [(), *((ground,) for ground in [*one, *named]), *pairs]


def professionals() -> list[Reader]:
    return [
        Reader("professional", frozenset({ME}), profession, given, frozenset(), *states)
        for profession, given, states in product(
            ("G15_10/SM26", "G15_28", "G15_99", ""), grounds(), product((False, True), repeat=3)
        )
    ]  # fmt: skip


def holders_side() -> list[Reader]:
    areas: tuple[frozenset[str], ...] = (frozenset(), frozenset({"messages"}), frozenset({"messages", "dossier"}))
    delegates = [Reader(kind, areas=area) for kind in ("representative", "helper") for area in areas]
    return [Reader("holder", frozenset({ME})), *delegates]


def services() -> list[Reader]:
    scopes: tuple[frozenset[str], ...] = (
        frozenset(),
        frozenset({"documents:list"}),
        frozenset({"measures:read"}),
        frozenset({"profile:read"}),
    )
    return [Reader("service", frozenset({ME}), areas=scope) for scope in scopes]


@pytest.fixture(scope="module")
def decided() -> list[tuple[Reader, Item, Verdict]]:
    readers = [*professionals(), *holders_side(), *services()]
    readers += [Reader(kind, frozenset({ME})) for kind in ("operator", "team", "bot", "nobody", "")]
    return [(reader, item, decide(reader, item, NOW)) for reader in readers for item in items()]


Decided = list[tuple[Reader, Item, Verdict]]


def test_every_verdict_says_why_and_the_reason_agrees_with_it(decided: Decided) -> None:
    assert len(decided) > 100_000
    assert all(verdict.allowed == (verdict.reason in ALLOWING) for _, _, verdict in decided)
    assert {verdict.reason for _, _, verdict in decided} == set(Reason), "each reason is somebody's"


def test_an_operator_a_bot_and_whoever_has_no_right_see_nothing(decided: Decided) -> None:
    kinds = {reader.kind for reader, _, verdict in decided if verdict}
    assert kinds == {"holder", "representative", "helper", "professional", "service"}


def test_a_holder_sees_everything_but_what_must_be_told_first_and_that_after_a_month(decided: Decided) -> None:
    for reader, item, verdict in decided:
        if reader.kind == "holder":
            assert verdict.allowed == (UNTOLD not in item.marks or item.told_by <= NOW)


def test_nobody_who_acts_for_another_sees_their_secret_or_what_is_untold_or_without_the_mandate(
    decided: Decided,
) -> None:
    for reader, item, verdict in decided:
        if reader.kind in {"representative", "helper"} and verdict:
            assert SECRET not in item.marks
            assert UNTOLD not in item.marks or item.told_by <= NOW
            assert "dossier" in reader.areas


def test_what_one_deposited_one_keeps_even_hidden_even_blocked(decided: Decided) -> None:
    mine = [(r, v) for r, i, v in decided if i.author == ME and r.kind in {"professional", "service"}]
    assert mine
    assert all(verdict.reason == Reason.AUTHOR for _, verdict in mine)


def test_without_a_ground_a_professional_reads_nothing_of_others(decided: Decided) -> None:
    for reader, item, verdict in decided:
        if reader.kind == "professional" and item.author != ME and verdict:
            assert reader.grounds
            assert not reader.blocked
            assert not reader.closed
            assert verdict.ground in reader.grounds
            assert habilitated(reader.profession, item.type_code)
            assert RESTRICTED not in item.marks


def test_what_is_hidden_is_for_the_administrator_alone_or_for_an_emergency_that_the_patient_allowed(
    decided: Decided,
) -> None:
    seen = [
        (r, v) for r, i, v in decided if v and HIDDEN in i.marks and r.kind == "professional" and i.author != ME
    ]  # fmt: skip
    assert seen
    for reader, verdict in seen:
        assert verdict.ground is not None
        urgent = verdict.ground.kind in {EMERGENCY, SAMU} and reader.hidden_in_emergency
        assert verdict.ground.kind == ADMINISTRATOR or urgent
        assert verdict.warning, "and they are warned"


def test_a_consent_for_named_things_is_for_these_alone(decided: Decided) -> None:
    for reader, item, verdict in decided:
        if verdict.ground is not None and verdict.ground.kind == EXPLICIT and verdict.ground.things:
            assert {item.category, item.type_code} & verdict.ground.things
            assert reader.kind == "professional"


def test_a_service_never_sees_what_anything_hides_nor_more_than_it_was_granted(decided: Decided) -> None:
    for reader, item, verdict in decided:
        if reader.kind == "service" and item.author != ME and verdict:
            assert not item.marks
            assert any(scope.partition(":")[0] in {"documents", "measures", "profile"} for scope in reader.areas)


def test_a_mark_never_opens_anything(decided: Decided) -> None:
    """Whoever may not see a document without marks may not see it with any."""
    plain = {
        (reader, item.type_code, item.author): verdict.allowed
        for reader, item, verdict in decided
        if not item.marks and item.told_by > NOW
    }
    assert all(plain[reader, item.type_code, item.author] for reader, item, verdict in decided if verdict)


def test_one_more_ground_never_takes_anything_away() -> None:
    for first, second in product(grounds(), repeat=2):
        for item in items(("11502-2", MEASURES)):
            alone = Reader("professional", frozenset({ME}), "G15_10", first)
            both = Reader("professional", frozenset({ME}), "G15_10", (*first, *second))
            assert not decide(alone, item, NOW) or decide(both, item, NOW)


def test_every_pair_of_profession_and_type_is_written_out_and_everything_else_is_no() -> None:
    allowed = {(p, t) for p in PROFESSIONS for t in TYPES if habilitated(p, t)}
    team = (Ground(CARE_TEAM, "c"),)
    for profession, code in product(PROFESSIONS, TYPES):
        verdict = decide(Reader("professional", frozenset({ME}), profession, team), Item(code), NOW)
        assert verdict.allowed == ((profession, code) in allowed)
        assert verdict.allowed or verdict.reason == Reason.NOT_HABILITATED
    assert not any(profession in {"G15_99", ""} for profession, _ in allowed)
    assert not any(code == "a-type-nobody-knows" for _, code in allowed)


def test_the_doctor_the_dentist_and_the_optician_have_what_is_known_of_them() -> None:
    assert not habilitated("G15_10/SM26", "ATTEST-RESID")
    assert all(habilitated("G15_10", code) for code in document_types.TYPES - {"ATTEST-RESID"})
    assert not any(habilitated("G15_40", code) for code in ("80788-3", "75496-0", "83901-9", "68599-0"))
    assert habilitated("G15_28", "78513-9"), "a report of an eye examination"
    assert not habilitated("G15_28", "11502-2"), "no blood test for an optician"
    assert habilitated("G15_10", RECORD)


def test_the_shipped_matrix_says_that_it_is_an_illustration() -> None:
    shipped = matrix()
    assert shipped.illustrative
    assert shipped.version
    assert "26 October 2023" in shipped.source


@pytest.mark.parametrize("broken", ["{", "{}", '{"version": "1", "source": "x", "professions": {"G15_10": {"fr": "a", '
                                    '"en": "b", "allow": ["no-such-type"]}}}'])  # fmt: skip
def test_a_matrix_that_cannot_be_read_is_refused_whole(tmp_path: Path, broken: str) -> None:
    (tmp_path / "matrix.json").write_text(broken)
    with pytest.raises(ValueError, match="matrix"):
        matrix(str(tmp_path / "matrix.json"))


def test_another_matrix_decides_once_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "matrix.json"
    row = {"fr": "Médecin", "en": "Doctor", "allow": ["11502-2"]}
    file.write_text(json.dumps({"version": "2", "source": "x", "illustrative": False, "professions": {"G15_10": row}}))
    try:
        assert not habilitation.use(str(file)).illustrative
        assert habilitated("G15_10", "11502-2")
        assert not habilitated("G15_10", "57833-6")
    finally:
        habilitation.use("")
