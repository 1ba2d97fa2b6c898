"""What several SFUs say of a room is one room to those who are told."""

from __future__ import annotations

from uuid import UUID

import msgspec

from edge.voice.state import VoiceChange, VoicePerson, VoiceState
from edge.voice.whole_room import SILENT_SECONDS, WholeRoom

ROOM = UUID(int=1)


def person(number: int, *, connected: bool = True) -> VoicePerson:
    return VoicePerson(
        number, UUID(int=number), muted=False, may_speak=True, preferred=False, speaking=False, connected=connected
    )


def told(
    sfu: str,
    numbers: list[int],
    slots: list[int | None],
    own: dict[str, list[int | None]] | None = None,
    *,
    at: float = 1.0,
    spoken: dict[str, float] | None = None,
) -> VoiceState:
    return VoiceState(
        room=ROOM, sfu=sfu, at=at, people=[person(number) for number in numbers], slots=slots, own=own or {},
        spoken=spoken or {},
    )  # fmt: skip


def numbers(whole: WholeRoom) -> list[int]:
    return sorted(one.number for one in whole.state.people) if whole.state is not None else []


def test_one_sfu_alone_is_the_room() -> None:
    whole = WholeRoom()
    assert numbers(whole) == []
    assert whole.sfus == []
    state = told("a", [1, 2], [1, None])
    whole.heard(state, 5.0)
    assert whole.state is state
    empty = told("a", [], [None, None], at=2.0)
    whole.heard(empty, 6.0)
    assert whole.state is empty, "the last word is that all have gone"
    assert whole.sfus == []


def test_people_slots_and_talk_of_all() -> None:
    whole = WholeRoom()
    whole.heard(told("a", [1, 2, 3], [1, 9], {"1": [9, None]}, spoken={"1": 4.0}), 5.0)
    whole.heard(told("b", [8, 9], [9, 1], {"9": [1, None]}, at=3.0, spoken={"9": 2.0}), 5.0)
    state = whole.state
    assert state is not None
    assert numbers(whole) == [1, 2, 3, 8, 9]
    assert (state.sfu, state.at, state.slots) == ("a", 3.0, [1, 9])
    # Whoever is sent others than are usual where most are, on whatever SFU.
    assert state.own == {"1": [9, None], "8": [9, 1], "9": [1, None]}
    assert state.spoken == {"1": 4.0, "9": 2.0}
    assert whole.sfus == ["a", "b"]


def test_it_is_recorded_if_any_of_it_is() -> None:
    whole = WholeRoom()
    whole.heard(told("a", [1, 2], [1]), 5.0)
    state = told("b", [3], [1])
    state = VoiceState(ROOM, "b", 1.0, state.people, state.slots, recording=True)
    whole.heard(state, 5.0)
    assert whole.state is not None
    assert whole.state.recording


def test_what_was_overtaken_changes_nothing() -> None:
    whole = WholeRoom()
    whole.heard(told("a", [1], [1], at=5.0), 5.0)
    whole.heard(told("a", [1, 2], [1], at=4.0), 5.1)
    whole.heard(told("b", [3], [1], at=1.0), 5.2)
    assert numbers(whole) == [1, 3]


def test_who_loses_their_sfu_and_who_has_moved_already() -> None:
    whole = WholeRoom()
    whole.heard(told("a", [1, 2, 3], [1]), 5.0)
    whole.heard(told("b", [3, 4], [1]), 5.0)
    assert sorted(one.number for one in whole.lost("a")) == [1, 2]
    assert numbers(whole) == [3, 4]
    assert whole.lost("a") == []
    assert sorted(one.number for one in whole.lost("b")) == [3, 4]
    assert whole.state is None


def test_who_is_on_two_is_where_they_are_connected_or_came_last() -> None:
    whole = WholeRoom()
    whole.heard(told("a", [1, 2, 3], [2, 1], spoken={"1": 60.0}), 5.0)
    whole.heard(told("b", [1], [2, None], spoken={"1": 0.0}), 5.0)
    assert whole.state is not None
    assert whole.state.own == {"1": [2, None]}
    assert whole.state.spoken == {"1": 0.0}
    unfinished = VoiceState(ROOM, "b", 2.0, [person(1, connected=False)], [2, None])
    whole.heard(unfinished, 6.0)
    assert whole.state.own == {}


