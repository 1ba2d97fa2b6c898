"""Takes mails out of the outbox and hands them over, until each is delivered, refused or a day old.

A mail is taken by moving its due time on: whoever takes it has it for that long, and if that process dies it is due
again by itself. So any number of processes may deliver from one outbox, and a mail is sent once, or in the worst case
again under the same Message-ID.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from edge.identity import outbox
from edge.identity.mail.port import MailAway, Mailer, MailRefused
from kernel.secrets import MasterKeys, SecretUnreadable

BATCH: Final = 20
"""Mails taken at once."""
AT_ONCE: Final = 5
"""Mails handed over at the same time."""
TAKEN_SECONDS: Final = 300.0
"""For how long: four rounds of `AT_ONCE` with a minute each, and time to spare."""
FIRST_RETRY_SECONDS: Final = 10.0
LONGEST_RETRY_SECONDS: Final = 900.0
GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""The links in most mails are of no use by then."""

_TAKE: Final = """
UPDATE mail_outbox SET attempts = attempts + 1, due_at = now() + $2::interval WHERE mail_id IN (
    SELECT mail_id FROM mail_outbox WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING mail_id, sealed, created_at, attempts
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that is ours for a while. `attempts` counts this one."""

    mail: UUID
    sealed: bytes
    created_at: datetime
    attempts: int


def retry_seconds(attempts: int) -> float:
    """The pause after so many attempts that failed, without jitter."""
    return float(min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(attempts - 1, 20)))


class Delivery:
    """Empties the outbox. `pool` has connections of the worker's role."""

    def __init__(self, pool: Any, keys: MasterKeys, mailer: Mailer) -> None:
        self._pool = pool
        self._keys = keys
        self._mailer = mailer
        self._free = asyncio.Semaphore(AT_ONCE)

    async def deliver(self) -> int:
        """Take what is due, `BATCH` at most, and try each once; how many there were. Raises what asyncpg raises."""
        batch = await self._take()
        for outcome in await asyncio.gather(*(self._try(taken) for taken in batch), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome  # the database's; those it concerns are due again by themselves
        return len(batch)

    async def _take(self) -> Sequence[Taken]:
        async with self._pool.acquire() as db:
            rows = await db.fetch(_TAKE, BATCH, timedelta(seconds=TAKEN_SECONDS))
        return [Taken(row["mail_id"], row["sealed"], row["created_at"], row["attempts"]) for row in rows]

    async def _try(self, taken: Taken) -> None:
        # No line below says to whom: addresses are personal data, and the mail's id finds the row.
        try:
            async with self._free:
                await self._mailer.send(outbox.unseal(self._keys, taken.mail, taken.sealed))
        except MailRefused as refused:
            log.error("mail %s was refused and is dropped: %s", taken.mail, refused)
        except Exception as failure:  # one that nobody foresaw must not keep the others, nor itself, from being sent
            # Those two say nothing of the mail; what another's text says nobody knows.
            foreseen = isinstance(failure, (MailAway, SecretUnreadable))
            why = str(failure) if foreseen else type(failure).__name__
            if datetime.now(UTC) - taken.created_at < GIVEN_UP_AFTER:
                await self._again(taken, why)
                return
            log.error(
                "MAIL GIVEN UP: %s is a day old and was tried %d times, it is dropped: %s",
                taken.mail,
                taken.attempts,
                why,
            )
        else:
            log.info("mail %s was handed over (attempt %d)", taken.mail, taken.attempts)
        async with self._pool.acquire() as db:
            await db.execute("DELETE FROM mail_outbox WHERE mail_id = $1", taken.mail)

    async def _again(self, taken: Taken, why: str) -> None:
        pause = retry_seconds(taken.attempts) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, hides nothing
        log.warning("mail %s was not sent (attempt %d), next in %.0f s: %s", taken.mail, taken.attempts, pause, why)
        async with self._pool.acquire() as db:
            await db.execute(
                "UPDATE mail_outbox SET due_at = now() + $2::interval WHERE mail_id = $1",
                taken.mail,
                timedelta(seconds=pause),
            )
