from __future__ import annotations

import base64
import hashlib
import hmac
from uuid import UUID

from edge.dojos.ice_servers import IceServers
from edge.voice.settings import VoiceEdge

ANA = UUID(int=11)


def test_a_credential_is_what_coturn_computes() -> None:
    (server,) = IceServers(("turn:a", "turn:b"), "north", 3600, clock=lambda: 1_000.9).of(ANA)
    assert (server.urls, server.username) == (["turn:a", "turn:b"], f"4600:{ANA}")
    mac = hmac.new(b"north", f"4600:{ANA}".encode(), hashlib.sha1).digest()
    assert server.credential == base64.b64encode(mac).decode()


def test_without_a_turn_server_there_is_nothing_to_tell() -> None:
    assert IceServers((), "north", 3600).of(ANA) == []
    assert IceServers(("turn:a",), None, 3600).of(ANA) == []


def test_secrets_are_shown_nowhere() -> None:
    assert "north" not in repr(VoiceEdge(secret=b"north" * 8, turn_secret="north"))
