from __future__ import annotations

import asyncio
import signal
import subprocess

import pytest

from dojo.embedded.exit_of import exit_of

END_SECONDS = 10.0


def test_the_code_is_had_from_any_loop_and_cancelling_leaves_the_process_alone() -> None:
    process = subprocess.Popen(["sleep", "60"])

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exit_of(process), 0.01)
        assert process.poll() is None

    async def see_it_end() -> int:
        asyncio.get_running_loop().call_soon(process.kill)
        return await asyncio.wait_for(exit_of(process), END_SECONDS)

    asyncio.run(give_up())
    assert asyncio.run(see_it_end()) == -signal.SIGKILL
    assert asyncio.run(exit_of(process)) == -signal.SIGKILL
