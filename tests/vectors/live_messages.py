"""The JSON messages of a dojo's live socket, as `docs/vectors/messages.json` has them. What the server says is made by
the server's own code from fixed values, so that a change of it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from collab_core.identity import RoomKey
from collab_core.room import UNSAVED
from collab_core.splice import Splice
from edge.dojos.states import Status
from edge.dojos.turns.state import Handover, Mode, TurnState
from edge.dojos.turns.timer import Timer
from edge.dojos.turns.view import milliseconds, roles_view, turn_view
from edge.live import outgoing
from edge.live.attendance import Attendance
from edge.live.chat import Said
from edge.live.dojo_shown import DojoShown
from edge.live.incoming import Complaint, CursorPosition, Selection
from edge.live.json.messages import Told
from edge.live.json.positions import Position
from edge.live.json.shared_file import Edit, SharedFile, Step
from edge.live.place import Place, SeatedAdmission, Standing
from edge.live.voice_shown import slots_of, voice_lost, voice_state
from edge.voice.state import VoicePerson, VoiceState

JSON, V1 = "dojo.json.v1", "dojo.v1"
BOTH: Final = (V1, JSON)
TENANT, DOJO, ROOM, ANA, BEN, CLEO, SAID = (UUID(f"00000000-0000-4000-8000-00000000000{n}") for n in range(1, 8))
PEER: Final = "00000000-0000-4000-8000-000000000008"
NAMES: Final = {ANA: "Ana 😀", BEN: "Ben", CLEO: "Cleo"}
AT: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
WALL: Final = AT.timestamp()
BASE: Final = "def f():\n    pass\n"
"""The file before the edits."""

Row = dict[str, Any]


def rows() -> list[Row]:
    """All of them, the client's first."""
    return [*_client(), *_server(), *_engine()]


def _row(name: str, sender: str, message: object, dialects: tuple[str, ...] = BOTH) -> Row:
    return {"name": name, "from": sender, "dialects": list(dialects), "message": message}


def _client() -> list[Row]:
    def row(name: str, message: Row, dialects: tuple[str, ...] = BOTH) -> Row:
        return _row(name, "client", message, dialects)

    here = {"line": 1, "column": 4}
    selected = {"start": {"line": 0, "column": 0}, "end": here}
    update = {"type": "CODE_UPDATE", "file": "main.py", "baseVersion": SharedFile(BASE).version}
    return [
        row("an edit as whole content", {**update, "seq": 1, "content": "# 😀\n" + BASE, "position": here}, (JSON,)),
        row("an edit as a difference, in UTF-16 units", {
            **update, "seq": 2, "position": here, "selection": selected,
            "edits": [{"from": 0, "to": 0, "insert": "# 😀\n"}, {"from": 13, "to": 17, "insert": ""}],
        }, (JSON,)),
        row("an edit of a client that knows neither files nor versions", {
            "type": "CODE_UPDATE", "content": "x = 1\n", "position": here, "selection": selected,
        }, (JSON,)),
        row("what was changed since the version I have?", update, (JSON,)),
        row("a cursor", {"type": "CURSOR_POSITION", "position": here}),
        row("a cursor in a file, with a selection", {
            "type": "CURSOR_POSITION", "file": "main.py", "position": here, "selection": selected,
        }),
        row("something said", {"type": "CHAT_MESSAGE", "content": "Grüße 😀"}),
        row("something said, to be recognised by its author", {"type": "CHAT_MESSAGE", "content": "Hi", "ref": "17"}),
        row("run it", {"type": "RUN_CODE"}),
        row("run it in a language", {"type": "RUN_CODE", "language": "python", "file": "main.py", "ref": "18"}),
        row("turns, please", {"type": "TURN_REQUEST", "action": "start", "seconds": 300}),
        row("the turn, please, if it is as I saw it", {"type": "TURN_REQUEST", "action": "take", "version": 7}),
        row("the turn is Ben's", {"type": "TURN_REQUEST", "action": "hand_over", "to": str(BEN), "ref": "19"}),
        row("Ben may write besides", {"type": "TURN_REQUEST", "action": "allow", "userId": str(BEN)}),
        row("more time", {"type": "TURN_REQUEST", "action": "extend", "seconds": 60}),
        row("I pilot", {"type": "ROLE_REQUEST", "role": "PILOT"}),
        row("Ben co-pilots", {"type": "ROLE_REQUEST", "role": "COPILOT", "userId": str(BEN), "version": 7}),
        row("a raised hand", {"type": "RAISE_HAND"}),
        row("a lowered hand", {"type": "RAISE_HAND", "raised": False}),
        row("all I typed in turn 3 is sent", {"type": "turn.flushed", "number": 3}),
        row("a fresh token", {"type": "AUTH", "token": "eyJ"}),
        row("is anybody there?", {"type": "PING"}),
        row("goodbye: tell me when it is saved, then close", {"type": "GOODBYE"}),
        row("which ICE servers are there?", {"type": "VOICE_SERVERS", "ref": "20"}),
        row("I want to talk", {"type": "VOICE_OFFER", "sdp": "v=0\r\n", "ref": "21"}),
        row("ICE begins anew", {
            "type": "VOICE_CANDIDATE", "peer": PEER, "etag": "4f2a", "ref": "22",
            "sdp": "a=ice-ufrag:Wf3a\r\na=ice-pwd:0123456789abcdefghijkl\r\n",
        }),
        row("I am muted", {"type": "VOICE_MUTE", "muted": True}),
        row("Ben is muted", {"type": "VOICE_MUTE", "muted": True, "userId": str(BEN), "ref": "23"}),
        row("all may speak again", {"type": "VOICE_MUTE", "muted": False, "all": True}),
        row("I talk in this room from now on", {"type": "VOICE_MOVE"}),
        row("I have talked enough", {"type": "VOICE_LEAVE", "peer": PEER}),
        row("fields nobody knows are ignored", {"type": "PING", "someday": {"more": [1]}}),
    ]  # fmt: skip


