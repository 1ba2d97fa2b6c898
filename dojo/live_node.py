"""The live node: the process that holds the sockets and the rooms."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from uuid import UUID, uuid4

import msgspec
import uvloop

from collab_core.bus.redis import RedisBus
from collab_core.hub import Hub
from collab_core.journal.port import JournalUnavailable
from collab_core.journal.postgres import PostgresJournal
from collab_core.journal.writer import JournalWriter
from collab_core.metrics import EngineMetrics
from collab_core.nodes import Nodes
from collab_core.placement import Node
from collab_core.registration import Registration
from collab_core.server import LiveServer, PlainAnswer
from dojo import ports
from dojo.child import ChildStart
from dojo.live_metrics import live_samples
from dojo.voice_edge import voice_edge
from edge.dojos.turns.watch import Watch
from edge.live.credentials import Credentials
from edge.live.dojo_gate import DojoGate, renewed
from edge.live.gate import RoomGate
from edge.live.gates import Gates
from edge.live.live_dojos import LiveDojos
from kernel.database import NotDurable, close_pool, create_pool
from kernel.redis import create_client
from kernel.settings import SettingsError
from kernel.telemetry import METRICS_CONTENT_TYPE, Readings, exposition, log_to
from kernel.tokens.authority import Authority, AuthorityAway
from kernel.tokens.one_use import OneUse
from kernel.tokens.room_ticket import TokenVerifier

DRAIN_SECONDS = 11.0
"""From SIGTERM to the last close: half of it at most for what the journal has not taken, the rest for closes, which
take 5.5 s for most numbers of members (10.4 s for 99). The supervisor waits 15 s."""
TOKENS_POOL = 4
"""Connections for revocations, keys and, while Redis is away, used tickets."""
TOKENS_SECONDS = 2.0
"""For one statement of those."""
DOJOS_POOL = 8
"""Connections for who enters a dojo, its chat and its turns."""
DOJOS_SECONDS = 2.0
"""For one statement of those."""

log = logging.getLogger(__name__)


async def run(start: ChildStart) -> None:
    """Serve until SIGTERM, then drain."""
    settings = start.settings
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if settings.database.journal is None or settings.database.service is None:
        raise SettingsError("database.journal and database.service are not set: there is nowhere to save to")
    journal = await PostgresJournal.open(settings.database.journal, settings.database.service)
    writer = JournalWriter(
        journal,
        epoch=uuid4(),
        backlog_bytes=settings.limits.backlog_bytes,
        backlog_bytes_per_room=settings.limits.backlog_bytes_per_room,
        interval_seconds=settings.engine.commit_interval_seconds,
        unsaved_after=settings.engine.unsaved_after_seconds,
    )
    writer.start()
    pool = await create_pool(
        settings.database.service, name="dojo-tokens", statement_seconds=TOKENS_SECONDS, max_size=TOKENS_POOL
    )
    redis = create_client(settings.redis.url, name="dojo-live") if settings.redis.url is not None else None
    authority = Authority(pool, redis)
    credentials = Credentials(authority, OneUse(pool, redis), settings.origins, time.time)
    dojos_pool = await create_pool(
        settings.database.service, name="dojo-live", statement_seconds=DOJOS_SECONDS, max_size=DOJOS_POOL
    )
    node = node_name(settings.wanted_live_port)
    watch = Watch(dojos_pool, redis, node=node)
    dojos = LiveDojos(
        dojos_pool,
        journal,
        redis,
        renew=partial(renewed, credentials),
        watch=watch,
        node=node,
        voice=voice_edge(settings.voice),
    )
    bus = RedisBus(redis, writer.epoch) if redis is not None else None
    hub = Hub(
        journal,
        writer,
        limits=settings.limits,
        tuning=settings.engine,
        metrics=EngineMetrics(),
        applications=dojos.application,
        bus=bus,
    )
    room_tickets = TokenVerifier(msgspec.to_builtins(key) for key in settings.trusted_keys)
    gates = Gates(RoomGate(credentials, room_tickets), DojoGate(credentials, dojos), dojos)
    server = LiveServer(
        hub,
        gates,
        settings.limits,
        _plain(hub, writer, authority, dojos, bus),
        admission_share=settings.engine.admission_share,
    )
    authority.on_revoked(server.review)

    def gone(epoch: UUID) -> None:
        if epoch != writer.epoch:  # our own ends when this process was frozen for longer than it runs
            hub.node_gone(epoch)

    def counts() -> tuple[int, int, float]:
        sockets = len(server.connections) / settings.limits.connections
        return hub.metrics.members, hub.metrics.rooms, sockets

    nodes = Nodes(redis, gone=gone)
    here = Node(epoch=writer.epoch, name=node, weight=settings.live.weight)
    registration = Registration(redis, here, counts=counts)
    try:
        if bus is not None:
            await bus.start()
        await authority.start()
        watch.start()
        dojos.start()
        nodes.start()
        port = await server.start(settings.live.host, settings.wanted_live_port)
        registration.start(url=settings.live.node_url(socket.gethostname(), port))
        # What lives now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        start.ready({"live": ports.url("ws", settings.live.host, port)})
        await stop.wait()
    finally:
        # First of all: nobody shall be sent here any more.
        hub.draining = True
        await asyncio.gather(registration.drain(), server.stop(DRAIN_SECONDS))
        await watch.close()
        await dojos.close()
        await writer.close()
        if bus is not None:
            await bus.close()
        await registration.close()
        await nodes.close()
        await journal.close()
        await authority.close()
        if redis is not None:
            await redis.aclose()
        await close_pool(dojos_pool)
        await close_pool(pool)


def node_name(port: int) -> str:
    """What this node is called among those of one Dojo: the same again after a restart, if its port is."""
    return f"{socket.gethostname()}:{port or uuid4().hex}"


def _plain(
    hub: Hub, writer: JournalWriter, authority: Authority, dojos: LiveDojos, bus: RedisBus | None
) -> Callable[[str], PlainAnswer]:
    carried = bus.samples if bus is not None else tuple
    readings = Readings(lambda: chain(live_samples(hub, writer), carried(), authority.samples(), dojos.samples()))

    def answer(path: str) -> PlainAnswer:
        if path == "/health/live":
            return 200, "application/json", b'{"status":"ok"}'
        if path == "/health/ready":
            ready = authority.fresh and not hub.draining
            return (200, "application/json", b'{"status":"ok"}') if ready else (503, "application/json", b"{}")
        if path == "/metrics":
            return 200, METRICS_CONTENT_TYPE, exposition(readings)
        return 404, "text/plain", b"no such path"

    return answer


def main() -> int:
    """The process; returns its exit code."""
    try:
        start = ChildStart.from_process()
        log_to(None, service="live", level=start.settings.log_level)
        uvloop.run(run(start))
    except (SettingsError, JournalUnavailable, NotDurable, AuthorityAway, OSError) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
