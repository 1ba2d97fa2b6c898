"""The `dojo` command: `serve`, `token`, `migrate`, `mock`, `openapi`. Results on standard output, all else on
standard error."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dojo import settings as dojo_settings
from dojo.data_directory import DataDirectory, DataDirectoryError
from dojo.names import tenant_id, user_id
from dojo.settings import Settings
from edge.live.route import valid_room
from kernel.settings import SettingsError
from kernel.tokens import ALL_ROOMS, KeyFileError, SigningKey

if TYPE_CHECKING:
    from dojo.services import Programs

FAILED = 1
"""Exit code of a command that could not do its work; the reason is one line on standard error."""


HOURS_AT_MOST = 24 * 366


class UsageError(Exception):
    """An argument makes no sense; the text says which."""


def main(arguments: Sequence[str] | None = None, programs: Programs | None = None) -> int:
    """Run one command; returns its exit code. `programs` are what `serve` starts, if not Dojo's own."""
    given = _parser().parse_args(arguments)
    if given.command == "openapi":
        return _openapi(given.roles)
    if given.command == "mock":
        return _mock(given)
    try:
        settings = _settings(given)
        if given.command == "token":
            return _token(settings, given)
        return _migrate(settings) if given.command == "migrate" else _serve(settings, given.banner, programs)
    except (SettingsError, KeyFileError, UsageError) as error:
        return _failed(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dojo", description="Realtime collaborative coding rooms.")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data-dir", type=Path, metavar="D", help="where all state lies (default: ./.dojo)")
    shared.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML; see deploy/dojo.toml")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", parents=[shared], help="run everything, in the foreground")
    serve.add_argument(
        "--port", type=int, metavar="P", help="port of page and HTTP, 0 for any free one (default: 8080)"
    )
    serve.add_argument(
        "--live-port",
        type=int,
        metavar="Q",
        help="port of the sockets, 0 for any free one (default: 8081, or any free one when --port is given)",
    )
    serve.add_argument("--banner", action="store_true", help="also say on standard error where to point a browser")

    token = commands.add_parser(
        "token",
        parents=[shared],
        help="print a room ticket the server accepts; only for a Dojo with a database of its own",
    )
    token.add_argument("--tenant", required=True, metavar="T", help="a UUID, or any name (mapped to one)")
    token.add_argument("--user", required=True, metavar="U", help="a UUID, or any name (mapped to one)")
    token.add_argument(
        "--rooms",
        required=True,
        action="append",
        metavar="ROOMS",
        help="room names joined by commas, or '*' for all of the tenant; may be given several times",
    )
    token.add_argument("--read-only", action="store_true", help="may look, not write")
    token.add_argument("--hours", type=float, metavar="H", help="how long it is valid (default: ticket_hours)")
    token.add_argument("--name", metavar="N", help="what others see (default: the user as given)")

    commands.add_parser("migrate", parents=[shared], help="bring the database's tables up to date")

    mock = commands.add_parser("mock", help="answer as Dojo does, with fixed data: for the tests of apps")
    mock.add_argument("--port", type=int, default=0, metavar="P", help="port of HTTP (default: any free one)")
    mock.add_argument(
        "--live-port", type=int, default=0, metavar="Q", help="port of the sockets (default: any free one)"
    )
    mock.add_argument("--scenario", type=Path, metavar="FILE", help="a partner's script and failures; see docs/mock.md")

    openapi = commands.add_parser("openapi", help="print the API's description (OpenAPI 3.1)")
    openapi.add_argument("--roles", action="store_true", help="print the table of who may do what instead")
    return parser


def _settings(given: argparse.Namespace, env: Mapping[str, str] = os.environ) -> Settings:
    """Defaults, then the file, then the environment, then the arguments."""
    settings = dojo_settings.load(given.config, env)
    if given.data_dir is not None:
        settings = msgspec.structs.replace(settings, data_dir=given.data_dir)
    port, live_port = getattr(given, "port", None), getattr(given, "live_port", None)
    for value in (port, live_port):
        if value is not None and not 0 <= value <= 65535:
            raise UsageError(f"{value} is no port: 0 to 65535")
    if port is not None:
        settings = msgspec.structs.replace(settings, http=msgspec.structs.replace(settings.http, port=port))
    if live_port is not None:
        settings = msgspec.structs.replace(settings, live=msgspec.structs.replace(settings.live, port=live_port))
    elif port is not None and settings.live.port is None:
        settings = msgspec.structs.replace(settings, live=msgspec.structs.replace(settings.live, port=0))
    return settings


