"""Everything of a tenant, as a stream of JSON lines.

Which tables there are is asked of the database, so that one that a later migration adds is in the export without
anybody thinking of it. A line is held in memory, not a table: rooms may be large, and clients slow.

    {"format": "dojo-tenant-export/1", "tenantId": ..., "exportedAt": ...}
    {"table": "users", "row": {...}}            once per row; bytes as base64
    {"end": true, "rows": 1234}                 without this line the export is not whole
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from kernel import audit
from kernel.database import tenant_scope
from kernel.http.operation import ADMINS, Call, Operation
from kernel.http.problem import busy
from kernel.http.streaming import Streamed

MEDIA_TYPE: Final = "application/x-ndjson"
AT_ONCE: Final = 2
"""Exports of one process at the same time: each keeps a database connection for as long as its client reads."""
WHOLE_SECONDS: Final = 1800.0
PAUSE_SECONDS: Final = 60
"""How long a client may take for one piece before the database gives the export up."""
ACQUIRE_SECONDS: Final = 10.0
PIECE_BYTES: Final = 64 * 1024
ROWS_AHEAD: Final = 200
"""Rows fetched at once; of tables with bytes one, which may have 32 MB."""

LEFT_OUT: Final = frozenset({"refresh_tokens", "revocations", "idempotency_keys"})
"""Nothing but secrets, and state of the service that is of use for minutes."""
_SECRET_COLUMN: Final = re.compile(r"(^|_)(hash|salt|secret|password|sealed|token)(_|$)")
"""What opens something, or proves it. By name, so that columns of later migrations are left out too."""

_COLUMNS: Final = """
SELECT c.relname AS table, a.attname AS column, a.atttypid = 'bytea'::regtype AS bytes
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id' AND NOT t.attisdropped)
  AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.relname <> 'tenants', c.relname, a.attnum
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """A table and what of it is given out."""

    name: str
    columns: tuple[str, ...]
    bytes_columns: tuple[str, ...]

    @property
    def statement(self) -> str:
        """Selects `row` (JSON) and the columns of bytes, of the tenant $1."""
        plain = ", ".join(f"t.{_quoted(column)}" for column in self.columns)
        raw = "".join(f", t.{_quoted(column)}" for column in self.bytes_columns)
        # The names are the catalogue's, and quoted.
        return (
            f"SELECT (SELECT row_to_json(r)::text FROM (SELECT {plain}) r) AS row{raw}"  # noqa: S608
            f" FROM public.{_quoted(self.name)} t WHERE t.tenant_id = $1"
        )


class TenantExport:
    """`GET /api/v1/tenant/export`."""

    def __init__(self, pool: Any, *, whole_seconds: float = WHOLE_SECONDS) -> None:
        """`pool` is of the services' role: it sees one tenant at a time, and here too."""
        self._pool = pool
        self._whole_seconds = whole_seconds
        self._running = 0

    def operations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET",
                "/api/v1/tenant/export",
                self.export_tenant,
                access=ADMINS,
                tag="tenant",
                problems={"export_busy": 503},
                cost=10.0,
                media_type=MEDIA_TYPE,
            ),
        )

    async def export_tenant(self, call: Call[None, None]) -> web.StreamResponse:
        """Everything of the company, as JSON lines.

        Each line is a row of a table, bytes as base64; passwords, tokens and keys are left out. The last line says
        `{"end": true}`: without it the export was cut off.
        """
        if self._running >= AT_ONCE:
            raise busy("export_busy", "other exports are under way; try again in a minute", seconds=60)
        caller = call.caller
        await audit.note(call, "tenant.exported", caller.tenant)
        return Streamed(
            self._pieces(caller.tenant),
            self._whole_seconds,
            headers={
                "Content-Type": MEDIA_TYPE,
                "Content-Disposition": 'attachment; filename="dojo-company-data.jsonl"',
                "Cache-Control": "no-store",
            },
        )

    async def _pieces(self, tenant: UUID) -> AsyncGenerator[bytes]:
        """Lines, put together to pieces worth sending. In a transaction of its own: the request's has ended by now."""
        self._running += 1
        try:
            async with tenant_scope(self._pool, tenant, acquire_seconds=ACQUIRE_SECONDS) as db:
                await db.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{PAUSE_SECONDS}s'")
                piece = bytearray()
                async with aclosing(export_lines(db, tenant)) as lines:
                    async for line in lines:
                        piece += line
                        if len(piece) >= PIECE_BYTES:
                            yield bytes(piece)
                            piece.clear()
                yield bytes(piece)
        finally:
            self._running -= 1


async def exported_tables(db: Any) -> list[ExportedTable]:
    """What an export holds, as the database's catalogue has it now."""
    columns: dict[str, tuple[list[str], list[str]]] = {}
    for row in await db.fetch(_COLUMNS):
        if row["table"] not in LEFT_OUT and not _SECRET_COLUMN.search(row["column"]):
            columns.setdefault(row["table"], ([], []))[row["bytes"]].append(row["column"])
    return [ExportedTable(name, tuple(plain), tuple(raw)) for name, (plain, raw) in columns.items()]


async def export_lines(db: Any, tenant: UUID) -> AsyncGenerator[bytes]:
    """The lines of an export, in the transaction of `db`, which speaks for `tenant`."""
    began = datetime.now(UTC)
    yield _line({"format": "dojo-tenant-export/1", "tenantId": tenant, "exportedAt": began})
    rows = 0
    for table in await exported_tables(db):
        ahead = 1 if table.bytes_columns else ROWS_AHEAD
        async for record in db.cursor(table.statement, tenant, prefetch=ahead):
            row: Any = msgspec.Raw(record["row"].encode())
            if table.bytes_columns:
                row = msgspec.json.decode(record["row"])
                row |= {column: record[column] for column in table.bytes_columns}  # base64 in JSON
            yield _line({"table": table.name, "row": row})
            rows += 1
    yield _line({"end": True, "rows": rows})


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
