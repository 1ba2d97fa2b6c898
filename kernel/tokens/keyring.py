"""The service's signing keys: which one signs, which are published, when the next is made.

A new key is published a minute before it signs, and an old one until the last token it signed has expired: so a
rotation signs nobody out, and a process that looks a little late takes both. The private halves lie in the database
sealed with the master key. What happens when is decided by `plan`, from rows and a clock; `KeyRing` carries it out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

import msgspec

from kernel.database import FAILURES
from kernel.secrets import MasterKeys, SecretUnreadable
from kernel.tokens.access import ACCESS_SECONDS
from kernel.tokens.guest import GUEST_SECONDS
from kernel.tokens.jws import ALGORITHM, LEEWAY_SECONDS, KeyFileError
from kernel.tokens.signing_key import SigningKey

PUBLISHED_AHEAD_SECONDS: Final = 60
"""From a key's publication to its first token. Verifiers look every few seconds."""
SIGNS_SECONDS: Final = 30 * 24 * 3600
"""How long a key signs."""
TEND_SECONDS: Final = 20.0
"""How often the ring is read again: three times before a new key signs."""
RETIRED_SECONDS: Final = max(ACCESS_SECONDS, GUEST_SECONDS) + 3 * LEEWAY_SECONDS + PUBLISHED_AHEAD_SECONDS
"""From the moment another key signs to the end of an old one's publication: the life of the longest token, clocks that
are off, and a signer that read the ring a minute late."""
KEPT_SECONDS: Final = 24 * 3600
"""Rows stay this long after that, for whoever wonders."""
PURPOSE: Final = b"signing-key"

_LOCK_KEY: Final = 0x4B657973  # "Keys"
_READ: Final = "SELECT kid, public_jwk, sealed_private, active_from, published_until FROM signing_keys"

log = logging.getLogger(__name__)


class NoSigningKey(Exception):
    """No key can sign here; the text says what to do."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as the database has it, without its private half. Times are Unix seconds."""

    kid: str
    public_jwk: Mapping[str, Any]
    active_from: float
    published_until: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now. Nothing, most of the time."""

    create_active_from: float | None = None
    """Make a key that signs from then on."""
    retire: tuple[tuple[str, float], ...] = ()
    """Publish these until then."""
    delete: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self == Plan()


def published(rows: Iterable[KeyRow], now: float) -> list[KeyRow]:
    """The keys whose tokens are taken, those that will sign soon included."""
    return [row for row in rows if row.published_until is None or row.published_until > now]


def signing(rows: Iterable[KeyRow], now: float) -> KeyRow | None:
    """The key that signs: the newest that is in force, or the only one there is, though another's clock made it."""
    known = sorted(published(rows, now), key=_age)
    ready = [row for row in known if row.active_from <= now]
    return next(reversed(ready or known[:1]), None)


def plan(rows: Sequence[KeyRow], now: float) -> Plan:
    """What the keys need at `now`."""
    known = sorted(published(rows, now), key=_age)
    create = None
    if not known:
        create = now  # the very first: nobody has a token yet, so nobody must be told ahead
    elif known[-1].active_from + SIGNS_SECONDS <= now + PUBLISHED_AHEAD_SECONDS:
        create = now + PUBLISHED_AHEAD_SECONDS
    retire = [
        (row.kid, successor.active_from + RETIRED_SECONDS)
        for row, successor in pairwise(known)
        if row.published_until is None and successor.active_from <= now
    ]
    delete = [row.kid for row in rows if row.published_until is not None and row.published_until + KEPT_SECONDS <= now]
    return Plan(create, tuple(retire), tuple(delete))


def jwks(rows: Iterable[KeyRow], now: float) -> dict[str, Any]:
    """The published keys as a JWK Set (RFC 7517)."""
    return {"keys": [{**row.public_jwk, "use": "sig", "alg": ALGORITHM} for row in published(rows, now)]}


def row_of(record: Mapping[str, Any]) -> KeyRow:
    """A row of `signing_keys` as asyncpg gives it. Raises `msgspec.DecodeError`."""
    until = record["published_until"]
    return KeyRow(
        record["kid"],
        msgspec.json.decode(record["public_jwk"], type=dict[str, str]),
        record["active_from"].timestamp(),
        until.timestamp() if until is not None else None,
    )


def _age(row: KeyRow) -> tuple[float, str]:
    return row.active_from, row.kid


