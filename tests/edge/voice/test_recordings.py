"""What goes of recordings and what stays: a real folder, a real Postgres, people removed over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from edge.voice.people import come
from edge.voice.recordings import RecordedFile, forget_removed, sweep
from kernel.blobs.folder import FolderBlobs
from kernel.blobs.removal import Removed
from kernel.database import tenant_scope
from kernel.http.operation import Role
from tests.conftest import Database
from tests.edge.dojos.hosting import DojoApi, Someone
from tests.kernel.blobs.leading_out import leading_out

PART = "20261121T101500Z-5f0c92aa"
LATER_PART = "20261121T111500Z-00000001"


@dataclass(frozen=True, slots=True)
class Class:
    """Ana, who hosts, and Bia, both with a number in one dojo of a company."""

    api: DojoApi
    tenant: UUID
    dojo: UUID
    recording: str
    """The prefix of its keys."""
    boss: Someone
    ana: Someone
    bia: Someone

    @classmethod
    async def of(cls, api: DojoApi, tenant: UUID) -> Class:
        boss = await api.person(tenant, "Boss", Role.ADMIN)
        ana, bia = await api.person(tenant, "Ana"), await api.person(tenant, "Bia")
        return await cls.again(api, tenant, boss, ana, bia)

    @classmethod
    async def again(cls, api: DojoApi, tenant: UUID, boss: Someone, ana: Someone, bia: Someone) -> Class:
        """Another dojo of the same people."""
        made = await api.dojo(ana)
        dojo, room = UUID(made["dojoId"]), UUID(made["rooms"][0]["roomId"])
        async with tenant_scope(api.pool, tenant) as db:
            numbers = [(await come(db, tenant, dojo, room, who.user)).number for who in (ana, bia)]
        assert numbers == [1, 2]
        return cls(api, tenant, dojo, f"{tenant}/{dojo}/{room}/{uuid4()}", boss, ana, bia)

    def files(self, *numbers: int, part: str = PART) -> list[str]:
        """In order."""
        return sorted(f"{self.recording}/{part}/{n}{end}" for n in numbers for end in ("-00000.opus", ".json"))

    async def remove_bia(self) -> None:
        assert (await self.api.delete(f"/api/v1/users/{self.bia.user}", self.boss)).status == 204


class Store(FolderBlobs):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root

    async def fill(self, *keys: str, age: timedelta = timedelta(0)) -> None:
        kept_at = (datetime.now(UTC) - age).timestamp()
        for key in keys:
            await self.put(key, b"x")
            os.utime(self.root / key, (kept_at, kept_at))

    async def keys(self) -> list[str]:
        return [key async for key in self.list("")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "blobs")


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database.dsn("dojo_worker"))
    yield connection
    await connection.close()


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=90)


async def test_of_a_removed_person_every_file_goes_and_of_others_none(
    dojos: DojoApi, worker: Any, store: Store
) -> None:
    acme = await Class.of(dojos, await dojos.company())
    second = await Class.again(dojos, acme.tenant, acme.boss, acme.ana, acme.bia)
    globex = await Class.of(dojos, await dojos.company("Globex"))
    elsewhere = globex.files(1, 2)
    for one in (acme, second):
        await store.fill(*one.files(1, 2, 12, 20), *one.files(1, 2, part=LATER_PART))
    await store.fill(*elsewhere)
    everything = await store.keys()
    assert await forget_removed(worker, store) == Removed(), "nobody was removed"
    assert await store.keys() == everything
    await acme.remove_bia()
    assert await forget_removed(worker, store) == Removed(gone=8)
    left = [key for one in (acme, second) for key in (*one.files(1, 12, 20), *one.files(1, part=LATER_PART))]
    assert await store.keys() == sorted([*left, *elsewhere])
    assert await forget_removed(worker, store) == Removed()
    await store.fill(*acme.files(2))  # of a room that was recorded on
    assert await forget_removed(worker, store) == Removed(gone=2)


async def test_what_cannot_be_deleted_is_tried_again_and_keeps_nothing_else(
    dojos: DojoApi, worker: Any, store: Store, tmp_path: Path
) -> None:
    acme = await Class.of(dojos, await dojos.company())
    second = await Class.again(dojos, acme.tenant, acme.boss, acme.ana, acme.bia)
    await store.fill(*acme.files(1, 2), *second.files(1, 2))
    await acme.remove_bia()
    with leading_out(store.root / str(acme.tenant) / str(acme.dojo), tmp_path / "out"):
        removed = await forget_removed(worker, store)
        assert (removed.gone, removed.failed) == (2, 2)
        assert "leads out" in str(removed.trouble)
        assert (await forget_removed(worker, store)).failed == 2
    assert await store.keys() == sorted([*acme.files(1, 2), *second.files(1)])
    assert await forget_removed(worker, store) == Removed(gone=2)
    assert await store.keys() == sorted([*acme.files(1), *second.files(1)])


async def test_what_comes_days_after_somebody_was_removed_goes_with_the_sweep(
    dojos: DojoApi, worker: Any, store: Store
) -> None:
    acme = await Class.of(dojos, await dojos.company())
    await acme.remove_bia()
    await dojos.everything.execute("UPDATE users SET updated_at = now() - interval '40 days' WHERE status = 'REMOVED'")
    await store.fill(*acme.files(1, 2))
    assert await forget_removed(worker, store) == Removed()
    assert await sweep(worker, store, long_ago()) == Removed(gone=2)
    assert await store.keys() == acme.files(1)
    assert await sweep(worker, store, long_ago()) == Removed()


async def test_a_number_is_nobody_elses_after_its_owner_was_removed(dojos: DojoApi, worker: Any, store: Store) -> None:
    acme = await Class.of(dojos, await dojos.company())
    await acme.remove_bia()
    await forget_removed(worker, store)
    caio = await dojos.person(acme.tenant, "Caio")
    async with tenant_scope(dojos.pool, acme.tenant) as db:
        came = await come(db, acme.tenant, acme.dojo, UUID(acme.recording.split("/")[2]), caio.user)
    assert came.number == 3


async def test_parts_go_as_a_whole_when_their_time_is_over(dojos: DojoApi, worker: Any, store: Store) -> None:
    acme, globex = [await Class.of(dojos, await dojos.company(name)) for name in ("Acme", "Globex")]
    old, young = timedelta(days=90, minutes=1), timedelta(days=89)
    await store.fill(*acme.files(1, 2), *globex.files(1), age=old)
    await store.fill(*acme.files(1, part=LATER_PART), age=young)
    mixed = [f"{globex.recording}/{LATER_PART}/1-{minute:05}.opus" for minute in range(3)]
    await store.fill(*mixed, age=old)
    await store.fill(mixed[1], age=young)
    others = ["films/one.webm", f"{acme.tenant}/{acme.dojo}/report.pdf", f"{acme.recording}/{PART}/notes.json"]
    await store.fill(*others, age=old)
    assert await sweep(worker, store, long_ago()) == Removed(gone=6)
    assert await store.keys() == sorted([*acme.files(1, part=LATER_PART), *mixed, *others])
    assert await sweep(worker, store, long_ago()) == Removed()
    await store.fill(mixed[1], age=old)
    assert await sweep(worker, store, long_ago()) == Removed(gone=3)


async def test_nobody_but_the_worker_asks_who_was_removed(database: Database) -> None:
    for role in ("dojo_service", "dojo_journal"):
        connection = await asyncpg.connect(database.dsn(role))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM dojo_voice_removed(NULL)")
        await connection.close()


@pytest.mark.parametrize("end", ["7-00000.opus", "7-123456.opus", "7.json"])
def test_a_file_is_known_by_its_key(end: str) -> None:
    tenant, dojo = uuid4(), uuid4()
    part = f"{tenant}/{dojo}/{uuid4()}/{uuid4()}/{PART}"
    assert RecordedFile.of(f"{part}/{end}") == RecordedFile(tenant, dojo, part, 7)


@pytest.mark.parametrize(
    "end", ["7.opus", "7-1.opus", "07.json", "0.json", "7.json.part", "x7.json", "deeper/7.json", "7.json\n", "-7.json"]
)
def test_what_has_another_name_is_none_of_them(end: str) -> None:
    assert RecordedFile.of(f"{uuid4()}/{uuid4()}/{uuid4()}/{uuid4()}/{PART}/{end}") is None
    assert RecordedFile.of(f"{uuid4()}/{uuid4()}/{uuid4()}/{PART}/7.json") is None
