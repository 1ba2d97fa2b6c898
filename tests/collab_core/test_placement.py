"""Rendezvous hashing: everybody names the same node, and only the share of the one that comes or goes moves."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import msgspec
import pytest

from collab_core.placement import Node, preferred

ROOMS = [f"room {number}" for number in range(10_000)]
KNOWN = {"room 0": "node-1", "room 1": "node-3", "room 2": "node-3", "room 3": "node-2"}


def node(number: int, **how: object) -> Node:
    plain = Node(epoch=UUID(int=number), name=f"node-{number}")
    return msgspec.structs.replace(plain, **how)


def cluster(count: int) -> list[Node]:
    return [node(number) for number in range(count)]


@dataclass(frozen=True)
class Placed:
    where: dict[str, str]

    @classmethod
    def on(cls, nodes: list[Node]) -> Placed:
        found = {room: preferred(room, nodes) for room in ROOMS}
        return cls({room: chosen.name for room, chosen in found.items() if chosen is not None})

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.where.values())


@pytest.mark.parametrize("count", [2, 3, 8, 20])
def test_rooms_are_spread_evenly(count: int) -> None:
    counts = Placed.on(cluster(count)).counts
    fair = len(ROOMS) / count
    assert len(counts) == count
    # Five standard deviations of a binomial distribution: about 14 % with 8 nodes, 22 % with 20.
    assert max(abs(each - fair) for each in counts.values()) < 5 * fair**0.5


@pytest.mark.parametrize("count", [2, 3, 8, 20])
def test_a_node_that_comes_or_goes_moves_only_its_share(count: int) -> None:
    before = Placed.on(cluster(count)).where
    after = Placed.on(cluster(count + 1)).where
    moved = [room for room in ROOMS if before[room] != after[room]]
    assert {after[room] for room in moved} == {f"node-{count}"}, "nothing moves between those that stay"
    assert len(moved) / len(ROOMS) == pytest.approx(1 / (count + 1), rel=0.15)
    lost = Placed.on(cluster(count)[1:]).where
    assert all(lost[room] == before[room] for room in ROOMS if before[room] != "node-0")


def test_a_weight_is_a_share_and_changing_it_moves_only_the_difference() -> None:
    nodes = cluster(4)
    before = Placed.on(nodes).where
    heavy = Placed.on([node(0, weight=3.0), *nodes[1:]])
    assert heavy.counts["node-0"] / len(ROOMS) == pytest.approx(3 / 6, rel=0.05)
    moved = {heavy.where[room] for room in ROOMS if heavy.where[room] != before[room]}
    assert moved == {"node-0"}


def test_the_order_of_nodes_their_epochs_and_their_load_change_nothing() -> None:
    nodes = cluster(5)
    restarted = [
        msgspec.structs.replace(each, epoch=UUID(int=99 + at), members=at, busy=0.1 * at)
        for at, each in enumerate(nodes)
    ]
    assert Placed.on(nodes).where == Placed.on(nodes[::-1]).where == Placed.on(restarted).where


def test_every_process_names_the_same_node() -> None:
    nodes = cluster(4)
    assert {room: chosen.name for room in KNOWN if (chosen := preferred(room, nodes))} == KNOWN
    script = (
        "from uuid import UUID; from collab_core.placement import Node, preferred;"
        "nodes = [Node(epoch=UUID(int=n), name=f'node-{n}') for n in range(4)];"
        f"print([preferred(room, nodes).name for room in {list(KNOWN)}])"
    )
    for seed in ("1", "2"):
        said = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        )
        assert said.stdout.strip() == str(list(KNOWN.values()))


@pytest.mark.parametrize("why", ["draining", "overloaded"])
def test_nodes_that_drain_or_are_overloaded_take_no_new_rooms(why: str) -> None:
    nodes = cluster(4)
    placed = Placed.on([node(0, **{why: True}), *nodes[1:]])
    assert placed.where == Placed.on(nodes[1:]).where


def test_unless_all_are() -> None:
    overloaded = [node(number, overloaded=True) for number in range(3)]
    assert Placed.on(overloaded).where == Placed.on(cluster(3)).where
    mixed = [node(0, draining=True), node(1, overloaded=True)]
    assert set(Placed.on(mixed).counts) == {"node-1"}
    draining = [node(number, draining=True) for number in range(3)]
    assert Placed.on(draining).where == Placed.on(cluster(3)).where
    assert preferred("room", []) is None
