"""Three nodes behind one Redis, the members of every room spread over all of them, next to one node in the same run."""

from __future__ import annotations

from loadtests.bench import fanout
from loadtests.bench.fanout import Measured, Shape
from loadtests.bench.servers import Server, make_nodes

ROUNDS = 3
"""Of each: one node and three take turns, so that what else goes on on the machine meets both."""
REDIS = "redis-server"


async def latency(server: Server, shape: Shape, seconds: float) -> Measured:
    """`shape` on one node and on three. Figures: `p50_ms`, `p99_ms` and `server_cpu` on three, `one_p99_ms` on one, and
    `p99_times`, how many times longer three take."""
    one, three = await _both(server, shape, seconds, "n1")
    return _joined(
        one,
        three,
        {
            "p50_ms": three.figures["p50_ms"],
            "p99_ms": three.figures["p99_ms"],
            "one_p99_ms": one.figures["p99_ms"],
            "p99_times": three.figures["p99_ms"] / one.figures["p99_ms"],
            "server_cpu": three.figures["server_cpu"],
        },
    )


async def cost(server: Server, shape: Shape, seconds: float) -> Measured:
    """`shape` on one node and on three. Figures: shares of a core of everything each runs, `one_cpu` and `server_cpu`,
    `cpu_times`, how many times more three take, and of that `redis_cpu`; `p99_ms` on three."""
    one, three = await _both(server, shape, seconds, "n2")
    return _joined(
        one,
        three,
        {
            "p99_ms": three.figures["p99_ms"],
            "one_cpu": one.figures["server_cpu"],
            "server_cpu": three.figures["server_cpu"],
            "cpu_times": three.figures["server_cpu"] / one.figures["server_cpu"],
            "redis_cpu": three.server_by_program.get(REDIS, 0.0),
        },
    )


async def _both(server: Server, shape: Shape, seconds: float, label: str) -> tuple[Measured, Measured]:
    ones, threes = [], []
    async with make_nodes(server.name) as nodes:
        for turn in range(ROUNDS):
            ones.append(await fanout.measure(server, shape, seconds, label=f"{label}-one-{turn}"))
            threes.append(await fanout.measure(nodes, shape, seconds, label=f"{label}-three-{turn}"))
    return _median(ones), _median(threes)


def _median(rounds: list[Measured]) -> Measured:
    """Each figure's median; every problem of any round."""
    middle = len(rounds) // 2
    return Measured(
        {name: sorted(one.figures[name] for one in rounds)[middle] for name in rounds[0].figures},
        [problem for one in rounds for problem in one.problems],
        [warning for one in rounds for warning in one.warnings],
        {
            name: sorted(one.server_by_program.get(name, 0.0) for one in rounds)[middle]
            for name in rounds[0].server_by_program
        },
    )


def _joined(one: Measured, three: Measured, figures: dict[str, float]) -> Measured:
    problems = [*(f"one node: {text}" for text in one.problems), *(f"three nodes: {text}" for text in three.problems)]
    return Measured(figures, problems, [*one.warnings, *three.warnings], three.server_by_program)
