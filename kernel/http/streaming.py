"""Answers that are written while they are made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from kernel.database import FAILURES

log = logging.getLogger(__name__)


class Streamed(web.StreamResponse):
    """If making it fails, the connection ends without the end of the answer, so that nobody takes half of it for the
    whole."""

    def __init__(self, pieces: AsyncGenerator[bytes], seconds: float, *, headers: dict[str, str]) -> None:
        """`seconds` is how long all of it may take."""
        super().__init__(headers=headers)
        self._pieces = pieces
        self._seconds = seconds

    async def write_eof(self, data: bytes = b"") -> None:
        try:
            async with asyncio.timeout(self._seconds), aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    await self.write(piece)
        except FAILURES as error:
            log.error("an answer was cut off: %s", type(error).__name__)
            raise ConnectionAbortedError from None
        await super().write_eof(data)
