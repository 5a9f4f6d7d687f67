"""What a structured CDA says: its entries as findings. Pure."""

from __future__ import annotations

from server.formats.findings import Finding
from server.formats.xml import Element


def findings(document: Element) -> tuple[Finding, ...]:
    """The findings of a ClinicalDocument (CI-SIS, body of level 3)."""
    return ()
