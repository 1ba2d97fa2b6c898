"""Log lines as JSON, and metrics as Prometheus text.

A token may stand in an address (browsers can set no header on a WebSocket), so every text that goes into a line
passes `redact` first, whoever logged it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from types import MappingProxyType
from typing import Literal, TextIO

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

FIELDS = ("tenant_id", "user_id", "request_id", "trace_id", "status_code")
"""What a line says besides time, level, service and message: from `extra=`, else from `logged_as`, else null."""

_SECRETS = re.compile(
    r"""(?ix)
      (token (?: =|%3D | ["']?\s*:\s* )) \S+   # in an address, or in the repr of a mapping
    | (bearer\s+) \S+
    | (\b) eyJ[\w-]*\.[\w-]*\.[\w-]*           # a JWT on its own
    | (\bDETAIL: \s*) [^\n]+                   # Postgres: the row that was in the way, with whose it is
    """
)
_REDACTED = r"\1\2\3\4[redacted]"

_NO_FIELDS: Mapping[str, object] = MappingProxyType({})
_context: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default=_NO_FIELDS)


def redact(text: str) -> str:
    """`text` without tokens (everything up to the next white space: rather too much than too little), and without the
    values of rows that Postgres shows in the details of its errors."""
    return _SECRETS.sub(_REDACTED, text)


@contextmanager
def logged_as(**fields: object) -> Iterator[None]:
    """Every line logged inside (by this task and those it starts) carries these `FIELDS`."""
    mark = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(mark)


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        context = _context.get()
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"timestamp": at.replace("+00:00", "Z"), "level": record.levelname.lower()}
        for name in FIELDS:
            line[name] = _plain(record.__dict__.get(name, context.get(name)))
        line["service"] = self._service
        line["message"] = _text(record.getMessage())
        if record.exc_info:
            line["exception"] = _text(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = _text(record.stack_info)
        return msgspec.json.encode(line).decode()


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int) else _text(str(value))


def _text(text: str) -> str:
    """Redacted, and without lone surrogates, which no UTF-8 can say."""
    return redact(text).encode(errors="replace").decode()


def log_to(stream: TextIO | None, *, service: str, level: str) -> None:
    """Send everything this process logs to `stream` (None: standard error), as JSON lines, and nothing elsewhere."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(service))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)


@dataclass(frozen=True, slots=True)
class Sample:
    """One number, read at scrape time. A counter's `name` ends in `_total`."""

    name: str
    help: str
    value: float
    kind: Literal["counter", "gauge"] = "gauge"
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram, read at scrape time: `counts[i]` of the values were at most `bounds[i]` and above the bound
    before; one more count than bounds, for what was above them all."""

    name: str
    help: str
    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float
    labels: Mapping[str, str] = field(default_factory=dict)

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus wants it: per bound, how many values were at most that."""
        limits = [*map(str, self.bounds), "+Inf"]
        return list(zip(limits, map(float, accumulate(self.counts)), strict=True))


class Readings(Collector):
    """Turns a function that reads a service's own counters into metrics: counting costs the service nothing but
    its own `+= 1`. Samples of one name must have the same kind and label names."""

    def __init__(self, read: Callable[[], Iterable[Sample | Distribution]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        histograms: dict[str, HistogramMetricFamily] = {}
        for sample in self._read():
            values = list(sample.labels.values())
            if isinstance(sample, Distribution):
                histogram = histograms.get(sample.name)
                if histogram is None:
                    histogram = HistogramMetricFamily(sample.name, sample.help, labels=list(sample.labels))
                    histograms[sample.name] = histogram
                histogram.add_metric(values, sample.cumulative(), sample.sum)
                continue
            family = families.get(sample.name)
            if family is None:
                make = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
                family = families[sample.name] = make(sample.name, sample.help, labels=list(sample.labels))
            family.add_metric(values, sample.value)
        return [*families.values(), *histograms.values()]

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not run `read` before the service has started."""
        return ()


METRICS_CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def exposition(*readings: Readings) -> bytes:
    """All current samples in Prometheus' text format, of type `METRICS_CONTENT_TYPE`."""
    registry = CollectorRegistry()
    for reading in readings:
        registry.register(reading)
    return generate_latest(registry)
