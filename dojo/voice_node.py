"""The voice process: one UDP socket for all media, TCP where a network lets no UDP out, and an internal HTTP port.

It knows no database. Who people are and what they may do it is told by grants that the edge signs.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from dojo import ports, voice_relay
from dojo.child import ChildStart
from dojo.data_directory import DataDirectory
from dojo.settings import Settings
from kernel.blobs.folder import FolderBlobs
from kernel.redis import create_client
from kernel.settings import SettingsError
from kernel.telemetry import Readings, Sample, log_to
from media_sfu.answer import Advertised
from media_sfu.certificate import Certificate
from media_sfu.control import Control
from media_sfu.forwarder import Forwarder
from media_sfu.hall import STEP_SECONDS, Hall
from media_sfu.recording.recorder import Recorder
from media_sfu.registry import Registry, new_name
from media_sfu.relay.relay import Relay
from media_sfu.tcp import TcpListener
from media_sfu.telling import Telling
from media_sfu.udp import UdpSocket

IDLE_SECONDS: Final = 0.1
"""Between two steps while nobody is in."""
LATE_STEPS: Final = 5
"""A process that was held up for longer than so many steps goes on from now: what is past is past."""

COLLECT_SECONDS: Final = 1.0

SHUTDOWN_SECONDS: Final = 1.0
"""For requests of the edge that are under way when the process is told to end."""

PORT_TRIES: Final = 10
"""A port that is free for UDP may be taken for TCP."""

log = logging.getLogger(__name__)


async def run(start: ChildStart) -> None:
    """Serve until SIGTERM."""
    settings = start.settings
    voice = settings.voice
    secret = voice.secret_bytes
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    redis = create_client(settings.redis.url, name="dojo-voice") if settings.redis.url is not None else None
    directory = DataDirectory(settings.data_dir)
    udp = _bind(voice.host, settings.wanted_voice_port)
    host, port = udp.address
    name = new_name(socket.gethostname(), port)
    telling = Telling(redis, name)
    recorder = Recorder(directory.recordings, FolderBlobs(directory.blobs))
    forwarder = Forwarder(udp.batch, loop.call_soon)
    hall = Hall(
        limits=voice.limits,
        certificate=Certificate.new(),
        advertised=_advertised(settings, host, port),
        forwarder=forwarder,
        recorder=recorder,
        clock=time.monotonic,
        soon=loop.call_soon,
        tell=telling.tell,
    )
    relay = voice_relay.make(redis, voice, name, lambda: hall.rooms) if redis is not None else None
    tcp = TcpListener(hall.receive, hall.gone)
    control = Control(
        hall, secret, clock=time.time, readings=Readings(lambda: _samples(hall, forwarder, udp, telling, relay))
    )
    runner = web.AppRunner(control.application(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    registry: Registry | None = None
    clocks: list[asyncio.Task[None]] = []
    try:
        await recorder.start()
        telling.start()
        udp.listen(hall.receive)
        await tcp.listen(host, port)
        await runner.setup()
        site = web.TCPSite(runner, voice.control_host, voice.control_port)
        await site.start()
        control_port = int(runner.addresses[0][1])
        url = voice.control_url or ports.url("http", voice.control_host, control_port)
        clocks.append(loop.create_task(_step(hall, telling, relay), name="step"))
        if settings.redis.url is not None and relay is not None:
            registry = Registry(
                settings.redis.url,
                name,
                url,
                load=lambda: len(hall.peers) / voice.limits.peers,
                relay=voice_relay.address(voice, relay),
                relay_key=relay.key,
            )
            await registry.start()
            relay.start()
        gc.disable()
        clocks.append(loop.create_task(_collect(hall), name="collect garbage"))
        start.ready({"voice": ports.url("udp", host, port), "voice control": url})
        await stop.wait()
    finally:
        if registry is not None:
            await registry.close()
        if relay is not None:
            await relay.close()
        await runner.cleanup()
        hall.close()
        udp.batch.flush()
        for clock in clocks:
            clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await clock
        await tcp.close()
        udp.close()
        await telling.close()
        await recorder.close()
        if redis is not None:
            await redis.aclose()


def _bind(host: str, port: int) -> UdpSocket:
    """A port that is free for UDP and for TCP, so that clients need to be let out to just one. Raises `OSError`."""
    for left in reversed(range(PORT_TRIES if port == 0 else 1)):
        udp = UdpSocket.bind(host, port)
        try:
            ports.check(*udp.address, asked_by="setting voice.port")
        except ports.PortTaken:
            udp.close()
            if not left:
                raise
        else:
            return udp
    raise AssertionError("the last try returns or raises")


async def _step(hall: Hall, telling: Telling, relay: Relay | None) -> None:
    """The clock of all rooms."""
    due = time.monotonic()
    while True:
        due += STEP_SECONDS if hall.peers else IDLE_SECONDS
        now = time.monotonic()
        if now - due > LATE_STEPS * STEP_SECONDS:
            due = now
        await asyncio.sleep(due - now)
        try:
            now = time.monotonic()
            hall.step(now)
            telling.look(hall.rooms, now)
            if relay is not None:
                relay.step(now)
        except Exception:  # one room's fault must not stop the others' clock
            log.exception("a step of the rooms failed")


async def _collect(hall: Hall) -> None:
    """Garbage in cycles, a second's worth at a time, and then what is left is not looked at again.

    A full collection takes some 80 us per peer, at a moment of its own choice: with a thousand peers everybody would
    hear it. Peers need none, they leave no cycles behind. What does is collected when nobody is in.
    """
    used = True
    while True:
        if used and not hall.peers:
            gc.unfreeze()
        used = bool(hall.peers)
        gc.collect()
        gc.freeze()
        await asyncio.sleep(COLLECT_SECONDS)


def _advertised(settings: Settings, host: str, port: int) -> list[Advertised]:
    hosts = settings.voice.advertise or ((host,) if not ip_address(host).is_unspecified else _own_addresses(host))
    return [Advertised(one, port, kind) for kind in ("udp", "tcp") for one in hosts]


def _own_addresses(host: str) -> tuple[str, ...]:
    """This machine's, as far as a datagram to anywhere would leave from them (none is sent). Behind an address
    translation they are of no use: then `voice.advertise` names those that are."""
    found: list[str] = []
    targets = [(socket.AF_INET, "192.0.2.1")] + ([(socket.AF_INET6, "2001:db8::1")] if ":" in host else [])
    for family, target in targets:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            found.append(str(probe.getsockname()[0]))
    return (*found, "127.0.0.1")


def _samples(
    hall: Hall, forwarder: Forwarder, udp: UdpSocket, telling: Telling, relay: Relay | None
) -> Iterator[Sample]:
    counts, where = hall.counts, hall.whereabouts
    faults = counts.faults + forwarder.faults + udp.faults + telling.faults
    yield Sample("dojo_voice_rooms", "Rooms in which somebody is", len(hall.rooms))
    yield Sample("dojo_voice_peers", "Connections, unfinished ones too", len(hall.peers))
    yield Sample("dojo_voice_connected", "Connections that media flows on", hall.media_flows)
    yield Sample("dojo_voice_forwarded_total", "Packets sent to listeners", forwarder.forwarded, "counter")
    yield Sample("dojo_voice_refused_total", "Packets not sent: not encrypted", forwarder.refused, "counter")
    yield Sample("dojo_voice_received_total", "Datagrams that came", udp.received, "counter")
    yield Sample("dojo_voice_dropped_total", "Datagrams the socket did not take", udp.dropped, "counter")
    yield Sample("dojo_voice_unknown_total", "Datagrams of nobody", counts.unknown + where.unknown, "counter")
    yield Sample("dojo_voice_malformed_total", "Datagrams of no sense", counts.malformed + where.malformed, "counter")
    yield Sample("dojo_voice_faults_total", "Faults of the server, each at the cost of one", faults, "counter")
    yield Sample("dojo_voice_told_total", "What goes on in rooms, told to Redis", telling.told, "counter")
    yield Sample("dojo_voice_untold_total", "And not taken by it", telling.lost, "counter")
    if relay is not None:
        yield from voice_relay.samples(relay)
    for why, count in sorted(counts.ended.items()):
        yield Sample("dojo_voice_ended_total", "Connections that ended", count, "counter", {"why": why.name.lower()})
    for reason, count in sorted(hall.dropped().items()):
        yield Sample("dojo_voice_useless_total", "Packets of peers, not used", count, "counter", {"why": reason})


def main() -> int:
    """The process; returns its exit code."""
    try:
        start = ChildStart.from_process()
        log_to(None, service="voice", level=start.settings.log_level)
        asyncio.run(run(start))
    except (SettingsError, ports.PortTaken, OSError) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