def _token(settings: Settings, given: argparse.Namespace) -> int:
    rooms = [room for group in given.rooms for room in group.split(",") if room]
    hours = settings.ticket_hours if given.hours is None else given.hours
    if not settings.database.embedded:
        raise UsageError(
            "`dojo token` is for a Dojo with a database of its own (no database.* set): elsewhere people sign in"
        )
    if not rooms:
        raise UsageError("name at least one room, or '*' for all")
    if bad := [room for room in rooms if not valid_room(room)]:
        raise UsageError(f"{bad[0][:40]!r} is no room: 1 to 200 UTF-8 bytes, no `/`, no control characters")
    if not 0 < hours <= HOURS_AT_MOST:
        raise UsageError(f"--hours must be above 0 and at most {HOURS_AT_MOST}, a year")
    try:
        tenant = tenant_id(given.tenant)
        user = user_id(tenant, given.user)
        directory = DataDirectory(settings.data_dir)
        directory.create()
        key = SigningKey.load_or_create(directory.signing_key)
        token = key.mint(
            tenant=tenant,
            user=user,
            name=(given.name or given.user)[:200],
            rooms=[ALL_ROOMS] if ALL_ROOMS in rooms else rooms,
            write=not given.read_only,
            now=time.time(),
            seconds=hours * 3600,
        )
    except (ValueError, DataDirectoryError) as error:
        raise UsageError(str(error)) from error
    print(token)
    return 0


# The imports below are inside their commands: `dojo token` needs no server, and scripts call it often.


def _serve(settings: Settings, banner: bool, programs: Programs | None) -> int:
    from dojo.embedded.server_process import EmbeddedServerError  # noqa: PLC0415
    from dojo.ports import PortTaken  # noqa: PLC0415
    from dojo.process import ChildFailed  # noqa: PLC0415
    from dojo.serve import serve  # noqa: PLC0415
    from kernel.migrations import MigrationError  # noqa: PLC0415
    from kernel.telemetry import log_to  # noqa: PLC0415

    def announce(addresses: Mapping[str, str]) -> None:
        print("ready " + msgspec.json.format(msgspec.json.encode(addresses), indent=0).decode(), flush=True)
        if banner:
            print(f"\n  Dojo serves. Open {addresses['http']} in two windows and type.\n", file=sys.stderr, flush=True)

    log_to(None, service="supervisor", level=settings.log_level)
    try:
        return asyncio.run(serve(settings, announce, programs))
    except (
        DataDirectoryError,
        EmbeddedServerError,
        PortTaken,
        ChildFailed,
        MigrationError,
    ) as error:
        return _failed(error)


def _migrate(settings: Settings) -> int:
    from dojo.embedded.server_process import EmbeddedServerError  # noqa: PLC0415
    from dojo.migrate import migrate_configured  # noqa: PLC0415
    from kernel.migrations import MigrationError  # noqa: PLC0415
    from kernel.telemetry import log_to  # noqa: PLC0415

    log_to(None, service="migrate", level=settings.log_level)
    try:
        applied = asyncio.run(migrate_configured(settings))
    except (DataDirectoryError, EmbeddedServerError, MigrationError) as error:
        return _failed(error)
    print("\n".join(applied) or "nothing to do")
    return 0


def _openapi(roles: bool) -> int:
    from dojo.contract import openapi_text, roles_text  # noqa: PLC0415

    print(roles_text() if roles else openapi_text(), end="")
    return 0


def _mock(given: argparse.Namespace) -> int:
    from dojo.mock.scenario import Scenario, ScenarioError, load  # noqa: PLC0415
    from dojo.mock.serve import Addresses, serve  # noqa: PLC0415
    from dojo.ports import PortTaken  # noqa: PLC0415
    from kernel.telemetry import log_to  # noqa: PLC0415

    def announce(addresses: Addresses) -> None:
        print("ready " + msgspec.json.format(msgspec.json.encode(addresses), indent=0).decode(), flush=True)

    log_to(None, service="mock", level="warning")
    try:
        scenario = Scenario() if given.scenario is None else load(given.scenario)
        asyncio.run(serve(scenario, given.port, given.live_port, announce))
    except (ScenarioError, PortTaken, OSError) as error:
        return _failed(error)
    return 0


def _failed(error: Exception) -> int:
    print(f"dojo: {error}", file=sys.stderr, flush=True)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
