"""The part of a voice process that meets other voice processes: its socket, its address, its figures."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from dojo.settings import VoiceSettings
from kernel.telemetry import Sample
from media_sfu.relay.holders import Holders
from media_sfu.relay.relay import Relay, RelayedRoom
from media_sfu.relay.sealing import KEY_BYTES
from media_sfu.udp import UdpSocket

_ANYWHERE: Final = {4: ("192.0.2.1", 9), 6: ("2001:db8::1", 9)}
"""Addresses that nobody has (RFC 5737, RFC 3849): a socket connected to one, which sends nothing, tells our own."""


def make(redis: Redis, voice: VoiceSettings, name: str, rooms: Callable[[], Mapping[UUID, RelayedRoom]]) -> Relay:
    """Not started yet. Raises `OSError` where the port is taken."""
    udp = UdpSocket.bind(voice.relay_host, voice.relay_port)
    return Relay(
        Holders(redis, name),
        udp,
        name,
        secrets.token_bytes(KEY_BYTES),
        rooms=rooms,
        slots=voice.limits.slots,
        clock=time.monotonic,
    )


def address(voice: VoiceSettings, relay: Relay) -> str:
    """Where the others send to."""
    host, port = relay.address
    told = ip_address(voice.relay_advertise or host)
    if told.is_unspecified:
        family = socket.AF_INET if told.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(_ANYWHERE[told.version])
            told = ip_address(probe.getsockname()[0])
    return f"[{told}]:{port}" if told.version == 6 else f"{told}:{port}"


def samples(relay: Relay) -> Iterator[Sample]:
    """How much goes to and comes from others."""
    counts = relay.counts
    yield Sample("dojo_voice_shared_rooms", "Rooms that other voice processes have people of, too", relay.shared)
    yield Sample("dojo_voice_relayed_speakers", "Speakers there who are heard here", relay.speakers)
    yield Sample("dojo_voice_relay_sent_total", "Packets sent to other voice processes", counts.sent, "counter")
    yield Sample("dojo_voice_relay_received_total", "Packets of them that are heard here", counts.received, "counter")
    for why, count in {
        "astray": counts.astray,
        "malformed": counts.malformed,
        "refused": counts.refused,
        "unauthentic": counts.unauthentic,
        "unknown": counts.unknown,
    }.items():
        yield Sample("dojo_voice_relay_dropped_total", "Packets from and to them", count, "counter", {"why": why})
