"""Tokens that are none, or somebody else's; and rights that a token does not give."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import sync_step2, update_frame
from dojo.data_directory import DataDirectory
from dojo.names import tenant_id, user_id
from kernel.tokens import SigningKey
from tests.hostile import forge
from tests.hostile.intruder import intruder
from tests.hostile.scene import HONEST_TEXT, Scene
from tests.running import RunningDojo

_EDIT = forge.update({77: (0, [forge.item(forge.text("unasked for "), parent="text")])})


def _mint(key: SigningKey, *, rooms: Sequence[str] = ("*",), now: float | None = None, tenant: str = "acme") -> str:
    return key.mint(
        tenant=tenant_id(tenant),
        user=user_id(tenant_id(tenant), "mallory"),
        name="mallory",
        rooms=list(rooms),
        write=True,
        now=time.time() if now is None else now,
        seconds=3600,
    )


def _own_key(dojo: RunningDojo) -> SigningKey:
    return SigningKey.load_or_create(DataDirectory(dojo.data_dir).signing_key)


def _without_signature(token: str) -> str:
    _, payload, _ = token.split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    return f"{header}.{payload}."


def _with_claims(token: str, **claims: object) -> str:
    header, payload, signature = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(decoded | claims).encode()).decode().rstrip("=")
    return f"{header}.{changed}.{signature}"


async def _code(scene: Scene, token: str | None) -> int:
    async with intruder(scene.dojo, scene.room, token) as mallory:
        await mallory.send(update_frame(_EDIT))
        code = await mallory.closed()
        assert mallory.received == [], "nothing of the room is told before admission"
        return code


async def test_tokens_that_are_not_taken(scene: Scene) -> None:
    good = _mint(_own_key(scene.dojo))
    refused = {
        "none": None,
        "empty": "",
        "garbage": "not.a.token",
        "bytes": "\x00\uffff",
        "long": "x" * 8_000,
        "foreign": _mint(SigningKey.generate()),
        "expired": _mint(_own_key(scene.dojo), now=time.time() - 7200),
        "from-tomorrow": _mint(_own_key(scene.dojo), now=time.time() + 86_400),
        "unsigned": _without_signature(good),
        "other-tenant": _with_claims(good, tid=str(tenant_id("rival"))),
        "other-rights": _with_claims(await scene.dojo.token(user="mallory", read_only=True), write=True),
        "cut": good[:-4],
    }
    for name, token in refused.items():
        assert await _code(scene, token) == CloseCode.UNAUTHENTICATED, name
    await scene.intact()


async def test_a_token_for_another_room(scene: Scene) -> None:
    token = _mint(_own_key(scene.dojo), rooms=["elsewhere", scene.room + "x", scene.room[:-1]])
    assert await _code(scene, token) == CloseCode.FORBIDDEN
    await scene.intact()


async def test_the_same_room_of_another_tenant_is_another_room(scene: Scene) -> None:
    token = await scene.dojo.token(tenant="rival", user="mallory")
    rival = await scene.peers.open(scene.dojo.live, scene.room, token)
    assert await rival.text() == ""
    await rival.insert(0, "theirs")
    other = await scene.peers.open(scene.dojo.live, scene.room, token)
    await other.wait_text("theirs")
    await scene.intact(HONEST_TEXT)


@pytest.mark.parametrize("frame", [update_frame(_EDIT), sync_step2(_EDIT)], ids=["update", "step2"])
async def test_an_edit_of_somebody_who_may_only_read(scene: Scene, frame: bytes) -> None:
    token = await scene.dojo.token(user="reader", read_only=True)
    async with intruder(scene.dojo, scene.room, token) as reader:
        await reader.send(frame)
        assert await reader.closed() == CloseCode.FORBIDDEN
    async with intruder(scene.dojo, scene.room, token, dojo_v1=True) as reader:
        await reader.send(frame)
        assert (await reader.control("reset"))["reason"] == "read_only"
        assert await reader.outcome() is None
    await scene.intact()


async def test_a_renewal_with_a_token_that_is_not_taken(scene: Scene) -> None:
    key = _own_key(scene.dojo)
    tokens = [_mint(SigningKey.generate()), _mint(key, tenant="rival"), await scene.dojo.token(user="ana"), "x", ""]
    async with await scene.intruder(dojo_v1=True) as mallory:
        for token in tokens:
            await mallory.send(json.dumps({"type": "auth", "token": token}))
            assert (await mallory.control("error"))["code"] == "token_refused"
        assert await mallory.outcome() is None
    await scene.intact()


async def test_no_token_is_ever_in_the_log(scene: Scene) -> None:
    token = await scene.dojo.token(user="mallory")
    for room in (scene.room, "..", "a" * 300):
        async with intruder(scene.dojo, room, token) as mallory:
            await mallory.outcome()
    signature = token.rpartition(".")[2]
    assert signature not in (scene.dojo.data_dir.parent / f"{scene.dojo.data_dir.name}.log").read_text()
    await scene.intact()
