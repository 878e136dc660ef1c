"""Counters and one histogram, in Prometheus' text format 0.0.4. No IO."""

from __future__ import annotations

import bisect

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def escape(value: str) -> str:
    """A label's value as the format wants it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Metrics:
    """What the front has seen since it started."""

    def __init__(self, model: str, version: str, started_at: float) -> None:
        self._info = f'model="{escape(model)}",version="{escape(version)}"'
        self._started_at = started_at
        self._requests: dict[tuple[str, int], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self.rows = 0
        self.shed = 0
        self.worker_restarts = 0

    def observe(self, route: str, status: int, seconds: float, rows: int) -> None:
        """Count one answered prediction request; *route* is one of a fixed few."""
        key = (route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        self.rows += rows
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(BOUNDS_S) + 1)
            self._seconds[route] = 0.0
        buckets[bisect.bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds[route] += seconds

    def to_text(self, *, in_flight: int, workers_ready: int, workers: int) -> str:
        lines = [
            "# HELP teul_model_info Which model is served.",
            "# TYPE teul_model_info gauge",
            f"teul_model_info{{{self._info}}} 1",
            "# HELP teul_model_requests_total Prediction requests answered, by route and HTTP status.",
            "# TYPE teul_model_requests_total counter",
        ]
        lines += [
            f'teul_model_requests_total{{route="{route}",status="{status}"}} {count}'
            for (route, status), count in sorted(self._requests.items())
        ]
        lines += [
            "# HELP teul_model_request_seconds From the last byte of the request to the first of the answer.",
            "# TYPE teul_model_request_seconds histogram",
        ]
        for route, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*BOUNDS_S, "+Inf"), buckets):
                total += count
                lines.append(f'teul_model_request_seconds_bucket{{route="{route}",le="{bound}"}} {total}')
            lines.append(f'teul_model_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
            lines.append(f'teul_model_request_seconds_count{{route="{route}"}} {total}')
        for name, kind, help_, value in (
            ("rows_total", "counter", "Rows predicted.", self.rows),
            ("shed_total", "counter", "Requests refused because the queue was full.", self.shed),
            ("worker_restarts_total", "counter", "Workers that ended and were replaced.", self.worker_restarts),
            ("in_flight", "gauge", "Requests queued or being predicted.", in_flight),
            ("workers_ready", "gauge", "Workers with the model loaded.", workers_ready),
            ("workers", "gauge", "Workers wanted.", workers),
        ):
            lines += [
                f"# HELP teul_model_{name} {help_}",
                f"# TYPE teul_model_{name} {kind}",
                f"teul_model_{name} {value}",
            ]
        lines += [
            "# HELP process_start_time_seconds When the server started, in seconds since 1970.",
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {self._started_at:.3f}",
        ]
        return "\n".join(lines) + "\n"
