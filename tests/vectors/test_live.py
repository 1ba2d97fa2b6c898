"""The published vectors of the live socket: what the code makes, what real Yjs reads, and what the server answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import aiohttp
import msgspec
import pytest
from pycrdt import Doc, Text

from collab_core.splice import Splice, spliced
from collab_core.wire import awareness, messages
from collab_core.wire.update import walk
from dojo.mock import world
from dojo.mock.scenario import Scenario
from dojo.mock.serve import Addresses, mock
from edge.live import incoming
from edge.live.json import messages as json_messages
from edge.live.json.difference import difference
from edge.live.json.positions import Edit as WireEdit
from edge.live.json.positions import Position, offset_of, splices_of
from edge.live.json.shared_file import Edit, SharedFile, result
from tests.vectors.live import FOLDER, OF_YJS, OWN, node, read, write
from tests.vectors.live_messages import BASE, JSON

ANSWER_SECONDS = 10.0
AGAIN = (
    "the live socket speaks otherwise now: `python -m tests.vectors.live docs/vectors`, read what changed, commit it"
)

MESSAGES = read("messages.json")
OF_CLIENTS = [row for row in MESSAGES if row["from"] == "client" and row["message"]["type"] != "auth"]
REFUSED = read("refused.json")


def named(row: dict[str, Any]) -> str:
    return f"{row['dialect']}-{row['name']}" if "dialect" in row else str(row["name"])


def test_the_committed_vectors_are_what_code_and_yjs_make(tmp_path: Path) -> None:
    write(tmp_path)
    for name in (*OF_YJS, *OWN):
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text(), f"{name}: {AGAIN}"


def test_real_yjs_reads_all_of_them() -> None:
    count = len(read("documents.json")) + len(read("binary.json"))
    assert node("check", FOLDER) == f"ok {count}\n"


@pytest.mark.parametrize("row", read("documents.json"), ids=named)
def test_the_servers_document_is_the_same_as_yjs(row: dict[str, Any]) -> None:
    in_order: Doc[Any] = Doc()
    for update in row["updates"]:
        walk(bytes.fromhex(update))
        in_order.apply_update(bytes.fromhex(update))
    at_once: Doc[Any] = Doc()
    at_once.apply_update(bytes.fromhex(row["asOneUpdate"]))
    for doc in (in_order, at_once):
        texts = {name: str(doc.get(name, type=Text)) for name in row["texts"]}
        assert texts == row["texts"]
        state = {str(client): clock for client, clock in messages.decode_state_vector(doc.get_state()).items()}
        assert state == row["stateVector"]


def test_the_documents_have_what_clients_get_wrong() -> None:
    rows = read("documents.json")
    assert any(row["gcStructs"] for row in rows)
    assert any(max(map(ord, "".join(row["texts"].values())), default=0) > 0xFFFF for row in rows)


@pytest.mark.parametrize("row", read("binary.json"), ids=named)
def test_the_servers_codec_reads_each_frame(row: dict[str, Any]) -> None:
    message = messages.parse(bytes.fromhex(row["frame"]))
    match message:
        case messages.SyncStep1(state):
            assert row["kind"] == "syncStep1"
            assert {str(client): clock for client, clock in state.items()} == row["stateVector"]
        case messages.SyncStep2(update):
            assert (row["kind"], row["update"]) == ("syncStep2", update.hex())
        case messages.Update(update):
            assert (row["kind"], row["update"]) == ("update", update.hex())
        case messages.Awareness(payload):
            entries = [(each.client, each.clock, json.loads(each.state)) for each in awareness.decode(payload)]
            assert entries == [(each["client"], each["clock"], each["state"]) for each in row["entries"]]
        case messages.QueryAwareness():
            assert row["kind"] == "queryAwareness"


@pytest.mark.parametrize("row", OF_CLIENTS, ids=named)
def test_the_server_understands_each_message_of_clients(row: dict[str, Any]) -> None:
    payload = msgspec.json.encode(row["message"])
    read_message = incoming.read(payload)
    if isinstance(read_message, incoming.CodeUpdate):
        update = json_messages.read(payload)
        given = {name for name in row["message"] if name != "type"}
        assert {"baseVersion", "seq", "content", "edits", "file", "position", "selection"} >= given
        assert update.content == row["message"].get("content")


def test_there_is_a_message_of_every_type_that_clients_may_send() -> None:
    types = {each.__struct_config__.tag for each in get_args(incoming.Incoming)}
    assert {row["message"]["type"] for row in OF_CLIENTS} == types


def test_the_edits_told_lead_from_one_version_to_the_next() -> None:
    told = [row["message"] for row in MESSAGES if row["from"] == "server" and row["message"]["type"] == "CODE_UPDATE"]
    steps = [message for message in told if "edits" in message]
    assert steps
    for message in steps:
        after = spliced(BASE, splices_of(BASE, msgspec.convert(message["edits"], list[WireEdit])))
        assert (SharedFile(BASE).version, SharedFile(after).version) == (message["baseVersion"], message["version"])
        offset_of(after, msgspec.convert(message["position"], Position))


@pytest.mark.parametrize("row", read("code-updates.json"), ids=named)
def test_a_late_edit_becomes_what_was_meant(row: dict[str, Any]) -> None:
    file = SharedFile(row["base"])
    place = file.versions.place
    for text in row["meanwhile"]:
        file.read(text, ())
        file.flush()
    update = json_messages.read(msgspec.json.encode({"baseVersion": "v", **row["update"]}))
    if update.edits is not None:
        splices: list[Splice] = splices_of(row["base"], update.edits)
    else:
        assert update.content is not None
        cursor = None if update.position is None else offset_of(update.content, update.position)
        splices = list(difference(row["base"], update.content, cursor))
    assert result(file.text, file.from_place(place, Edit(splices))) == row["result"]


@pytest.fixture
async def at() -> AsyncIterator[Addresses]:
    async with mock(Scenario(initial_code="one\n", steps=())) as addresses:
        yield addresses


async def token_of(at: Addresses) -> str:
    async with aiohttp.ClientSession() as session:
        body = {"email": "ana@example.com", "password": "anything"}
        async with session.post(f"{at.http}/api/v1/auth/login", json=body) as answer:
            return str((await answer.json())["accessToken"])


async def answer_of(socket: aiohttp.ClientWebSocketResponse) -> object:
    """The close code, or the first error in JSON; anything else is waited past."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while True:
            came = await socket.receive()
            if came.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return socket.close_code
            if came.type is aiohttp.WSMsgType.TEXT:
                message = json.loads(came.data)
                if message["type"].upper() == "ERROR":
                    return {"type": message["type"], "code": message["code"]}


@pytest.mark.parametrize("row", REFUSED, ids=named)
async def test_the_server_refuses_as_the_vector_says(at: Addresses, row: dict[str, Any]) -> None:
    url = f"{at.live}/api/v1/dojos/{world.DOJO}/live?token={await token_of(at)}"
    protocols = [row["dialect"]] if row["dialect"] else []
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=protocols) as socket:
        if "binary" in row:
            await socket.send_bytes(bytes.fromhex(row["binary"]))
        else:
            await socket.send_str(row["text"])
        assert await answer_of(socket) == row.get("close", row.get("error"))


def test_every_dialect_has_its_refusals() -> None:
    assert {row["dialect"] for row in REFUSED} == {"", "dojo.v1", JSON}
