"""Who is here, rule by rule. Payloads that must not be decoded are given a tail that no decoder would take."""

from __future__ import annotations

from uuid import UUID

import pytest

from collab_core.presence import FORGET_SECONDS, SERVER, Presence
from collab_core.wire.awareness import EMPTY, REMOVED, PresenceEntry, decode, encode
from collab_core.wire.lib0 import WireError

ANN, BEN = UUID(int=1), UUID(int=2)
TAB, OTHER_TAB, THIRD = 1001, 1002, 1003
STATE_BYTES = 64
IDS = 3
HI, HO = b'{"hi":1}', b'{"ho":2}'


@pytest.fixture
def presence() -> Presence:
    return Presence(state_bytes=STATE_BYTES, ids_per_member=IDS)


def entry(client: int, clock: int, state: bytes = HI) -> PresenceEntry:
    return PresenceEntry(client, clock, state)


def show(presence: Presence, member: int, user: UUID, *entries: PresenceEntry, now: float = 0.0) -> bytes | None:
    return presence.receive(member, user, encode(entries), now)


def seen(presence: Presence) -> dict[int, tuple[UUID, bytes]]:
    return presence.states()


def spoil(payload: bytes) -> bytes:
    """Nothing that a decoder would take, with the same beginning."""
    return payload[:-1] + b"\xff"


# Claiming


def test_a_first_entry_is_shown_to_everyone_once(presence: Presence) -> None:
    # It is told of its own removal, so that it raises a clock that others may have seen before.
    assert show(presence, 1, ANN, entry(TAB, 1)) == encode([entry(TAB, 1, REMOVED)])
    assert decode(presence.broadcast()) == [entry(TAB, 1)]
    assert not presence.pending
    assert presence.broadcast() == EMPTY
    assert decode(presence.everyone()) == [entry(TAB, 1)]
    assert seen(presence) == {TAB: (ANN, HI)}


def test_a_room_without_anybody(presence: Presence) -> None:
    assert presence.broadcast() == presence.heartbeat(0.0) == presence.everyone() == EMPTY
    assert not presence.pending
    presence.leave(1, 0.0)
    assert not presence.pending


def test_only_a_single_entry_claims_an_id(presence: Presence) -> None:
    assert show(presence, 1, ANN, entry(TAB, 1), entry(OTHER_TAB, 1)) is None
    assert presence.receive(1, ANN, EMPTY, 0.0) is None
    assert seen(presence) == {}


def test_a_removal_of_an_unknown_id_claims_nothing(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5, REMOVED))
    assert not presence.pending
    show(presence, 2, BEN, entry(TAB, 1))
    assert seen(presence) == {TAB: (BEN, HI)}


def test_ids_of_one_connection_are_bounded(presence: Presence) -> None:
    for client in range(1, IDS + 2):
        show(presence, 1, ANN, entry(client, 1))
    assert sorted(seen(presence)) == [1, 2, 3]
    show(presence, 1, ANN, entry(2, 2, REMOVED))
    show(presence, 1, ANN, entry(4, 1))
    assert sorted(seen(presence)) == [1, 3, 4]


def test_a_state_over_the_bound_is_ignored(presence: Presence) -> None:
    longest = b'"' + b"x" * (STATE_BYTES - 2) + b'"'
    show(presence, 1, ANN, entry(TAB, 1, longest))
    show(presence, 1, ANN, entry(TAB, 2, longest[:-1] + b'x"'))
    assert decode(presence.everyone()) == [entry(TAB, 1, longest)]


# Whose it is


@pytest.mark.parametrize("state", [HO, REMOVED], ids=["set", "remove"])
def test_nobody_touches_another_persons_presence(presence: Presence, state: bytes) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    presence.broadcast()
    assert show(presence, 2, BEN, entry(TAB, 9, state)) is None
    show(presence, 2, BEN, entry(OTHER_TAB, 1))
    show(presence, 2, BEN, entry(TAB, 9, state), entry(OTHER_TAB, 2, HO))
    assert decode(presence.broadcast()) == [entry(OTHER_TAB, 2, HO)]
    assert decode(presence.everyone())[0] == entry(TAB, 1)


