"""Which servers a scenario of voice runs on, and figures that are proportions."""

from __future__ import annotations

from loadtests.bench import servers, voice_servers
from loadtests.bench.__main__ import plan
from loadtests.bench.fanout import Measured
from loadtests.bench.report import Report, Run
from loadtests.bench.scenarios import ALL

V1 = next(scenario for scenario in ALL if scenario.name == "V1")
OF_JANUS = next(figure for figure in V1.figures if figure.name == "of_janus")


def _run(server: str, micros: float, *problems: str) -> Run:
    return Run.of(V1, server, 1, Measured({"us_per_packet": micros}, list(problems)))


EVERYBODY = (*servers.NAMES, "janus")
"""What `--peers` is by default."""


def _planned(name: str) -> list[str]:
    return [server for scenario, server in plan(ALL, EVERYBODY) if scenario.name == name]


def test_each_scenario_is_planned_where_it_can_run() -> None:
    assert _planned("S1") == ["dojo", "hocuspocus", "y-websocket"]
    assert _planned("N1") == _planned("N2") == ["dojo", "hocuspocus"]
    assert _planned("N3") == ["dojo"]
    assert all(_planned(f"V{number}") == ["dojo", "janus"] for number in (1, 5, 8))
    assert all(_planned(f"V{number}") == ["dojo"] for number in (2, 3, 4, 6, 7))


def test_only_servers_that_there_are_are_planned() -> None:
    for scenario, name in plan(ALL, EVERYBODY):
        assert name in (voice_servers.NAMES if scenario.voice else servers.NAMES), scenario.name


def test_a_server_that_is_not_installed_is_a_remark_and_no_failure() -> None:
    report = Report([_run("dojo", 5.0)], remarks=["janus was not measured: Janus is not installed"])

    assert report.judged(V1, OF_JANUS) is None
    assert "Remarks:\n\n- janus was not measured: Janus is not installed" in report.markdown([V1])


def test_a_proportion_is_judged() -> None:
    assert Report([_run("dojo", 5.0), _run("janus", 10.0)]).judged(V1, OF_JANUS) is True
    assert Report([_run("dojo", 7.0), _run("janus", 10.0)]).judged(V1, OF_JANUS) is False
    assert "0.50 times | yes" in Report([_run("dojo", 5.0), _run("janus", 10.0)]).markdown([V1])


def test_a_proportion_to_a_server_that_failed_is_not_reached() -> None:
    assert Report([_run("dojo", 5.0), _run("janus", 0.0, "it did not start")]).judged(V1, OF_JANUS) is False


def test_a_proportion_to_a_server_that_was_not_asked_for_is_not_judged() -> None:
    assert Report([_run("dojo", 5.0)]).judged(V1, OF_JANUS) is None
