"""A headless Firefox ESR driven by Marionette, its own protocol: `length:[0, id, command, parameters]` over TCP.

Playwright drives only its own build of Firefox; this is the one that people have.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.media_sfu.children import end

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
SCRIPT_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02

PREFERENCES: Final = {
    "marionette.port": 0,  # any; told in a file of the profile
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    # Or pages get the candidates of the default route alone, none on loopback: a made-up microphone is no reason.
    "permissions.default.microphone": 1,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
}


class ScriptFailed(Exception):
    """What the script threw, or Marionette refused."""


class Firefox:
    """One window. A later script finds what an earlier one left on `window`; `globalThis` is each script's own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = count(1)

    async def open(self, url: str) -> None:
        await self._command("WebDriver:Navigate", {"url": url})

    async def run(self, body: str, *arguments: object) -> Any:
        """The value of an async function's body, which sees `args`. Raises `ScriptFailed` with what it threw."""
        script = (
            "const [args, done] = [[...arguments].slice(0, -1), arguments[arguments.length - 1]];"
            f"(async () => {{ {body} }})()"
            ".then(value => ({value}), error => ({error: String(error)})).then(found => done(JSON.stringify(found)));"
        )
        parameters: dict[str, object] = {"script": script, "args": list(arguments)}
        answer = json.loads((await self._command("WebDriver:ExecuteAsyncScript", parameters))["value"])
        if "error" in answer:
            raise ScriptFailed(answer["error"])
        return answer.get("value")

    async def _command(self, name: str, parameters: dict[str, object]) -> dict[str, Any]:
        number = next(self._numbers)
        message = json.dumps([0, number, name, parameters]).encode()
        self._writer.write(b"%d:%b" % (len(message), message))
        async with asyncio.timeout(SCRIPT_SECONDS + 5.0):
            _, answered, error, result = await self._read()
        assert answered == number
        if error is not None:
            raise ScriptFailed(f"{name}: {error['error']}: {error['message']}")
        return dict(result)

    async def _read(self) -> Any:
        length = await self._reader.readuntil(b":")
        return json.loads(await self._reader.readexactly(int(length[:-1])))

    async def begin(self) -> None:
        hello = await self._read()
        assert hello["marionetteProtocol"] == 3
        await self._command("WebDriver:NewSession", {})
        await self._command("WebDriver:SetTimeouts", {"script": int(SCRIPT_SECONDS * 1_000)})


@asynccontextmanager
async def driven_firefox(folder: Path) -> AsyncIterator[Firefox]:
    """A Firefox with a profile of its own in `folder`; ended with the block. Fails if firefox-esr is not there."""
    program = shutil.which("firefox-esr")
    assert program is not None, "firefox-esr is not installed: `apt-get install firefox-esr`"
    profile = folder / "firefox"
    profile.mkdir()
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    arguments = ("--headless", "--marionette", "--no-remote", "--profile", str(profile))
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=DEVNULL, stderr=DEVNULL)
    try:
        async with asyncio.timeout(START_SECONDS):
            port = await _port(process, profile / "MarionetteActivePort")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            firefox = Firefox(reader, writer)
            await firefox.begin()
            yield firefox
        finally:
            writer.close()
            await writer.wait_closed()
    finally:
        await end(process, STOP_SECONDS)


async def _port(process: Process, file: Path) -> int:
    while True:
        assert process.returncode is None, f"firefox-esr ended with {process.returncode} while starting"
        if text := _text(file):
            return int(text)
        await asyncio.sleep(POLL_SECONDS)


def _text(file: Path) -> str:
    return file.read_text(encoding="ascii") if file.exists() else ""