def test_an_echo_of_one_other_is_turned_away_undecoded(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    assert presence.receive(2, BEN, spoil(presence.broadcast()), 0.0) is None
    with pytest.raises(WireError):
        presence.receive(1, ANN, spoil(encode([entry(TAB, 2)])), 0.0)


def test_an_echo_of_a_merged_frame_is_turned_away_undecoded(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    show(presence, 2, BEN, entry(OTHER_TAB, 1))
    merged = presence.broadcast()
    show(presence, 3, BEN, entry(THIRD, 1))
    assert presence.receive(3, BEN, spoil(merged), 0.0) is None
    assert presence.receive(4, ANN, spoil(merged), 0.0) is None
    with pytest.raises(WireError):
        presence.receive(1, ANN, spoil(merged), 0.0)


def test_the_echo_of_a_whole_frame_with_ones_own_entry_changes_nothing(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    show(presence, 2, BEN, entry(OTHER_TAB, 1))
    merged = presence.broadcast()
    for member, user in ((1, ANN), (2, BEN)):
        assert presence.receive(member, user, merged, 0.0) is None
    assert not presence.pending
    assert presence.heartbeat(0.0) == EMPTY


def test_in_a_frame_of_many_only_ones_own_counts(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    show(presence, 2, BEN, entry(OTHER_TAB, 1))
    presence.broadcast()
    show(presence, 1, ANN, entry(OTHER_TAB, 7, REMOVED), entry(THIRD, 1), entry(TAB, 2, HO))
    assert decode(presence.broadcast()) == [entry(TAB, 2, HO)]
    assert sorted(seen(presence)) == [TAB, OTHER_TAB]


def test_a_count_that_the_payload_cannot_hold_is_refused(presence: Presence) -> None:
    with pytest.raises(WireError):
        presence.receive(1, ANN, b"\xff\xff\xff\xff\x07", 0.0)
    with pytest.raises(WireError):
        presence.receive(1, ANN, b"", 0.0)


# Clocks


@pytest.mark.parametrize(("clock", "taken"), [(4, False), (5, False), (6, True), (90, True)])
def test_only_a_higher_clock_changes_a_state(presence: Presence, clock: int, taken: bool) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    presence.broadcast()
    show(presence, 1, ANN, entry(TAB, clock, HO))
    assert presence.pending == taken
    assert decode(presence.everyone()) == [entry(TAB, clock, HO) if taken else entry(TAB, 5)]


def test_clocks_are_the_owners_own(presence: Presence) -> None:
    for clock in (3, 70, 71):
        show(presence, 1, ANN, entry(TAB, clock, HO if clock % 2 else HI))
        assert decode(presence.broadcast())[0].clock == clock


@pytest.mark.parametrize(("clock", "taken"), [(4, False), (5, True), (6, True)])
def test_a_removal_may_have_the_last_clock(presence: Presence, clock: int, taken: bool) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    presence.broadcast()
    show(presence, 1, ANN, entry(TAB, clock, REMOVED))
    assert decode(presence.broadcast()) == ([entry(TAB, clock, REMOVED)] if taken else [])
    assert (TAB in seen(presence)) != taken


# Connections of one user


def test_the_same_tab_on_a_newer_connection_takes_its_presence_along(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    presence.broadcast()
    show(presence, 2, ANN, entry(TAB, 5))
    assert not presence.pending
    presence.leave(1, 0.0)
    assert not presence.pending
    assert seen(presence) == {TAB: (ANN, HI)}
    presence.leave(2, 0.0)
    assert decode(presence.broadcast()) == [entry(TAB, 5, REMOVED)]


def test_a_newer_connection_may_bring_a_newer_state(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    show(presence, 2, ANN, entry(TAB, 6, HO))
    presence.leave(1, 0.0)
    assert decode(presence.broadcast()) == [entry(TAB, 6, HO)]


def test_an_older_connection_does_not_take_it_back(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    show(presence, 2, ANN, entry(TAB, 6))
    presence.broadcast()
    show(presence, 1, ANN, entry(TAB, 7, HO))
    show(presence, 1, ANN, entry(TAB, 8, REMOVED))
    assert not presence.pending
    presence.leave(1, 0.0)
    assert seen(presence) == {TAB: (ANN, HI)}


def test_another_tab_that_echoes_a_first_one_does_not_carry_it(presence: Presence) -> None:
    """BroadcastChannel: the second tab of a browser sends the first one's states on its own socket."""
    show(presence, 1, ANN, entry(TAB, 5))
    show(presence, 2, ANN, entry(OTHER_TAB, 1))
    presence.broadcast()
    show(presence, 2, ANN, entry(TAB, 6, HO))
    show(presence, 2, ANN, entry(TAB, 7, REMOVED))
    assert not presence.pending
    presence.leave(2, 0.0)
    assert decode(presence.broadcast()) == [entry(OTHER_TAB, 1, REMOVED)]
    assert seen(presence) == {TAB: (ANN, HI)}


# Leaving and coming back


def test_a_connection_that_ends_removes_what_it_carries_at_the_last_clock(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    show(presence, 1, ANN, entry(OTHER_TAB, 8))
    show(presence, 2, BEN, entry(THIRD, 1))
    presence.broadcast()
    presence.leave(1, 0.0)
    assert sorted(decode(presence.broadcast())) == [entry(TAB, 5, REMOVED), entry(OTHER_TAB, 8, REMOVED)]
    assert decode(presence.everyone()) == [entry(THIRD, 1)]


def test_an_owner_that_returns_is_told_of_its_own_removal_until_its_clock_is_higher(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    presence.leave(1, 0.0)
    presence.broadcast()
    for clock in (4, 5):
        answer = show(presence, 2, ANN, entry(TAB, clock))
        assert answer is not None
        assert decode(answer) == [entry(TAB, 5, REMOVED)]
        assert not presence.pending
    assert show(presence, 2, ANN, entry(TAB, 6)) is None
    assert decode(presence.broadcast()) == [entry(TAB, 6)]
    presence.leave(2, 0.0)
    assert seen(presence) == {}


def test_a_late_echo_revives_nobody(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    show(presence, 2, BEN, entry(OTHER_TAB, 1))
    presence.leave(1, 0.0)
    presence.broadcast()
    assert show(presence, 2, BEN, entry(TAB, 9)) is None
    assert show(presence, 2, BEN, entry(TAB, 9), entry(OTHER_TAB, 1)) is None
    assert not presence.pending


def test_a_removed_id_is_forgotten_after_a_while_and_not_before(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    presence.leave(1, 100.0)
    presence.broadcast()
    presence.heartbeat(100.0 + FORGET_SECONDS)
    show(presence, 2, BEN, entry(TAB, 9))
    assert seen(presence) == {}
    presence.heartbeat(100.0 + FORGET_SECONDS + 0.1)
    show(presence, 2, BEN, entry(TAB, 1))
    assert seen(presence) == {TAB: (BEN, HI)}


def test_a_removal_by_its_owner_is_forgotten_as_well(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5), now=10.0)
    show(presence, 1, ANN, entry(TAB, 6, REMOVED), now=500.0)
    presence.broadcast()
    presence.heartbeat(500.0 + FORGET_SECONDS)
    assert show(presence, 1, ANN, entry(TAB, 6)) is not None
    assert presence.states() == {}
    presence.heartbeat(500.1 + FORGET_SECONDS)
    show(presence, 1, ANN, entry(TAB, 6))
    assert presence.states() == {TAB: (ANN, b'{"hi":1}')}
    assert seen(presence) == {TAB: (ANN, HI)}


def test_a_removal_nobody_was_told_yet_is_not_forgotten(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 5))
    presence.leave(1, 0.0)
    presence.heartbeat(1_000.0)
    assert decode(presence.broadcast()) == [entry(TAB, 5, REMOVED)]
    presence.heartbeat(1_000.0)
    show(presence, 2, BEN, entry(TAB, 1))
    assert seen(presence) == {TAB: (BEN, HI)}


# Heartbeats


def test_renewals_wait_for_the_heartbeat_and_come_as_one(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    show(presence, 2, BEN, entry(OTHER_TAB, 1))
    presence.broadcast()
    for clock in (2, 3):
        show(presence, 1, ANN, entry(TAB, clock))
        show(presence, 2, BEN, entry(OTHER_TAB, clock))
    assert not presence.pending
    assert presence.broadcast() == EMPTY
    assert sorted(decode(presence.heartbeat(0.0))) == [entry(TAB, 3), entry(OTHER_TAB, 3)]
    assert presence.heartbeat(0.0) == EMPTY


def test_a_change_after_a_renewal_is_told_once(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    presence.broadcast()
    show(presence, 1, ANN, entry(TAB, 2))
    show(presence, 1, ANN, entry(TAB, 3, HO))
    assert decode(presence.broadcast()) == [entry(TAB, 3, HO)]
    assert presence.heartbeat(0.0) == EMPTY


def test_a_renewal_of_what_nobody_was_told_yet_goes_with_the_change(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    show(presence, 1, ANN, entry(TAB, 2))
    assert decode(presence.broadcast()) == [entry(TAB, 2)]
    assert presence.heartbeat(0.0) == EMPTY


def test_one_who_leaves_after_a_renewal_is_only_removed(presence: Presence) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    presence.broadcast()
    show(presence, 1, ANN, entry(TAB, 2))
    presence.leave(1, 0.0)
    assert presence.heartbeat(0.0) == EMPTY
    assert decode(presence.broadcast()) == [entry(TAB, 2, REMOVED)]


# What the server shows on behalf of members without presence


def shown_id(presence: Presence) -> int:
    [client] = presence.states()
    return client


def test_what_the_server_shows_is_everyones_to_see_and_raised_at_each_change(presence: Presence) -> None:
    presence.show(1, HI, ())
    client = shown_id(presence)
    assert decode(presence.broadcast()) == [entry(client, 1, HI)]
    presence.show(1, HI, ())
    assert not presence.pending
    presence.show(1, HO, ())
    assert decode(presence.broadcast()) == [entry(client, 2, HO)]
    assert decode(presence.everyone()) == [entry(client, 2, HO)]
    assert seen(presence) == {client: (SERVER, HO)}


def test_nobody_can_change_or_remove_what_the_server_shows(presence: Presence) -> None:
    presence.show(1, HI, ())
    client = shown_id(presence)
    presence.broadcast()
    for user, member in ((ANN, 1), (BEN, 2)):
        show(presence, member, user, entry(client, 50, HO))
        show(presence, member, user, entry(client, 51, REMOVED))
    show(presence, 2, BEN, entry(TAB, 1))
    show(presence, 2, BEN, entry(TAB, 2), entry(client, 52, HO))
    assert seen(presence)[client] == (SERVER, HI)
    assert presence.user_of(client) == SERVER
    presence.leave(2, 0.0)
    assert seen(presence) == {client: (SERVER, HI)}


def test_what_the_server_shows_is_renewed_with_the_rest_and_ends_with_its_member(presence: Presence) -> None:
    presence.show(1, HI, ())
    client = shown_id(presence)
    presence.broadcast()
    assert decode(presence.heartbeat(0.0)) == [entry(client, 2)]
    assert decode(presence.heartbeat(10.0)) == [entry(client, 3)]
    presence.leave(1, 20.0)
    assert decode(presence.broadcast()) == [entry(client, 3, REMOVED)]
    assert presence.heartbeat(30.0) == EMPTY
    presence.show(1, HI, ())
    assert shown_id(presence) != client


def test_the_servers_ids_are_free_ones(presence: Presence, monkeypatch: pytest.MonkeyPatch) -> None:
    show(presence, 1, ANN, entry(TAB, 1))
    drawn = iter([TAB, OTHER_TAB, THIRD])
    monkeypatch.setattr("collab_core.presence.randbits", lambda _: next(drawn))
    presence.show(2, HO, {OTHER_TAB: 5})
    assert seen(presence) == {TAB: (ANN, HI), THIRD: (SERVER, HO)}


def test_a_state_of_the_servers_is_bounded_too(presence: Presence) -> None:
    presence.show(1, b'"' + b"x" * STATE_BYTES + b'"', ())
    assert seen(presence) == {}