def _server() -> list[Row]:
    def row(name: str, message: object, dialects: tuple[str, ...] = BOTH) -> Row:
        return _row(name, "server", message, dialects)

    cursor = CursorPosition(Position(1, 4), Selection(Position(0, 0), Position(1, 4)), "main.py")
    said = Said(SAID, ROOM, ANA, NAMES[ANA], "Grüße 😀", AT)
    shown = DojoShown("FizzBuzz", Status.ACTIVE)
    return [
        row("first of all", outgoing.connected(_admission(), shown, can_write=True, now=WALL)),
        row("sent away", outgoing.disconnected("removed")),
        row("left, in another window", outgoing.disconnected("left")),
        row("who is here", _people(cursor)),
        row("cursors that moved", outgoing.cursors({ANA: cursor, BEN: CursorPosition(Position(0, 0))})),
        row("something said", said.message()),
        row("something said, as its author is told", said.message("17")),
        *(row(name, message) for name, message in _turns()),
        row("which files there are, the main one first", {"type": "FILES", "files": [
            {"path": "main.py", "language": "python"}, {"path": "notes.md", "language": None},
        ]}, (JSON,)),
        *(row(name, message, (JSON,)) for name, message in _code()),
        row("nothing runs code", outgoing.not_run("18")),
        *(row(name, message) for name, message in _voice()),
        row("edits up to this seq are committed", {"type": "SAVED", "seq": 2}, (JSON,)),
        row("all is committed: the answer to GOODBYE", {"type": "SAVED"}),
        row("here I am", {"type": "PONG", "serverTime": int(WALL * 1000)}),
        row("something was not done", outgoing.error(Complaint("empty_message", "there is nothing to be seen"), "17")),
        row("an edit was not applied, and this is how the file is", {
            "type": "ERROR", "code": "stale_version", "message": "the base version is unknown; nothing was applied",
            "seq": 2, "file": "main.py", "version": SharedFile(BASE).version, "content": BASE,
        }, (JSON,)),
    ]  # fmt: skip


def _engine() -> list[Row]:
    told: tuple[tuple[str, Row], ...] = (
        ("first of all, from the engine", {
            "type": "joined", "userId": str(ANA), "canWrite": True, "expiresAt": int(WALL * 1000) + 600_000,
        }),
        ("the first 3 edits of this connection are committed", {"type": "saved", "upTo": 3}),
        ("commits do not get through", dict(UNSAVED)),
        ("edits are not taken", {"type": "writable", "value": False, "reason": "backlog_full"}),
        ("edits are taken again", {"type": "writable", "value": True}),
        ("start over: the document has diverged", {"type": "reset", "reason": "read_only"}),
        ("the token was renewed", {"type": "renewed", "expiresAt": int(WALL * 1000), "canWrite": True}),
        ("the token was not renewed", {"type": "error", "code": "token_refused", "message": "token refused: expired"}),
    )  # fmt: skip
    return [
        _row("a fresh token, in the engine's words", "client", {"type": "auth", "token": "eyJ"}, (V1,)),
        *(_row(name, "server", message, (V1,)) for name, message in told),
    ]


def _admission() -> SeatedAdmission:
    place = Place(DOJO, ROOM, Standing.HOST, watches=False, guest=False, may_edit=True)
    key = RoomKey(TENANT, str(ROOM))
    return SeatedAdmission(key=key, user=ANA, name=NAMES[ANA], can_write=True, expires_at=WALL + 600.0, place=place)


