from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from edge.dojos.comparison import LINES, FileChange, compare, unified

SMALL = st.lists(st.sampled_from(["a", "b", "", "c"]), max_size=12).map("\n".join)


def patched(old: str, diff: str) -> str:
    """`old` with a unified diff applied, as `patch` does."""
    lines = old.split("\n")
    before = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    after: list[str] = []
    at = 0
    last = ""
    for line in diff.split("\n")[:-1]:
        if line.startswith("@@"):
            start, _, length = line.split()[1][1:].partition(",")
            first = int(start) - (length != "0")
            after += before[at:first]
            at = first
        elif line.startswith("\\"):
            after[-1:] = [after[-1].removesuffix("\n")] if last != "-" else after[-1:]
        elif line[0] == "+":
            after.append(line[1:] + "\n")
        else:
            assert before[at].removesuffix("\n") == line[1:]
            if line[0] == " ":
                after.append(before[at])
            at += 1
        last = line[0]
    return "".join([*after, *before[at:]])


@given(SMALL, SMALL)
def test_a_diff_makes_one_of_the_other(old: str, new: str) -> None:
    assert patched(old, unified(old, new)) == new


def test_a_change_is_shown_with_what_stands_around_it() -> None:
    old = "".join(f"{number}\n" for number in range(20))
    assert unified(old, old.replace("10\n", "ten\n", 1)) == "@@ -8,7 +8,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"


def test_files_that_differ() -> None:
    assert compare({"a": "x\n", "b": "same", "c": "gone"}, {"a": "y\n", "b": "same", "d": "new"}) == [
        FileChange("a", "CHANGED", "@@ -1 +1 @@\n-x\n+y\n"),
        FileChange("c", "REMOVED", "@@ -1 +0,0 @@\n-gone\n\\ No newline at end of file\n"),
        FileChange("d", "ADDED", "@@ -0,0 +1 @@\n+new\n\\ No newline at end of file\n"),
    ]


def test_huge_files_that_have_nothing_in_common_take_no_time() -> None:
    old = "".join(f"a{number}\n" for number in range(LINES * 20))
    new = "".join(f"b{number}\n" for number in range(LINES * 20))
    began = time.perf_counter()
    diff = unified(old, new)
    assert time.perf_counter() - began < 5.0
    assert diff.count("\n-") + diff.count("\n+") == LINES * 40
