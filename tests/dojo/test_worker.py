"""The worker as a process of its own: real Postgres, its own role, a real SMTP server."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from dojo.data_directory import DataDirectory
from dojo.process import Child, ChildFailed, Program
from dojo.settings import DatabaseSettings, IdentitySettings, MailSettings, Settings
from dojo.worker import Loop
from edge.identity import outbox
from edge.identity.mail.port import Mail
from edge.identity.mail.printed import BEGIN
from kernel.blobs.folder import FolderBlobs
from kernel.secrets import MasterKeys
from tests.conftest import Database
from tests.dojo.serving import Serving
from tests.edge.identity.mail.post_office import PostOffice, post_office

PROGRAM = Program("worker", (sys.executable, "-m", "dojo.worker"))
MASTER_KEY = base64.b64encode(bytes(32)).decode()
KEYS = MasterKeys.from_base64([MASTER_KEY])
DEADLINE_SECONDS = 30.0


def settings(database: Database, url: str) -> Settings:
    return Settings(
        database=DatabaseSettings(worker=database.dsn("dojo_worker")),
        identity=IdentitySettings(master_keys=(MASTER_KEY,)),
        mail=MailSettings(url=url, sender="dojo@example.com"),
    )


def to(office: PostOffice) -> str:
    return f"smtp+plain://127.0.0.1:{office.port}"


@asynccontextmanager
async def working(given: Settings) -> AsyncIterator[Child]:
    child = await Child.start(PROGRAM, given)
    try:
        yield child
    finally:
        await child.kill()


async def put(connection: Any, subject: str) -> None:
    await outbox.put(connection, KEYS, Mail("ana@example.com", subject, "Hello\n"))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - the state of another process
            await asyncio.sleep(0.05)


@pytest.fixture
async def everything(database: Database) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database.dsn("postgres"))
    yield connection
    await connection.close()


async def test_it_sends_what_is_there_and_what_comes_and_stops_cleanly(database: Database, everything: Any) -> None:
    async with post_office() as office:
        await put(everything, "before")
        async with working(settings(database, to(office))) as child:
            assert child.addresses == {}

            async def sent() -> bool:
                return len(office.envelopes) == wanted

            wanted = 1
            await until(sent)
            await put(everything, "after")
            wanted = 2
            await until(sent)
            await child.stop()
            assert await child.wait() == "exit code 0"
    assert [str(message["Subject"]) for message in office.messages()] == ["before", "after"]
    assert await everything.fetchval("SELECT count(*) FROM mail_outbox") == 0


async def test_it_goes_on_after_the_database_was_away(database: Database, everything: Any) -> None:
    async with post_office() as office, working(settings(database, to(office))):

        async def connected() -> bool:
            return bool(
                await everything.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = 'dojo_worker'")
            )

        await until(connected)
        await everything.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dojo_worker'")
        await put(everything, "still")

        async def sent() -> bool:
            return len(office.envelopes) == 1

        await until(sent)


async def test_two_of_them_send_each_mail_once(database: Database, everything: Any) -> None:
    async with post_office() as office:
        given = settings(database, to(office))
        async with working(given), working(given):
            async with everything.transaction():
                for number in range(60):
                    await put(everything, f"Mail {number}")

            async def empty() -> bool:
                return not await everything.fetchval("SELECT count(*) FROM mail_outbox")

            await until(empty)
    assert sorted(str(message["Subject"]) for message in office.messages()) == sorted(f"Mail {n}" for n in range(60))


async def test_recordings_in_the_data_directory_go_with_their_company_and_their_person(
    database: Database, everything: Any, tmp_path: Path
) -> None:
    blobs = FolderBlobs(DataDirectory(tmp_path).blobs)
    erasing, company, user = await _company(everything, "ERASING"), await _company(everything, "ACTIVE"), uuid4()
    dojo, room = uuid4(), uuid4()
    await everything.execute("SET session_replication_role = replica")  # rows without the rows they belong to
    await everything.execute(
        "INSERT INTO users (tenant_id, user_id, full_name, role, status) VALUES ($1, $2, 'x', 'member', 'REMOVED')",
        company,
        user,
    )
    await everything.execute(
        "INSERT INTO dojo_voice_people (tenant_id, dojo_id, user_id, number, room_id) VALUES ($1, $2, $3, 2, $4)",
        company,
        dojo,
        user,
        room,
    )
    for tenant in (erasing, company):
        for number in (1, 2):
            await blobs.put(f"{tenant}/{dojo}/{room}/{uuid4()}/part/{number}.json", b"{}")
    async with working(msgspec.structs.replace(settings(database, "print:"), data_dir=tmp_path)):

        async def gone() -> bool:
            return len([key async for key in blobs.list("")]) == 1

        await until(gone)
    (left,) = [key async for key in blobs.list("")]
    assert left.startswith(f"{company}/")
    assert left.endswith("/1.json")


async def _company(everything: Any, status: str) -> UUID:
    tenant = uuid4()
    await everything.execute("INSERT INTO tenants (tenant_id, name, status) VALUES ($1, 'Acme', $2)", tenant, status)
    return tenant


@pytest.mark.parametrize(
    "spoil",
    [
        lambda given: msgspec.structs.replace(given, database=DatabaseSettings()),
        lambda given: msgspec.structs.replace(given, mail=MailSettings()),
        lambda given: msgspec.structs.replace(given, mail=MailSettings(url="smtp://mail.example.com")),
        lambda given: msgspec.structs.replace(given, identity=IdentitySettings(master_keys=("short",))),
        lambda given: msgspec.structs.replace(
            given, database=DatabaseSettings(worker=given.database.worker.replace("dojo_worker", "dojo_nobody"))
        ),
    ],
)
async def test_it_does_not_start_with_settings_that_do_nothing(
    database: Database, spoil: Callable[[Settings], Settings]
) -> None:
    with pytest.raises(ChildFailed, match="exit code 1"):
        await Child.start(PROGRAM, spoil(settings(database, "print:")))


async def test_a_server_runs_one_with_no_more_than_it_needs(tmp_path: Path) -> None:
    async with Serving(tmp_path) as dojo:
        worker = dojo.child("dojo.worker")
        given = msgspec.json.decode(worker.environ()["DOJO_SETTINGS"])
        assert given["mail"]["url"] == "print:"
        database = given["database"]
        assert [name for name, dsn in database.items() if dsn is not None] == ["worker"]
        for other in ("dojo.api", "tests.dojo.stand_in"):
            theirs = msgspec.json.decode(dojo.child(other).environ()["DOJO_SETTINGS"])
            assert theirs["database"]["worker"] is None
        keys = MasterKeys.load_or_create(dojo.data_dir / "keys" / "master.key")
        connection = await asyncpg.connect(database["worker"].replace("dojo_worker", "dojo_service"))
        await outbox.put(connection, keys, Mail("ana@example.com", "Printed", f"{uuid4()}\n"))
        await connection.close()

        async def printed() -> bool:
            return BEGIN in dojo.log()

        await until(printed)
        assert "| Subject: Printed" in dojo.log()
        assert await dojo.stop() == 0


async def test_a_loop_goes_on_whatever_happens_and_finishes_what_it_does(caplog: pytest.LogCaptureFixture) -> None:
    stop = asyncio.Event()
    runs: list[str] = []

    async def work() -> bool:
        runs.append("begun")
        if len(runs) == 1:
            raise LookupError("ana@example.com")
        stop.set()
        await asyncio.sleep(0)
        runs.append("finished")
        return False

    async with asyncio.timeout(DEADLINE_SECONDS):
        await Loop("work", work, every=0.01).run(stop)
    assert runs == ["begun", "begun", "finished"]
    assert "LookupError" in caplog.text
    assert "ana@example.com" not in caplog.text