def _people(cursor: CursorPosition) -> Row:
    attendance = Attendance()
    for number, (user, standing) in enumerate(
        ((ANA, Standing.HOST), (BEN, Standing.PARTICIPANT), (CLEO, Standing.OBSERVER)), 1
    ):
        place = Place(DOJO, ROOM, standing, watches=False, guest=user == CLEO, may_edit=True)
        attendance.arrive(number, user, NAMES[user], place, 100.0)
    attendance.drop(3, CLEO, 110.0)
    roles = {ANA: "SENSEI", BEN: "PILOT"}
    return outgoing.participant_list(attendance.people.values(), roles, {BEN: cursor}, WALL, 110.0)


def _turns() -> list[tuple[str, Row]]:
    running = TurnState(
        mode=Mode.TURN,
        order=(BEN, CLEO, ANA),
        sensei=ANA,
        pilot=BEN,
        copilot=CLEO,
        turn_number=3,
        started_at=AT,
        hands=(ANA,),
        timer=Timer(ends_at=AT + timedelta(seconds=240)),
    )
    paused = Timer(paused=True, paused_remaining_ms=90_000)
    resting = Timer(paused_remaining_ms=90_000, break_ends_at=AT + timedelta(seconds=600))
    states = {
        "FREE, everybody writes": TurnState(),
        "WAITING, nobody is there to pilot": TurnState(mode=Mode.TURN),
        "RUNNING": running,
        "PAUSED": replace(running, timer=paused),
        "BREAK": replace(running, timer=resting),
        "ENDING": replace(running, handover=Handover(cut_at=AT + timedelta(seconds=1), waiting=("node",))),
    }
    ending = {"type": "turn.ending", "number": 3, "cutAt": milliseconds(AT) + 1000, "serverTime": milliseconds(AT)}
    return [
        ("who has which role", _typed("ROLES", roles_view(running, 7))),
        *((f"turn: {name}", _typed("TURN", turn_view(state, 7, AT))) for name, state in states.items()),
        ("to the pilot: stop editing, send what is left, answer turn.flushed", ending),
    ]


def _voice() -> list[tuple[str, Row]]:
    people = [
        VoicePerson(1, ANA, muted=False, may_speak=True, preferred=True, speaking=True, connected=True),
        VoicePerson(2, BEN, muted=True, may_speak=True, preferred=False, speaking=False, connected=True),
    ]
    heard: list[int | None] = [1, None, None]
    state = VoiceState(ROOM, "voice", WALL, people, heard, {"1": [None, None, None]}, recording=True)
    troubled = msgspec.structs.replace(state, recording_trouble="cannot write the recording: No space left on device")
    server = {"urls": ["turn:turn.example.com:3478"], "username": f"1800000000:{ANA}", "credential": "c2VjcmV0"}
    return [
        ("the ICE servers", {"type": "VOICE_SERVERS", "iceServers": [server], "ref": "20"}),
        ("an offer is answered", {
            "type": "VOICE_ANSWER", "sdp": "v=0\r\n", "peer": PEER, "etag": "4f2a", "ref": "21",
        }),
        ("ICE begins anew, answered", {
            "type": "VOICE_CANDIDATE", "sdp": "a=ice-ufrag:Gh7b\r\n", "peer": PEER, "etag": "9c1d", "ref": "22",
        }),
        ("who is in voice, to a listener", voice_state(state, slots_of(state, BEN), whole=True, by_host={BEN})),
        ("who speaks, to the speaker", voice_state(state, slots_of(state, ANA), whole=False)),
        ("the recording is in trouble", voice_state(troubled, slots_of(troubled, BEN), whole=False)),
        ("the voice process is gone: offer anew", voice_lost(0.25)),
    ]  # fmt: skip


def _typed(kind: str, view: msgspec.Struct) -> Row:
    return {"type": kind, **msgspec.to_builtins(view)}


def _code() -> list[tuple[str, Row]]:
    alone = _told((ANA, Splice(0, 0, "# 😀\n")))
    together = _told((ANA, Splice(0, 0, "# 😀\n")), (BEN, Splice(8, 8, "async ")))
    version = SharedFile(BASE).version
    unchanged = Told("main.py", Step(version, version, BASE, BASE, (), ()), NAMES.__getitem__, WALL)
    return [
        ("code, to a newcomer", _payload(unchanged.content())),
        ("code, to a client that has the version before", _payload(alone.edits())),
        ("code, to its author: the edit with this seq is in it", _payload(alone.edits(1))),
        ("code, to a client that has another version", _payload(alone.content())),
        ("code of two authors in one window", _payload(together.edits())),
    ]


def _told(*edits: tuple[UUID, Splice]) -> Told:
    file = SharedFile(BASE)
    for author, splice in edits:
        file.make(author, Edit([splice]))
    step = file.flush()
    assert step is not None
    return Told("main.py", step, NAMES.__getitem__, WALL)


def _payload(frame: bytes) -> Row:
    """What an unmasked text frame of less than 64 KiB carries."""
    message: Row = msgspec.json.decode(frame[2 if frame[1] < 126 else 4 :])
    return message
