"""Idempotency keys: a POST that was repeated is done once, and answered alike each time.

A key is somebody's own, for one route, for 24 hours. Key and answer are written in the transaction of the work itself,
so there is no moment at which one is there without the other. Answers lie sealed: one may hold a code that is a hash
everywhere else, and whoever lost the reply on the way needs it.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from kernel.http.operation import Caller
from kernel.http.problem import Problem
from kernel.secrets import MasterKeys, SecretUnreadable

HEADER: Final = "Idempotency-Key"
KEPT: Final = timedelta(hours=24)
PURPOSE: Final = b"idempotency_keys.answer:"

_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer that was given before."""

    status: int
    body: bytes


class IdempotentRequest:
    """One request with a key, inside its transaction: `before` the work, `after` it."""

    def __init__(self, master: MasterKeys, key: str, caller: Caller, route: str, body: bytes) -> None:
        """Raises `Problem` 400 for a key that is none."""
        if not _KEY.fullmatch(key):
            raise Problem(400, "invalid_idempotency_key", f"{HEADER} has 1 to 128 visible ASCII characters")
        self._master = master
        self._scope = (caller.tenant, caller.user, route, key)
        self._name = "\0".join(map(str, self._scope)).encode()
        self._body_hash = hashlib.sha256(body).digest()

    async def before(self, db: Any) -> Stored | None:
        """The answer given before, or None: the work is to be done.

        Raises `Problem`: 409 while the same request is under way and when the answer does not open any more, 422 if the
        key was used for another body.
        """
        # Of the transaction: whoever comes second is told at once instead of waiting behind the first.
        lock = int.from_bytes(hashlib.blake2b(self._name, digest_size=8).digest(), "big", signed=True)
        if not await db.fetchval("SELECT pg_try_advisory_xact_lock($1)", lock):
            raise Problem(409, "request_in_progress", "a request with this idempotency key is under way")
        row = await db.fetchrow(
            "SELECT body_hash, status, answer, created_at < now() - $5::interval AS over FROM idempotency_keys"
            " WHERE tenant_id = $1 AND user_id = $2 AND route = $3 AND key = $4",
            *self._scope,
            KEPT,
        )
        if row is None:
            return None
        if row["over"]:
            await db.execute(
                "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND user_id = $2 AND route = $3 AND key = $4",
                *self._scope,
            )
            return None
        if row["body_hash"] != self._body_hash:
            raise Problem(422, "idempotency_key_reused", "this idempotency key was used with another body")
        try:
            return Stored(row["status"], self._master.open(row["answer"], purpose=PURPOSE + self._name))
        except SecretUnreadable as error:
            # Doing it again would do it twice.
            log.error("the stored answer of %s does not open: %s", self._scope[2], error)
            raise Problem(409, "answer_lost", "this was done, but its answer cannot be read any more") from None

    async def after(self, db: Any, status: int, body: bytes) -> None:
        """Keep the answer, sealed."""
        await db.execute(
            "INSERT INTO idempotency_keys (tenant_id, user_id, route, key, body_hash, status, answer)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *self._scope,
            self._body_hash,
            status,
            self._master.seal(body, purpose=PURPOSE + self._name),
        )
