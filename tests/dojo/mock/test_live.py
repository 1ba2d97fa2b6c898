"""The mock's live socket: the real messages, a scripted partner, and failures where the scenario wants them."""

from __future__ import annotations

import aiohttp
import pytest
from pycrdt import Text

from dojo.mock import world
from dojo.mock.examples import named_id
from dojo.mock.scenario import LiveFailure, Scenario, Step
from dojo.mock.serve import Addresses, mock
from loadtests.client import SyncClient
from tests.dojo.mock.socket import json_socket

QUIET = Scenario(initial_code="one\n", steps=())


async def token_of(at: Addresses, email: str = "ada@example.com") -> str:
    async with aiohttp.ClientSession() as session:
        body = {"email": email, "password": "anything"}
        async with session.post(f"{at.http}/api/v1/auth/login", json=body) as answer:
            return str((await answer.json())["accessToken"])


async def test_a_newcomer_is_told_where_it_is_and_what_is_there() -> None:
    async with mock(QUIET) as at, json_socket(at.live, await token_of(at)) as ada:
        code = await ada.until("CODE_UPDATE")
        assert (code["file"], code["content"]) == ("main.py", "one\n")
        assert ada.got[0]["type"] == "CONNECTION_STATUS"
        assert ada.got[0]["roomId"] == str(world.ROOM)
        people = next(message for message in ada.got if message["type"] == "PARTICIPANT_LIST")["participants"]
        assert [(person["userName"], person["role"]) for person in people] == [
            ("Grace Hopper", "HOST"), ("Ada", "PARTICIPANT"),
        ]  # fmt: skip


async def test_the_partner_does_its_steps_when_it_is_spoken_to() -> None:
    steps = (Step(say="Hi"), Step(after=1, type="two\n", delay_ms=1), Step(after=2, turn="start", seconds=60))
    async with mock(Scenario(initial_code="one\n", steps=steps)) as at, json_socket(at.live, await token_of(at)) as ada:
        assert (await ada.until("CHAT_MESSAGE"))["content"] == "Hi"
        await ada.send(type="CHAT_MESSAGE", content="Hello", ref="7")
        assert (await ada.until("CHAT_MESSAGE"))["ref"] == "7"
        typed = await ada.until("CODE_UPDATE", lambda message: message.get("content") == "one\ntwo\n")
        assert typed["userName"] == "Grace Hopper"
        await ada.send(type="RAISE_HAND")
        turn = await ada.until("TURN", lambda message: message["state"] == "RUNNING")
        assert turn["pilot"] in (str(world.PARTNER), str(named_id("ada@example.com")))


async def test_an_edit_is_acknowledged_and_shown_to_others() -> None:
    async with mock(QUIET) as at:
        ada_token, ben_token = await token_of(at), await token_of(at, "ben@example.com")
        async with json_socket(at.live, ada_token) as ada, json_socket(at.live, ben_token) as ben:
            base = (await ada.until("CODE_UPDATE"))["version"]
            await ben.until("CODE_UPDATE")
            await ada.send(type="CODE_UPDATE", file="main.py", baseVersion=base, seq=1, content="one\n# ä😀\n")
            assert (await ada.until("CODE_UPDATE"))["ackSeq"] == 1
            seen = await ben.until("CODE_UPDATE")
            assert (seen["content"], seen["userName"]) == ("one\n# ä😀\n", "Ada")
            assert (await ada.until("SAVED"))["seq"] == 1


@pytest.mark.parametrize(("code", "told"), [(4401, 4001), (4404, 4002), (4409, 4003), (4403, 4004), (4500, 4500)])
async def test_a_chosen_socket_is_refused_with_a_chosen_code(code: int, told: int) -> None:
    scenario = Scenario(live=(LiveFailure(connection=2, do="close", code=code),), steps=())
    async with mock(scenario) as at:
        token = await token_of(at)
        async with json_socket(at.live, token) as first:
            await first.until("CODE_UPDATE")
        async with json_socket(at.live, token) as second:
            assert await second.closed() == told
        async with json_socket(at.live, token) as third:
            await third.until("CODE_UPDATE")


async def test_who_is_unknown_or_elsewhere_is_refused_as_by_the_server() -> None:
    async with mock(QUIET) as at:
        token = await token_of(at)
        async with json_socket(at.live, "forged") as nobody:
            assert await nobody.closed() == 4001
        async with json_socket(at.live, token, dojo=world.PARTNER) as elsewhere:
            assert await elsewhere.closed() == 4002
        async with json_socket(at.live, token, dojo=world.PARTNER, protocol="") as plain:
            assert await plain.closed() == 4404


async def test_a_stale_version_is_answered_with_the_content_and_nothing_is_applied() -> None:
    scenario = Scenario(initial_code="one\n", steps=(), live=(LiveFailure(message=1, do="stale_version"),))
    async with mock(scenario) as at, json_socket(at.live, await token_of(at)) as ada:
        base = (await ada.until("CODE_UPDATE"))["version"]
        edit = {"type": "CODE_UPDATE", "file": "main.py", "baseVersion": base, "content": "two\n"}
        await ada.send(**edit, seq=1)
        refused = await ada.until("ERROR")
        assert (refused["code"], refused["content"], refused["seq"]) == ("stale_version", "one\n", 1)
        await ada.send(**edit, seq=2)
        assert (await ada.until("CODE_UPDATE"))["ackSeq"] == 2


async def test_a_lost_reply_leaves_the_edit_applied_once() -> None:
    scenario = Scenario(initial_code="one\n", steps=(), live=(LiveFailure(message=1, do="lose_reply"),))
    async with mock(scenario) as at:
        token = await token_of(at)
        edit = {"type": "CODE_UPDATE", "file": "main.py", "seq": 1, "content": "two\n"}
        async with json_socket(at.live, token) as ada:
            edit["baseVersion"] = (await ada.until("CODE_UPDATE"))["version"]
            await ada.send(**edit)
            assert await ada.closed() == 1006
            assert all("ackSeq" not in message for message in ada.got)
        async with json_socket(at.live, token) as ada:
            assert (await ada.until("CODE_UPDATE"))["content"] == "two\n"
            await ada.send(**edit)
            await ada.until("CODE_UPDATE", lambda message: message.get("ackSeq") == 1)
            assert (await ada.until("SAVED"))["seq"] == 1
        async with json_socket(at.live, token) as ada:
            assert (await ada.until("CODE_UPDATE"))["content"] == "two\n"


async def test_nothing_overtakes_a_delayed_message() -> None:
    scenario = Scenario(steps=(), live=(LiveFailure(message=1, do="delay", delay_ms=50),))
    async with mock(scenario) as at, json_socket(at.live, await token_of(at)) as ada:
        await ada.until("CODE_UPDATE")
        for content in ("first", "second"):
            await ada.send(type="CHAT_MESSAGE", content=content)
        assert [(await ada.until("CHAT_MESSAGE"))["content"] for _ in range(2)] == ["first", "second"]


async def test_a_yjs_client_joins_the_same_room() -> None:
    async with mock(QUIET) as at:
        token = await token_of(at)
        async with json_socket(at.live, await token_of(at, "ben@example.com")) as ben:
            await ben.until("CODE_UPDATE")
            yjs = await SyncClient.open(f"{at.live}/api/v1/dojos/{world.DOJO}/live?token={token}")
            text = yjs.doc.get("file/main.py", type=Text)
            before = yjs.doc.get_state()
            text += "two\n"
            yjs.type(yjs.doc.get_update(before))
            assert (await ben.until("CODE_UPDATE"))["content"] == "one\ntwo\n"
            await yjs.close()
