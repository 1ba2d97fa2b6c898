"""What the worker does besides mail, as the settings say. Each is one pass on a connection of the worker's role and
tells whether there is more to do at once; each raises what asyncpg raises, and what asks the store of blobs `BlobError`
when that does not answer."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from collab_core.journal.retention import turn_history
from dojo.settings import Settings
from edge.dojos.lapsing import end_lapsed
from edge.dojos.replay.keeping import keep_before, keep_ended
from edge.dojos.retention import prune_invitations, turn_chat
from edge.identity.retention import erase_tenants, prune
from edge.voice.recordings import forget_removed, sweep
from kernel.blobs.port import Blobs
from kernel.blobs.removal import Removed, remove_below
from kernel.months import cutoff

log = logging.getLogger(__name__)


class Upkeep:
    """The passes."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        """`blobs`: where the voice processes put recordings."""
        self._blobs = blobs
        self._keep_audit = timedelta(days=settings.audit_days)
        self._keep_history = timedelta(days=settings.history_days)
        self._keep_chat = timedelta(days=settings.dojos.chat_days)
        self._keep_recordings = timedelta(days=settings.dojos.recording_days)
        self._no_show = timedelta(hours=settings.dojos.no_show_hours)
        self._idle = timedelta(hours=settings.dojos.idle_hours)

    async def prune(self, worker: Any) -> bool:
        """Delete what has expired, row by row."""
        went = await prune(worker, keep_audit=self._keep_audit) + await prune_invitations(worker)
        log.info("%d expired rows deleted", went)
        return False

    async def turn_months(self, worker: Any) -> bool:
        """Make the coming months of chat and history, and drop those whose time is over; history only when every room
        can be replayed without it."""
        chat = await turn_chat(worker, await cutoff(worker, self._keep_chat))
        log.info("chat: %d months made, %d dropped", chat.made, chat.dropped)
        before = await cutoff(worker, self._keep_history)
        kept = await keep_before(worker, before)
        if kept.found:
            return kept.done > 0
        history = await turn_history(worker, before)
        log.info("history: %d months made, %d dropped", history.made, history.dropped)
        return False

    async def keep_ended(self, worker: Any) -> bool:
        """Make ready what looking back on ended rooms needs."""
        return (await keep_ended(worker)).done > 0

    async def end_dojos(self, worker: Any) -> bool:
        """End dojos that nobody looks after."""
        return await end_lapsed(worker, no_show=self._no_show, idle=self._idle)

    async def forget_voices(self, worker: Any) -> bool:
        """Delete what was recorded of people who were just removed."""
        _tell(await forget_removed(worker, self._blobs))
        return False

    async def sweep_recordings(self, worker: Any) -> bool:
        """Delete recordings whose time is over, and what came late of people who were removed."""
        _tell(await sweep(worker, self._blobs, datetime.now(UTC) - self._keep_recordings))
        return False

    async def erase(self, worker: Any) -> bool:
        """Erase companies that asked for it: their blobs, then their rows."""
        await erase_tenants(worker, self._erase_blobs)
        return False

    async def _erase_blobs(self, tenant: UUID) -> None:
        gone = await remove_below(self._blobs, str(tenant))
        if gone:
            log.info("%d blobs of tenant %s deleted", gone, tenant)


def _tell(removed: Removed) -> None:
    if removed.gone:
        log.info("%d files of recordings deleted", removed.gone)
    if removed.failed:
        log.error("%d files of recordings cannot be deleted, tried again: %s", removed.failed, removed.trouble)
