"""People come into a dojo's talk with their browsers: how long until they hear it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from loadtests.bench.fanout import LoadFailed, Measured
from loadtests.bench.gathering import Gathering, Listener, enter_all, leave_all
from loadtests.bench.histogram import Histogram
from loadtests.bench.member import until
from loadtests.bench.requests import Company, company
from loadtests.bench.servers import DojoServer
from loadtests.voice import session_description
from loadtests.voice.client import ConnectionFailed
from loadtests.voice.crowd import Crowd
from loadtests.voice.microphone import Microphone
from loadtests.voice.talker import Talker, TalkerFailed, chromium

JOINS: Final = 24
WARM_UP: Final = 2
"""Joins before those that count: the first of anything costs what the others do not."""
SLOTS: Final = 3
ANSWER_SECONDS: Final = 10.0
SPEAKING_SECONDS: Final = 1.0
"""How long somebody has been speaking when the newcomer comes."""
STATISTICS_SECONDS: Final = 2.0
"""Browsers tell them as of some time ago."""


async def measure(server: DojoServer) -> Measured:
    """`JOINS` people, each of a company of their own, open a dojo, in which a guest (a synthetic client, by the live
    socket) begins to speak; then their page posts its offer, signed in.

    Figures, from `createOffer` done to the first sound of the guest that the page has decoded: `p50_ms`, `p95_ms`,
    `max_ms`; of it, until the answer was there `answered_p50_ms`, and until ICE and DTLS stood `connected_p50_ms`.
    Raises `LoadFailed`."""
    result = Measured()
    heard, answered, connected = Histogram(), Histogram(), Histogram()
    try:
        async with (
            company(server.http, "bench-voice", JOINS + WARM_UP) as asked,
            Crowd() as crowd,
            chromium() as browser,
        ):
            for number, person in enumerate(asked.people):
                async with _speaking(server, asked, crowd, number) as dojo:
                    talker = await Talker.open(browser, server.http)
                    times = await talker.join(f"/api/v1/dojos/{dojo}/voice", person.headers())
                    if number >= WARM_UP:
                        heard.add(times.heard / 1000)
                        answered.add(times.answered / 1000)
                        connected.add(times.connected / 1000)
                    await _check(talker, number, result)
                    await talker.leave(person.headers())
                    await talker.close()
    except (TalkerFailed, ConnectionFailed) as error:
        raise LoadFailed(str(error)) from error
    result.figures |= {
        "p50_ms": heard.percentile(0.5),
        "p95_ms": heard.percentile(0.95),
        "max_ms": heard.max_ms,
        "answered_p50_ms": answered.percentile(0.5),
        "connected_p50_ms": connected.percentile(0.5),
    }
    return result


async def _check(talker: Talker, number: int, result: Measured) -> None:
    """What the page says it heard must be in its statistics, too."""
    deadline = time.perf_counter() + STATISTICS_SECONDS
    while True:
        totals = await talker.totals()
        if totals.packets > 0 and totals.dtls == "connected":
            return
        if time.perf_counter() > deadline:
            result.problems.append(f"join {number} heard {totals.packets} packets, DTLS {totals.dtls}")
            return


@asynccontextmanager
async def _speaking(server: DojoServer, asked: Company, crowd: Crowd, number: int) -> AsyncIterator[str]:
    """The id of a dojo of person `number`, in which a guest speaks."""
    host = asked.people[number]
    body = {
        "name": f"Talk {number}", "description": "", "language": "python", "isPrivate": False, "initialCode": "",
        "allowGuests": True,
    }  # fmt: skip
    gathered = Gathering(server, asked, await asked.ask("POST", "/api/v1/dojos", host, 201, body))
    guest = await gathered.join(1_000 + number)
    listener = Listener({})
    await enter_all([listener], [gathered.url(guest.token)], subprotocol="dojo.v1", until=b'"TURN"')
    client = crowd.client()
    offer = session_description.offer(client.own, sends=True, slots=SLOTS)
    listener.send(msgspec.json.encode({"type": "VOICE_OFFER", "sdp": offer, "ref": "speak"}))
    answer = session_description.read((await _answered(listener))["sdp"])
    await client.connect(answer)
    crowd.keep_up(client)
    microphone = Microphone(client, number + 1, level_id=answer.sections[0].level_id)
    crowd.speak(microphone, 0.0)
    try:
        if not await until(lambda: microphone.sent * 0.02 >= SPEAKING_SECONDS, time.perf_counter() + ANSWER_SECONDS):
            raise LoadFailed("a guest could not speak")
        yield gathered.dojo
    finally:
        microphone.stop(crowd.pacer)
        await leave_all([listener])


async def _answered(listener: Listener) -> dict[str, Any]:
    def found() -> bytes | None:
        return next((frame for frame in listener.frames if b'"ref":"speak"' in frame), None)

    if not await until(lambda: found() is not None, time.perf_counter() + ANSWER_SECONDS):
        raise LoadFailed("a guest's offer was not answered")
    frame = found()
    assert frame is not None
    answer = msgspec.json.decode(frame, type=dict[str, Any])
    if answer["type"] != "VOICE_ANSWER":
        raise LoadFailed(f"a guest's offer was answered {answer}")
    return answer