def test_an_sfu_of_which_nothing_is_heard_has_nobody() -> None:
    whole = WholeRoom()
    whole.heard(told("a", [1, 2], [1]), 5.0)
    whole.heard(told("b", [3], [1]), 9.0)
    assert not whole.check(5.0 + SILENT_SECONDS)
    assert whole.check(5.1 + SILENT_SECONDS)
    assert numbers(whole) == [3]
    assert not whole.check(5.2 + SILENT_SECONDS)
    assert whole.check(9.1 + SILENT_SECONDS)
    assert (numbers(whole), whole.sfus) == ([], [])
    assert whole.of_sfu("a") is None


def change(
    sfu: str,
    speaking: list[int],
    slots: list[int | None],
    *,
    version: int = 0,
    at: float = 2.0,
    spoken: dict[str, float] | None = None,
) -> VoiceChange:
    return VoiceChange(
        room=ROOM, sfu=sfu, at=at, version=version, speaking=speaking, slots=slots, own={}, recording=False,
        recording_trouble=None, spoken=spoken or {},
    )  # fmt: skip


def speaking(whole: WholeRoom) -> list[int]:
    return sorted(one.number for one in whole.state.people if one.speaking) if whole.state is not None else []


def test_who_speaks_is_told_without_everybody() -> None:
    whole = WholeRoom()
    whole.heard(told("a", [1, 2], [None], spoken={"1": 3.0, "2": 4.0}), 5.0)
    whole.heard(told("b", [3], [None]), 5.0)
    whole.heard(change("a", [1], [1], spoken={"1": 3.5}), 5.1)
    assert whole.state is not None
    assert (numbers(whole), speaking(whole)) == ([1, 2, 3], [1])
    assert (whole.state.slots, whole.state.spoken) == ([1], {"1": 3.5, "2": 4.0})
    whole.heard(change("b", [3], [3], at=2.5), 5.2)
    assert speaking(whole) == [1, 3]
    whole.heard(change("a", [2], [2], at=2.6), 5.3)
    assert speaking(whole) == [2, 3]


def test_a_change_of_people_who_are_not_known_is_kept_until_they_are() -> None:
    whole = WholeRoom()
    whole.heard(change("a", [2], [2], version=7, spoken={"2": 9.0}), 5.0)
    assert (whole.state, whole.sfus) == (None, [])
    # Older, and overtaken by it on the way.
    whole.heard(with_version(told("a", [1, 2], [1], at=1.0), 7), 5.1)
    assert (numbers(whole), speaking(whole)) == ([1, 2], [2])
    assert whole.state is not None
    assert (whole.state.slots, whole.state.spoken) == ([2], {"2": 9.0})
    whole.heard(with_version(told("a", [1, 2], [None], at=3.0), 7), 5.2)
    assert speaking(whole) == [], "a state says all that was said before it"


def test_while_people_come_who_speaks_does_not_wait_for_their_names() -> None:
    whole = WholeRoom()
    state = with_version(told("a", [1], [None]), 4)
    whole.heard(state, 5.0)
    assert whole.of_sfu("a") is state
    whole.heard(change("a", [1], [1], version=4), 5.1)
    assert whole.of_sfu("a") == whole.state
    whole.heard(change("a", [1, 2], [1], version=5, at=2.1, spoken={"2": 0.1}), 5.2)
    assert speaking(whole) == [1], "2 is not known yet"
    assert whole.of_sfu("a") is None, "who is in is not known"
    whole.heard(with_version(told("a", [1, 2], [1], at=2.2), 5), 5.3)
    assert whole.of_sfu("a") is not None
    assert numbers(whole) == [1, 2]


def test_changes_of_nobody_known_are_forgotten() -> None:
    whole = WholeRoom()
    whole.heard(change("a", [1], [1]), 5.0)
    whole.heard(told("b", [2], [1]), 9.0)
    assert not whole.check(5.1 + SILENT_SECONDS)
    assert whole._changed == {}
    whole.heard(change("b", [2], [2]), 9.5)
    whole.lost("b")
    assert (whole._changed, whole._heard_at, whole.state) == ({}, {}, None)


def with_version(state: VoiceState, version: int) -> VoiceState:
    return msgspec.structs.replace(state, version=version)
