"""One member: what it is told while its socket is full, and when it counts as stuck."""

from __future__ import annotations

from collab_core.admission import Admission, Dialect
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from collab_core.limits import Limits
from collab_core.member import Member
from tests.collab_core.live import tenant_of, user_of

LIMITS = Limits(drain_bytes_per_second=1_000, stuck_seconds=10.0)


class Recorder:
    """A connection that keeps what it is given."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed: tuple[CloseCode, str] | None = None
        self.unsent = 0

    def write(self, frame: bytes) -> None:
        self.written.append(frame)

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = (code, reason)


def member(recorder: Recorder, dialect: Dialect = Dialect.DOJO_V1) -> Member:
    admission = Admission(RoomKey(tenant_of("acme"), "room"), user_of("ana"), "ana", can_write=True, expires_at=0.0)
    return Member(1, admission, dialect, recorder, limits=LIMITS, now=100.0)


def test_what_the_engine_tells_is_for_dojo_and_what_an_application_says_for_all_that_read_json() -> None:
    for dialect, told, said in ((Dialect.DOJO_V1, 1, 1), (Dialect.JSON, 0, 1), (Dialect.YJS, 0, 0)):
        recorder = Recorder()
        one = member(recorder, dialect)
        one.tell({"type": "saved"})
        assert len(recorder.written) == told
        one.say({"type": "TURN"})
        assert len(recorder.written) == told + said


def test_json_is_told_to_those_who_read_it() -> None:
    for dialect, frames in ((Dialect.DOJO_V1, [b'\x81\x10{"type":"saved"}']), (Dialect.YJS, [])):
        recorder = Recorder()
        member(recorder, dialect).tell({"type": "saved"})
        assert recorder.written == frames


def test_a_paused_member_is_given_nothing() -> None:
    recorder = Recorder()
    ana = member(recorder)
    ana.pause(7, 100.0)
    ana.write(b"\x82\x00")
    ana.tell({"type": "saved"})
    assert recorder.written == []
    assert ana.cursor == 7
    ana.paused = False
    ana.write(b"\x82\x00")
    assert recorder.written == [b"\x82\x00"]


def test_ending_closes_the_connection_once_and_for_all() -> None:
    recorder = Recorder()
    ana = member(recorder)
    ana.end(CloseCode.STUCK, "stuck")
    assert ana.ended
    assert recorder.closed == (CloseCode.STUCK, "stuck")


def test_a_member_is_stuck_when_it_drains_slower_than_it_must() -> None:
    recorder = Recorder()
    ana = member(recorder)
    assert not ana.stuck(LIMITS, 1_000.0), "it is not even behind"
    recorder.unsent = 50_000
    ana.pause(0, 100.0)
    assert not ana.stuck(LIMITS, 109.9), "the time is not over"
    recorder.unsent = 40_001
    assert ana.stuck(LIMITS, 110.0)


def test_a_slow_member_that_drains_steadily_is_never_stuck() -> None:
    recorder = Recorder()
    recorder.unsent = 100_000
    ana = member(recorder)
    ana.pause(0, 100.0)
    for seconds in (10.0, 20.0, 30.0, 40.0):
        recorder.unsent -= 10_000
        assert not ana.stuck(LIMITS, 100.0 + seconds)
    assert ana.stuck(LIMITS, 150.0), "and then it stopped"
