"""Whether a token is good, answered from memory: the published keys and the revocations, as every process holds them.

Postgres is the truth, and is asked every few seconds. Redis only rings a bell, upon which every process asks at once.
So a revocation takes effect within milliseconds while Redis is there, and within seconds while it is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from kernel.database import FAILURES
from kernel.lookout import Lookout
from kernel.redis import RedisAway, or_away
from kernel.telemetry import Sample
from kernel.tokens import keyring
from kernel.tokens.access import ACCESS_SECONDS, AccessClaims, verify_access
from kernel.tokens.guest import GuestClaims, GuestTicketClaims, verify_guest, verify_guest_ticket
from kernel.tokens.jws import LEEWAY_SECONDS, KeyFileError, PublicKeys, TokenRefused
from kernel.tokens.keyring import KeyRow
from kernel.tokens.revocations import Bearer, Revocation, Revocations
from kernel.tokens.socket_ticket import TicketClaims, verify_socket_ticket

REFRESH_SECONDS: Final = 1.0
"""For one poll. It takes a millisecond or two."""
LOOK_BACK_SECONDS: Final = 60.0
"""Rows become visible out of order, when their transactions commit: each poll reads this much once more."""
REMEMBERED_SECONDS: Final = ACCESS_SECONDS + 3 * LEEWAY_SECONDS
"""How long a revocation is kept: a token's life, its leeway, and the clocks of who signed and of the database."""
UNVERIFIABLE_SECONDS: Final = 60.0
"""Without Postgres for longer than this nobody can say whether a token was revoked: none is taken."""
REFETCH_SECONDS: Final = 1.0
"""Tokens of unknown keys make this process ask at most this often, all of them together."""
FORGET_SECONDS: Final = 60.0
CHANNEL: Final = "dojo:revocations"

REVOKED: Final = "revoked"
UNVERIFIABLE: Final = "unverifiable"
"""The reason that is no fault of the token: try again later."""

_REVOCATIONS: Final = (
    "SELECT r.tenant_id, r.user_id, r.session_id, r.token_version, r.revoked_at"
    " FROM revocations_since(clock_timestamp() - $1::interval) r"
)
_KEYS: Final = "SELECT kid, public_jwk, active_from, published_until FROM signing_keys"

Claims = TypeVar("Claims", AccessClaims, TicketClaims, GuestClaims, GuestTicketClaims)
Listener = Callable[[frozenset[UUID]], None]

log = logging.getLogger(__name__)


class AuthorityAway(Exception):
    """Postgres did not say what is revoked and which keys are ours."""


