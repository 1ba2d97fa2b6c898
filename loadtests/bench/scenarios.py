"""The scenarios: what is loaded, what is measured, and what Dojo must reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench import (
    api,
    ceiling,
    cursors,
    dojos,
    fanout,
    idle,
    json_typists,
    nodes,
    opening,
    replaying,
    row_security,
    servers,
    storm,
    token_check,
    voice,
    voice_bad_line,
    voice_browser_joins,
    voice_change,
    voice_joins,
    voice_servers,
)
from loadtests.bench.fanout import Measured, Shape
from loadtests.bench.servers import DojoServer, Server
from loadtests.bench.voice_servers import VoiceServer

DOJO = ("dojo",)
"""Of scenarios that measure what other servers do not have."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every scenario may need: how long to measure, and where files may be kept."""

    seconds: float
    folder: Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and the bound it must keep: at most `bound`, or at least if `at_least`. A figure without a
    bound is reported for comparison."""

    name: str
    unit: str
    bound: float | None = None
    at_least: bool = False
    than: tuple[str, str] | None = None
    """A proportion and no measurement: Dojo's figure of that name (second) by that of another server (first)."""

    def holds(self, value: float) -> bool | None:
        """Whether `value` keeps the bound; None if there is none."""
        if self.bound is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Scenario:
    """`run` loads a fresh server. `on`: the servers that have what is measured. `lift_limits`: without the limits a
    member normally has. `voice`: `on` names voice servers, not those for documents."""

    name: str
    what: str
    figures: tuple[Figure, ...]
    run: Callable[[Server, Context], Awaitable[Measured]]
    on: tuple[str, ...] = servers.NAMES
    lift_limits: bool = False
    voice: bool = False

    def server(self, name: str) -> Server:
        """A fresh one, not started yet. Raises `KeyError`, `ServerFailed`."""
        return voice_servers.make(name) if self.voice else servers.make(name, lift_limits=self.lift_limits)


def _typing(name: str, what: str, shape: Shape, *figures: Figure, saved: bool = False) -> Scenario:
    async def run(server: Server, context: Context) -> Measured:
        return await fanout.measure(server, shape, context.seconds, label=name.lower(), saved=saved)

    return Scenario(name, what, figures, run, on=DOJO if saved else servers.NAMES)


async def _ceiling(server: Server, context: Context) -> Measured:
    return await ceiling.find(server, S2, max(3.0, context.seconds / 2))


async def _idle(server: Server, context: Context) -> Measured:
    return await idle.measure(server, rooms=400, members=5)


async def _opening(server: Server, context: Context) -> Measured:
    return await opening.measure(server, context.folder)


async def _cursors(server: Server, context: Context) -> Measured:
    return await cursors.measure(server, 500, context.seconds)


def _api(name: str, what: str, kind: str, *figures: Figure, with_logins: bool = False) -> Scenario:
    async def run(server: Server, context: Context) -> Measured:
        assert isinstance(server, DojoServer)
        return await api.measure(server, context.seconds, kind, with_logins=with_logins)

    return Scenario(name, what, figures, run, on=DOJO)


async def _token_check(server: Server, context: Context) -> Measured:
    return token_check.measure()


async def _row_security(server: Server, context: Context) -> Measured:
    assert isinstance(server, DojoServer)
    return await row_security.measure(server)


def _dojo(
    name: str, what: str, measure: Callable[[DojoServer, float], Awaitable[Measured]], *figures: Figure
) -> Scenario:
    async def run(server: Server, context: Context) -> Measured:
        assert isinstance(server, DojoServer)
        return await measure(server, context.seconds)

    return Scenario(name, what, figures, run, on=DOJO)


async def _latency_of_nodes(server: Server, context: Context) -> Measured:
    return await nodes.latency(server, S2, context.seconds)


async def _cost_of_nodes(server: Server, context: Context) -> Measured:
    return await nodes.cost(server, S4, context.seconds)


async def _storm(server: Server, context: Context) -> Measured:
    return await storm.measure(server, 2_000)


async def _replaying(server: Server, context: Context) -> Measured:
    assert isinstance(server, DojoServer)
    return await replaying.measure(server)


def _voice(
    name: str, what: str, measure: Callable[[VoiceServer, float], Awaitable[Measured]], *figures: Figure,
    on: tuple[str, ...] = voice_servers.NAMES,
) -> Scenario:  # fmt: skip
    async def run(server: Server, context: Context) -> Measured:
        assert isinstance(server, VoiceServer)
        return await measure(server, context.seconds)

    return Scenario(name, what, figures, run, on=on, voice=True)


async def _voice_cost(server: VoiceServer, seconds: float) -> Measured:
    return await voice.cost(server, 200, seconds)


async def _voice_crowd(server: VoiceServer, seconds: float) -> Measured:
    return await voice.crowd(server, 800, seconds)


async def _voice_delay(server: VoiceServer, seconds: float) -> Measured:
    return await voice.delay(server, 200, 800, seconds)


async def _browser_joins(server: DojoServer, seconds: float) -> Measured:
    return await voice_browser_joins.measure(server)


