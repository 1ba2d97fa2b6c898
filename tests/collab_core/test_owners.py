"""Whose structs these are, as ranges: against a plain dictionary of clocks, and packed."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_core.owners import RANGES_PER_CLIENT, Owners

ANA, BEN = UUID(int=1), UUID(int=2)

changes = st.lists(
    st.tuples(
        st.sampled_from(["add", "assume"]),
        st.sampled_from([7, 300, 2**53 - 1]),
        st.integers(0, 40),
        st.integers(1, 12),
        st.integers(1, 3).map(lambda number: UUID(int=number)),
    ),
    max_size=30,
)
"""(how, client, start, length, user)."""


def made(story: list[tuple[str, int, int, int, UUID]]) -> Owners:
    owners = Owners()
    for how, client, start, length, user in story:
        (owners.add if how == "add" else owners.assume)(client, start, start + length, user)
    return owners


def test_one_person_types_on() -> None:
    owners = Owners()
    for clock in range(1000):
        owners.add(7, clock, clock + 1, ANA)
    assert owners.ranges(7) == [(0, 1000, ANA)]
    assert owners.sole == {7: ANA}
    assert [owners.user_of(7, clock) for clock in (0, 999, 1000)] == [ANA, ANA, None]
    assert owners.user_of(8, 0) is None


def test_what_many_typed_through_one_id_is_kept_apart() -> None:
    owners = Owners()
    for at, user in enumerate([ANA, ANA, BEN, ANA]):
        owners.add(7, 10 * at, 10 * at + 10, user)
    assert owners.ranges(7) == [(0, 20, ANA), (20, 30, BEN), (30, 40, ANA)]
    assert owners.sole == {}
    assert owners.knows(7)
    assert not owners.assumed(7)


def test_what_was_assumed_is_whose_who_goes_on() -> None:
    owners = Owners()
    owners.assume(7, 0, 5, BEN)
    assert owners.user_of(7, 3) == BEN
    assert owners.sole == {}
    owners.add(7, 5, 6, ANA)
    assert owners.ranges(7) == [(0, 6, ANA)]
    assert owners.sole == {7: ANA}


def test_what_is_brought_of_an_owners_id_is_the_owners() -> None:
    owners = Owners()
    owners.add(7, 0, 5, ANA)
    owners.assume(7, 5, 9, BEN)
    assert owners.ranges(7) == [(0, 9, ANA)]
    assert owners.sole == {7: ANA}


def test_the_oldest_is_forgotten_past_the_bound() -> None:
    owners = Owners()
    for clock in range(RANGES_PER_CLIENT + 1):
        owners.add(7, clock, clock + 1, ANA if clock % 2 else BEN)
    assert len(owners) <= RANGES_PER_CLIENT // 2 + 1
    assert owners.user_of(7, 0) is None
    assert owners.user_of(7, RANGES_PER_CLIENT) == BEN
    assert len(owners.pack()) < 400_000
    assert Owners.unpack(owners.pack()) == owners
    owners.add(7, RANGES_PER_CLIENT + 1, RANGES_PER_CLIENT + 2, ANA)
    assert owners.sole == {}


@given(changes)
def test_every_clock_has_the_user_who_was_first_to_say(story: list[tuple[str, int, int, int, UUID]]) -> None:
    """A model that knows nothing of ranges."""
    owners = made(story)
    model: dict[int, dict[int, UUID]] = {}
    assumed: dict[int, bool] = {}
    for how, client, start, length, user in story:
        clocks = model.setdefault(client, {})
        new = not clocks
        if how == "add":
            if not new and assumed[client]:
                clocks.update(dict.fromkeys(clocks, user))
            assumed[client] = False
        else:
            if len(set(clocks.values())) > 1:
                continue
            user = user if new else next(iter(clocks.values()))  # noqa: PLW2901
            assumed.setdefault(client, True)
        for clock in range(start, start + length):
            clocks.setdefault(clock, user)
    for client, clocks in model.items():
        assert {clock: owners.user_of(client, clock) for clock in range(60)} == {
            clock: clocks.get(clock) for clock in range(60)
        }


@given(changes)
def test_what_is_packed_is_read(story: list[tuple[str, int, int, int, UUID]]) -> None:
    owners = made(story)
    read = Owners.unpack(owners.pack())
    assert read.pack() == owners.pack()
    assert read.sole == owners.sole
    for client in (7, 300, 2**53 - 1):
        assert read.ranges(client) == owners.ranges(client)
        assert read.assumed(client) == owners.assumed(client)


@given(st.binary(min_size=1, max_size=60))
def test_garbage_raises_nothing_but_value_error(garbage: bytes) -> None:
    for data in (garbage, b"\x01" + garbage, b"\x01\x01" + bytes(16) + garbage):
        try:
            owners = Owners.unpack(data)
        except ValueError:
            continue
        assert Owners.unpack(owners.pack()) == owners


@given(changes.filter(bool), st.data())
def test_a_part_is_refused(story: list[tuple[str, int, int, int, UUID]], data: st.DataObject) -> None:
    whole = made(story).pack()
    with pytest.raises(ValueError, match=r"truncated|more than|holds"):
        Owners.unpack(whole[: data.draw(st.integers(1, len(whole) - 1))])


def test_nothing_is_nobodys_and_another_version_says_so() -> None:
    assert Owners.unpack(b"") == Owners()
    with pytest.raises(ValueError, match="version 2"):
        Owners.unpack(b"\x02\x00\x00")
