from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.identity.refresh_token import (
    ABSOLUTE,
    IDLE,
    RETRY,
    Known,
    Verdict,
    end_of,
    generate,
    hash_of,
    judge,
    new_salt,
    successor,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def known(
    *,
    used: timedelta | None = None,
    left: timedelta = IDLE,
    session_left: timedelta = ABSOLUTE,
    revoked: bool = False,
) -> Known:
    return Known(
        expires_at=NOW + left,
        used_at=None if used is None else NOW - used,
        session_expires_at=NOW + session_left,
        session_revoked_at=NOW - SECOND if revoked else None,
    )


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (known(), Verdict.FRESH),
        (known(left=SECOND), Verdict.FRESH),
        (known(left=timedelta(0)), Verdict.OVER),
        (known(used=timedelta(0)), Verdict.REPEATED),
        (known(used=RETRY), Verdict.REPEATED),
        (known(used=RETRY + SECOND), Verdict.REUSED),
        (known(used=RETRY, left=-SECOND), Verdict.REPEATED),
        (known(used=timedelta(days=40), left=-SECOND), Verdict.REUSED),
        (known(used=RETRY + SECOND, session_left=timedelta(0)), Verdict.OVER),
        (known(used=RETRY + SECOND, revoked=True), Verdict.OVER),
        (known(used=timedelta(0), revoked=True), Verdict.OVER),
        (known(session_left=timedelta(0)), Verdict.OVER),
        (known(used=-SECOND), Verdict.REPEATED),
    ],
)
def test_what_a_token_is_worth(state: Known, verdict: Verdict) -> None:
    assert judge(state, NOW) is verdict


def test_a_token_never_outlives_its_session() -> None:
    assert end_of(NOW, NOW + ABSOLUTE) == NOW + IDLE
    assert end_of(NOW, NOW + SECOND) == NOW + SECOND


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_the_successor_depends_on_token_and_salt_alone(salt: bytes, other: bytes) -> None:
    token = "rt_" + "A" * 43
    following = successor(token, salt)
    assert hash_of(following) is not None
    assert following == successor(token, salt)
    assert following != token
    assert (successor(token, other) == following) == (other == salt)
    assert successor("rt_" + "B" * 43, salt) != following


def test_tokens_and_salts_are_random() -> None:
    assert len({generate() for _ in range(100)}) == 100
    assert len({new_salt() for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "rt_", "rt_" + "A" * 42, "rt_" + "A" * 44, "rt_" + "A" * 42 + "\n", "x" * 46])
def test_what_cannot_be_a_token_has_no_hash(text: str) -> None:
    assert hash_of(text) is None
