"""Opening a large document: from connecting to the last byte of the SyncStep2."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from pathlib import Path

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from pycrdt import Doc

from loadtests import dialect as messages
from loadtests.bench import document
from loadtests.bench.fanout import LoadFailed, Measured
from loadtests.bench.member import ROOT
from loadtests.bench.servers import Server
from loadtests.client import MAX_FRAME_BYTES, Disconnected, SyncClient, leave
from loadtests.dialect import Dialect

TOGETHER = 50
ALONE = 20
"""How many times one newcomer is measured alone."""
ROUNDS = 5
"""How many times fifty are; the figure is the median round's slowest."""
PAUSE_SECONDS = 0.2
"""Between two rounds, so that the closes of the one do not fall into the other."""
DEADLINE_SECONDS = 30.0
BUFFER_BYTES = 1024 * 1024
"""The newcomer's read buffer: it should not be busy growing it."""


class Newcomer(WSListener):
    """Asks for everything and notes when it has it. Decodes nothing."""

    def __init__(self, room: str, dialect: Dialect) -> None:
        self._room = room
        self._dialect = dialect
        self._transport: WSTransport | None = None
        self._step_2 = dialect.wrap(room, b"\x00\x01")
        self.done: asyncio.Future[tuple[float, int]] = asyncio.get_running_loop().create_future()

    async def open(self, url: str) -> tuple[float, int]:
        """Seconds from connecting to the last byte, and how many bytes the SyncStep2 frame had."""
        begun = time.perf_counter()
        await ws_connect(lambda: self, url, max_frame_size=MAX_FRAME_BYTES, read_buffer_init_size=BUFFER_BYTES)
        async with asyncio.timeout(DEADLINE_SECONDS):
            arrived, size = await self.done
        return arrived - begun, size

    async def close(self) -> None:
        if self._transport is not None:
            await leave(self._transport)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        for frame in self._dialect.greeting(self._room):
            transport.send(WSMsgType.BINARY, frame)
        transport.send(WSMsgType.BINARY, self._dialect.wrap(self._room, messages.step_1(messages.EMPTY_STATE_VECTOR)))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = time.perf_counter()
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.get_payload_as_memoryview()[: len(self._step_2)] == self._step_2 and not self.done.done():
            self.done.set_result((now, frame.payload_size))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.done.done():
            self.done.set_exception(LoadFailed("a newcomer was disconnected before its first sync"))


async def measure(server: Server, folder: Path) -> Measured:
    """Figures: `open_together_ms` (the slowest of fifty newcomers, median of rounds), `open_together_median_ms`,
    `open_alone_ms` (median), `document_bytes`. Raises `LoadFailed`."""
    content = document.kept(folder, ROOT)
    room = "large"
    try:
        author = await SyncClient.open(server.url(room, 0), Doc(), room=room, dialect=server.dialect)
        author.type(content)
        # The one who stays and keeps the room warm has it from the server, so it is complete there as well.
        witness = await SyncClient.open(server.url(room, 1), Doc(), room=room, dialect=server.dialect)
        expected = author.text(ROOT)
        await witness.wait_until(lambda: witness.text(ROOT) == expected, DEADLINE_SECONDS, "the document")
    except (Disconnected, TimeoutError, OSError) as error:
        raise LoadFailed(f"the document could not be brought into its room: {error}") from error
    gc.collect()
    gc.disable()
    try:
        alone = [await _round(server, room, 1) for _ in range(ALONE + 1)][1:]
        together = [await _round(server, room, TOGETHER) for _ in range(ROUNDS + 1)][1:]
    finally:
        gc.enable()
    result = Measured(
        {
            "open_alone_ms": statistics.median(times[0] for times, _ in alone) * 1000,
            "open_together_ms": statistics.median(max(times) for times, _ in together) * 1000,
            "open_together_median_ms": statistics.median(statistics.median(times) for times, _ in together) * 1000,
            "document_bytes": float(len(content)),
        }
    )
    if min(size for _, size in (*alone, *together)) < len(content) // 2:
        result.problems.append("a SyncStep2 was too small to hold the document")
    await witness.close()
    await author.close()
    return result


async def _round(server: Server, room: str, count: int) -> tuple[list[float], int]:
    urls = [server.url(room, 2 + number) for number in range(count)]
    newcomers = [Newcomer(room, server.dialect) for _ in urls]
    try:
        took = await asyncio.gather(*(comer.open(url) for comer, url in zip(newcomers, urls, strict=True)))
    except (OSError, TimeoutError, WSError) as error:
        raise LoadFailed(f"a newcomer could not open the document: {error!r}") from error
    await asyncio.gather(*(comer.close() for comer in newcomers))
    await asyncio.sleep(PAUSE_SECONDS)
    return [seconds for seconds, _ in took], min(size for _, size in took)
