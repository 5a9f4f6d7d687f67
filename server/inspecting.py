"""`pli inspect FILE`: what a health document says, counted; for an operator who wonders what a file holds.

Promises: needs neither settings nor a database; the file is read in a process apart, as everything that strangers sent;
nothing of the patient is printed but the end of the number, the sex and the year of birth (they hold the file already:
this is for screens and reports that others see), until `--all` asks for the findings. Exit 2 and one line for what is
no document.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import click

from server.formats import said
from server.formats.findings import Treatment
from server.formats.package import Claim, Package, Paper, Parcel
from server.formats.parser_process import PARSERS
from server.formats.sniff import sniff

MOST: Final = 60_000_000  # octets, as everywhere a document is read
KINDS: Final = {
    "results": "result", "immunisations": "immunisation", "measures": "measure", "treatments": "treatment",
    "allergies": "allergy", "problems": "problem",
}  # fmt: skip


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--all", "everything", is_flag=True, help="Every finding too, one a line (health data).")
def inspect_command(file: Path, everything: bool) -> None:
    """What FILE says: a CDA document or an IHE_XDM archive, with how many results, immunisations, measures, treatments,
    allergies and problems it holds.
    """
    package = read(file)
    for place, paper in enumerate(package.papers, 1):
        if len(package.papers) > 1:
            click.echo(f"{'' if place == 1 else chr(10)}-- {paper.inner or paper.name} ({place}/{len(package.papers)})")
        for label, value in told(paper):
            click.echo(f"{label:<16}{value}")
        if everything:
            for finding in paper.findings:
                click.echo(f"  {said.line(finding)}")


def read(file: Path) -> Package:
    """The package of a file. Raises `UsageError`."""
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= MOST else b""
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}.") from None
    if size > MOST:
        raise click.UsageError(f"{file}: larger than {MOST // 1_000_000} MB.")
    archive = sniff(data) == "application/zip"
    package = PARSERS.unpack(Parcel("archive" if archive else "document", "", data, deep=True))
    if package.foreign:
        raise click.UsageError(f"{file}: neither a CDA document nor an IHE_XDM archive.")
    if package.damaged or not package.papers:
        raise click.UsageError(f"{file}: {package.damaged or 'nothing in it can be read.'}")
    return package


def told(paper: Paper) -> list[tuple[str, str]]:
    """(label, value) of a document, in order."""
    counts = Counter(finding.kind for finding in paper.findings)
    devices = sum(isinstance(one, Treatment) and one.device for one in paper.findings)
    rows = [
        ("type", " ".join(piece for piece in (paper.type_code, paper.label) if piece)),
        ("dated", paper.created or "-"),
        ("version", f"{paper.lineage.version}{f', {paper.lineage.action}' if paper.inner else ''}"),
        ("language", paper.language or "-"),
        ("confidentiality", " ".join(paper.marks) or "-"),
        ("patient", whom(paper.claim)),
        ("shown as", f"{paper.type}, {len(paper.content)} octets"),
    ]
    for label, kind in KINDS.items():
        beside = f" ({devices} of devices)" if kind == "treatment" and devices else ""
        rows.append((label, f"{counts[kind]}{beside}"))
    return rows


def whom(claim: Claim) -> str:
    """As much of an identity as tells two files apart."""
    number = next((value for value, _ in claim.ids), "")
    hidden = "•" * max(0, len(number) - 3) + number[-3:] if len(number) > 6 else "-"
    born = f"born {claim.birth_date[:4]}" if claim.birth_date else ""
    return ", ".join(piece for piece in (f"INS {hidden}", claim.sex, born) if piece)
