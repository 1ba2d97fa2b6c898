"""Whoever loses their SFU is told soon and once, and they do not all come again at the same moment."""

from __future__ import annotations

import random

from edge.voice.moving import LOOK_SECONDS, MISSED, SPREAD_SECONDS, Moving
from media_sfu.registry import LEASE_MILLISECONDS

TOLD_SECONDS = 3.0


def test_all_are_told_within_three_seconds() -> None:
    assert LEASE_MILLISECONDS / 1000 + MISSED * LOOK_SECONDS <= TOLD_SECONDS


def test_an_sfu_is_gone_when_its_lease_is_missed_twice_and_told_once() -> None:
    moving = Moving()
    assert moving.look({"one": True, "two": True}) == []
    assert moving.look({"one": False, "two": True}) == []
    assert moving.look({"one": False, "two": True}) == ["one"]
    assert moving.look({"one": False, "two": True}) == []
    assert moving.look({"one": True}) == []
    assert moving.look({"one": False}) == []
    assert moving.look({"one": False}) == ["one"]


def test_a_lease_that_comes_back_is_no_loss() -> None:
    moving = Moving()
    for alive in (False, True, False, True, False):
        assert moving.look({"one": alive}) == []


def test_nobody_is_there_any_more_is_no_loss_either() -> None:
    moving = Moving()
    moving.look({"one": False})
    assert moving.look({}) == []
    assert moving.look({"one": False}) == []


def test_many_come_again_evenly_over_two_seconds() -> None:
    people = list(range(800))
    moves = Moving(random.Random(7).random).moves(people)
    assert sorted(move.person for move in moves) == people
    assert [move.person for move in moves] != people, "who comes first is not always the same"
    pauses = sorted(move.pause for move in moves)
    assert pauses[0] >= 0
    assert pauses[-1] <= SPREAD_SECONDS
    for begin in range(10):
        fifth = [pause for pause in pauses if begin / 5 <= pause < (begin + 1) / 5]
        assert 78 <= len(fifth) <= 82


def test_few_come_again_at_once() -> None:
    assert Moving().moves(["ana"])[0].pause < 0.01
    assert max(move.pause for move in Moving().moves(range(50))) <= 0.15
    assert Moving().moves([]) == []
