"""Documents filed a second: each a structured report of a laboratory of some 40 results, with the PDF it carries.

**Read deep.** The CDA parsed, its header, its PDF and its findings taken out, in the processes that do it in service,
as many at once as there are processes; what comes back is decoded here. **The transaction.** The document, its marks
and each of its findings sealed and durable, one transaction after another, of documents read beforehand. **Filed, one
after another.** Both, with the octets sealed and stored: what one person waits for who files a report.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from server import access
from server.app import open_core
from server.demo import HOLDERS
from server.dossier import filing, findings
from server.drafts import FileFacts
from server.formats.findings import Coded, Quantity
from server.formats.parser_process import WORKERS
from server.people import open_space
from server.settings import Settings
from storage.ids import now_ms
from tests import letters
from tests.speed.table import Row, ms, rate
from tests.support import cda_documents as made

RESULTS: Final = 40
DOCUMENTS: Final = 200
QUICK: Final = 20


async def rows(folder: Path, *, quick: bool) -> list[Row]:
    """The three, on SQLite; and whether all that was said is kept."""
    count = QUICK if quick else DOCUMENTS
    data_dir = folder / "filing"
    data_dir.mkdir()
    settings = Settings(
        data_dir=data_dir, database_url=f"sqlite:///{data_dir / 'pli.db'}", ins_oids=letters.TEST_OID, demo=True
    )
    async with open_core(settings) as app:
        holder = await open_space(app, HOLDERS["dominique"])
        handle = await access.dossier(app, await access.mailbox(app, holder))
        reports = [_report(number) for number in range(3 * count)]
        await asyncio.gather(*(filing.unpacked("document", reports[0]) for _ in range(WORKERS)))  # the workers run
        began = time.perf_counter()
        turns = asyncio.Semaphore(WORKERS)

        async def read(data: bytes) -> int:
            async with turns:
                return len((await filing.unpacked("document", data)).papers[0].findings)

        said = await asyncio.gather(*map(read, reports[:count]))
        deep = time.perf_counter() - began

        async def ready(number: int) -> filing.Filing:
            data = reports[number]
            facts = FileFacts(f"{number}.xml", "text/xml", len(data), title="Bilan", unique_id=f"1.2.250^{number}")
            return await filing.of_octets(app, handle.keys, facts, data, source="api")

        async def keep(one: filing.Filing) -> None:
            await app.db.write(filing.file, app.vault, handle.keys, one, holder.account_id, now_ms())

        waiting = [await ready(number) for number in range(count, 2 * count)]
        began = time.perf_counter()
        for one in waiting:
            await keep(one)
        transactions = time.perf_counter() - began
        began = time.perf_counter()
        for number in range(2 * count, 3 * count):
            await keep(await ready(number))
        whole = time.perf_counter() - began
        kept = len(await findings.of(app, handle))
    told = RESULTS * 2 * count
    return [
        Row(f"read deep, {WORKERS} at once ({len(reports[0]) // 1000} kB, {RESULTS} results)", "", rate(count / deep)),
        Row(f"the transaction, {RESULTS} findings each", "", rate(count / transactions)),
        Row("filed, one after another", "", f"{rate(count / whole)}, {ms(1000 * whole / count)} each"),
        Row("every result is kept", f"{told:,}", f"{kept:,}", met=kept == told and set(said) == {RESULTS}),
    ]


def _report(number: int) -> bytes:
    results = [
        replace(made.GLUCOSE, value=Quantity(f"{number % 90 + place / 10:.1f}", "mmol/L"),
                analyte=Coded(f"{2000 + place}-{place % 10}", made.LOINC, f"Analyse {place} [Moles/Volume] Sérum"))
        for place in range(RESULTS)
    ]  # fmt: skip
    return made.cda(results=results, pdf=letters.pdf(f"Bilan {number}") + bytes(60_000), document_id=f"1.2.3.{number}")