class KeyRing:
    """The keys with which this process signs. Any number of processes may tend the same table."""

    def __init__(self, master: MasterKeys, *, clock: Callable[[], float] = time.time) -> None:
        self._master = master
        self._clock = clock
        self._rows: list[KeyRow] = []
        self._keys: dict[str, SigningKey] = {}
        self._tending: asyncio.Task[None] | None = None

    @property
    def key(self) -> SigningKey:
        """The key that signs now. Raises `NoSigningKey`."""
        row = signing((row for row in self._rows if row.kid in self._keys), self._clock())
        if row is None:
            raise NoSigningKey("no signing key was read yet")
        return self._keys[row.kid]

    async def ensure(self, connection: Any) -> None:
        """Read the ring, seal anew what an older master key sealed, and do what `plan` says, if anything. Raises what
        asyncpg raises, and `NoSigningKey` when the keys there do not open: signing with another one would not help
        those who share the table."""
        sealed = await self.refresh(connection)
        await self._seal_anew(connection, sealed)
        if plan(self._rows, self._clock()).empty:
            return
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
            await self.refresh(connection)  # whoever had the lock before us may have done it
            await self._carry_out(connection, plan(self._rows, self._clock()))
        await self.refresh(connection)

    async def refresh(self, connection: Any) -> dict[str, bytes]:
        """Read the ring: the sealed private halves, by key. Raises what asyncpg raises, and `NoSigningKey`."""
        records = await connection.fetch(_READ)
        rows = [row_of(record) for record in records]
        sealed = {record["kid"]: record["sealed_private"] for record in records}
        wanted = {row.kid for row in published(rows, self._clock())}
        self._keys = {kid: self._keys.get(kid) or self._open(kid, sealed[kid]) for kid in sorted(wanted)}
        self._rows = rows
        return sealed

    async def _seal_anew(self, connection: Any, sealed: Mapping[str, bytes]) -> None:
        """Each time, not at the start only: until all processes have the same master key in front, one that does not
        may have sealed anew too. Keys whose time is over are left to be deleted."""
        for kid, key in self._keys.items():
            if self._master.current(sealed[kid]):
                continue
            done = await connection.execute(
                "UPDATE signing_keys SET sealed_private = $3 WHERE kid = $1 AND sealed_private = $2",
                kid,
                sealed[kid],
                self._master.seal(key.private(), purpose=_purpose(kid)),
            )
            if done == "UPDATE 1":  # else another process was first
                log.info("sealed signing key %s anew, with the first master key", kid)

    def _open(self, kid: str, sealed: bytes) -> SigningKey:
        try:
            key = SigningKey.from_private(self._master.open(sealed, purpose=_purpose(kid)))
        except (SecretUnreadable, KeyFileError) as error:
            raise NoSigningKey(
                f"signing key {kid} does not open ({error}): give the master key it was sealed with, or delete the rows"
                " of signing_keys, which signs everybody out"
            ) from None
        if key.kid != kid:
            raise NoSigningKey(f"the row of signing key {kid} holds another one: delete it")
        return key

    async def _carry_out(self, connection: Any, todo: Plan) -> None:
        if todo.create_active_from is not None:
            key = SigningKey.generate()
            await connection.execute(
                "INSERT INTO signing_keys (kid, public_jwk, sealed_private, active_from) VALUES ($1, $2, $3, $4)",
                key.kid,
                msgspec.json.encode(key.public_jwk()).decode(),
                self._master.seal(key.private(), purpose=_purpose(key.kid)),
                datetime.fromtimestamp(todo.create_active_from, UTC),
            )
            log.info("made signing key %s", key.kid)
        for kid, until in todo.retire:
            await connection.execute(
                "UPDATE signing_keys SET published_until = $2 WHERE kid = $1", kid, datetime.fromtimestamp(until, UTC)
            )
        for kid in todo.delete:
            await connection.execute("DELETE FROM signing_keys WHERE kid = $1", kid)

    # Over the life of a process

    async def start(self, pool: Any) -> None:
        """`ensure` now and then every `TEND_SECONDS`, until `close`. Raises what `ensure` raises."""
        async with pool.acquire() as connection:
            await self.ensure(connection)
        self._tending = asyncio.get_running_loop().create_task(self._tend(pool), name="tend signing keys")

    async def close(self) -> None:
        """Stop tending."""
        if self._tending is not None:
            self._tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tending

    async def _tend(self, pool: Any) -> None:
        while True:
            await asyncio.sleep(TEND_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load, hides nothing
            try:
                async with pool.acquire(timeout=TEND_SECONDS) as connection:
                    await self.ensure(connection)
            except FAILURES as error:
                log.warning("the signing keys could not be read, those known go on: %s", type(error).__name__)
            except (NoSigningKey, msgspec.DecodeError) as error:
                log.error("%s", error)


def _purpose(kid: str) -> bytes:
    return PURPOSE + b":" + kid.encode()
