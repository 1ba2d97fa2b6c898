"""What the benchmark's table says, and what it makes of runs that went wrong."""

from __future__ import annotations

import json
from pathlib import Path

from loadtests.bench.fanout import Measured
from loadtests.bench.report import Report, Run
from loadtests.bench.scenarios import ALL, Scenario

S2 = next(scenario for scenario in ALL if scenario.name == "S2")


def _run(server: str, p99: float, *problems: str, number: int = 1, scenario: Scenario = S2) -> Run:
    figures = {"p50_ms": p99 / 2, "p99_ms": p99, "server_cpu": 0.04, "deliveries": 100.0}
    return Run.of(scenario, server, number, Measured(figures, list(problems)))


def _p99() -> int:
    return next(number for number, figure in enumerate(S2.figures) if figure.name == "p99_ms")


def test_the_median_is_judged_and_put_in_proportion() -> None:
    report = Report([_run("dojo", each) for each in (1.0, 9.0, 1.2)] + [_run("hocuspocus", 2.4)])

    assert report.judged(S2, S2.figures[_p99()]) is True
    table = report.markdown([S2])
    assert "| p99 | <= 1.80 ms | 1.20 ms | yes | 2.40 ms | 0.50 |" in table


def test_over_the_bound_fails() -> None:
    report = Report([_run("dojo", 1.9)])

    assert report.judged(S2, S2.figures[_p99()]) is False
    assert "**no**" in report.markdown([S2])


def test_an_invalid_run_is_said_and_fails() -> None:
    report = Report([_run("dojo", 1.0), _run("dojo", 1.0, "3 deliveries never came", number=2)])

    assert report.judged(S2, S2.figures[_p99()]) is False
    assert "1 of 2 runs INVALID" in report.markdown([S2])
    assert "S2 on dojo, run 2: INVALID: 3 deliveries never came" in report.markdown([S2])


def test_a_figure_without_a_bound_is_not_judged() -> None:
    report = Report([_run("dojo", 1.0)])

    assert report.judged(S2, next(figure for figure in S2.figures if figure.name == "p50_ms")) is None


def test_both_files_are_written(tmp_path: Path) -> None:
    Report([_run("dojo", float("nan"))], {"machine": "here"}).write(tmp_path, [S2])

    content = json.loads((tmp_path / "bench.json").read_text())
    assert content["environment"] == {"machine": "here"}
    assert content["runs"][0]["scenario"] == "S2"
    assert "p99_ms" not in content["runs"][0]["figures"]
    assert "machine: here" in (tmp_path / "bench.md").read_text()
