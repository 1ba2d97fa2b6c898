"""Watches over voice processes that have people of this node's rooms: who loses one is told within three seconds."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from edge.live.live_room import LiveRoom
from edge.live.room_voice import RoomVoice
from edge.voice.directory import Directory
from edge.voice.moving import LOOK_SECONDS, Moving
from kernel.redis import RedisAway

EARLIER: Final = 0.8
"""Of the time between two looks, at least: not all nodes look at the same moment."""

log = logging.getLogger(__name__)


async def watch_voice(directory: Directory, rooms: Mapping[UUID, LiveRoom]) -> None:
    """Look until cancelled. While Redis is away nobody is taken for gone."""
    moving = Moving()
    while True:
        await asyncio.sleep(LOOK_SECONDS * random.uniform(EARLIER, 1.0))  # noqa: S311 - spreads load, hides nothing
        by_sfu: dict[str, list[RoomVoice]] = defaultdict(list)
        for live in rooms.values():
            if live.voice is not None:
                live.voice.check()
                for name in live.voice.whole.sfus:
                    by_sfu[name].append(live.voice)
        try:
            alive = {name: await directory.lives(name) for name in by_sfu}
        except RedisAway:
            continue
        for name in moving.look(alive):
            log.warning("voice process %s is gone: %d rooms are told", name, len(by_sfu[name]))
            for voice in by_sfu[name]:
                voice.lost(name)
