"""The dojos' scenarios run against the real server, short and small: their numbers mean something on another day."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest

from loadtests import trace
from loadtests.bench import dojos, fanout, json_typists, replaying
from loadtests.bench.fanout import Shape
from loadtests.bench.gathering import Listener, enter_all, gathering, leave_all
from loadtests.bench.json_typists import Shared, Typist
from loadtests.bench.member import LoadFailed, until
from loadtests.bench.scenarios import ALL
from loadtests.bench.servers import BEHIND_A_PROXY, DojoServer
from loadtests.trace import Trace, Transaction

SECONDS = 0.5


@pytest.fixture
async def server() -> AsyncIterator[DojoServer]:
    async with DojoServer(BEHIND_A_PROXY) as running:
        yield running


async def test_each_figure_is_measured(server: DojoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dojos, "AUDIENCE", 4)
    monkeypatch.setattr(dojos, "S4", Shape(rooms=1, members=4, writers=2, rate=20))
    monkeypatch.setattr(dojos, "ROUNDS", 1)
    monkeypatch.setattr(fanout, "WARM_UP_SECONDS", 0.1)
    monkeypatch.setattr(json_typists, "TYPISTS", 4)
    monkeypatch.setattr(json_typists, "PER_SECOND", 10.0)
    monkeypatch.setattr(json_typists, "WARM_UP_SECONDS", 0.1)
    measures = {
        "D1": dojos.join,
        "D2": dojos.handover,
        "D3": dojos.turns_cost,
        "D4": json_typists.measure,
    }
    for name, measure in measures.items():
        (scenario,) = [each for each in ALL if each.name == name]
        measured = await measure(server, 2 * SECONDS if name == "D1" else SECONDS)
        assert measured.problems == [], name
        for figure in scenario.figures:
            assert math.isfinite(measured.figures[figure.name]), (name, figure.name)


async def test_who_is_not_let_in_fails_the_run(server: DojoServer) -> None:
    async with gathering(server, "refused", 1) as gathered:
        with pytest.raises(LoadFailed, match="4001"):
            await enter_all([Listener({})], [gathered.url("forged")], subprotocol="dojo.json.v1", until=b"TURN")
        listener = Listener({})
        await enter_all([listener], [gathered.url(gathered.guests[0].token)], subprotocol="dojo.v1", until=b"TURN")
        await gathered.asked.ask("PUT", f"/api/v1/dojos/{gathered.dojo}/end", gathered.host, 200)
        assert await until(lambda: listener.failure is not None, float("inf"))
        with pytest.raises(LoadFailed, match="4404"):
            listener.check()
        await leave_all([listener])


async def test_an_edit_is_known_by_its_mark_whatever_frame_brings_it() -> None:
    shared = Shared()
    typist = Typist({}, shared)
    typist.heard(b'{"type":"CODE_UPDATE","version":"a","content":"ab"}', 1.0)
    told = '{"type":"CODE_UPDATE","version":"b","baseVersion":"a","edits":[{"from":1,"to":1,"insert":"\ue007"}]}'
    typist.heard(told.encode(), 2.0)
    assert (typist.version, typist.seen, shared.texts["b"]) == ("b", {7: 2.0}, "a\ue007b")
    whole = '{"type":"CODE_UPDATE","version":"c","content":"a\ue007b\ue008"}'
    typist.heard(whole.encode(), 3.0)
    assert typist.seen == {7: 2.0, 8: 3.0}
    typist.heard(b'{"type":"ERROR","code":"busy"}', 4.0)
    with pytest.raises(LoadFailed, match="refused"):
        typist.check()


async def test_a_replay_is_opened_anywhere(server: DojoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trace.load(trace.TRACES / replaying.SESSION)
    some = whole.transactions[:200]
    monkeypatch.setattr(replaying, "OPENINGS", 3)
    monkeypatch.setattr(replaying, "PAUSE_SECONDS", 0.0)
    measured = await replaying.measure(server, Trace(1, some, text_of(some)))
    assert measured.problems == []
    assert all(math.isfinite(value) for value in measured.figures.values())


def text_of(transactions: tuple[Transaction, ...]) -> str:
    text = ""
    for transaction in transactions:
        for at, deleted, inserted in transaction.patches:
            text = text[:at] + inserted + text[at + deleted :]
    return text