async def _voice_joins(server: VoiceServer, seconds: float) -> Measured:
    return await voice_joins.cost(server)


async def _voice_change(server: VoiceServer, seconds: float) -> Measured:
    return await voice_change.measure(server)


async def _voice_storm(server: VoiceServer, seconds: float) -> Measured:
    return await voice_joins.storm(server, 200)


S2 = Shape(rooms=1, members=50, writers=10, rate=5)
S3 = Shape(rooms=1, members=200, writers=20, rate=5)
S4 = Shape(rooms=1, members=500, writers=50, rate=5)

ALL = (
    _typing(
        "S1", "1 room x 2, 1 writer x 20/s", Shape(1, 2, 1, 20),
        Figure("p50_ms", "ms", 0.6), Figure("p99_ms", "ms", 1.5), Figure("server_cpu", "core"),
    ),
    _typing(
        "S2", "1 room x 50, 10 writers x 5/s", S2,
        Figure("p50_ms", "ms"), Figure("p99_ms", "ms", 1.8), Figure("server_cpu", "core", 0.05),
    ),
    _typing(
        "S3", "1 room x 200, 20 writers x 5/s", S3,
        Figure("p50_ms", "ms"), Figure("p99_ms", "ms", 3.0), Figure("server_cpu", "core", 0.14),
    ),
    _typing(
        "S4", "1 room x 500, 50 writers x 5/s", S4,
        Figure("p50_ms", "ms"), Figure("p99_ms", "ms", 9.0), Figure("server_cpu", "core", 0.50),
    ),
    _typing(
        "S5", "200 rooms x 5, 1 writer x 5/s", Shape(200, 5, 1, 5),
        Figure("p50_ms", "ms"), Figure("p99_ms", "ms", 1.2), Figure("server_cpu", "core", 0.14),
    ),
    Scenario(
        "S6", "S2's shape, rate raised until p99 > 100 ms",
        (Figure("ceiling", "updates/s", 10_000, at_least=True), Figure("server_cpu", "core")), _ceiling,
        lift_limits=True,
    ),
    Scenario(
        "S7", "memory growth per idle connection, 400 rooms x 5",
        (Figure("kib_per_connection", "KiB", 18.0),), _idle,
    ),
    Scenario(
        "S8", "document of 100,000 keystrokes, warm room, connect to last byte of SyncStep2",
        (
            Figure("open_together_ms", "ms", 80.0), Figure("open_together_median_ms", "ms"),
            Figure("open_alone_ms", "ms", 4.0),
        ), _opening,
    ),
    Scenario(
        "S9", "500 members, each moves its cursor once a second and echoes as y-websocket does",
        (Figure("p95_ms", "ms", 150.0), Figure("p50_ms", "ms"), Figure("server_cpu", "core", 0.35)), _cursors,
    ),
    _typing(
        "saved", "S3's load, from sending to `saved`", S3,
        Figure("saved_p50_ms", "ms"), Figure("saved_p99_ms", "ms", 25.0), Figure("p99_ms", "ms"),
        Figure("server_cpu", "core"), saved=True,
    ),
    _api(
        "A1", "API, 100 reads/s", "reads",
        Figure("p50_ms", "ms"), Figure("p99_ms", "ms", 15.0), Figure("server_cpu", "core"),
    ),
    _api(
        "A2", "API, 100 writes/s", "writes",
        Figure("p50_ms", "ms"), Figure("p99_ms", "ms", 15.0), Figure("server_cpu", "core"),
    ),
    _api(
        "A3", "API, 100 reads/s while 5 logins/s run", "reads",
        Figure("p50_ms", "ms"), Figure("p99_ms", "ms", 20.0), Figure("login_p50_ms", "ms"),
        Figure("server_cpu", "core"), with_logins=True,
    ),
    Scenario(
        "A4", "access token checked, CPU, 10,000 revocations in memory",
        (Figure("check_ms", "ms", 0.3), Figure("check_p99_ms", "ms")), _token_check, on=DOJO,
    ),
    Scenario(
        "A5", "row-level security, worst of three statements, 100,000 users",
        (Figure("rls_ratio", "times", 1.2), Figure("rls_ms", "ms")), _row_security, on=DOJO,
    ),
    _dojo(
        "D1", "a guest joins a dojo of 10 KB: request, socket, first sync, 4/s", dojos.join,
        Figure("join_p95_ms", "ms", 60.0), Figure("join_p50_ms", "ms"), Figure("http_p95_ms", "ms"),
        Figure("socket_p95_ms", "ms"),
    ),
    _dojo(
        "D2", "the keyboard is handed over, seen by 200", dojos.handover,
        Figure("handover_p99_ms", "ms", 50.0), Figure("handover_p50_ms", "ms"), Figure("server_cpu", "core"),
    ),
    _dojo(
        "D3", "S4's load with `saved`, free in a room and in turn mode in a dojo", dojos.turns_cost,
        Figure("adds_percent", "%", 5.0), Figure("free_cpu", "core"), Figure("turns_cpu", "core"),
        Figure("p99_ms", "ms"),
    ),
    _dojo(
        "D4", "100 typists without a CRDT in one file of 10 KB, 1 edit/s each", json_typists.measure,
        Figure("p99_ms", "ms", 100.0), Figure("server_cpu", "core", 0.40), Figure("p50_ms", "ms"),
    ),
    Scenario(
        "D5", "replay of `sveltecomponent` (18,335 transactions), opened anywhere",
        (
            Figure("open_p95_ms", "ms", 100.0), Figure("open_p50_ms", "ms"), Figure("text_p95_ms", "ms", 100.0),
            Figure("first_ms", "ms"),
        ), _replaying, lift_limits=True, on=DOJO,
    ),
    Scenario(
        "N3", "2,000 reconnect within half a second, while 20 type in a room of theirs",
        (
            Figure("p99_ms", "ms", 50.0), Figure("calm_p99_ms", "ms"), Figure("all_in_seconds", "s", 10.0),
            Figure("half_in_seconds", "s"), Figure("tries", "times"), Figure("cpu_ms", "ms"),
        ), _storm, on=DOJO,
    ),
    Scenario(
        "N1", "S2 on three nodes behind one Redis, members spread, next to one node",
        (
            Figure("p99_times", "times", 2.0), Figure("p50_ms", "ms"), Figure("p99_ms", "ms"),
            Figure("one_p99_ms", "ms"), Figure("server_cpu", "core"),
        ), _latency_of_nodes, on=servers.NODES_NAMES,
    ),
    Scenario(
        "N2", "S4 on three nodes behind one Redis, members spread, next to one node",
        (
            Figure("cpu_times", "times", 1.5), Figure("one_cpu", "core"), Figure("server_cpu", "core"),
            Figure("redis_cpu", "core"), Figure("p99_ms", "ms"),
        ), _cost_of_nodes, on=servers.NODES_NAMES,
    ),
    _voice(
        "V1", "3 speak, 200 hear them: CPU per packet that is sent", _voice_cost,
        Figure("us_per_packet", "us", 6.0), Figure("of_janus", "times", 0.6, than=("janus", "us_per_packet")),
        Figure("p50_ms", "ms"), Figure("p99_ms", "ms"), Figure("server_cpu", "core"),
    ),
    _voice(
        "V2", "50 microphones open, 3 of them spoken into, 800 listeners who lose 1%", _voice_crowd,
        Figure("listeners", "people", 800, at_least=True), Figure("recovered_percent", "%"),
        Figure("p999_ms", "ms"), Figure("us_per_packet", "us"), Figure("server_cpu", "core"), on=DOJO,
    ),
    _voice(
        "V3", "3 speak: delay to 200 listeners, then to 800", _voice_delay,
        Figure("p50_ms", "ms", 0.5), Figure("p99_ms", "ms", 10.0), Figure("many_p999_ms", "ms", 25.0),
        Figure("many_p50_ms", "ms"), Figure("many_p99_ms", "ms"), Figure("server_cpu", "core"), on=DOJO,
    ),
    _dojo(
        "V4", "24 people come in with Chromium, signed in, where somebody speaks: offer to sound", _browser_joins,
        Figure("p50_ms", "ms", 100.0), Figure("p95_ms", "ms", 250.0), Figure("max_ms", "ms"),
        Figure("answered_p50_ms", "ms"), Figure("connected_p50_ms", "ms"),
    ),
    _voice(
        "V5", "200 join one after the other, nobody speaks", _voice_joins,
        Figure("cpu_ms", "ms", 1.8), Figure("kib_per_peer", "KiB", 128.0), Figure("sockets_per_peer", "sockets", 0.0),
        Figure("join_p50_ms", "ms"),
    ),
    _voice(
        "V6", "6 microphones, 3 full slots: one falls silent, after a pause another begins", _voice_change,
        Figure("change_p95_ms", "ms", 120.0), Figure("change_p50_ms", "ms"), Figure("change_max_ms", "ms"),
        Figure("at_once_p50_ms", "ms", 120.0), Figure("at_once_max_ms", "ms"),
        Figure("gaps", "packets", 0.0), Figure("clock_back", "packets", 0.0), on=DOJO,
    ),
    _voice(
        "V7", "2 pages of Chromium talk; each way 5% are lost and 40 +- 10 ms pass", voice_bad_line.measure,
        Figure("concealed_percent", "%", 1.0), Figure("nacks_per_second", "per s", 5.0),
        Figure("buffer_ms", "ms"), Figure("plain_concealed_percent", "%"), Figure("plain_nacks_per_second", "per s"),
        Figure("plain_buffer_ms", "ms"), Figure("overtaking_concealed_percent", "%"),
        Figure("overtaking_nacks_per_second", "per s"), on=DOJO,
    ),
    _voice(
        "V8", "3 speak, 200 hear them, 50 more join at once", _voice_storm,
        Figure("added_ms", "ms", 20.0), Figure("calm_p99_ms", "ms"), Figure("storm_p99_ms", "ms"),
        Figure("all_in_seconds", "s"),
    ),
)  # fmt: skip
