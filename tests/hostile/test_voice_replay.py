"""Whoever sits on a network that somebody has left sends their requests again."""

from __future__ import annotations

from loadtests.voice import stun
from tests.hostile.voice_scene import ANA, talking
from tests.media_sfu.live_hall import until


async def test_an_old_request_from_an_address_she_has_left_takes_nothing_back() -> None:
    async with talking() as talk:
        talk.ana.consent()
        (*_, request) = talk.tape.first(range(4))
        assert stun.kind(request) == stun.BINDING_REQUEST
        agent = talk.stage.peer(ANA).agent
        old = agent.nominated
        talk.ana.address = talk.crowd._sockets[0].settle(talk.ana)  # she moves
        talk.ana.consent()
        await until(lambda: agent.nominated is not old, 2.0, "the hall follows")
        new = agent.nominated
        before = talk.stage.udp.received
        talk.tape.address.send(request, talk.server)  # whoever is on the network she left, with what he overheard there
        await until(lambda: talk.stage.udp.received > before + 5, 2.0, "it came")
        assert agent.nominated is new
