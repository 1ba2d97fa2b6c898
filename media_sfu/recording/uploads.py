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
        self._failing: dict[str, set[str]] = {}
        """Keys that the store did not take when they were tried last, by their folder."""

    @property
    def waiting(self) -> int:
        """Files that are not there yet."""
        return len(self._waiting) + len(self._busy)

    def fails(self, folder: str) -> bool:
        """Whether the store did not take something right below `folder`, and has not since."""
        return folder in self._failing

    def waits(self, folder: str) -> bool:
        """Whether something right below `folder` is not there yet."""
        return any(_folder(key) == folder for key in (*self._waiting, *self._busy))

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
            why = "the store does not take them" if self._failing else "no time left"
            log.warning("recording: %d files stay for the next start: %s", self.waiting, why)
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
                failures = 0
                self._taken(upload.key)
            except Exception as error:  # whatever a store raises: the recording must not end with it
                failures += 1
                self._waiting.setdefault(upload.key, upload)
                self._refused(upload.key, error)
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

    def _taken(self, key: str) -> None:
        failing = self._failing.get(_folder(key))
        if failing is not None:
            failing.discard(key)
            if not failing:
                del self._failing[_folder(key)]

    def _refused(self, key: str, error: Exception) -> None:
        if not self._failing:
            why = str(error) or type(error).__name__
            log.warning("recording: cannot upload %s: %s; tried again until it works", key, why)
        self._failing.setdefault(_folder(key), set()).add(key)


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
