"""Letters with an IHE_XDM.ZIP, each about the patient it is for: what a hospital's or a laboratory's software sends.

One CDA of level 1 with a PDF, deflated; the mailbox, the package, the document and the traits agree, size and hash are
right, and every letter has a document of its own, so that none is recognised as a duplicate.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence

from tests import letters
from tests.speed import crowd


def package(recipient: str, number: int, run: int, pdf: bytes) -> bytes:
    """The IHE_XDM.ZIP of the `number`-th letter of a run, for the patient whose mail address this is."""
    patient = crowd.number_of(recipient)
    return letters.xdm_zip(
        ins=crowd.ins(patient), oid=crowd.TEST_OID, birth_name=crowd.NAME, given=crowd.given(patient),
        birth_date=crowd.BIRTH_DATE.replace("-", ""), sex=crowd.SEX, birth_place=crowd.BIRTH_PLACE,
        document_id=f"1.2.250.1.213.1.1.1.99.{run}.{number}", set_id=f"1.2.250.1.213.1.1.1.98.{run}.{number}",
        body=pdf,
    )  # fmt: skip


def encoded(recipients: Sequence[str], count: int, pdf: bytes) -> list[bytes]:
    """The packages of `count` letters that go round `recipients`, as base64 lines."""
    run = secrets.randbits(40)
    made = (package(recipients[number % len(recipients)], number, run, pdf) for number in range(count))
    return [base64.encodebytes(archive).replace(b"\n", b"\r\n") for archive in made]
