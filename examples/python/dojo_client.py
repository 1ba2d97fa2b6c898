"""A small client of Dojo: joins a dojo by its code, types, chats and follows turns, in JSON alone (`dojo.json.v1`).

    pip install aiohttp
    DOJO_PASSWORD=... python dojo_client.py http://127.0.0.1:8080 ada@example.com M0CKD-0J000

Lines from the keyboard are added to the code, or said if they begin with `/`. `dojo mock` is a server to try it with.
"""

import asyncio
import contextlib
import json
import os
import random
import sys
from collections.abc import Callable
from typing import Any

import aiohttp


class DojoClient:
    """One person in one dojo. `texts` is the code by file, as the server has it."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url, self.live, self.news = http, url, "", asyncio.Condition()
        self.user = self.dojo = self.file = self.last_chat = ""
        self.texts, self.versions = dict[str, str](), dict[str, str]()
        self.turn, self.ending, self.writers = {"state": "FREE"}, False, list[str]()
        self.chat: list[tuple[str, str]] = []
        self.seq = self.acknowledged = self.saved = 0
        self.sending: dict[str, Any] | None = None  # the edit that is not acknowledged yet: at most one
        self.socket: aiohttp.ClientWebSocketResponse | None = None

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        async with self.http.request(method, self.url + path, json=body) as answer:
            result: dict[str, Any] = await answer.json()
            if answer.status >= 400:  # RFC 9457: `code` is for programs, `detail` for people
                raise RuntimeError(f"{path}: {result['code']}: {result['detail']}")
            return result

    async def sign_in(self, email: str, password: str) -> None:
        grant = await self.ask("POST", "/api/v1/auth/login", {"email": email, "password": password})
        self.user = grant["userId"]
        self.http.headers["Authorization"] = f"Bearer {grant['accessToken']}"  # of requests and sockets
        self.live = (await self.ask("GET", "/api/v1/config"))["liveUrl"]

    async def join(self, code: str) -> None:
        self.dojo = (await self.ask("POST", "/api/v1/dojos/join", {"joinCode": code}))["dojoId"]

    async def run(self) -> int:
        """Stay connected; returns the close code that ended it for good."""
        pause = 0.5
        while True:
            url, code = f"{self.live}/api/v1/dojos/{self.dojo}/live?since={self.last_chat}", 1006
            with contextlib.suppress(aiohttp.ClientError):
                async with self.http.ws_connect(url, protocols=["dojo.json.v1"]) as socket:
                    self.socket = socket
                    async for frame in socket:
                        await self.hear(json.loads(frame.data))
                        pause = 0.5
                    code = socket.close_code or 1006
            self.socket = None
            if code == 1000 or 4000 <= code < 4500:  # coming back would change nothing
                return code
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 2, 30)

    async def send(self, **message: object) -> None:
        if self.socket is not None:
            with contextlib.suppress(ConnectionError):  # what was lost is sent again on return
                await self.socket.send_str(json.dumps(message))

    async def hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "CONNECTION_STATUS" if message["status"] == "CONNECTED" and self.sending:
                await self.send(**self.sending)  # a `seq` that was applied already is only acknowledged
            case "CODE_UPDATE":
                self.take_code(message)
            case "ERROR":
                if "content" in message:  # stale_version, say: `change` makes it anew from what is there now
                    self.take_code(message)
                sys.stderr.write(f"{message['code']}: {message['message']}\n")
                if self.sending and message.get("seq") == self.sending["seq"]:
                    self.sending = None  # nothing was applied
            case "SAVED":
                self.saved = message.get("seq", self.seq)
            case "CHAT_MESSAGE":
                self.last_chat = message["messageId"]
                self.chat.append((message["userName"], message["content"]))
            case "ROLES":
                self.writers = message["writers"]
            case "TURN":
                self.turn, self.ending = message, message["state"] == "ENDING"
            case "turn.ending":  # what was sent before the answer counts
                self.ending = True
                await self.send(type="turn.flushed", number=message["number"])
        async with self.news:
            self.news.notify_all()

    def take_code(self, message: dict[str, Any]) -> None:
        file, text = message["file"], message.get("content")
        if text is None:  # offsets count UTF-16 units, and edits all count in the text before
            units = self.texts[file].encode("utf-16-le")
            for edit in reversed(message["edits"]):
                units = units[: 2 * edit["from"]] + edit["insert"].encode("utf-16-le") + units[2 * edit["to"] :]
            text = units.decode("utf-16-le")
        self.file = self.file or file  # the main file comes first
        self.texts[file], self.versions[file] = text, message["version"]
        if self.sending and message.get("ackSeq") == self.sending["seq"]:
            self.acknowledged, self.sending = self.sending["seq"], None

    def may_write(self) -> bool:
        mine = self.user in (self.turn.get("pilot"), *self.writers)
        return not self.ending and (self.turn["state"] == "FREE" or mine)

    async def change(self, how: Callable[[str], str]) -> None:
        """Change the main file; returns once the server has it. Waits for the turn, and for the edit before."""
        async with self.news:
            await self.news.wait_for(lambda: self.file and self.sending is None and self.may_write())
        self.seq += 1
        base = {"file": self.file, "seq": self.seq, "baseVersion": self.versions[self.file]}
        self.sending = edit = {"type": "CODE_UPDATE", **base, "content": how(self.texts[self.file])}
        await self.send(**edit)
        async with self.news:
            await self.news.wait_for(lambda: self.sending is not edit)
        if self.acknowledged != edit["seq"]:  # nothing was applied: again, to what is there now
            await self.change(how)

    async def append(self, line: str) -> None:
        await self.change(lambda text: text + line)


async def main(url: str, email: str, code: str) -> None:
    async with aiohttp.ClientSession() as http:
        client = DojoClient(http, url)
        await client.sign_in(email, os.environ["DOJO_PASSWORD"])
        await client.join(code)
        running = asyncio.create_task(client.run())
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.startswith("/"):
                await client.send(type="CHAT_MESSAGE", content=line[1:])
            else:
                await client.append(line)
        await client.send(type="GOODBYE")
        sys.stdout.write(f"closed with {await running}\n{client.texts[client.file]}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
