"""`python -m loadtests.bench`: the scenarios on Dojo and on other servers, one after the other, as a table.

The server has core 0 to itself, with all its processes; this one, the load generator, has core 1. Each scenario gets
a fresh server. Within a run the servers take turns scenario by scenario, so that a noisy minute hits them alike.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from loadtests.bench import servers, voice_servers
from loadtests.bench.fanout import LoadFailed, Measured
from loadtests.bench.processes import ProcessGone
from loadtests.bench.report import Report, Run, environment
from loadtests.bench.scenarios import ALL, Context, Scenario

_NAMES = tuple(dict.fromkeys((*servers.NAMES, *voice_servers.NAMES)))
_PEERS = Path(__file__).resolve().parent.parent / "peers"


async def _once(scenario: Scenario, name: str, context: Context) -> Measured:
    try:
        async with scenario.server(name) as server:
            return await scenario.run(server, context)
    except (LoadFailed, servers.ServerFailed, ProcessGone) as error:
        return Measured(problems=[str(error)])


def plan(scenarios: Sequence[Scenario], names: Sequence[str]) -> list[tuple[Scenario, str]]:
    """What is run, in that order: each scenario on those servers that have what it measures."""
    return [(scenario, name) for scenario in scenarios for name in names if name in scenario.on]


async def _all(scenarios: list[Scenario], names: list[str], runs: int, context: Context) -> Report:
    report = Report(environment=environment(_PEERS))
    planned = plan(scenarios, names)
    missing = {name: why for _, name in planned if (why := voice_servers.missing(name)) is not None}
    report.remarks += [f"{name} was not measured: {why}" for name, why in missing.items()]
    for number in range(1, runs + 1):
        for scenario, name in planned:
            if name in missing:
                continue
            begun = time.monotonic()
            run = Run.of(scenario, name, number, await _once(scenario, name, context))
            report.runs.append(run)
            report.write(context.folder, scenarios)
            shown = ", ".join(f"{key} {value:.3g}" for key, value in run.figures.items())
            spent = ", ".join(f"{key} {value:.1%}" for key, value in run.server_by_program.items())
            problems = "; ".join([*run.problems, *run.warnings])
            print(
                f"run {number} {run.scenario} {name}: {shown} [{spent}] {problems} ({time.monotonic() - begun:.0f} s)",
                file=sys.stderr, flush=True,
            )  # fmt: skip
    return report


def main() -> int:
    """Exit code 0 if Dojo reached everything asked of it, 1 if not, 2 if the machine cannot run this."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description="Measure Dojo and its peers.")
    parser.add_argument("--scenario", default=",".join(s.name for s in ALL), help="names, separated by commas")
    parser.add_argument("--runs", type=int, default=3, help="how often; the table shows medians")
    parser.add_argument("--peers", default=",".join(_NAMES), help="servers, separated by commas")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each load is measured")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="folder for bench.json and bench.md")
    arguments = parser.parse_args()
    known = {scenario.name.lower(): scenario for scenario in ALL}
    wanted = [name.strip().lower() for name in arguments.scenario.split(",")]
    names = [name.strip() for name in arguments.peers.split(",")]
    if unknown := [*(set(wanted) - set(known)), *(set(names) - set(_NAMES))]:
        parser.error(f"unknown: {', '.join(unknown)}")
    if {servers.SERVER_CORE, servers.GENERATOR_CORE} - os.sched_getaffinity(0):
        print("two cores are needed, one for the server and one for the load", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {servers.GENERATOR_CORE})
    scenarios = [known[name] for name in wanted]
    context = Context(arguments.seconds, arguments.out)
    report = uvloop.run(_all(scenarios, names, arguments.runs, context))
    print(report.markdown(scenarios))
    return 1 if any(report.judged(s, figure) is False for s in scenarios for figure in s.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
