"""Dojos: joining one, handing the keyboard over before an audience, and what turns cost while people type."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from loadtests.bench import fanout
from loadtests.bench.fanout import Measured, Shape
from loadtests.bench.gathering import Gathering, Guest, Listener, enter_all, gathering, leave_all
from loadtests.bench.histogram import Histogram
from loadtests.bench.member import LoadFailed, until
from loadtests.bench.opening import Newcomer
from loadtests.bench.processes import CpuMeter
from loadtests.bench.servers import DojoServer, Server
from loadtests.dialect import Dialect

JOINS_PER_SECOND = 4.0
CODE = "def f():\n    pass\n" * 550
"""Some 10 KB."""
AUDIENCE = 200
HANDOVERS_PER_SECOND = 2.0
SHOWN_SECONDS = 10.0
"""How long a handover may take to be seen by everybody before it counts as lost."""
ROUNDS = 3
"""Of each: free and in turns alternate, so that what else goes on on the machine meets both."""
SETTLE_SECONDS = 1.0
S4 = Shape(rooms=1, members=500, writers=50, rate=5)


async def join(server: DojoServer, seconds: float) -> Measured:
    """Guests come in one after the other at a steady rate: request, socket, whole document.

    Figures: `join_p50_ms`, `join_p95_ms`, `http_p95_ms`, `socket_p95_ms`.
    """
    whole, http, socket = Histogram(), Histogram(), Histogram()
    async with gathering(server, "bench-join", 1, CODE) as gathered:
        kept = await _newcomer(gathered, gathered.guests[0])  # a room with nobody in it would be loaded each time
        for number in range(int(JOINS_PER_SECOND * seconds) + 1):
            begun = time.perf_counter()
            guest = await gathered.join(1_000 + number)
            joined = time.perf_counter()
            newcomer = await _newcomer(gathered, guest)
            done = time.perf_counter()
            await newcomer.close()
            if number:  # the first warms up
                whole.add(done - begun)
                http.add(joined - begun)
                socket.add(done - joined)
            await asyncio.sleep(max(0.0, 1 / JOINS_PER_SECOND - (time.perf_counter() - begun)))
        await kept.close()
    return Measured(
        {
            "join_p50_ms": whole.percentile(0.5),
            "join_p95_ms": whole.percentile(0.95),
            "http_p95_ms": http.percentile(0.95),
            "socket_p95_ms": socket.percentile(0.95),
        }
    )


async def _newcomer(gathered: Gathering, guest: Guest) -> Newcomer:
    newcomer = Newcomer("", DojoServer.dialect)
    _, size = await newcomer.open(gathered.url(guest.token))
    if size < len(CODE):
        raise LoadFailed("a newcomer did not get the whole document")
    return newcomer


class Pilot(Listener):
    """Answers the end of its turn as a client does that has nothing more to send."""

    def heard(self, payload: bytes, now: float) -> None:
        if b'"turn.ending"' in payload:
            number = msgspec.json.decode(payload, type=dict[str, Any])["number"]
            self.send(msgspec.json.encode({"type": "turn.flushed", "number": number}))


async def handover(server: DojoServer, seconds: float) -> Measured:
    """The host hands the keyboard from one to the other, before an audience.

    Figures: `handover_p50_ms`, `handover_p99_ms`, from asking to each member's seeing the new pilot; `server_cpu`.
    """
    table: dict[bytes, bytes] = {}
    result = Measured()
    seen = Histogram()
    async with gathering(server, "bench-handover", AUDIENCE) as gathered:
        host = Listener(table)
        pilots = [Pilot(table), Pilot(table)]
        audience = [Listener(table) for _ in range(AUDIENCE - len(pilots))]
        members = [*pilots, *audience]
        urls = [gathered.url(guest.token) for guest in gathered.guests]
        await enter_all([host], [gathered.url(gathered.host.token)], subprotocol="dojo.v1", until=b'"TURN"')
        await enter_all(members, urls, subprotocol="dojo.v1", until=b'"TURN"')
        users = [guest.user for guest in gathered.guests[:2]]
        host.send(msgspec.json.encode({"type": "TURN_REQUEST", "action": "start", "seconds": 3600}))
        await _shown(host, lambda turn: turn["state"] == "RUNNING")
        await asyncio.sleep(SETTLE_SECONDS)
        meter = CpuMeter(server.pid)
        for number in range(int(HANDOVERS_PER_SECOND * seconds) + 2):
            wanted = users[number % 2]
            marks = [len(member.frames) for member in members]
            asked = time.perf_counter()
            host.send(msgspec.json.encode({"type": "TURN_REQUEST", "action": "hand_over", "to": wanted}))
            took = [await _pilot_is(member, mark, wanted) for member, mark in zip(members, marks, strict=True)]
            if number > 1:  # the first ends a turn of whoever happened to begin
                for at in took:
                    seen.add(at - asked)
            await asyncio.sleep(max(0.0, 1 / HANDOVERS_PER_SECOND - (time.perf_counter() - asked)))
        result.server_by_program = (spent := meter.read()).by_program
        for member in (host, *members):
            member.check()
        await leave_all([host, *members])
    result.figures = {
        "handover_p50_ms": seen.percentile(0.5),
        "handover_p99_ms": seen.percentile(0.99),
        "server_cpu": spent.total,
    }
    return result


async def _shown(listener: Listener, fits: Any) -> None:
    def found() -> bool:
        return any(fits(turn) for turn in map(_turn, listener.frames) if turn is not None)

    if not await until(found, time.perf_counter() + SHOWN_SECONDS):
        raise LoadFailed("a turn was not shown")


async def _pilot_is(listener: Listener, mark: int, user: str) -> float:
    """When the listener saw that `user` pilots, looking from frame `mark` on."""
    wanted = user.encode()

    def place() -> int | None:
        for at in range(mark, len(listener.frames)):
            frame = listener.frames[at]
            if b'"TURN"' in frame and wanted in frame and (turn := _turn(frame)) is not None and turn["pilot"] == user:
                return at
        return None

    if not await until(lambda: place() is not None, time.perf_counter() + SHOWN_SECONDS):
        raise LoadFailed("a handover was not seen by everybody")
    at = place()
    assert at is not None
    return listener.times[at]


def _turn(frame: bytes) -> Mapping[str, Any] | None:
    if b'"type":"TURN"' not in frame:
        return None
    return msgspec.json.decode(frame, type=dict[str, Any])


class InTurns(Server):
    """The server as `fanout` knows one, with a dojo's room in the place of a room."""

    name = "dojo-in-turns"

    def __init__(self, server: DojoServer, gathered: Gathering) -> None:
        self._server = server
        self._gathered = gathered
        self.dialect: Dialect = server.dialect
        self.speaks_dojo = True

    @property
    def pid(self) -> int:
        return self._server.pid

    def url(self, room: str, member: int) -> str:
        """Member number `member` is the guest of that number."""
        return self._gathered.url(self._gathered.guests[member].token)

    def _command(self) -> list[str]:
        raise AssertionError("it runs already")

    def _take_ready(self, line: str) -> None:
        raise AssertionError("it runs already")


