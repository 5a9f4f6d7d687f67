"""Where the sample documents are: fictitious CDA, XDM and FHIR files, kept elsewhere: some lack a licence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def samples_folder() -> Path:
    """Return the folder PLI_SAMPLES names, or `shared/samples` beside the checkout; else skip the test."""
    named = os.environ.get("PLI_SAMPLES")
    folder = Path(named) if named else ROOT.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no sample documents: {folder} is not there (PLI_SAMPLES names them)")
    return folder
