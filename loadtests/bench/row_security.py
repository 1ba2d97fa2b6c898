"""What row-level security costs: the same statements with it and without, one after the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from dojo.data_directory import DataDirectory
from dojo.embedded.postgres import EmbeddedPostgres
from kernel.database import connect
from loadtests.bench.fanout import Measured
from loadtests.bench.servers import DojoServer

USERS = 50_000
"""Of one tenant, and as many of others'."""
ROUNDS = 400
STATEMENT_SECONDS = 60.0

STATEMENTS = {
    "one user by id": "SELECT full_name, email FROM users WHERE tenant_id = $1 AND user_id = $2",
    "a page of users, newest first": (
        "SELECT user_id, full_name FROM users WHERE tenant_id = $1 AND user_id <> $2"
        " ORDER BY created_at DESC, user_id LIMIT 20"
    ),
    "users of one status, counted": (
        "SELECT count(*) FROM users WHERE tenant_id = $1 AND user_id <> $2 AND status = 'SUSPENDED'"
    ),
}
"""Their operators are leakproof, so that Postgres may use indexes for them under row-level security."""


async def measure(server: DojoServer) -> Measured:
    """Figures: `rls_ratio`, the worst statement's median time as the services' role over that of a role above row-level
    security, each statement prepared and in a transaction of its own; and `rls_ms`, that statement's time with it."""
    postgres = EmbeddedPostgres(DataDirectory(server.data).postgres)
    superuser = await connect(postgres.dsn("postgres"), name="bench", statement_seconds=STATEMENT_SECONDS)
    service = await connect(postgres.dsn("dojo_service"), name="bench", statement_seconds=STATEMENT_SECONDS)
    try:
        tenant, user = await _fill(superuser)
        ratios = {}
        for name, statement in STATEMENTS.items():
            ratios[name] = await _compare(superuser, service, statement, tenant, user)
    finally:
        await superuser.close()
        await service.close()
    worst = max(ratios, key=lambda name: ratios[name][0])
    result = Measured(figures={"rls_ratio": ratios[worst][0], "rls_ms": ratios[worst][1]})
    result.warnings += [f"{name}: {ratio:.2f} times, {ms:.3f} ms" for name, (ratio, ms) in ratios.items()]
    return result


async def _fill(superuser: Any) -> tuple[UUID, UUID]:
    tenants = [uuid4() for _ in range(6)]
    for tenant in tenants:
        await superuser.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, 'bench')", tenant)
        await superuser.execute(
            "INSERT INTO users (tenant_id, full_name, email, status, created_at)"
            " SELECT $1, 'Person ' || n, n || '@bench.example',"
            " CASE WHEN n % 50 = 0 THEN 'SUSPENDED' ELSE 'ACTIVE' END, now() - n * interval '1 minute'"
            " FROM generate_series(1, $2::int) n",
            tenant,
            USERS if tenant == tenants[0] else USERS // 5,
        )
    await superuser.execute("VACUUM ANALYZE users")
    user = await superuser.fetchval("SELECT user_id FROM users WHERE tenant_id = $1 LIMIT 1", tenants[0])
    return tenants[0], user


async def _compare(superuser: Any, service: Any, statement: str, tenant: UUID, user: UUID) -> tuple[float, float]:
    """Median of the rounds' ratios, and the median time in ms with row-level security. Both sides do the same."""
    with_it: list[float] = []
    without: list[float] = []
    sides: Sequence[tuple[Any, list[float]]] = ((service, with_it), (superuser, without))
    for number in range(ROUNDS):
        for connection, taken in sides if number % 2 else reversed(sides):
            async with connection.transaction():
                await connection.execute("SELECT set_config('app.tenant', $1, true)", str(tenant))
                begun = time.perf_counter()
                await connection.fetch(statement, tenant, user)
                taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(with_it) / statistics.median(without), statistics.median(with_it)
