"""The gate: who gets in, with which rights, and which code everybody else is closed with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from dojo.embedded.postgres import EmbeddedPostgres
from edge.live.credentials import Credentials
from edge.live.gate import RoomGate
from kernel.database import create_pool
from kernel.tokens.authority import UNVERIFIABLE_SECONDS, Authority
from kernel.tokens.one_use import OneUse
from kernel.tokens.signing_key import SigningKey
from tests.conftest import Database
from tests.kernel.tokens.issuing import Issuer, issuing

TENANT, OTHER_TENANT, ANA, BOB = (UUID(int=n) for n in range(1, 5))
ORIGIN = "http://127.0.0.1:8080"
KEY = SigningKey.generate()


class Clock:
    """Stands still, at the moment at which a test begins."""

    now = float(int(time.time()))

    def __init__(self) -> None:
        self.elapsed = 0.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return time.monotonic() + self.elapsed


@dataclass
class Case:
    """A gate with all that it asks."""

    gate: RoomGate
    authority: Authority
    issuer: Issuer
    clock: Clock


def gate_of(pool: Any, clock: Clock) -> tuple[RoomGate, Authority]:
    authority = Authority(pool, None, clock=clock, monotonic=clock.monotonic)
    credentials = Credentials(authority, OneUse(pool, None), [ORIGIN, "https://Dojo.example/"], clock)
    return RoomGate(credentials, KEY.verifier()), authority


@pytest.fixture(autouse=True)
def _begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "now", float(int(time.time())))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def case(database: Database, clock: Clock) -> AsyncIterator[Case]:
    """A gate and an issuer of tokens."""
    async with issuing(database.dsn("dojo_service")) as issuer:
        gate, authority = gate_of(issuer.pool, clock)
        await authority.refresh()
        yield Case(gate, authority, issuer, clock)


@pytest.fixture
async def gate(postgres: EmbeddedPostgres, clock: Clock) -> AsyncIterator[RoomGate]:
    """One that only reads: nobody is signed in, there are room tickets."""
    pool = await create_pool(postgres.dsn("dojo_service"), name="test", statement_seconds=5.0, max_size=1)
    found, authority = gate_of(pool, clock)
    await authority.refresh()
    yield found
    await pool.close()


def token(key: SigningKey = KEY, **changes: Any) -> str:
    values: dict[str, Any] = {"tenant": TENANT, "user": ANA, "name": "Ana", "rooms": ["*"], "write": True}
    return key.mint(**{**values, "now": Clock.now, "seconds": 600, **changes})


def upgrade(
    room: str = "kata", query: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> UpgradeRequest:
    asked = {"token": token()} if query is None else query
    return UpgradeRequest(f"/api/v1/rooms/{room}/sync", asked, headers or {}, ())


async def refusal(gate: RoomGate, request: UpgradeRequest) -> CloseCode:
    with pytest.raises(Refused) as refused:
        await gate.admit(request)
    given = [*request.query.values(), *request.headers.values()]
    assert not any(value in str(refused.value) for value in given if len(value) > 20)
    assert refused.value.__cause__ is None
    return refused.value.code


async def test_a_good_token_opens_the_room_it_is_for(gate: RoomGate) -> None:
    found = await gate.admit(upgrade("two%20words", {"token": token(rooms=["x", "two words"])}))
    assert found == Admission(RoomKey(TENANT, "two words"), ANA, "Ana", True, Clock.now + 600, issued_at=Clock.now)


async def test_a_read_only_token_may_not_write(gate: RoomGate) -> None:
    assert not (await gate.admit(upgrade(query={"token": token(write=False)}))).can_write


async def test_the_token_may_stand_in_the_authorization_header(gate: RoomGate) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"authorization": f"{scheme} {token(user=BOB)}"}
        assert (await gate.admit(upgrade(query={}, headers=headers))).user == BOB
        assert (await gate.admit(upgrade(headers=headers))).user == BOB


async def test_rooms_of_two_tenants_are_two_rooms(gate: RoomGate) -> None:
    one = await gate.admit(upgrade())
    two = await gate.admit(upgrade(query={"token": token(tenant=OTHER_TENANT)}))
    assert one.key != two.key
    assert one.key.room == two.key.room


@pytest.mark.parametrize("room", ["", "a%2Fb", "%FF", "a%00", "x" * 201])
async def test_an_address_that_names_no_room_is_not_found(gate: RoomGate, room: str) -> None:
    assert await refusal(gate, upgrade(room)) is CloseCode.NOT_FOUND


async def test_a_token_for_other_rooms_is_forbidden(gate: RoomGate) -> None:
    assert await refusal(gate, upgrade(query={"token": token(rooms=["other", "kat"])})) is CloseCode.FORBIDDEN
    assert await refusal(gate, upgrade(query={"token": token(rooms=[])})) is CloseCode.FORBIDDEN


@pytest.mark.parametrize("query", [{}, {"token": ""}, {"token": "x"}, {"token": "a.b.c"}, {"Token": token()}])
async def test_without_a_genuine_token_nobody_enters(gate: RoomGate, query: dict[str, str]) -> None:
    assert await refusal(gate, upgrade(query=query)) is CloseCode.UNAUTHENTICATED


async def test_expired_and_foreign_tokens_are_unauthenticated(clock: Clock, gate: RoomGate) -> None:
    clock.now += 700
    assert await refusal(gate, upgrade()) is CloseCode.UNAUTHENTICATED
    assert await refusal(gate, upgrade(query={"token": token(SigningKey.generate())})) is CloseCode.UNAUTHENTICATED
    assert await refusal(gate, upgrade(headers={"authorization": "Basic YTpi"}, query={})) is CloseCode.UNAUTHENTICATED


@pytest.mark.parametrize("origin", [ORIGIN, "https://dojo.example", "HTTPS://DOJO.EXAMPLE"])
async def test_pages_of_allowed_origins_may_connect(gate: RoomGate, origin: str) -> None:
    assert (await gate.admit(upgrade(headers={"origin": origin}))).user == ANA


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
async def test_pages_of_other_origins_may_not_even_with_a_good_token(gate: RoomGate, origin: str) -> None:
    assert await refusal(gate, upgrade(headers={"origin": origin})) is CloseCode.FORBIDDEN


async def test_renewing_takes_over_expiry_and_rights(gate: RoomGate) -> None:
    current = await gate.admit(upgrade(query={"token": token(write=False)}))
    renewed = await gate.renew(token(seconds=6000, rooms=["kata"]), current)
    assert renewed == Admission(current.key, ANA, "Ana", True, Clock.now + 6000, issued_at=Clock.now)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user": BOB}, CloseCode.FORBIDDEN),
        ({"tenant": OTHER_TENANT}, CloseCode.FORBIDDEN),
        ({"rooms": ["other"]}, CloseCode.FORBIDDEN),
        ({"now": Clock.now - 7000}, CloseCode.UNAUTHENTICATED),
    ],
)
async def test_renewing_with_anything_else_is_refused(gate: RoomGate, changes: dict[str, Any], code: CloseCode) -> None:
    current = await gate.admit(upgrade())
    with pytest.raises(Refused) as refused:
        await gate.renew(token(**changes), current)
    assert refused.value.code is code


# Signed in


async def test_an_access_token_opens_every_room_of_its_tenant(case: Case) -> None:
    session = uuid4()
    shown = case.issuer.access(TENANT, ANA, session, now=Clock.now)
    for room in ("kata", "another"):
        for request in (upgrade(room, {"token": shown}), upgrade(room, {}, {"authorization": f"Bearer {shown}"})):
            assert await case.gate.admit(request) == Admission(
                RoomKey(TENANT, room), ANA, "Ana", True, Clock.now + 600, session, 1, Clock.now
            )


@pytest.mark.parametrize("role", ["admin", "host", "member", "guest"])
async def test_guests_only_look(case: Case, role: Any) -> None:
    shown = case.issuer.access(TENANT, ANA, uuid4(), role=role)
    ticket = case.issuer.ticket(TENANT, ANA, uuid4(), role=role)
    for query in ({"token": shown}, {"ticket": ticket}):
        assert (await case.gate.admit(upgrade(query=query))).can_write is (role != "guest")


async def test_a_socket_ticket_opens_one_socket(case: Case) -> None:
    session = uuid4()
    ticket = case.issuer.ticket(TENANT, ANA, session, now=Clock.now)
    admitted = await case.gate.admit(upgrade(query={"ticket": ticket}))
    assert admitted == Admission(RoomKey(TENANT, "kata"), ANA, "Ana", True, Clock.now + 300, session, 1, Clock.now)
    assert await refusal(case.gate, upgrade(query={"ticket": ticket})) is CloseCode.UNAUTHENTICATED
    ticket = case.issuer.ticket(TENANT, ANA, session)
    found = await asyncio.gather(
        *(case.gate.admit(upgrade(query={"ticket": ticket})) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, Admission) for one in found) == 1


async def test_a_ticket_is_not_used_up_by_a_page_that_may_not_connect(case: Case) -> None:
    ticket = case.issuer.ticket(TENANT, ANA, uuid4())
    evil = upgrade(query={"ticket": ticket}, headers={"origin": "https://evil.example"})
    assert await refusal(case.gate, evil) is CloseCode.FORBIDDEN
    assert await refusal(case.gate, upgrade("a%2Fb", {"ticket": ticket})) is CloseCode.NOT_FOUND
    assert (await case.gate.admit(upgrade(query={"ticket": ticket}))).user == ANA


async def test_no_kind_is_taken_for_another(case: Case) -> None:
    ticket, shown = case.issuer.ticket(TENANT, ANA, uuid4()), case.issuer.access(TENANT, ANA, uuid4())
    for request in (
        upgrade(query={"token": ticket}),
        upgrade(query={}, headers={"authorization": f"Bearer {ticket}"}),
        upgrade(query={"ticket": shown}),
        upgrade(query={"ticket": token()}),
        # The key of room tickets signs no accounts in, and the accounts' key makes no room tickets.
        upgrade(query={"token": token(case.issuer.ring.key)}),
        upgrade(query={"ticket": case.issuer.ticket(TENANT, ANA, uuid4(), until=Clock.now)}),
        upgrade(query={"ticket": case.issuer.ticket(TENANT, ANA, uuid4(), now=Clock.now - 61, until=Clock.now + 60)}),
    ):
        assert await refusal(case.gate, request) is CloseCode.UNAUTHENTICATED


async def test_what_was_revoked_does_not_open(case: Case) -> None:
    session, second = uuid4(), uuid4()
    inside = await case.gate.admit(upgrade(query={"token": case.issuer.access(TENANT, ANA, session)}))
    case.gate.review(inside)
    await case.issuer.revoke(TENANT, ANA, session)
    await case.authority.refresh()
    for query in (
        {"token": case.issuer.access(TENANT, ANA, session)},
        {"ticket": case.issuer.ticket(TENANT, ANA, session)},
    ):
        assert await refusal(case.gate, upgrade(query=query)) is CloseCode.UNAUTHENTICATED
    with pytest.raises(Refused, match="revoked"):
        case.gate.review(inside)
    renewed = await case.gate.renew(case.issuer.access(TENANT, ANA, second), inside)
    assert renewed.session == second
    case.gate.review(renewed)
    await case.issuer.revoke(TENANT, ANA, None, 2)
    await case.authority.refresh()
    with pytest.raises(Refused, match="revoked"):
        case.gate.review(renewed)


async def test_a_suspended_tenants_room_tickets_end_too(case: Case) -> None:
    inside = await case.gate.admit(upgrade())
    await case.issuer.revoke(TENANT, None)
    await case.authority.refresh()
    assert await refusal(case.gate, upgrade()) is CloseCode.UNAUTHENTICATED
    with pytest.raises(Refused, match="revoked"):
        case.gate.review(inside)
    assert (await case.gate.admit(upgrade(query={"token": token(tenant=OTHER_TENANT)}))).user == ANA


async def test_while_nobody_can_tell_whoever_is_in_stays_and_others_try_again(case: Case) -> None:
    inside = await case.gate.admit(upgrade())
    case.clock.elapsed = UNVERIFIABLE_SECONDS + 1
    for query in (
        {"token": token()},
        {"token": case.issuer.access(TENANT, ANA, uuid4())},
        {"ticket": case.issuer.ticket(TENANT, ANA, uuid4())},
    ):
        assert await refusal(case.gate, upgrade(query=query)) is CloseCode.ROOM_UNAVAILABLE
    case.gate.review(inside)


async def test_renewing_in_band_takes_an_access_token_and_its_role(case: Case) -> None:
    current = await case.gate.admit(upgrade(query={"ticket": case.issuer.ticket(TENANT, ANA, uuid4())}))
    demoted = await case.gate.renew(case.issuer.access(TENANT, ANA, uuid4(), role="guest", version=2), current)
    assert (demoted.can_write, demoted.version, demoted.key) == (False, 2, current.key)
    for other in (case.issuer.access(OTHER_TENANT, ANA, uuid4()), case.issuer.access(TENANT, BOB, uuid4())):
        with pytest.raises(Refused) as refused:
            await case.gate.renew(other, current)
        assert refused.value.code is CloseCode.FORBIDDEN
    with pytest.raises(Refused) as refused:
        await case.gate.renew(case.issuer.ticket(TENANT, ANA, uuid4()), current)
    assert refused.value.code is CloseCode.UNAUTHENTICATED
