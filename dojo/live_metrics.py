"""The live node's counters as Prometheus metrics. Names are those of docs/operations.md."""

from __future__ import annotations

from collections.abc import Iterable

from collab_core.hub import Hub
from collab_core.journal.writer import Health, JournalWriter
from kernel.telemetry import Sample


def live_samples(hub: Hub, writer: JournalWriter) -> Iterable[Sample]:
    """Everything the engine and its journal count, at this moment."""
    metrics = hub.metrics
    yield Sample("dojo_rooms", "Rooms open on this node", metrics.rooms)
    yield Sample("dojo_members", "Connections in rooms", metrics.members)
    yield Sample("dojo_admissions_waiting", "Connections that wait for time to be let in", metrics.admissions_waiting)
    yield Sample("dojo_members_behind", "Members whose socket does not take what it is sent", metrics.members_behind)
    counters = {
        "rooms_opened": "Rooms loaded from the journal",
        "rooms_failed": "Rooms whose load failed",
        "rooms_evicted": "Idle rooms put to sleep",
        "messages": "Binary messages received",
        "updates": "Updates accepted: relayed and journaled",
        "updates_known": "Updates dropped because they brought nothing new",
        "updates_held": "Updates kept waiting for a missing dependency",
        "updates_refused": "Updates refused",
        "flushes": "Broadcasts of merged updates",
        "flush_seconds": "Time spent in broadcasts",
        "frames_out": "Frames sent",
        "bytes_out": "Bytes sent",
        "presence_broadcasts": "Broadcasts of merged presence",
        "sync_replies": "SyncStep2 messages sent",
        "sync_replies_encoded": "SyncStep2 messages that had to be encoded",
        "admissions_refused": "Connections turned away because too many waited, or for too long",
        "admission_seconds": "Time spent on letting connections in",
        "engine_faults": "Times the document was rebuilt from the log",
        "bus_in": "Messages of other nodes",
        "bus_out": "Messages to other nodes",
        "bus_refused": "Messages of other nodes that could not be taken",
        "bus_gaps": "Times a message of another node was missing",
        "bus_heals": "Answers that brought what was missing",
        "bus_nodes_lost": "Times another node that had a room open was not heard any more",
        "bus_rows_adopted": "Rows committed for another node",
    }
    for name, text in counters.items():
        yield Sample(f"dojo_{name}_total", text, getattr(metrics, name), kind="counter")
    for label, count in sorted(metrics.closes.items()):
        yield Sample(
            "dojo_closes_total", "Connections closed by the server, by code", count, "counter", {"code": label}
        )
    yield Sample("dojo_journal_backlog_bytes", "Accepted and not committed", writer.backlog_bytes)
    yield Sample("dojo_journal_behind", "1 while commits do not get through", float(writer.health is not Health.OK))
    yield Sample("dojo_journal_commits_total", "Group commits", writer.commits, kind="counter")
    yield Sample("dojo_journal_rows_total", "Rows committed", writer.rows, kind="counter")
    yield Sample("dojo_journal_entries_total", "Updates committed", writer.entries, kind="counter")
    yield Sample("dojo_journal_failures_total", "Commit attempts that failed", writer.failures, kind="counter")
    yield Sample("dojo_journal_commit_seconds", "Duration of the last commit", writer.last_commit_seconds)
