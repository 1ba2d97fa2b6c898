"""The gate: who gets in, with which rights, and which code everybody else is closed with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from collab_core.admission import Admission, Authoriser, Refused, UpgradeRequest
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from edge.live.gate import RoomGate
from kernel.tokens import SigningKey

TENANT, OTHER_TENANT, ANA, BOB = (UUID(int=n) for n in range(1, 5))
ORIGIN = "http://127.0.0.1:8080"
KEY = SigningKey.generate()


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def gate(clock: Clock | None = None) -> RoomGate:
    return RoomGate(KEY.verifier(), [ORIGIN, "https://Dojo.example/"], clock or Clock())


def token(key: SigningKey = KEY, **changes: Any) -> str:
    values: dict[str, Any] = {"tenant": TENANT, "user": ANA, "name": "Ana", "rooms": ["*"], "write": True}
    return key.mint(**{**values, "now": Clock.now, "seconds": 600, **changes})


def upgrade(
    room: str = "kata", query: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> UpgradeRequest:
    asked = {"token": token()} if query is None else query
    return UpgradeRequest(f"/api/v1/rooms/{room}/sync", asked, headers or {}, ())


async def refusal(request: UpgradeRequest, at: RoomGate | None = None) -> CloseCode:
    with pytest.raises(Refused) as refused:
        await (at or gate()).admit(request)
    given = [*request.query.values(), *request.headers.values()]
    assert not any(value in str(refused.value) for value in given if len(value) > 20)
    assert refused.value.__cause__ is None
    return refused.value.code


async def test_it_is_the_engines_authoriser() -> None:
    port: Authoriser = gate()
    assert (await port.admit(upgrade())).user == ANA


async def test_a_good_token_opens_the_room_it_is_for() -> None:
    found = await gate().admit(upgrade("two%20words", {"token": token(rooms=["x", "two words"])}))
    assert found == Admission(RoomKey(TENANT, "two words"), ANA, "Ana", True, Clock.now + 600)


async def test_a_read_only_token_may_not_write() -> None:
    assert not (await gate().admit(upgrade(query={"token": token(write=False)}))).can_write


async def test_the_token_may_stand_in_the_authorization_header() -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"authorization": f"{scheme} {token(user=BOB)}"}
        assert (await gate().admit(upgrade(query={}, headers=headers))).user == BOB
        assert (await gate().admit(upgrade(headers=headers))).user == BOB


async def test_rooms_of_two_tenants_are_two_rooms() -> None:
    one = await gate().admit(upgrade())
    two = await gate().admit(upgrade(query={"token": token(tenant=OTHER_TENANT)}))
    assert one.key != two.key
    assert one.key.room == two.key.room


@pytest.mark.parametrize("room", ["", "a%2Fb", "%FF", "a%00", "x" * 201])
async def test_an_address_that_names_no_room_is_not_found(room: str) -> None:
    assert await refusal(upgrade(room)) is CloseCode.NOT_FOUND


async def test_a_token_for_other_rooms_is_forbidden() -> None:
    assert await refusal(upgrade(query={"token": token(rooms=["other", "kat"])})) is CloseCode.FORBIDDEN
    assert await refusal(upgrade(query={"token": token(rooms=[])})) is CloseCode.FORBIDDEN


@pytest.mark.parametrize("query", [{}, {"token": ""}, {"token": "x"}, {"token": "a.b.c"}, {"Token": token()}])
async def test_without_a_genuine_token_nobody_enters(query: dict[str, str]) -> None:
    assert await refusal(upgrade(query=query)) is CloseCode.UNAUTHENTICATED


async def test_expired_and_foreign_tokens_are_unauthenticated() -> None:
    clock = Clock()
    clock.now += 700
    assert await refusal(upgrade(), gate(clock)) is CloseCode.UNAUTHENTICATED
    assert await refusal(upgrade(query={"token": token(SigningKey.generate())})) is CloseCode.UNAUTHENTICATED
    assert await refusal(upgrade(headers={"authorization": "Basic YTpi"}, query={})) is CloseCode.UNAUTHENTICATED


@pytest.mark.parametrize("origin", [ORIGIN, "https://dojo.example", "HTTPS://DOJO.EXAMPLE"])
async def test_pages_of_allowed_origins_may_connect(origin: str) -> None:
    assert (await gate().admit(upgrade(headers={"origin": origin}))).user == ANA


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "https://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:80800",
        f"{ORIGIN}/x",
        "https://dojo.example.evil",
    ],
)
async def test_pages_of_other_origins_may_not_even_with_a_good_token(origin: str) -> None:
    assert await refusal(upgrade(headers={"origin": origin})) is CloseCode.FORBIDDEN


async def test_renewing_takes_over_expiry_and_rights() -> None:
    current = await gate().admit(upgrade(query={"token": token(write=False)}))
    renewed = await gate().renew(token(seconds=6000, rooms=["kata"]), current)
    assert renewed == Admission(current.key, ANA, "Ana", True, Clock.now + 6000)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user": BOB}, CloseCode.FORBIDDEN),
        ({"tenant": OTHER_TENANT}, CloseCode.FORBIDDEN),
        ({"rooms": ["other"]}, CloseCode.FORBIDDEN),
        ({"now": Clock.now - 7000}, CloseCode.UNAUTHENTICATED),
    ],
)
async def test_renewing_with_anything_else_is_refused(changes: dict[str, Any], code: CloseCode) -> None:
    current = await gate().admit(upgrade())
    with pytest.raises(Refused) as refused:
        await gate().renew(token(**changes), current)
    assert refused.value.code is code
