"""Which servers a scenario of voice runs on, and figures that are proportions."""

from __future__ import annotations

from loadtests.bench.fanout import Measured
from loadtests.bench.report import Report, Run
from loadtests.bench.scenarios import ALL

V1 = next(scenario for scenario in ALL if scenario.name == "V1")
V2 = next(scenario for scenario in ALL if scenario.name == "V2")
S1 = next(scenario for scenario in ALL if scenario.name == "S1")
OF_JANUS = next(figure for figure in V1.figures if figure.name == "of_janus")


def _run(server: str, micros: float, *problems: str) -> Run:
    return Run.of(V1, server, 1, Measured({"us_per_packet": micros}, list(problems)))


def test_voice_runs_on_voice_servers_and_documents_on_theirs() -> None:
    assert [name for name in ("dojo", "janus", "hocuspocus") if V1.runs_on(name)] == ["dojo", "janus"]
    assert [name for name in ("dojo", "janus", "hocuspocus") if S1.runs_on(name)] == ["dojo", "hocuspocus"]
    assert [name for name in ("dojo", "janus", "hocuspocus") if V2.runs_on(name)] == ["dojo"]


def test_a_proportion_is_judged() -> None:
    assert Report([_run("dojo", 5.0), _run("janus", 10.0)]).judged(V1, OF_JANUS) is True
    assert Report([_run("dojo", 7.0), _run("janus", 10.0)]).judged(V1, OF_JANUS) is False
    assert "0.50 times | yes" in Report([_run("dojo", 5.0), _run("janus", 10.0)]).markdown([V1])


def test_a_proportion_to_a_server_that_failed_is_not_reached() -> None:
    assert Report([_run("dojo", 5.0), _run("janus", 0.0, "it did not start")]).judged(V1, OF_JANUS) is False


def test_a_proportion_to_a_server_that_was_not_asked_for_is_not_judged() -> None:
    assert Report([_run("dojo", 5.0)]).judged(V1, OF_JANUS) is None
