"""HTTP requests at a steady rate, whatever the answers take: what people and apps do to the API."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from loadtests.bench.fanout import LoadFailed
from loadtests.bench.histogram import Histogram

REQUEST_SECONDS = 10.0
CONNECTIONS = 64
PASSWORD = "a long enough phrase"


@dataclass(slots=True)
class Person:
    """Somebody signed in, with a network address of their own: the API's limits stay in force."""

    email: str
    address: str
    user: str = ""
    token: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "X-Forwarded-For": self.address}


class Company:
    """A tenant with people who ask."""

    def __init__(self, session: aiohttp.ClientSession, http: str) -> None:
        self.session = session
        self._http = http
        self.people: list[Person] = []

    async def ask(
        self, method: str, path: str, person: Person, status: int, body: object = None, *, signed_in: bool = True
    ) -> Any:
        """One request; its JSON, if any. Raises `LoadFailed` on another status than `status`."""
        headers = person.headers() if signed_in else {"X-Forwarded-For": person.address}
        async with self.session.request(method, self._http + path, json=body, headers=headers) as answer:
            content = await answer.read()
            if answer.status != status:
                raise LoadFailed(f"{method} {path}: {answer.status} {content[:200]!r}")
            return await answer.json() if content else None

    async def sign_in(self, person: Person) -> None:
        """Log in with e-mail and password."""
        body = {"email": person.email, "password": PASSWORD}
        grant = await self.ask("POST", "/api/v1/auth/login", person, 200, body, signed_in=False)
        person.token, person.user = grant["accessToken"], grant["userId"]

    async def found(self, name: str, size: int) -> None:
        """Sign up the first of `size` people as its administrator and sign everybody in. Each of the others has a
        company of their own besides; who asks needs a token, not this company."""
        for number in range(size):
            person = Person(f"person-{number}@{name}.example", f"10.{number // 200}.{number % 200}.1")
            body = {"email": person.email, "password": PASSWORD, "fullName": f"Person {number}", "companyName": name}
            await self.ask("POST", "/api/v1/users", person, 201, body, signed_in=False)
            await self.sign_in(person)
            self.people.append(person)


@asynccontextmanager
async def company(http: str, name: str, size: int) -> AsyncIterator[Company]:
    """A company of `size` signed-in people, and the connections they use."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        made = Company(session, http)
        await made.found(name, size)
        yield made


Request = Callable[[int], Awaitable[object]]
"""Makes the n-th request of a load, and returns when it is answered."""


async def steadily(requests: Sequence[Request], per_second: float, seconds: float, taken: Histogram) -> None:
    """Make `requests` in turn, `per_second` of them, for `seconds`.

    Time counts from the moment a request was due, not from when the generator got to it: a server that stalls is
    charged with everything that would have been asked meanwhile. Raises what a request raises.
    """
    now = time.perf_counter  # the event loop's own clock counts milliseconds
    begun = now()
    turns = itertools.cycle(requests)

    async def one(number: int, due: float, request: Request) -> None:
        await request(number)
        taken.add(now() - due)

    async with asyncio.TaskGroup() as group:
        for number in range(int(per_second * seconds)):
            due = begun + number / per_second
            await asyncio.sleep(max(0.0, due - now()))
            group.create_task(one(number, due, next(turns)))
