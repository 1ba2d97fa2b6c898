"""The example client against the real server: it joins by code, types with others, follows turns, and comes back."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import msgspec
import pytest

from dojo.mock.scenario import LiveFailure, Scenario
from dojo.mock.serve import Addresses, mock
from dojo.mock.world import JOIN_CODE
from tests.running import RunningDojo

FILE = Path(__file__).parents[2] / "examples" / "python" / "dojo_client.py"
LINES = 150
WAIT_SECONDS = 20.0
PASSWORD = "a long enough phrase"
CODE = "def f():\n    pass\n"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dojo_client", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load()


@pytest.fixture(scope="module")
def dojo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDojo]:
    with RunningDojo(tmp_path_factory.mktemp("example")) as running:
        yield running


@asynccontextmanager
async def signed_in(url: str, email: str) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as http:
        made = example.DojoClient(http, url)
        await made.sign_in(email, PASSWORD)
        yield made


@asynccontextmanager
async def connected(who: Any) -> AsyncIterator[Any]:
    """In the dojo it has joined, until the end."""
    running = asyncio.create_task(who.run())
    await until(who, lambda: who.file)
    yield who
    await who.send(type="GOODBYE")
    assert await asyncio.wait_for(running, WAIT_SECONDS) == 1000


@asynccontextmanager
async def in_mock(at: Addresses) -> AsyncIterator[Any]:
    async with signed_in(at.http, "ada@example.com") as ada:
        await ada.join(JOIN_CODE)
        async with connected(ada):
            yield ada


async def until(of: Any, condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_SECONDS), of.news:
        await of.news.wait_for(condition)


@asynccontextmanager
async def pair(dojo: RunningDojo, name: str) -> AsyncIterator[tuple[Any, Any]]:
    """Ana, the host of a new dojo in a new company, and Ben, a guest of hers."""
    person = {"email": f"ana@{name}.example", "password": PASSWORD, "fullName": "Ana", "companyName": name}
    async with aiohttp.ClientSession() as http, http.post(f"{dojo.http}/api/v1/users", json=person) as answer:
        assert answer.status == 201
    body = {"name": "FizzBuzz", "description": "", "language": "python", "isPrivate": False, "initialCode": CODE}
    async with signed_in(dojo.http, person["email"]) as ana, aiohttp.ClientSession() as http:
        made = await ana.ask("POST", "/api/v1/dojos", {**body, "allowGuests": True})
        await ana.join(made["joinCode"])
        ben = example.DojoClient(http, dojo.http)
        grant = await ben.ask("POST", "/api/v1/dojos/guests", {"joinCode": made["joinCode"], "name": "Ben"})
        ben.user, ben.dojo, ben.live = grant["userId"], grant["dojoId"], ana.live
        http.headers["Authorization"] = f"Bearer {grant['token']}"
        async with connected(ana), connected(ben):
            yield ana, ben


def test_it_is_as_short_as_promised() -> None:
    assert len(FILE.read_text().splitlines()) < LINES


async def test_edits_made_at_the_same_moment_all_survive(dojo: RunningDojo) -> None:
    async def type_numbers(who: Any, letter: str) -> None:
        for number in range(10):
            await who.change(lambda text, word=f"{letter}{number} ü😀\n": str(text) + word)

    async with pair(dojo, "together") as (ana, ben):
        await asyncio.gather(type_numbers(ana, "a"), type_numbers(ben, "b"))
        words = {f"{letter}{number} ü😀" for letter in "ab" for number in range(10)}
        for who in (ana, ben):
            await until(who, partial(holds, who, words))
            await until(who, partial(is_saved, who))
        assert ana.texts == ben.texts
        assert sorted(ana.texts["main.py"].splitlines()) == sorted([*CODE.splitlines(), *words])


def holds(who: Any, words: set[str]) -> bool:
    return words <= set(who.texts[who.file].splitlines())


def is_saved(who: Any) -> bool:
    return bool(who.saved == who.seq)


async def test_what_is_said_reaches_everybody_in_one_order(dojo: RunningDojo) -> None:
    async with pair(dojo, "talk") as (ana, ben):
        for number in range(3):
            await (ana, ben)[number % 2].send(type="CHAT_MESSAGE", content=f"{number} Grüße 😀")
            for who in (ana, ben):
                await until(who, partial(heard, who, number + 1))
        names = ("Ana", "Ben", "Ana")
        assert ana.chat == ben.chat == [(name, f"{number} Grüße 😀") for number, name in enumerate(names)]


def heard(who: Any, messages: int) -> bool:
    return len(who.chat) == messages


async def test_a_turn_is_waited_for(dojo: RunningDojo) -> None:
    async with pair(dojo, "turns") as (ana, ben):
        await ana.send(type="ROLE_REQUEST", role="PILOT")
        await ana.send(type="TURN_REQUEST", action="start", seconds=600)
        await until(ana, lambda: ana.turn.get("pilot") == ana.user)
        await until(ben, lambda: ben.turn.get("pilot") == ana.user)
        change = asyncio.create_task(ben.change(lambda text: text + "mine\n"))
        await ana.change(lambda text: text + "hers\n")
        assert not change.done()
        await ana.send(type="TURN_REQUEST", action="hand_over", to=ben.user)
        await asyncio.wait_for(change, WAIT_SECONDS)
        assert ben.texts["main.py"] == CODE + "hers\nmine\n"
        assert not ana.may_write()


def example_scenario(**fields: Any) -> Scenario:
    return msgspec.convert({"initial_code": CODE, "steps": (), **fields}, Scenario)


@pytest.mark.parametrize("do", ["lose_reply", "drop", "stale_version", "delay"])
async def test_no_edit_is_lost_or_made_twice(do: str) -> None:
    failures = ({"connection": 1, "message": 2, "do": do, "delay_ms": 20},)
    async with mock(example_scenario(live=failures)) as at, in_mock(at) as ada:
        async with asyncio.timeout(WAIT_SECONDS):
            for number in range(3):
                await ada.change(lambda text, word=f"{number}\n": str(text) + word)
        assert ada.texts["main.py"] == CODE + "0\n1\n2\n"


async def test_a_refusal_ends_it() -> None:
    scenario = Scenario(live=(LiveFailure(connection=1, do="close", code=4409),))
    async with mock(scenario) as at, signed_in(at.http, "ada@example.com") as ada:
        await ada.join(JOIN_CODE)
        assert await asyncio.wait_for(ada.run(), WAIT_SECONDS) == 4003
        with pytest.raises(RuntimeError, match="invalid_join_code"):
            await ada.join("AAAAA-AAAAA")
