"""Voice through a real coturn, as deploy/coturn.conf has it: for networks that let nothing out but to a TURN server."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest
from aioice import stun, turn
from playwright.async_api import Page

from edge.dojos.ice_servers import IceServer, IceServers
from media_sfu.udp import UdpPath
from tests.media_sfu.chromium import voice_page
from tests.media_sfu.coturn import HOST, Coturn, running_coturn
from tests.media_sfu.live_hall import POLL_SECONDS, SCRIPT, LiveHall, running_hall

TALK_SECONDS: Final = 20.0
"""Until both hear each other, on a busy machine: allocations, checks, handshake, and a beep of the made-up microphone,
which has one every second."""
ENERGY: Final = 0.001
"""Of the beeps of a second or so. Silence has none."""
USER_QUOTA: Final = 12
"""As the sample has it."""

SECONDS: Final = 3600.0
"""How long a credential is good."""


@pytest.fixture
async def coturn(tmp_path: Path) -> AsyncIterator[Coturn]:
    """Relays to where the hall is, and to nowhere else."""
    async with running_coturn(tmp_path, allowed=HOST) as running:
        yield running


def server(
    coturn: Coturn, user: UUID | None = None, *, secret: str | None = None, at: float | None = None
) -> IceServer:
    """What the edge tells `user`, had it been at `at` and with `secret`."""
    clock = time.time if at is None else lambda: at
    (made,) = IceServers((coturn.url,), secret or coturn.secret, SECONDS, clock=clock).of(user or uuid4())
    return made


class Relay:
    """An allocation, held by a client that asks what no browser would."""

    def __init__(self, protocol: turn.TurnClientProtocol) -> None:
        self._protocol = protocol

    async def permission(self, host: str) -> int:
        """Ask to send to `host` and hear from it: the error's code, 0 if it was granted."""
        return await self._ask(stun.Method.CREATE_PERMISSION, host)

    async def channel(self, host: str) -> int:
        """The same by binding a channel."""
        return await self._ask(stun.Method.CHANNEL_BIND, host, number=0x4001)

    async def _ask(self, method: stun.Method, host: str, number: int | None = None) -> int:
        request = stun.Message(method, stun.Class.REQUEST)
        if number is not None:
            request.attributes["CHANNEL-NUMBER"] = number
        request.attributes["XOR-PEER-ADDRESS"] = (host, 9)
        try:
            await self._protocol.request_with_retry(request)
        except stun.TransactionFailed as refusal:
            return int(refusal.response.error_code or 0)
        return 0


async def allocate(
    stack: AsyncExitStack, coturn: Coturn, server: IceServer, tls: ssl.SSLContext | None = None
) -> Relay:
    """Over UDP, or TLS. Raises `stun.TransactionFailed`. The allocation ends with `stack`."""
    protocol: Any
    address = (server.username, server.credential)
    loop = asyncio.get_running_loop()
    if tls is not None:
        _, protocol = await loop.create_connection(
            lambda: turn.TurnClientTcpProtocol((HOST, coturn.tls_port), *address, 600, 500),
            HOST,
            coturn.tls_port,
            ssl=tls,
        )
    else:
        _, protocol = await loop.create_datagram_endpoint(
            lambda: turn.TurnClientUdpProtocol(coturn.address, *address, 600, 500), remote_addr=coturn.address
        )
    try:
        await protocol.connect()
    except stun.TransactionFailed:
        protocol.transport.close()
        raise
    stack.push_async_callback(protocol.delete)
    return Relay(protocol)


async def test_a_call_that_only_the_relay_carries(coturn: Coturn) -> None:
    async with running_hall() as stage, voice_page() as ana:
        browser = ana.context.browser
        assert browser is not None
        ben = await browser.new_page()
        await ben.goto(ana.url)
        await join(stage, ana, 1, server(coturn), "udp")
        await join(stage, ben, 2, server(coturn), "tcp")
        for page, other in ((ana, 2), (ben, 1)):
            heard = await hears(page, other)
            assert set(heard["ways"]) == {"relay"}, "the connection must not have found a way past the relay"
            assert heard["sent"] > 0
        relayed = set(re.findall(r"Local relay addr: (\S+)", coturn.log.read_text(encoding="utf-8")))
        assert {reached_at(stage, 1), reached_at(stage, 2)} <= relayed, "the hall must know them as the relay's"


