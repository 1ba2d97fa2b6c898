"""Thousands of seeded stories of three nodes with an unreliable bus, journal and life, on a virtual clock: at the end
people, nodes and the journal agree, what was said to be saved is there, and nothing was ever stored that builds on what
is not.

`DOJO_NODES_SEED=n` replays one, `DOJO_NODES_FIRST` and `DOJO_NODES_SEEDS` make it a longer search.
"""

from __future__ import annotations

import logging
import os
from typing import Final

import pytest

from collab_core.bus.link import Link
from collab_core.bus.other_rows import OtherRows
from collab_core.bus.own_rows import OwnRows
from tests.nodes.story import Story, client_ids
from tests.nodes.virtual_time import run

FIRST: Final = int(os.environ.get("DOJO_NODES_FIRST", "0"))
SEEDS: Final = int(os.environ.get("DOJO_NODES_SEEDS", "2000"))
ONLY: Final = os.environ.get("DOJO_NODES_SEED")
BATCHES: Final = 6
NOTICED_WITHIN: Final = 300
"""Seeds; most need fewer than 50."""


async def tell(seed: int) -> Story:
    with client_ids(seed):
        story = Story(seed)
        try:
            await story.run()
        finally:
            await story.end()
    return story


@pytest.mark.timeout(300)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_everybody_ends_with_the_same(batch: int) -> None:
    seeds = [int(ONLY)] if ONLY else range(FIRST + batch, FIRST + SEEDS, BATCHES)
    logging.disable(logging.ERROR)  # the stories are full of what would be worth a line elsewhere
    edits = acknowledged = heals = 0
    try:
        for seed in seeds:
            try:
                story = run(tell(seed))
            except BaseException as error:
                raise AssertionError(f"seed {seed} (DOJO_NODES_SEED={seed}): {error}") from error
            edits += sum(len(person.author.made) for person in story.people)
            acknowledged += sum(person.acknowledged for person in story.people)
            heals += sum(node.metrics.bus_heals for node in story.nodes)
    finally:
        logging.disable(logging.NOTSET)
    if not ONLY:
        assert edits > 10 * len(seeds)
        assert acknowledged > 5 * len(seeds)
        assert heals > 0


def test_a_story_replays_exactly() -> None:
    """The same seed, the same story: what failed once can be looked at again."""

    def told(seed: int) -> list[object]:
        story = run(tell(seed))
        rows = sorted((row.epoch, row.sequence) for row in (*story.store.rows.values(), *story.store.history))
        return [story.kills, rows, *(person.acknowledged for person in story.people)]

    assert [told(seed) for seed in range(5)] == [told(seed) for seed in range(5)]


@pytest.mark.parametrize(
    ("part", "what", "instead"),
    [
        (Link, "_read", lambda self: None),
        (Link, "_compare", lambda self, origin, said: None),
        (OtherRows, "builds_on", lambda self, walked: None),
        (OtherRows, "adopt", lambda self, epoch: None),
        (OtherRows, "retry", lambda self: None),
        (OwnRows, "committed", property(lambda self: self._last)),
    ],
)
def test_the_stories_notice_what_is_left_out(
    part: type, what: str, instead: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part of the link is there because some story ends badly without it."""
    monkeypatch.setattr(part, what, instead)
    logging.disable(logging.CRITICAL)
    try:
        with pytest.raises(AssertionError):
            _tell_all(NOTICED_WITHIN)
    finally:
        logging.disable(logging.NOTSET)


def _tell_all(seeds: int) -> None:
    for seed in range(seeds):
        run(tell(seed))
