"""Where the sample documents are: fictitious CDA, XDM and FHIR files, kept elsewhere: some lack a licence."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.formats.package import Package, Parcel

ROOT = Path(__file__).resolve().parents[2]


def samples_folder() -> Path:
    """Return the folder PLI_SAMPLES names, or `shared/samples` beside the checkout; else skip the test."""
    named = os.environ.get("PLI_SAMPLES")
    folder = Path(named) if named else ROOT.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no sample documents: {folder} is not there (PLI_SAMPLES names them)")
    return folder


@dataclass(frozen=True)
class Survey:
    """All samples, read. `took`: seconds, by file name."""

    read: dict[str, Package]
    took: dict[str, float]

    @property
    def failures(self) -> list[str]:
        """Those that could not be read, or that nothing is known of."""
        return [name for name, found in self.read.items() if found.damaged or found.foreign or not found.papers]

    @property
    def slowest(self) -> str:
        return max(self.took, key=self.took.__getitem__)


def survey(folder: Path, unpack: Callable[[Parcel], Package]) -> Survey:
    """Read every CDA and every XDM package of the folder: `package.unpack`, or that of the readers' processes."""
    read: dict[str, Package] = {}
    took: dict[str, float] = {}
    for path in (*sorted((folder / "cda").iterdir()), *sorted((folder / "xdm").iterdir())):
        data = path.read_bytes()
        parcel = Parcel("archive" if path.suffix.lower() == ".zip" else "document", "", data)
        began = time.perf_counter()
        read[path.name] = unpack(parcel)
        took[path.name] = time.perf_counter() - began
    return Survey(read, took)
