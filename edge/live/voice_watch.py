"""Watches over voice processes that have rooms of this node: who loses one is told within three seconds."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from edge.live.live_room import LiveRoom
from edge.voice.directory import Directory
from kernel.redis import RedisAway

LOOK_SECONDS: Final = 0.5
"""Between two looks. A process renews what it wrote down as often, and that ends 1.5 s after it was written last."""
MISSED: Final = 2
"""Looks in a row that do not find it. One may come when Redis itself has just begun anew."""

log = logging.getLogger(__name__)


async def watch_voice(directory: Directory, rooms: Mapping[UUID, LiveRoom]) -> None:
    """Look until cancelled. While Redis is away nobody is taken for gone."""
    missed: dict[str, int] = defaultdict(int)
    while True:
        await asyncio.sleep(LOOK_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load, hides nothing
        by_sfu: dict[str, list[LiveRoom]] = defaultdict(list)
        for live in rooms.values():
            if live.voice is not None:
                live.voice.check()
                if (state := live.voice.state) is not None and state.people:
                    by_sfu[state.sfu].append(live)
        try:
            alive = {name: await directory.lives(name) for name in by_sfu}
        except RedisAway:
            continue
        for name, lives in alive.items():
            missed[name] = 0 if lives else missed[name] + 1
            if missed[name] < MISSED:
                continue
            log.warning("voice process %s is gone: %d rooms are told", name, len(by_sfu[name]))
            for live in by_sfu[name]:
                if live.voice is not None:
                    live.voice.lost()
        for name in missed.keys() - by_sfu.keys():
            del missed[name]
