"""Coming back, leaving, and being sent away."""

from __future__ import annotations

import time
from uuid import UUID

import pytest

from edge.dojos.seats import Why
from edge.live import stays
from edge.live.dojo_gate import _REFUSALS
from kernel.database import tenant_scope
from tests.dojo.live_dojos.asking import FORBIDDEN, NOT_FOUND, WITHIN_SECONDS
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.live.people import V1, Class, Message, names, told

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_who_drops_keeps_the_place_and_who_returns_has_not_left(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, maxParticipants=2)
    host, thin = await kata.seated(ana, dojo), await kata.seated(ben, dojo)
    old = await kata.seated(ben, dojo)
    await thin.end()
    await old.end()

    def connected(message: Message) -> dict[str, bool]:
        return {person["userName"]: person["connected"] for person in message["participants"]}

    away = await told(host, "PARTICIPANT_LIST", lambda m: connected(m) == {"Ana Host": True, "Ben Member": False})
    await kata.seated(ben, dojo)
    before = host.told_of("PARTICIPANT_LIST").index(away)
    await host.until(lambda: any(connected(m)["Ben Member"] for m in host.told_of("PARTICIPANT_LIST")[before:]))


async def test_who_has_left_leaves_a_seat_behind(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, maxParticipants=2)
    thin = await kata.seated(ben, dojo)
    room = UUID(thin.told[0]["roomId"])
    eve = await kata.api.person(ana.tenant, "Eve")
    assert (await kata.refused(eve, dojo)).code == 4003
    await thin.end()
    # As after the grace: nobody has seen them for half a minute.
    seen = "UPDATE dojo_room_participants SET seen_at = seen_at - interval '30 s' WHERE tenant_id = $1 AND user_id = $2"
    await kata.api.everything.execute(seen, ana.tenant, ben.user)
    async with tenant_scope(kata.api.pool, ana.tenant) as db:
        assert await stays.end(db, ana.tenant, UUID(dojo["dojoId"]), room, ben.user)
    await kata.seated(eve, dojo)
    assert (await kata.refused(ben, dojo)).code == 4003
    over = "SELECT left_at IS NOT NULL FROM dojo_room_participants WHERE tenant_id = $1 AND user_id = $2"
    assert await kata.api.everything.fetchval(over, ana.tenant, ben.user)


async def test_every_reason_for_no_seat_closes_for_good() -> None:
    assert {why: code.permanent for why, (code, _) in _REFUSALS.items()} == dict.fromkeys(Why, True)


@pytest.mark.parametrize(("what", "codes"), [("end", NOT_FOUND), ("ban", FORBIDDEN), ("remove", FORBIDDEN)])
async def test_http_reaches_open_sockets_within_a_second(
    kata: Class, ana: Someone, ben: Someone, what: str, codes: tuple[int, int]
) -> None:
    dojo = await kata.api.dojo(ana)
    thin, v1, plain = (
        await kata.seated(ben, dojo),
        await kata.seated(ben, dojo, V1),
        await kata.seated(ben, dojo, None),
    )
    host = await kata.seated(ana, dojo)
    started = time.monotonic()
    at = f"{PATH}/{dojo['dojoId']}"
    if what == "end":
        await kata.api.put(f"{at}/end", ana)
    elif what == "ban":
        await kata.api.put(f"{at}/participants/{ben.user}/ban", ana)
    else:
        await kata.api.delete(f"{at}/participants/{ben.user}", ana)
    for client, code in ((thin, codes[1]), (v1, codes[0]), (plain, codes[0])):
        assert (await client.until_closed()).code == code
    assert time.monotonic() - started < WITHIN_SECONDS
    assert thin.told_of("CONNECTION_STATUS")[-1]["status"] == "DISCONNECTED"
    if what == "end":
        assert (await host.until_closed()).code == 4002
    else:
        await told(host, "PARTICIPANT_LIST", lambda message: list(names(message)) == ["Ana Host"])


async def test_a_token_is_renewed_in_band_and_a_revoked_one_ends(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    thin = await kata.seated(ben, dojo)
    await thin.tell({"type": "AUTH", "token": ana.token})
    assert (await told(thin, "ERROR"))["code"] == "token_refused"
    await thin.tell({"type": "AUTH", "token": ben.token})
    await thin.until(lambda: len(thin.told_of("CONNECTION_STATUS")) == 2)
    await kata.api.everything.execute(
        "UPDATE users SET status = 'SUSPENDED' WHERE tenant_id = $1 AND user_id = $2", ben.tenant, ben.user
    )
    await kata.api.services.authority.ring()
    assert (await thin.until_closed()).code == 4001
