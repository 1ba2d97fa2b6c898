"""Finished files on their way into the store of blobs: tried until it takes them, then removed here."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final

from kernel.blobs.port import Blobs
from media_sfu.recording.leftovers import Upload

AT_ONCE: Final = 4
"""Uploads at a time: all speakers of a room finish their segments in the same second, and the store is shared."""
PUT_SECONDS: Final = 60.0
"""For one try; a segment has at most some 3 MB."""
AGAIN_SECONDS: Final = (0.5, 30.0)
"""First and longest pause after a failure; times 0.5 to 1.5 by chance, so that processes don't come back in step."""

log = logging.getLogger(__name__)


class Uploader:
    """`start` it, `close` it. The files are the queue: what is not uploaded stays where it is, and whoever starts next
    finds it, so the disk is the bound."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._waiting: dict[str, Upload] = {}
        self._busy: set[str] = set()
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._wakers: set[asyncio.Task[None]] = set()
        self.trouble: str | None = None
        """Why the last try failed; None if it didn't."""

    @property
    def waiting(self) -> int:
        """Files that are not there yet."""
        return len(self._waiting) + len(self._busy)

    def start(self) -> None:
        """Upload until `close`."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._work(), name=f"upload recordings {n}") for n in range(AT_ONCE)]

    def add(self, upload: Upload) -> None:
        """Upload it soon; one that still waits under the same key is replaced. On the loop."""
        self._waiting[upload.key] = upload
        waker = asyncio.get_running_loop().create_task(self._tell(), name="tell of an upload")
        self._wakers.add(waker)
        waker.add_done_callback(self._wakers.discard)

    async def close(self, grace: float) -> None:
        """Wait at most `grace` seconds for what is left, then stop."""
        try:
            async with asyncio.timeout(grace), self._changed:
                await self._changed.wait_for(lambda: not self.waiting)
        except TimeoutError:
            log.warning("recording: %d files stay for the next start: %s", self.waiting, self.trouble or "no time left")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._wakers, return_exceptions=True)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _next(self) -> Upload | None:
        # Never two of one key at once: the older content could come last.
        return next((upload for key, upload in self._waiting.items() if key not in self._busy), None)

    async def _work(self) -> None:
        failures = 0
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._next() is not None)
                upload = self._next()
                assert upload is not None
                del self._waiting[upload.key]
                self._busy.add(upload.key)
            try:
                async with asyncio.timeout(PUT_SECONDS):
                    await self._put(upload)
                failures, self.trouble = 0, None
            except Exception as error:  # whatever a store raises: the recording must not end with it
                failures += 1
                self._waiting.setdefault(upload.key, upload)
                self._told(upload, error)
            finally:
                self._busy.discard(upload.key)
                await self._tell()
            if failures:
                first, longest = AGAIN_SECONDS
                pause = min(longest, first * 2.0 ** min(failures - 1, 16))
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    async def _put(self, upload: Upload) -> None:
        if not await asyncio.to_thread(upload.path.exists):
            return
        await self._blobs.put(upload.key, upload.path)
        if not upload.keep:
            await asyncio.to_thread(upload.path.unlink, missing_ok=True)

    def _told(self, upload: Upload, error: Exception) -> None:
        text = f"cannot upload {upload.key}: {str(error) or type(error).__name__}"
        if self.trouble is None:
            log.warning("recording: %s; tried again until it works", text)
        self.trouble = text
