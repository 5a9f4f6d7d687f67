"""What is counted, for Prometheus. No label ever names a person, a space or a message."""

from __future__ import annotations

import math
import time
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        posted = Counter("pli_messages_posted", "Messages accepted, by kind", ["kind"], registry=self.registry)
        self._posted = cache(posted.labels)  # finding a label's counter costs more than counting
        self._delivered = Counter(
            "pli_deliveries_done", "Deliveries done, by channel", ["channel"], registry=self.registry
        )
        self._bounced = Counter("pli_deliveries_failed", "Deliveries given up", registry=self.registry)
        self._unopened = Counter("pli_sealed_unopened", "Sealed values that did not open", registry=self.registry)
        self._unscanned = Counter("pli_unscanned", "Letters that clamd could not scan", registry=self.registry)
        self._reports_dropped = Counter(
            "pli_reports_dropped", "Reports of other servers that are about no letter of ours", registry=self.registry
        )
        self.peers_down = Gauge(
            "pli_peers_down", "Domains whose mail servers cannot be talked to", registry=self.registry
        )
        self._refused = Counter(
            "pli_refusals", "Refusals at a door, by door and code", ["door", "code"], registry=self.registry
        )
        self._quarantined = Counter(
            "pli_quarantined", "Letters kept in quarantine, by reason", ["reason"], registry=self.registry
        )
        self._quarantine = Gauge(
            "pli_quarantine", "Letters in quarantine, by state and reason", ["state", "reason"], registry=self.registry
        )
        self._quarantine_since = Gauge(
            "pli_quarantine_oldest_seconds", "Age of the oldest letter in quarantine, by state", ["state"],
            registry=self.registry,
        )  # fmt: skip
        self.trust_list = Gauge(
            "pli_trust_list_age_seconds", "Since the white list was last fetched or imported; NaN when there is none",
            registry=self.registry,
        )  # fmt: skip
        self.trust_list.set(math.nan)
        self._trust_failed = Counter(
            "pli_trust_refresh_failures", "White or revocation lists that were fetched and not taken", ["list"],
            registry=self.registry,
        )  # fmt: skip
        self._unknown = Counter(
            "pli_unknown_recipients", "Recipients asked for who are not here, by door", ["door"], registry=self.registry
        )
        self._unanchored = Counter(
            "pli_audit_anchor_failures", "The audit's chain not sealed, or not told outside", registry=self.registry
        )
        self.sessions = Gauge("pli_sessions", "Open sessions, by door", ["door"], registry=self.registry)

    def anchor_failed(self) -> None:
        self._unanchored.inc()

    def report_dropped(self) -> None:
        self._reports_dropped.inc()

    def posted(self, kind: str) -> None:
        self._posted(kind).inc()

    def delivered(self, channel: str) -> None:
        self._delivered.labels(channel).inc()

    def bounced(self) -> None:
        self._bounced.inc()

    def unopened(self) -> None:
        self._unopened.inc()

    def unscanned(self) -> None:
        self._unscanned.inc()

    def unknown_recipient(self, door: str) -> None:
        self._unknown.labels(door).inc()

    def refused(self, door: str, code: str) -> None:
        self._refused.labels(door, code).inc()

    def quarantined(self, reason: str) -> None:
        self._quarantined.labels(reason).inc()

    def quarantine(self, counts: list[tuple[str, str, int, int]], now: int) -> None:
        """What the table says now: (state, reason, how many, since when in ms)."""
        self._quarantine.clear()
        self._quarantine_since.clear()
        for state, reason, count, _ in counts:
            self._quarantine.labels(state, reason).set(count)
        for state in {state for state, *_ in counts}:
            since = min(since for one, _, _, since in counts if one == state)
            self._quarantine_since.labels(state).set((now - since) / 1000)

    def trust_list_taken(self, at_ms: int) -> None:
        self.trust_list.set_function(lambda: time.time() - at_ms / 1000)

    def trust_refresh_failed(self, which: str) -> None:
        self._trust_failed.labels(which).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)
