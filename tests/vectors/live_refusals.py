"""What a dojo's live socket does with what makes no sense, as `docs/vectors/refused.json` has it."""

from __future__ import annotations

from typing import Any, Final

from collab_core.wire import messages
from collab_core.wire.lib0 import write_var_uint
from tests.vectors.live_messages import BEN, JSON, V1

PLAIN: Final = ""
Row = dict[str, Any]

TOO_LONG: Final = "x" * 2_001
"""One character more than a chat message may have."""


def rows() -> list[Row]:
    """Each is sent as the first thing on a new connection that may write, to a room with the file `main.py` of the text
    `one\\n`. A `close` ends the connection; an `error` is an ERROR and changes nothing."""
    return [*_binary(), *_malformed_json(), *_refused_messages(), *_refused_code()]


def _close(name: str, frame: bytes, code: int, dialect: str = PLAIN) -> Row:
    return {"name": name, "dialect": dialect, "binary": frame.hex(), "close": code}


def _error(name: str, text: str, code: str, dialect: str = JSON, kind: str = "ERROR") -> Row:
    return {"name": name, "dialect": dialect, "text": text, "error": {"type": kind, "code": code}}


def _binary() -> list[Row]:
    update, presence = messages.update_frame, messages.awareness_frame
    huge = bytearray()
    write_var_uint(huge, 2**53)
    return [
        _close("nothing at all", b"", 4400),
        _close("a message of no known kind", b"\x09", 4400),
        _close("an auth message: only servers send it", b"\x02\x00\x02no", 4400),
        _close("a sync message of no known kind", b"\x00\x07\x00", 4400),
        _close("a length that says more than there is", b"\x00\x02\x05\x00", 4400),
        _close("something behind the message", b"\x03\x00", 4400),
        _close("a padded number", b"\x00\x82\x00\x02\x00\x00", 4400),
        _close("a number past 53 bits", b"\x00\x02" + bytes(huge), 4400),
        _close("a state vector that names a client twice", b"\x00\x00\x05\x02\x07\x01\x07\x02", 4400),
        _close("an update cut short", update(bytes.fromhex("0101d10f0004010c66696c65")), 4400),
        _close("an update with something behind it", update(b"\x00\x00\x00"), 4400),
        _close("an update of a struct of no known content", update(bytes.fromhex("010101000f0101740161")), 4400),
        _close("a count of 2^32 structs", update(bytes.fromhex("01808080801001000401017401610000")), 4400),
        _close("presence that is no JSON", presence(b"\x01\x07\x01\x01{"), 4400),
        _close("half of a surrogate pair deleted", update(bytes.fromhex(
            "0101b917000401" + "0c" + b"file/main.py".hex() + "04f09f9880" + "01b917010001"
        )), 4422),
        _close("binary on a dialect that is JSON only", b"\x03", 4400, JSON),
        {"name": "text on the plain dialect", "dialect": PLAIN, "text": "{}", "close": 4400},
    ]  # fmt: skip


def _malformed_json() -> list[Row]:
    rows = []
    # The engine's own words to those who know them.
    for dialect, kind in ((V1, "error"), (JSON, "ERROR")):
        rows += [
            _error("not JSON", "{", "malformed_json", dialect, kind),
            _error("JSON that is no object", '["PING"]', "malformed_json", dialect, kind),
            _error("an object without a type", '{"kind":"PING"}', "malformed_json", dialect, kind),
            _error("a type that is no text", '{"type":7}', "malformed_json", dialect, kind),
            _error("a type nobody knows", '{"type":"MAKE_COFFEE"}', "unknown_type", dialect),
        ]
    half = r'{"type":"CODE_UPDATE","content":"\ud83d"}'
    rows.append(_error("half of a surrogate pair", half, "malformed_json"))
    return [*rows, _error("nested ten thousand deep", "[" * 10_000, "malformed_json")]


def _refused_messages() -> list[Row]:
    def cursor(line: int) -> str:
        return f'{{"type":"CURSOR_POSITION","position":{{"line":{line},"column":0}}}}'

    said = f'{{"type":"CHAT_MESSAGE","content":"{TOO_LONG}"}}'
    return [
        _error("a field of the wrong type", '{"type":"CHAT_MESSAGE","content":7}', "invalid_message"),
        _error("a field that must be there", '{"type":"CURSOR_POSITION"}', "invalid_message"),
        _error("a line before the first", cursor(-1), "bad_position"),
        _error("a line behind the last", cursor(9), "bad_position"),
        _error("nothing to be seen", '{"type":"CHAT_MESSAGE","content":" \\u0000\\t "}', "empty_message"),
        _error("a message of 2,001 characters", said, "message_too_long"),
        _error("no time to extend by", '{"type":"TURN_REQUEST","action":"extend"}', "invalid_message"),
        _error("what only the host may", '{"type":"TURN_REQUEST","action":"start"}', "not_host"),
        _error("a role nobody has", '{"type":"ROLE_REQUEST","role":"EMPEROR"}', "invalid_message"),
        _error("a role for another, not being the host",
               f'{{"type":"ROLE_REQUEST","role":"PILOT","userId":"{BEN}"}}', "not_host"),
        _error("a token that is none", '{"type":"AUTH","token":"forged"}', "token_refused"),
        _error("CODE_UPDATE on a dialect with a document", '{"type":"CODE_UPDATE","content":"x"}', "not_here", V1),
    ]  # fmt: skip


def _refused_code() -> list[Row]:
    def code(name: str, fields: str, refused: str) -> Row:
        return _error(name, f'{{"type":"CODE_UPDATE",{fields}}}', refused)

    return [
        code("a version that is long gone", '"baseVersion":"long-gone","seq":1,"content":"two\\n"', "stale_version"),
        code("a file that is not there", '"file":"other.py","content":"x"', "unknown_file"),
        code("content and edits at once", '"baseVersion":"v","content":"x","edits":[]', "bad_message"),
        code("edits that count in nothing", '"edits":[]', "bad_message"),
        code("content of the wrong type", '"content":["x"]', "bad_message"),
        code("a cursor outside the text", '"content":"two\\n","position":{"line":9,"column":0}', "bad_position"),
        code(
            "a cursor inside a character", '"content":"\\ud83d\\ude00","position":{"line":0,"column":1}', "bad_position"
        ),
    ]
