"""The benchmark's table: medians over runs, next to other servers in the same run, as JSON and Markdown."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec

from loadtests.bench.fanout import Measured
from loadtests.bench.scenarios import Figure, Scenario

REFERENCE = "hocuspocus"
"""The server that Dojo's figures are put in proportion to."""
_PERCENT = 100
_TITLES = {
    "p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99", "server_cpu": "CPU", "ceiling": "highest rate",
    "kib_per_connection": "per connection", "open_together_ms": "50 at once, slowest",
    "open_together_median_ms": "50 at once, median", "open_alone_ms": "alone", "saved_p50_ms": "saved p50",
    "saved_p99_ms": "saved p99", "login_p50_ms": "login p50", "check_ms": "per check", "check_p99_ms": "per check, p99",
    "us_per_packet": "CPU per packet", "of_janus": "Dojo : janus", "recovered_percent": "lost packets that came again",
    "p999_ms": "p99.9", "many_p50_ms": "p50, 800", "many_p99_ms": "p99, 800", "many_p999_ms": "p99.9, 800",
    "cpu_ms": "CPU each", "kib_per_peer": "memory each", "sockets_per_peer": "sockets each",
    "join_p50_ms": "checks and handshake, p50", "change_p50_ms": "p50", "change_p95_ms": "p95",
    "change_max_ms": "longest", "at_once_p50_ms": "without a pause, p50", "at_once_max_ms": "without a pause, longest",
    "gaps": "sequence gaps", "clock_back": "timestamps back",
    "max_ms": "longest", "answered_p50_ms": "until the answer, p50",
    "connected_p50_ms": "until ICE and DTLS stand, p50",
    "concealed_percent": "made up, but for silence", "nacks_per_second": "NACKs of a listener",
    "buffer_ms": "jitter buffer", "plain_concealed_percent": "without RED: made up, but for silence",
    "overtaking_concealed_percent": "packets overtake: made up, but for silence",
    "overtaking_nacks_per_second": "packets overtake: NACKs of a listener",
    "plain_nacks_per_second": "without RED: NACKs of a listener", "plain_buffer_ms": "without RED: jitter buffer",
    "added_ms": "longest delay beyond p99 before", "calm_p99_ms": "p99 before", "storm_p99_ms": "p99 meanwhile",
    "all_in_seconds": "all in after", "rls_ratio": "with : without", "rls_ms": "with",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario on one server, once. `measured` is None if it could not be carried out; `problems` says why."""

    scenario: str
    server: str
    number: int
    valid: bool
    figures: dict[str, float]
    problems: list[str]
    warnings: list[str]
    server_by_program: dict[str, float]

    @classmethod
    def of(cls, scenario: Scenario, server: str, number: int, measured: Measured) -> Run:
        figures = {name: value for name, value in measured.figures.items() if math.isfinite(value)}
        return cls(
            scenario.name, server, number, not measured.problems, figures, measured.problems, measured.warnings,
            measured.server_by_program,
        )  # fmt: skip


@dataclass(slots=True)
class Report:
    """All runs, and where and with what they were made."""

    runs: list[Run] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    """On the whole of it, beside those of its runs."""

    def median(self, scenario: Scenario, server: str, figure: Figure) -> float | None:
        """Over the valid runs; None if there is none."""
        if figure.than is not None:
            return self._proportion(scenario, server, *figure.than)
        values = [
            run.figures[figure.name]
            for run in self.runs
            if run.valid and run.scenario == scenario.name and run.server == server and figure.name in run.figures
        ]
        return statistics.median(values) if values else None

    def _proportion(self, scenario: Scenario, server: str, than: str, name: str) -> float | None:
        if server != "dojo":
            return None
        measured = next(figure for figure in scenario.figures if figure.name == name)
        own, theirs = self.median(scenario, server, measured), self.median(scenario, than, measured)
        return own / theirs if own is not None and theirs else None

    def judged(self, scenario: Scenario, figure: Figure) -> bool | None:
        """Whether Dojo keeps the bound, in the median and with every run valid; None if nothing is asked."""
        if figure.bound is None or not any(r.scenario == scenario.name and r.server == "dojo" for r in self.runs):
            return None
        if any(not run.valid for run in self.runs if run.scenario == scenario.name and run.server == "dojo"):
            return False
        value = self.median(scenario, "dojo", figure)
        if value is None and figure.than is not None and not any(r.server == figure.than[0] for r in self.runs):
            return None  # the other server was not asked for
        return value is not None and bool(figure.holds(value))

    def markdown(self, scenarios: Sequence[Scenario]) -> str:
        """The table, the machine, and everything that went wrong."""
        servers = list(dict.fromkeys(run.server for run in self.runs))
        others = [server for server in servers if server != "dojo"]
        head = ["", "load", "figure", "must reach", "Dojo", "", *others]
        if REFERENCE in others:
            head.append(f"Dojo : {REFERENCE}")
        lines = [_row(head), _row(["---"] * len(head))]
        for scenario in scenarios:
            for number, figure in enumerate(scenario.figures):
                own = self.median(scenario, "dojo", figure)
                row = [scenario.name, scenario.what] if number == 0 else ["", ""]
                row += [_TITLES.get(figure.name, figure.name), _bound(figure), self._cell(scenario, "dojo", figure)]
                row.append({True: "yes", False: "**no**", None: ""}[self.judged(scenario, figure)])
                row += [self._cell(scenario, server, figure) for server in others]
                if REFERENCE in others:
                    reference = self.median(scenario, REFERENCE, figure)
                    row.append(f"{own / reference:.2f}" if own is not None and reference else "")
                lines.append(_row(row))
        spent = [f"- {scenario.name}: {text}" for scenario in scenarios if (text := self._by_program(scenario))]
        if spent:
            lines += ["", "Where Dojo's share of the core went:", "", *spent]
        machine = [f"- {name}: {value}" for name, value in self.environment.items()]
        notes = [f"- {remark}" for remark in self.remarks]
        notes += [
            f"- {run.scenario} on {run.server}, run {run.number}: {'INVALID: ' if not run.valid else ''}{text}"
            for run in self.runs
            for text in (*run.problems, *run.warnings)
        ]
        return "\n".join([*lines, "", *machine, *(["", "Remarks:", "", *notes] if notes else []), ""])

    def _cell(self, scenario: Scenario, server: str, figure: Figure) -> str:
        runs = [run for run in self.runs if run.scenario == scenario.name and run.server == server]
        value = self.median(scenario, server, figure)
        if value is None:
            return "INVALID" if any(not run.valid for run in runs) else ""
        spoilt = sum(1 for run in runs if not run.valid)
        return _shown(figure, value) + (f" ({spoilt} of {len(runs)} runs INVALID)" if spoilt else "")

    def _by_program(self, scenario: Scenario) -> str:
        runs = [run for run in self.runs if run.scenario == scenario.name and run.server == "dojo"]
        programs = dict.fromkeys(program for run in runs for program in run.server_by_program)
        shares = {
            program: statistics.median(run.server_by_program.get(program, 0.0) for run in runs) for program in programs
        }
        ordered = sorted(shares.items(), key=lambda item: -item[1])
        return ", ".join(f"{program} {share * _PERCENT:.1f}%" for program, share in ordered)

    def write(self, folder: Path, scenarios: Sequence[Scenario]) -> None:
        """`bench.json` and `bench.md` in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        encoded = msgspec.json.encode({"environment": self.environment, "remarks": self.remarks, "runs": self.runs})
        (folder / "bench.json").write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
        (folder / "bench.md").write_text(self.markdown(scenarios))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _bound(figure: Figure) -> str:
    if figure.bound is None:
        return ""
    return f"{'>=' if figure.at_least else '<='} {_shown(figure, figure.bound)}"


def _shown(figure: Figure, value: float) -> str:
    if figure.unit == "core":
        return f"{value * _PERCENT:.1f}%"
    if figure.unit == "updates/s":
        return f"{value:,.0f}/s"
    return f"{value:.1f} {figure.unit}" if value >= 10 else f"{value:.2f} {figure.unit}"


def environment(peers: Path) -> dict[str, str]:
    """Machine, date and versions, for whoever wants to compare."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}",
        "Python": f"{platform.python_version()}, "
        + ", ".join(f"{name} {metadata.version(name)}" for name in ("picows", "uvloop", "pycrdt")),
    }
    for package in ("@hocuspocus/server", "@y/websocket-server"):
        for folder in (peers, *peers.parents):
            manifest = folder / "node_modules" / package / "package.json"
            if manifest.exists():
                found[package] = str(msgspec.json.decode(manifest.read_bytes())["version"])
                break
    return found
