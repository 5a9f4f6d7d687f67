"""Documents: letters with a package of 400 kB, taken whole, and every sample document there is, read.

**Packages.** A letter counts once its 250 was read: its zip is then opened, size and hash of the document verified, its
CDA header read, patient and traits compared with the mailbox, the PDF taken out and kept, sealed and durable, as a
document of the message in the patient's mailbox. (To put it in the dossier is the patient's own gesture.) The share
spent parsing is the CPU of reading such a letter in this process (MIME, zip, hash, CDA, type) in that of the server
for each letter it took, the processes that it reads documents in included.

**Samples.** Every file of `shared/samples` (or PLI_SAMPLES): CDA header and what there is to read; XDM packages opened
and each of their documents read; FHIR as JSON. A failure is an exception or a document about which nothing is known.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from mail_gateway import structure
from mail_gateway.letterbox import read
from server.formats.package import Package, Parcel, unpack
from tests.speed.house import House
from tests.speed.load import Load, Refused, run_apart
from tests.speed.messages import build
from tests.speed.table import Row, ms, rate
from tests.support.samples import samples_folder
from webchat import narrative

CONNECTIONS, RECIPIENTS = 10, 40
MOST = 300  # letters made ready for a second of measuring
READ_APART = 40  # letters read in this process, for the share


async def packages(house: House, rounds: int, seconds: float) -> list[Row]:
    """XDM mail a second, and the share of it spent parsing."""
    recipients = house.recipients(RECIPIENTS)
    load = Load(house.mx(), "xdm", CONNECTIONS, seconds, int(MOST * seconds), recipients)
    before = house.documents()
    taken = run_apart(replace(load, most=CONNECTIONS)).accepted  # the processes that read documents have started
    rates, costs = [], []
    for _ in range(rounds):
        used = house.cpu_seconds()
        result = run_apart(load)
        if result.refused:
            raise Refused(f"{sum(result.refused.values())} letters refused: {next(iter(result.refused))}")
        rates.append(result.rate)
        costs.append((house.cpu_seconds() - used) / result.accepted)
        taken += result.accepted
    cost, parsing = median(costs), await _parsing_cpu(recipients[0])
    kept = house.documents() - before
    share = f"{parsing / cost:.0%} of the server's CPU ({ms(parsing * 1000)} of {ms(cost * 1000)} a letter)"
    spread = f" ({min(rates):,.0f} to {max(rates):,.0f})" if len(rates) > 1 else ""
    return [
        Row(f"400 kB with an IHE_XDM.ZIP, {CONNECTIONS} connections", "", f"{rate(median(rates))}{spread}"),
        Row("spent parsing them", "", share),
        Row("every 250 is one document kept", f"{taken:,}", f"{kept:,}", met=kept == taken),
    ]


async def _parsing_cpu(recipient: str) -> float:
    """CPU seconds to read one letter: the median of several, each another letter."""
    took = []
    for letter in build("xdm", READ_APART, [recipient], "envoi@operator.example"):
        raw = b"".join(letter.pieces)[: -len(b".\r\n")]
        began = time.process_time()
        found, root = await read(raw)
        (node,) = (structure.find(root, part.number) for part in found.attachments)
        if node is None:
            raise RuntimeError("a letter of the benchmark was not understood")
        unpacked = unpack(Parcel("archive", node.encoding, raw[node.body_start : node.body_end]))
        took.append(time.process_time() - began)
        _whole(unpacked)
    return median(took)


async def samples() -> list[Row]:
    """Count, failures and the slowest of all sample documents."""
    try:
        folder = samples_folder()
    except pytest.skip.Exception as error:
        return [Row("sample documents parsed", "0 failures", f"not measured: {error}")]
    took: dict[str, float] = {}
    failures: list[str] = []
    for path, parse in _readers(folder):
        data = path.read_bytes()
        began = time.perf_counter()
        try:
            parse(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure, and the others are read
            failures.append(f"{path.name} ({type(error).__name__})")
        took[path.name] = time.perf_counter() - began
    slowest = max(took, key=took.__getitem__)
    shown = f"{len(took)} parsed, {len(failures)} failures, median {ms(median(took.values()) * 1000)}"
    if failures:
        shown += f": {', '.join(failures)}"
    return [
        Row("sample documents", "0 failures", shown, met=not failures and bool(took)),
        Row("the slowest of them", "", f"{slowest}, {ms(took[slowest] * 1000)}"),
    ]


def _readers(folder: Path) -> Iterator[tuple[Path, Callable[[bytes], None]]]:
    for name, parse in (("cda", _cda), ("xdm", _xdm), ("fhir", _fhir)):
        for path in sorted((folder / name).iterdir()):
            yield path, parse


def _cda(data: bytes) -> None:
    _whole(unpack(Parcel("document", "identity", data, deep=True)))


def _xdm(data: bytes) -> None:
    _whole(unpack(Parcel("archive", "identity", data, deep=True)))


def _whole(package: Package) -> None:
    """Raises ValueError unless every document is known and can be shown."""
    if package.damaged or package.foreign or not package.papers:
        raise ValueError(package.damaged or "no document")
    for paper in package.papers:
        if not (paper.lineage.unique_id and paper.type_code and paper.claim.ids and paper.author and paper.created):
            raise ValueError("too little is known of it")
        if "xml" in paper.type and not narrative.read(paper.content).sections:
            raise ValueError("nothing of it can be shown")


def _fhir(data: bytes) -> None:
    if not json.loads(data)["resourceType"]:
        raise ValueError("no resource")
