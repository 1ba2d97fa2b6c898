"""The plan of a run: the same for the same seed, and never one that leaves people nowhere to go."""

from __future__ import annotations

from random import Random

import pytest

from tests.chaos.faults import LAST_SECONDS, WAYS, Fault, plan

SEEDS = range(200)
SECONDS = 60.0
NODES = 3


def overlap(one: Fault, other: Fault) -> bool:
    return one.at < other.at + other.seconds and other.at < one.at + one.seconds


def test_the_same_seed_is_the_same_plan() -> None:
    assert plan(Random(7), SECONDS, NODES) == plan(Random(7), SECONDS, NODES)
    assert plan(Random(7), SECONDS, NODES) != plan(Random(8), SECONDS, NODES)


def test_all_faults_come_up() -> None:
    assert {fault.name for seed in SEEDS for fault in plan(Random(seed), SECONDS, NODES)} == set(WAYS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_leaves_one_node_alone_and_no_target_is_hit_twice(seed: int) -> None:
    faults = plan(Random(seed), SECONDS, NODES)
    for number, fault in enumerate(faults):
        assert fault.at < SECONDS - LAST_SECONDS
        with_it = [other for other in faults[:number] if overlap(fault, other)]
        assert fault.target not in {other.target for other in with_it}
        nodes = {other.target for other in [*with_it, fault] if other.target.startswith("node")}
        assert len(nodes) < NODES
