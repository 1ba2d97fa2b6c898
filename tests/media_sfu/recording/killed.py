"""Records a tone in real time until it is killed; says on standard output how many packets it has handed over."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from uuid import UUID

from kernel.blobs.folder import FolderBlobs
from media_sfu.frame import Frame
from media_sfu.recording.recorder import Recorder
from tests.media_sfu.recording.sound import PACKET, tone

ROOM = UUID(int=1)


async def main(folder: Path, blobs: Path) -> None:
    sound = tone(10.0)
    recorder = Recorder(folder, FolderBlobs(blobs))
    await recorder.start()
    recorder.begin(ROOM, "t/d/r/1")
    began = time.monotonic()
    for number, opus in enumerate(sound):
        await asyncio.sleep(max(0.0, began + number * PACKET / 48_000 - time.monotonic()))
        recorder.frame(ROOM, 7, Frame(number, number * PACKET, False, opus), time.monotonic())
        sys.stdout.write(f"{number + 1}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
