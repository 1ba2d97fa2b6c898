"""Whom a revocation means, and that memory stays bounded without forgetting anyone."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.tokens.jws import LEEWAY_SECONDS
from kernel.tokens.revocations import Bearer, Revocation, Revocations

TENANT, OTHER, ANA, BEN, SESSION, SECOND = (UUID(int=n) for n in range(1, 7))
AT = 1_800_000_000.0
HER = Bearer(TENANT, ANA, SESSION, 3, AT - 100)


def revoked(*rows: Revocation) -> Revocations:
    held = Revocations()
    held.add(rows)
    return held


def session(one: UUID = SESSION, at: float = AT) -> Revocation:
    return Revocation(TENANT, ANA, one, None, at)


def version(lowest: int, at: float = AT) -> Revocation:
    return Revocation(TENANT, ANA, None, lowest, at)


def test_a_session_ends_alone() -> None:
    held = revoked(session())
    assert held.refuses(HER)
    assert not held.refuses(HER._replace(session=SECOND))
    assert not held.refuses(HER._replace(tenant=OTHER))
    assert not held.refuses(HER._replace(session=None)), "a room ticket belongs to no session"


def test_a_raised_version_ends_the_lower_ones_of_that_user() -> None:
    held = revoked(version(4))
    assert held.refuses(HER)
    assert held.refuses(HER._replace(session=SECOND))
    assert not held.refuses(HER._replace(version=4))
    assert not held.refuses(HER._replace(user=BEN))
    assert not held.refuses(HER._replace(tenant=OTHER))


def test_the_highest_version_counts_in_whatever_order_they_come() -> None:
    for order in ((version(4), version(6, AT - 5)), (version(6, AT - 5), version(4))):
        held = revoked(*order)
        assert held.refuses(HER._replace(version=5))
        assert not held.refuses(HER._replace(version=6))


def test_a_tenants_end_means_everything_issued_before_it_give_or_take_the_clocks() -> None:
    held = revoked(Revocation(TENANT, None, None, None, AT))
    for bearer in (HER, Bearer(TENANT, BEN, None, None, AT)):
        assert held.refuses(bearer)
        assert held.refuses(bearer._replace(issued_at=AT + LEEWAY_SECONDS - 1)), "another's clock may be ahead"
        assert not held.refuses(bearer._replace(issued_at=AT + LEEWAY_SECONDS))
        assert not held.refuses(bearer._replace(tenant=OTHER))


def test_a_users_end_means_everything_of_theirs_issued_before_it() -> None:
    held = revoked(Revocation(TENANT, ANA, None, None, AT))
    assert held.refuses(HER)
    assert held.refuses(HER._replace(session=None, version=None))
    assert not held.refuses(HER._replace(issued_at=AT + LEEWAY_SECONDS))
    assert not held.refuses(HER._replace(user=BEN))


def test_only_what_is_new_is_told() -> None:
    held = Revocations()
    assert held.add([session(), version(4)]) == {TENANT}
    assert held.add([session(), version(4), version(3)]) == frozenset()
    assert held.add([version(5)]) == {TENANT}
    assert held.add([Revocation(OTHER, None, None, None, AT), session()]) == {OTHER}
    assert held.add([Revocation(OTHER, None, None, None, AT - 1)]) == frozenset()


def test_what_no_token_can_mean_any_more_is_forgotten() -> None:
    held = revoked(session(at=AT), session(SECOND, AT + 10), version(4, AT), Revocation(OTHER, None, None, None, AT))
    held.forget(AT + 1)
    assert len(held) == 1
    assert not held.refuses(HER)
    assert not held.refuses(HER._replace(tenant=OTHER))
    assert held.refuses(HER._replace(session=SECOND))
    held.forget(AT + 11)
    assert len(held) == 0


def test_past_its_bound_it_refuses_more_rather_than_to_forget() -> None:
    held = Revocations(entries=10)
    held.add([Revocation(OTHER, BEN, SECOND, None, AT)])
    held.add(Revocation(TENANT, ANA, UUID(int=100 + n), None, AT + n) for n in range(20))
    assert len(held) <= 10
    assert all(held.refuses(HER._replace(session=UUID(int=100 + n))) for n in range(20))
    assert held.refuses(Bearer(OTHER, BEN, SECOND, 1, AT)), "the other tenant's are as they were"
    assert not held.refuses(Bearer(OTHER, ANA, SESSION, 1, AT - 100))
    assert not held.refuses(HER._replace(issued_at=AT + 19 + LEEWAY_SECONDS)), "whoever refreshes is in again"


@given(
    st.lists(
        st.builds(
            Revocation,
            st.sampled_from([TENANT, OTHER]),
            st.sampled_from([None, ANA, BEN]),
            st.sampled_from([None, SESSION, SECOND]),
            st.sampled_from([None, 2, 3]),
            st.sampled_from([AT, AT + 1, AT + 200]),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_and_a_tight_bound_lose_nothing(rows: list[Revocation], random: object) -> None:
    whole = revoked(*rows)
    shuffled = rows * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other, tight = revoked(*shuffled), Revocations(entries=2)
    for row in shuffled:
        tight.add([row])
    bearers = [
        Bearer(tenant, user, one, lowest, at)
        for tenant in (TENANT, OTHER)
        for user in (ANA, BEN)
        for one in (None, SESSION, SECOND)
        for lowest in (1, 2, 3)
        # Issued before all of it: nobody is issued a token of what was revoked already.
        for at in (AT - 100,)
    ]
    for bearer in bearers:
        assert whole.refuses(bearer) == other.refuses(bearer)
        assert tight.refuses(bearer) or not whole.refuses(bearer)


@pytest.mark.parametrize("entries", [1, 1000])
def test_the_count_is_what_is_held(entries: int) -> None:
    held = Revocations(entries=entries)
    for n in range(50):
        held.add([session(UUID(int=n)), version(n + 2), Revocation(TENANT, BEN, None, None, AT + n)])
    assert len(held) <= entries
    held.forget(AT + 1000)
    assert len(held) == 0