def reached_at(stage: LiveHall, number: int) -> str:
    path = stage.peer(number).agent.nominated
    assert isinstance(path, UdpPath)
    host, port = path.address
    return f"{host}:{port}"


async def join(stage: LiveHall, page: Page, number: int, server: IceServer, transport: str) -> None:
    await page.evaluate(SCRIPT)
    servers = [msgspec.to_builtins(msgspec.structs.replace(server, urls=[f"{server.urls[0]}?transport={transport}"]))]
    offer = await page.evaluate("chosen => talk(chosen)", {"iceServers": servers, "policy": "relay"})
    await page.evaluate("sdp => answered(sdp)", stage.admit(number, offer).answer)


async def hears(page: Page, other: int) -> dict[str, Any]:
    """What `page` has seen once `other` is to be heard in one of its slots."""
    deadline = time.monotonic() + TALK_SECONDS
    while True:
        seen: dict[str, Any] = await page.evaluate("() => seen()")
        if any(other in slot["speakers"] and slot["energy"] > ENERGY for slot in seen["slots"]):
            return seen
        assert time.monotonic() < deadline, f"{other} is not to be heard: {seen}"
        await asyncio.sleep(POLL_SECONDS)


async def test_it_relays_to_the_voice_process_and_nowhere_else(coturn: Coturn) -> None:
    async with AsyncExitStack() as stack:
        relay = await allocate(stack, coturn, server(coturn))
        assert await relay.permission(HOST) == 0
        others = ("127.0.0.2", "10.0.0.1", "169.254.169.254", "192.168.1.1", "203.0.113.9", "224.0.0.1", "0.0.0.0")
        refused = {host: (await relay.permission(host), await relay.channel(host)) for host in others}
        assert set(refused.values()) == {(403, 403)}, refused
        assert await relay.permission("::1") == 443, "a relay of IPv4 reaches no IPv6"
        assert await relay.channel(HOST) == 0


@pytest.mark.parametrize("what", ["expired", "of another secret", "of another user"])
async def test_credentials_that_are_not_good_any_more_or_never_were(coturn: Coturn, what: str) -> None:
    good = server(coturn)
    match what:
        case "expired":
            bad = server(coturn, at=time.time() - SECONDS - 2)
        case "of another secret":
            bad = server(coturn, secret="0" * 64)
        case _:
            bad = msgspec.structs.replace(good, username=server(coturn).username)
    async with AsyncExitStack() as stack:
        with pytest.raises(stun.TransactionFailed) as refused:
            await allocate(stack, coturn, bad)
        assert refused.value.response.error_code == 401
        await allocate(stack, coturn, good)


async def test_over_tls(coturn: Coturn) -> None:
    trusting = ssl.create_default_context(cafile=str(coturn.certificate))
    trusting.check_hostname = False  # it is for an address that it names as a name
    trusting.minimum_version = ssl.TLSVersion.TLSv1_2
    async with AsyncExitStack() as stack:
        relay = await allocate(stack, coturn, server(coturn), trusting)
        assert await relay.permission(HOST) == 0
        assert await relay.permission("127.0.0.2") == 403


async def test_one_user_has_so_many_allocations_and_no_more(coturn: Coturn) -> None:
    user = uuid4()
    async with AsyncExitStack() as stack:
        for number in range(USER_QUOTA):  # with new credentials each: they are counted for whom they are made
            await allocate(stack, coturn, server(coturn, user, at=time.time() + number))
        with pytest.raises(stun.TransactionFailed) as refused:
            await allocate(stack, coturn, server(coturn, user))
        assert refused.value.response.error_code == 486
        await allocate(stack, coturn, server(coturn))


async def test_the_sample_is_understood(coturn: Coturn) -> None:
    said = coturn.log.read_text(encoding="utf-8").lower()
    assert "white listing: 127.0.0.1" in said
    assert "black listing: 0.0.0.0-255.255.255.255" in said
    assert not [line for line in said.splitlines() if "bad configuration" in line or "unknown argument" in line], said
