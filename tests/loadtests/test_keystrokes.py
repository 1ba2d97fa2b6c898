"""A trace typed offline, agent by agent, ends with the trace's own text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from pycrdt import Doc, Text, merge_updates

from loadtests.keystrokes import NotLinear, clocks, scripts
from loadtests.trace import TRACES, load

ROOT = "content"


def _trace(folder: Path, transactions: list[dict[str, object]], end: str, agents: int = 1) -> Path:
    path = folder / "small.json.gz"
    times = [{"time": f"2026-01-01T00:00:{second:02}Z"} | txn for second, txn in enumerate(transactions)]
    content = {"kind": 10, "startContent": "", "endContent": end, "numAgents": agents, "txns": times}
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return path


@pytest.mark.parametrize(
    ("name", "agents", "transactions"), [("sveltecomponent", 1, 18_335), ("friendsforever", 2, 26_078)]
)
def test_recorded_sessions_end_with_their_own_text(name: str, agents: int, transactions: int) -> None:
    trace = load(TRACES / f"{name}.json.gz")
    written = scripts(trace, ROOT, 40)

    assert [script.client_id for script in written] == list(range(40, 40 + agents))
    assert sum(len(script.keystrokes) for script in written) == transactions == len(trace.transactions)
    merged: list[bytes] = [k.update for script in written for k in script.keystrokes if k.update]
    while len(merged) > 1:  # merging is quadratic in how many there are
        merged = [merge_updates(*merged[at : at + 64]) for at in range(0, len(merged), 64)]
    doc: Doc[Text] = Doc()
    doc.apply_update(merged[0])
    assert str(doc.get(ROOT, type=Text)) == trace.end_content


def test_the_concurrent_session_is_typed_concurrently() -> None:
    """Both typed while they had not seen all of the other, and each says what it had seen."""
    first, second = scripts(load(TRACES / "friendsforever.json.gz"), ROOT, 1)
    for script, other in ((first, second), (second, first)):
        seen = [dict(keystroke.needs).get(other.client_id, 0) for keystroke in script.keystrokes]
        assert seen == sorted(seen)
        assert len(set(seen)) > 500


def test_positions_are_code_points(tmp_path: Path) -> None:
    path = _trace(
        tmp_path, [{"patches": [[0, 0, "aé😀z"]]}, {"patches": [[3, 0, "b"]]}, {"patches": [[1, 2, ""]]}], "abz"
    )
    trace = load(path)

    doc: Doc[Text] = Doc()
    for keystroke in scripts(trace, ROOT, 9)[0].keystrokes:
        doc.apply_update(keystroke.update)
    assert str(doc.get(ROOT, type=Text)) == "abz" == trace.end_content
    assert [transaction.pause for transaction in trace.transactions] == [0.0, 1.0, 1.0]


def test_an_agent_that_had_not_seen_its_own_typing_is_refused(tmp_path: Path) -> None:
    path = _trace(
        tmp_path,
        [
            {"parents": [], "agent": 0, "patches": [[0, 0, "a"]]},
            {"parents": [], "agent": 0, "patches": [[0, 0, "b"]]},
        ],
        "ab",
    )
    with pytest.raises(NotLinear):
        scripts(load(path), ROOT, 1)


def test_clocks_of_a_state_vector() -> None:
    doc: Doc[Text] = Doc(client_id=300)
    doc.get(ROOT, type=Text).insert(0, "abc")

    assert clocks(doc.get_state()) == {300: 3}
    assert clocks(b"\x00") == {}