async def turns_cost(server: DojoServer, seconds: float) -> Measured:
    """S4's load in a room of its own, and in a dojo's room in turn mode, whose writers the host lets write.

    Figures, medians of the rounds: `free_cpu`, `turns_cpu`, `adds_percent`, and `p99_ms` of the latter.
    """
    result = Measured()
    free: list[float] = []
    turns: list[float] = []
    latest: list[float] = []
    for number in range(ROUNDS):
        plain = await fanout.measure(server, S4, seconds, label=f"d3-{number}", saved=True, compare=False)
        async with gathering(server, f"bench-turns-{number}", S4.members) as gathered:
            host = Listener({})
            await enter_all([host], [gathered.url(gathered.host.token)], subprotocol="dojo.v1", until=b'"TURN"')
            writers = [guest.user for guest in gathered.guests[: S4.writers]]
            await gathered.ask("PUT", "/format", 200, {"writers": writers, "turnSeconds": 0})
            await gathered.ask("POST", "/turns", 200, {"action": "start"})
            await _shown(host, lambda turn: turn["state"] == "RUNNING")
            room = InTurns(server, gathered)
            dojo = await fanout.measure(room, S4, seconds, label="d3", saved=True, compare=False)
            host.check()
            await leave_all([host])
        free.append(plain.figures["server_cpu"])
        turns.append(dojo.figures["server_cpu"])
        latest.append(dojo.figures["p99_ms"])
        result.problems += [*plain.problems, *dojo.problems]
        result.warnings += [*plain.warnings, *dojo.warnings]
        result.server_by_program = dojo.server_by_program
    ratios = [within / without for without, within in zip(free, turns, strict=True)]
    result.figures = {
        "free_cpu": statistics.median(free),
        "turns_cpu": statistics.median(turns),
        "adds_percent": (statistics.median(ratios) - 1) * 100,
        "p99_ms": statistics.median(latest),
    }
    return result
