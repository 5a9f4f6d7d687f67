"""`pli inspect`: what a file holds, counted, for an operator; nothing of the patient that is not needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.__main__ import cli
from tests import letters
from tests.doors.test_cda_entries import COUNTS
from tests.support import cda_documents as made

LABELS = ("results", "immunisations", "measures", "treatments", "allergies", "problems")


def inspect(path: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["inspect", str(path), *options])


def counted(said: str) -> tuple[int, ...]:
    return tuple(int(re.findall(rf"^{label} +(\d+)", said, re.MULTILINE)[0]) for label in LABELS)


def test_every_example_is_counted_in_one_line_a_kind(samples: Path) -> None:
    for path in sorted((samples / "cda").glob("*.xml")):
        done = inspect(path)
        assert done.exit_code == 0, path.name
        assert counted(done.output) == COUNTS[path.stem], path.name
    for path in sorted((samples / "xdm").glob("*.ZIP")):
        done = inspect(path)
        assert done.exit_code == 0, path.name
        assert counted(done.output) == COUNTS[path.name.removesuffix("_IHE_XDM.ZIP")], path.name


def test_a_file_says_what_it_is_and_hides_whom_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "bilan.xml"
    path.write_bytes(made.cda("marcel", results=made.GLUCOSE_TWICE, confidentiality=("R", "MASQUE_PS")))
    said = inspect(path).output
    assert "11502-2 CR d’examens biologiques" in said
    assert "R MASQUE_PS" in said
    assert "••••••••••••274, M, born 1950" in said
    assert "PAT-DEUX" not in said
    assert letters.MARCEL not in said
    assert "Glucose" not in said
    everything = inspect(path, "--all").output
    assert re.search(r"2026-11-20  result  Glucose à jeun .* 7.2 mmol/L  = 1.30 g/L  \[3.89 – 6.00\]", everything)


def test_each_document_of_an_archive_has_its_counts(tmp_path: Path) -> None:
    path = tmp_path / "IHE_XDM.ZIP"
    path.write_bytes(made.xdm(made.cda(measures=[made.WEIGHT]), made.cda(problems=[made.DIABETES], document_id="1.2")))
    said = inspect(path).output
    assert re.findall(r"^(?:measures|problems) +(\d)", said, re.MULTILINE) == ["1", "0", "0", "1"]
    assert "DOC0002.XML (2/2)" in said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.4", "neither a CDA document"),
        (b"", "neither a CDA document"),
        (b'<?xml version="1.0"?><a/>', "neither a CDA document"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "déclaration de type"),
        (letters.xdm_zip(damage=True), "abîmé"),
        (letters.archive([("a.txt", b"a")]), "METADATA.XML"),
    ],
)
def test_a_file_that_is_no_document_gets_one_line_and_status_2(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    done = inspect(path)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