class Authority:
    """Published keys and revocations in memory. `start`, then `access`, `ticket` and `check`; `close` at the end."""

    def __init__(
        self,
        pool: Any,
        redis: Redis | None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pool` is of the services' role. Without `redis` there is no bell."""
        self._pool = pool
        self._redis = redis
        self._clock = clock
        self._monotonic = monotonic
        self._rows: list[KeyRow] = []
        self._keys = PublicKeys(())
        self._revocations = Revocations()
        self._read_at: float | None = None
        self._forgot_at = monotonic()
        self._refetch: asyncio.Task[None] | None = None
        self._refetched_at = monotonic() - REFETCH_SECONDS
        self._one_refresh = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._lookout = Lookout(redis, CHANNEL, look=self.refresh)

    # Asking

    async def access(self, token: str) -> AccessClaims:
        """Whose access token this is. Raises `TokenRefused`: with the reason `unverifiable` when nobody can tell."""
        claims = await self._genuine(token, verify_access)
        self.check(claims.bearer)
        return claims

    async def ticket(self, token: str) -> TicketClaims:
        """Whose socket ticket this is. Raises `TokenRefused`. Whether it was used before is for `OneUse` to say."""
        claims = await self._genuine(token, verify_socket_ticket)
        self.check(claims.bearer)
        return claims

    async def guest(self, token: str) -> GuestClaims:
        """Whose guest token this is. Raises `TokenRefused`. Whether the dojo still lets them in is for the dojo."""
        claims = await self._genuine(token, verify_guest)
        self.check(claims.bearer)
        return claims

    async def guest_ticket(self, token: str) -> GuestTicketClaims:
        """Whose guest's ticket this is. Raises `TokenRefused`. Whether it was used before is for `OneUse` to say, and
        whether the dojo still lets them in is for the dojo."""
        claims = await self._genuine(token, verify_guest_ticket)
        self.check(claims.bearer)
        return claims

    def check(self, bearer: Bearer) -> None:
        """Raises `TokenRefused` if a token of `bearer` was revoked, or if nobody can tell any more."""
        if not self.fresh:
            raise TokenRefused(UNVERIFIABLE)
        if self._revocations.refuses(bearer):
            raise TokenRefused(REVOKED)

    def revoked(self, bearer: Bearer) -> bool:
        """Whether `bearer` is known to be revoked, however old that knowledge is: for what is open already."""
        return self._revocations.refuses(bearer)

    @property
    def fresh(self) -> bool:
        """Whether what is in memory is recent enough to let somebody in."""
        return self._read_at is not None and self._monotonic() - self._read_at <= UNVERIFIABLE_SECONDS

    @property
    def hears(self) -> bool:
        """Whether the bell would be heard: Redis is there."""
        return self._lookout.hears

    def samples(self) -> Iterator[Sample]:
        """Whether this process can tell what was revoked, as metrics."""
        yield Sample("dojo_tokens_fresh", "1 while revocations and keys are known", float(self.fresh))
        yield Sample("dojo_tokens_bell", "1 while revocations are heard of at once, over Redis", float(self.hears))

    def jwks(self) -> dict[str, Any]:
        """The published keys as a JWK Set."""
        return keyring.jwks(self._rows, self._clock())

    def on_revoked(self, listener: Listener) -> None:
        """Call `listener` with the tenants of which something was revoked, each time that happens."""
        self._listeners.append(listener)

    async def _genuine(self, token: str, verify: Callable[[PublicKeys, str, float], Claims]) -> Claims:
        try:
            return verify(self._keys, token, self._clock())
        except TokenRefused as refused:
            if refused.reason != "unknown_key" or not await self._look_again():
                raise
        return verify(self._keys, token, self._clock())

    async def _look_again(self) -> bool:
        """Read the keys for a token that names an unknown one, unless that was done a moment ago."""
        if self._refetch is None:
            now = self._monotonic()
            if now - self._refetched_at < REFETCH_SECONDS:
                return False
            self._refetched_at = now
            self._refetch = asyncio.get_running_loop().create_task(self.refresh(), name="refetch signing keys")
            self._refetch.add_done_callback(self._refetch_done)
        try:
            await asyncio.shield(self._refetch)
        except AuthorityAway:
            raise TokenRefused(UNVERIFIABLE) from None
        return True

    def _refetch_done(self, refetch: asyncio.Task[None]) -> None:
        self._refetch = None
        if not refetch.cancelled():
            refetch.exception()  # whoever waited has it, and nobody may have

    # Keeping up

    async def start(self) -> None:
        """Read everything, then keep up until `close`. Raises `AuthorityAway`."""
        await self.refresh()
        self._lookout.start()

    async def close(self) -> None:
        """Stop keeping up."""
        await self._lookout.close()
        if self._refetch is not None:
            self._refetch.cancel()
            await asyncio.gather(self._refetch, return_exceptions=True)

    async def ring(self) -> None:
        """After a commit that revoked something: tell every process, this one included. Never fails: who does not
        hear it finds out at the next poll."""
        self._lookout.look_soon()
        if self._redis is not None:
            with contextlib.suppress(RedisAway), or_away():
                await self._redis.publish(CHANNEL, b"")

    async def refresh(self) -> None:
        """Read what is new. Raises `AuthorityAway`."""
        async with self._one_refresh:
            started = self._monotonic()
            away = REMEMBERED_SECONDS if self._read_at is None else started - self._read_at + LOOK_BACK_SECONDS
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    revoked, keys = await self._read(min(away, REMEMBERED_SECONDS))
            except FAILURES as error:
                raise AuthorityAway(f"cannot read revocations and keys: {type(error).__name__}") from error
            self._take_keys(keys)
            changed = self._revocations.add(_revocation(record) for record in revoked)
            self._read_at = started
            if started - self._forgot_at >= FORGET_SECONDS:
                self._forgot_at = started
                self._revocations.forget(self._clock() - REMEMBERED_SECONDS - LEEWAY_SECONDS)
        if changed:
            for listener in self._listeners:
                listener(changed)

    async def _read(self, seconds: float) -> tuple[list[Any], list[Any]]:
        async with self._pool.acquire() as connection:
            try:
                revoked = await connection.fetch(_REVOCATIONS, timedelta(seconds=seconds))
                return revoked, await connection.fetch(_KEYS)
            except (TimeoutError, asyncio.CancelledError):
                # A server that hangs would keep its connection, and whoever gives it back, waiting.
                connection.terminate()
                raise

    def _take_keys(self, records: list[Any]) -> None:
        rows = []
        for record in records:
            try:
                row = keyring.row_of(record)
                PublicKeys([row.public_jwk])
                rows.append(row)
            except (msgspec.DecodeError, KeyFileError):
                log.error("the row of signing key %s is not readable, its tokens are not taken", record["kid"])
        self._rows = keyring.published(rows, self._clock())
        self._keys = PublicKeys(row.public_jwk for row in self._rows)


def _revocation(record: Any) -> Revocation:
    return Revocation(
        record["tenant_id"],
        record["user_id"],
        record["session_id"],
        record["token_version"],
        record["revoked_at"].timestamp(),
    )
