"""A dossier of a thousand documents, through the doors: opened and searched by its patient, read by their doctor, asked
for as FHIR, taken away whole; and how many decisions of access a second that stands on.

One process is both sides, so a figure holds the client's work too. The ratio beside a figure is to the same page of a
dossier of ten documents: what grows with the dossier.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp

from server import access, sessions
from server.copies import exporting
from server.dossier import consents, filing
from server.dossier.consents import Giving
from server.dossier.habilitation import CARE_TEAM, Ground, Item, Reader, decide
from server.drafts import FileFacts
from server.formats import document_types
from server.formats.findings import Coded, Quantity, Result
from storage.database import Tx
from storage.ids import now_ms
from tests.house import House, open_house, settings_for
from tests.speed.table import Row, ms, rate

MANY: Final = 1_000
FEW: Final = 10
ROUNDS: Final = 7
GOAL_MS: Final = 1_000
TYPES: Final = sorted(document_types.TYPES)


async def rows(folder: Path, *, quick: bool) -> list[Row]:
    """The table, on SQLite."""
    data_dir = folder / "dossier"
    data_dir.mkdir()
    many, rounds = (100, 3) if quick else (MANY, ROUNDS)
    async with open_house(settings_for(data_dir)) as house:
        for name, count in (("marcel", many), ("dominique", FEW)):
            await _fill(house, name, count)
            await house.letter("leroy", name)
            box = await house.mailbox(name)
            await consents.give(house.app, box, Giving(house.leroy.account_id, "treating"))
        found = [_decisions(), *await _pages(house, many, rounds)]
        return [*found, await _export(house, many)]


async def _fill(house: House, name: str, count: int) -> None:
    """Documents of every type over ten years, each with two results."""
    handle = await access.dossier(house.app, await house.mailbox(name))
    for start in range(0, count, 100):
        ready = []
        for number in range(start, min(count, start + 100)):
            code = TYPES[number % len(TYPES)]
            facts = FileFacts(
                f"{number}.txt", "text/plain", 40, f"Document {number} genou", code, document_types.type_label(code),
                document_types.category(code) or "reports", "Dr Paul LEROY", "Cabinet médical du Port",
                f"{2016 + number % 10}-{1 + number % 12:02}-03", f"1.2.250.1.999.{number}",
            )  # fmt: skip
            one = await filing.of_octets(house.app, handle.keys, facts, f"Texte {number}".encode() * 4, source="letter")
            results = tuple(
                Result(at=facts.created, analyte=Coded(f"{place}-0", "2.16.840.1.113883.6.1", f"Analyse {place}"),
                       value=Quantity(str(number), "g/L"), low="1", high="9")
                for place in (number % 40, number % 40 + 40)
            )  # fmt: skip
            ready.append(replace(one, findings=results))

        def keep(tx: Tx, ready: list[filing.Filing] = ready) -> None:
            for one in ready:
                filing.file(tx, house.app.vault, handle.keys, one, handle.holder, now_ms())

        await house.app.db.write(keep)


def _decisions() -> Row:
    """`decide()` over every type, for a doctor of the care team."""
    reader = Reader("professional", frozenset({"me"}), "G15_10/SM26", (Ground(CARE_TEAM, "c"),))
    items = [Item(code, document_types.category(code)) for code in TYPES]
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 0.5:
        count += sum(decide(reader, item, 0).allowed for item in items)
    return Row("access decisions", "", rate(count / (time.perf_counter() - began)))


async def _pages(house: House, many: int, rounds: int) -> list[Row]:
    large, small = house.marcel.space_id, house.dominique.space_id
    asked: list[tuple[str, str, str, str]] = [
        ("« Mes documents », by the patient", "", "/documents", "/documents"),
        ("searched by the patient", "", "/documents?q=genou", "/documents?q=genou"),
        ("« Ma santé en une page », by the patient", "", "/health", "/health"),
        ("opened by the doctor", "leroy", f"/patient/{large}", f"/patient/{small}"),
        ("searched by the doctor", "leroy", f"/patient/{large}?q=genou", f"/patient/{small}?q=genou"),
    ]
    found = []
    for title, who, path, other in asked:
        slow = await _median(house, who or "marcel", path, rounds)
        quick = await _median(house, who or "dominique", other, rounds)
        found.append(
            Row(f"{title}, {many:,} documents", f"× {slow / quick:.1f} of {FEW}", ms(1000 * slow),
                met=1000 * slow < GOAL_MS)
        )  # fmt: skip
    token = await sessions.new_token(house.app, house.leroy.account_id)
    body = {"patient": f"Patient/{large}", "status": "current", "_count": "50"}

    async def fhir(session: aiohttp.ClientSession) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{house.http}/api/fhir/DocumentReference/_search"
        async with session.post(url, data=body, headers=headers) as answer:
            said = await answer.text()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {said[:200]}")

    taken = await _timed({}, fhir, rounds)
    return [*found, Row(f"DocumentReference searched, {many:,} documents", "", ms(1000 * taken))]


async def _median(house: House, who: str, path: str, rounds: int) -> float:
    async def ask(session: aiohttp.ClientSession) -> None:
        async with session.get(house.http + path, allow_redirects=False) as answer:
            await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} for {path}")

    return await _timed({"pli": await house.session(who)}, ask, rounds)


async def _timed(
    cookies: dict[str, str], ask: Callable[[aiohttp.ClientSession], Awaitable[None]], rounds: int
) -> float:
    """Seconds, the median of the rounds after a first one."""
    jar, took = aiohttp.CookieJar(unsafe=True), []
    async with aiohttp.ClientSession(cookies=cookies, cookie_jar=jar) as session:
        for _ in range(rounds + 1):
            began = time.perf_counter()
            await ask(session)
            took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


async def _export(house: House, many: int) -> Row:
    box = await house.mailbox("marcel")
    began = time.perf_counter()
    await exporting.ask(house.app, box)
    while True:
        (copy,) = await exporting.standing(house.app, box)
        if copy.state not in {"waiting", "running"}:
            break
        await asyncio.sleep(0.05)  # a benchmark looks from outside, as a page does
    took = time.perf_counter() - began
    said = f"{took:.1f} s, {sum(copy.volumes) / 1e6:.1f} MB"
    return Row(f"taken away whole, {many:,} documents", f"{copy.done:,}", said, met=copy.state == "ready")
