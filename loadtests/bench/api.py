"""The HTTP API under a steady load: reads, writes, and reads while others sign in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loadtests.bench.fanout import LoadFailed, Measured
from loadtests.bench.histogram import Histogram
from loadtests.bench.processes import CpuMeter
from loadtests.bench.requests import Company, Request, company, steadily
from loadtests.bench.servers import DojoServer

PEOPLE = 20
PER_SECOND = 100.0
LOGINS_PER_SECOND = 5.0
WARM_UP_SECONDS = 2.0


def reads(asked: Company) -> Sequence[Request]:
    """One's own profile, the company's people, its audit log, one's sessions."""

    def read(path: str) -> Request:
        return lambda number: asked.ask("GET", path, asked.people[number % PEOPLE], 200)

    paths = ("/api/v1/users/me", "/api/v1/users?pageSize=20", "/api/v1/audit?pageSize=20", "/api/v1/auth/sessions")
    return [read(path) for path in paths]


def writes(asked: Company) -> Sequence[Request]:
    """Renaming oneself and one's company, each a transaction on disk with its entry in the audit log."""

    def rename(number: int) -> object:
        body = {"fullName": f"Person {number}"}
        return asked.ask("PATCH", "/api/v1/users/me", asked.people[number % PEOPLE], 200, body)

    def ticket(number: int) -> object:
        return asked.ask("POST", "/api/v1/auth/tickets", asked.people[number % PEOPLE], 201)

    def rename_company(number: int) -> object:
        return asked.ask("PATCH", "/api/v1/tenant", asked.people[number % PEOPLE], 200, {"name": f"Company {number}"})

    return [rename, rename_company, rename, ticket]  # type: ignore[list-item]


def logins(asked: Company) -> Sequence[Request]:
    """Signing in again, each time as the next person."""

    async def login(number: int) -> None:
        person = asked.people[number % PEOPLE]
        body = {"email": person.email, "password": "a long enough phrase"}
        # An address for each, as people have: one address may sign in twenty times a minute.
        other = type(person)(person.email, f"10.9.{number // 200}.{number % 200}")
        await asked.ask("POST", "/api/v1/auth/login", other, 200, body, signed_in=False)

    return [login]


async def measure(server: DojoServer, seconds: float, kind: str, *, with_logins: bool) -> Measured:
    """100 requests a second of `kind` (reads or writes) for `seconds`; with 5 logins a second besides.

    Figures: `p50_ms`, `p99_ms`, `max_ms`, `login_p50_ms`, `login_p99_ms`, `server_cpu`.
    """
    result = Measured()
    async with company(server.http, f"bench-{kind}", PEOPLE) as asked:
        load = reads(asked) if kind == "reads" else writes(asked)
        taken, signing_in = Histogram(), Histogram()
        await steadily(load, PER_SECOND, WARM_UP_SECONDS, Histogram())
        meter = CpuMeter(server.pid)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(steadily(load, PER_SECOND, seconds, taken))
                if with_logins:
                    group.create_task(steadily(logins(asked), LOGINS_PER_SECOND, seconds, signing_in))
        except* LoadFailed as failed:
            result.problems += [str(error) for error in failed.exceptions[:3]]
        spent = meter.read()
    result.server_by_program = spent.by_program
    result.figures = {
        "p50_ms": taken.percentile(0.5),
        "p99_ms": taken.percentile(0.99),
        "max_ms": taken.max_ms,
        "login_p50_ms": signing_in.percentile(0.5),
        "login_p99_ms": signing_in.percentile(0.99),
        "server_cpu": spent.total,
    }
    return result
