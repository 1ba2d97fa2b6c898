"""Signing keys over time: one at a first start, a new one every month, and nobody notices."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kernel.database import connect, create_pool
from kernel.secrets import MasterKeys
from kernel.tokens.keyring import (
    KEPT_SECONDS,
    PUBLISHED_AHEAD_SECONDS,
    RETIRED_SECONDS,
    SIGNS_SECONDS,
    KeyRing,
    KeyRow,
    NoSigningKey,
    Plan,
    jwks,
    plan,
    published,
    signing,
)
from tests.conftest import Database

NOW = 1_800_000_000.0
MASTER = MasterKeys([os.urandom(32)])


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def row(kid: str, active_from: float, published_until: float | None = None) -> KeyRow:
    return KeyRow(kid, {"kty": "OKP", "crv": "Ed25519", "x": "A", "kid": kid}, active_from, published_until)


# What is to be done


def test_the_first_key_signs_at_once() -> None:
    assert plan([], NOW) == Plan(create_active_from=NOW)
    assert plan([row("a", NOW)], NOW).empty
    assert plan([row("a", NOW - 20 * 24 * 3600)], NOW).empty


def test_the_next_key_is_published_before_it_signs() -> None:
    old = row("a", NOW - SIGNS_SECONDS + PUBLISHED_AHEAD_SECONDS)
    assert plan([old], NOW - 1).empty
    assert plan([old], NOW) == Plan(create_active_from=NOW + PUBLISHED_AHEAD_SECONDS)
    both = [old, row("b", NOW + PUBLISHED_AHEAD_SECONDS)]
    assert plan(both, NOW).empty
    assert [key.kid for key in published(both, NOW)] == ["a", "b"]
    assert signing(both, NOW) == both[0]
    assert signing(both, NOW + PUBLISHED_AHEAD_SECONDS) == both[1]


def test_an_old_key_stays_published_until_its_last_token_has_ended() -> None:
    both = [row("a", NOW - SIGNS_SECONDS), row("b", NOW)]
    assert plan(both, NOW) == Plan(retire=(("a", NOW + RETIRED_SECONDS),))
    retired = [row("a", NOW - SIGNS_SECONDS, NOW + RETIRED_SECONDS), row("b", NOW)]
    assert plan(retired, NOW).empty
    assert len(published(retired, NOW + RETIRED_SECONDS - 1)) == 2
    assert published(retired, NOW + RETIRED_SECONDS) == [retired[1]]
    assert plan(retired, NOW + RETIRED_SECONDS + KEPT_SECONDS).delete == ("a",)


def test_a_key_that_another_clock_made_is_better_than_none() -> None:
    ahead = row("a", NOW + 20)
    assert signing([ahead], NOW) == ahead
    assert signing([], NOW) is None


def test_after_a_long_sleep_one_key_is_made_not_several() -> None:
    asleep = [row("a", NOW - 10 * SIGNS_SECONDS)]
    assert plan(asleep, NOW) == Plan(create_active_from=NOW + PUBLISHED_AHEAD_SECONDS)


def test_the_published_document() -> None:
    keys = [row("a", NOW - 100, NOW), row("b", NOW), row("c", NOW + 60)]
    assert jwks(keys, NOW) == {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "x": "A", "kid": kid, "use": "sig", "alg": "EdDSA"} for kid in ("b", "c")
        ]
    }


# And done


@asynccontextmanager
async def connections(database: Database, count: int) -> AsyncIterator[list[Any]]:
    opened = [await connect(database.dsn("dojo_service"), name="test", statement_seconds=5.0) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            await connection.close()


async def test_processes_that_start_at_once_end_up_with_one_key(database: Database) -> None:
    async with connections(database, 6) as opened:
        rings = [KeyRing(MASTER, clock=Clock()) for _ in opened]
        await asyncio.gather(*(ring.ensure(connection) for ring, connection in zip(rings, opened, strict=True)))
        assert len({ring.key.kid for ring in rings}) == 1
        assert await opened[0].fetchval("SELECT count(*) FROM signing_keys") == 1


async def test_also_when_the_month_is_over(database: Database) -> None:
    async with connections(database, 6) as opened:
        clock = Clock()
        rings = [KeyRing(MASTER, clock=clock) for _ in opened]
        await rings[0].ensure(opened[0])
        first = rings[0].key.kid
        clock.now += SIGNS_SECONDS
        await asyncio.gather(*(ring.ensure(connection) for ring, connection in zip(rings, opened, strict=True)))
        assert {ring.key.kid for ring in rings} == {first}, "published, but it does not sign yet"
        clock.now += PUBLISHED_AHEAD_SECONDS
        second = {ring.key.kid for ring in rings}
        assert len(second) == 1
        assert second != {first}, "each knows by itself when it is time"
        assert await opened[0].fetchval("SELECT count(*) FROM signing_keys") == 2
        await rings[0].ensure(opened[0])
        clock.now += RETIRED_SECONDS + KEPT_SECONDS
        await rings[0].ensure(opened[0])
        assert await opened[0].fetchval("SELECT array_agg(kid) FROM signing_keys") == list(second)


async def test_the_private_half_lies_sealed_and_opens_only_for_its_row(database: Database) -> None:
    async with connections(database, 1) as [connection]:
        ring = KeyRing(MASTER, clock=Clock())
        with pytest.raises(NoSigningKey, match="no signing key was read yet"):
            ring.key  # noqa: B018
        await ring.ensure(connection)
        stored = await connection.fetchrow("SELECT sealed_private, public_jwk FROM signing_keys")
        assert b'"d"' not in stored["sealed_private"]
        assert '"d"' not in stored["public_jwk"]
        with pytest.raises(NoSigningKey, match="give the master key it was sealed with") as error:
            await KeyRing(MasterKeys([os.urandom(32)]), clock=Clock()).ensure(connection)
        assert error.value.__cause__ is None
        assert await connection.fetchval("SELECT count(*) FROM signing_keys") == 1


async def test_a_new_master_key_in_front_seals_the_keys_anew_and_the_old_one_may_go(database: Database) -> None:
    old, new = os.urandom(32), os.urandom(32)
    async with connections(database, 3) as opened:
        before = KeyRing(MasterKeys([old]), clock=Clock())
        await before.ensure(opened[0])
        rings = [KeyRing(MasterKeys([new, old]), clock=Clock()) for _ in opened]
        await asyncio.gather(*(ring.ensure(connection) for ring, connection in zip(rings, opened, strict=True)))
        assert {ring.key.kid for ring in rings} == {before.key.kid}, "the same key: nobody is signed out"
        sealed = await opened[0].fetchval("SELECT sealed_private FROM signing_keys")
        assert MasterKeys([new, old]).current(sealed)
        alone = KeyRing(MasterKeys([new]), clock=Clock())
        await alone.ensure(opened[0])
        assert alone.key.kid == before.key.kid
        await rings[0].ensure(opened[0])
        assert await opened[0].fetchval("SELECT sealed_private FROM signing_keys") == sealed, "once is enough"


async def test_keys_whose_time_is_over_are_not_sealed_anew(database: Database) -> None:
    old, new = os.urandom(32), os.urandom(32)
    async with connections(database, 1) as [connection]:
        before = KeyRing(MasterKeys([old]), clock=Clock())
        await before.ensure(connection)
        await connection.execute("UPDATE signing_keys SET published_until = to_timestamp($1)", NOW)
        after = KeyRing(MasterKeys([new]), clock=Clock())
        await after.ensure(connection)
        assert after.key.kid != before.key.kid
        assert await connection.fetchval("SELECT count(*) FROM signing_keys") == 2


async def test_it_tends_itself_until_closed(database: Database) -> None:
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5.0, max_size=2)
    ring = KeyRing(MASTER)
    await ring.start(pool)
    assert ring.key.kid
    await ring.close()
    await pool.close()
