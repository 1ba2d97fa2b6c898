from __future__ import annotations

import time
from uuid import UUID

import pytest

from edge.dojos import seats
from edge.dojos.seats import Newcomer, NoSeat, Why
from kernel.database import tenant_scope
from kernel.tokens.jws import TokenRefused
from tests.edge.dojos.hosting import PATH, DojoApi


async def test_a_guest_gets_a_token_for_this_dojo_only(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana = await dojos.person(tenant, "Ana")
    made = await dojos.dojo(ana, isPrivate=True, allowGuests=True)
    answer = await dojos.guest(made["joinCode"], " Gil  Vicente ")
    assert answer.status == 201
    given = answer.body
    claims = await dojos.services.authority.guest(given["token"])
    assert (claims.tid, str(claims.sub), str(claims.dojo)) == (tenant, given["userId"], made["dojoId"])
    assert claims.name == given["userName"] == "Gil Vicente"
    assert 0 < claims.exp - time.time() <= given["expiresIn"] == 12 * 3600
    assert given["rooms"] == [made["rooms"][0]["roomId"]]
    person = (await dojos.people(made["dojoId"], ana))["Gil Vicente"]
    assert (person["isGuest"], person["role"], person["status"]) == (True, "PARTICIPANT", "ADMITTED")
    assert await dojos.audited(tenant) == ["dojo.created", "dojo.guest_joined"]
    with pytest.raises(TokenRefused, match="wrong_type"):
        await dojos.services.authority.access(given["token"])
    with pytest.raises(TokenRefused, match="wrong_type"):
        await dojos.services.authority.guest(ana.token)


async def test_guests_come_only_where_the_host_lets_them(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana)
    refused = await dojos.guest(made["joinCode"])
    assert (refused.status, refused.code) == (404, "invalid_join_code")
    await dojos.ask("PATCH", f"{PATH}/{made['dojoId']}", {"allowGuests": True}, who=ana)
    assert (await dojos.guest(made["joinCode"])).status == 201
    await dojos.everything.execute("UPDATE tenants SET status = 'SUSPENDED'")
    assert (await dojos.guest(made["joinCode"])).body == refused.body


@pytest.mark.parametrize("name", [" ", "\u200b", "x" * 41, "\u202e\x00"])
async def test_a_guest_without_a_name_is_told_so(dojos: DojoApi, name: str) -> None:
    answer = await dojos.guest("00000-00000", name)
    assert (answer.status, answer.code) == (400, "invalid_name")


async def test_a_guest_never_goes_under_a_members_name(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana Souza"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana, allowGuests=True)
    names = [
        (await dojos.guest(made["joinCode"], name)).body["userName"] for name in ("ÁNA  souza", "ana souza", "BIA")
    ]
    assert names == ["ÁNA souza (guest)", "ana souza (guest 2)", "BIA"]
    await dojos.join(bia, made["joinCode"])
    people = await dojos.people(made["dojoId"], ana)
    assert {name for name, person in people.items() if person["isGuest"]} == {*names[:2], "BIA (guest)"}


async def test_a_guest_waits_is_let_in_and_is_sent_out(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana, allowGuests=True, waitingRoom=True)
    given = (await dojos.guest(made["joinCode"])).body
    assert given["waiting"] is True
    path = f"{PATH}/{made['dojoId']}/participants/{given['userId']}"
    assert (await dojos.put(path + "/admit", ana)).body["status"] == "ADMITTED"
    assert await why(dojos, ana.tenant, given) is None
    await dojos.put(path + "/ban", ana)
    assert await why(dojos, ana.tenant, given) is Why.BANNED


async def test_a_guest_is_out_when_the_dojo_ends_or_the_company_is_suspended(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana, allowGuests=True)
    given = (await dojos.guest(made["joinCode"])).body
    await dojos.everything.execute("UPDATE tenants SET status = 'SUSPENDED'")
    assert await why(dojos, ana.tenant, given) is Why.OVER
    await dojos.everything.execute("UPDATE tenants SET status = 'ACTIVE'")
    assert await why(dojos, ana.tenant, given) is None
    await dojos.put(f"{PATH}/{made['dojoId']}/end", ana)
    assert await why(dojos, ana.tenant, given) is Why.OVER
    other = await dojos.dojo(ana, allowGuests=True)
    assert await why(dojos, ana.tenant, {**given, "dojoId": other["dojoId"]}) is Why.UNKNOWN


async def why(dojos: DojoApi, tenant: UUID, given: dict[str, str]) -> Why | None:
    """Why a guest gets no seat any more; None: they get one."""
    async with tenant_scope(dojos.pool, tenant) as db:
        try:
            await seats.take(db, tenant, UUID(given["dojoId"]), Newcomer(UUID(given["userId"]), "Gil", None))
        except NoSeat as none:
            return none.why
    return None
