"""What is counted, for Prometheus. No label ever names a person, a space or a message."""

from __future__ import annotations

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
        self._refused = Counter(
            "pli_refusals", "Refusals at a door, by door and code", ["door", "code"], registry=self.registry
        )
        self.sessions = Gauge("pli_sessions", "Open sessions, by door", ["door"], registry=self.registry)

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

    def refused(self, door: str, code: str) -> None:
        self._refused.labels(door, code).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)
