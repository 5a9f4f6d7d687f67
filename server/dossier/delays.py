"""The delays of the law and ours, as data (`data/delays.json`, with its source). In days and hours; `DAY` and `HOUR` in
milliseconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR


class Delays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: str
    untold_notice_days: int
    untold_release_days: int
    kept_after_closing_days: int
    deletion_after_days: int
    deletion_days_most: int
    emergency_hours: int
    consent_days_offered: tuple[int, ...]
    consent_days_most: int
    ask_again_days: int


DELAYS: Final = msgspec.json.decode((Path(__file__).parent / "data" / "delays.json").read_bytes(), type=Delays)
