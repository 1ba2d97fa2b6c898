from __future__ import annotations

from edge.identity.erasure import REMOVED_NAME
from kernel.http.operation import Role
from tests.edge.dojos.hosting import PATH, DojoApi


async def test_nothing_of_a_dojo_says_who_somebody_was(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, boss = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Boss", Role.ADMIN)
    bia = await dojos.person(tenant, "Beatriz Xavier")
    made = await dojos.dojo(ana, maxParticipants=2)
    await dojos.ask("POST", f"{PATH}/{made['dojoId']}/invitations", {"email": bia.email}, who=ana)
    await dojos.put(f"{PATH}/{made['dojoId']}/rooms/{made['rooms'][0]['roomId']}/join", bia)
    await dojos.everything.execute(
        "INSERT INTO dojo_chat_messages (tenant_id, dojo_id, room_id, user_id, user_name, message)"
        " SELECT tenant_id, dojo_id, room_id, $1, $2, 'hello' FROM dojo_rooms",
        bia.user,
        bia.name,
    )
    assert (await dojos.delete(f"/api/v1/users/{bia.user}", boss)).status == 204
    for table in ("dojo_participants", "dojo_chat_messages", "dojo_invitations", "dojo_room_participants"):
        rows = [str(row) for row in await dojos.everything.fetch(f"SELECT t::text FROM {table} t")]
        assert rows
        assert not [row for row in rows if "xavier" in row.lower() or bia.email in row], table
    assert await dojos.everything.fetchval("SELECT user_name FROM dojo_chat_messages") == REMOVED_NAME
    assert await dojos.everything.fetchval("SELECT count(*) FROM dojo_room_participants WHERE left_at IS NULL") == 0
    caio = await dojos.person(tenant, "Caio")
    assert (await dojos.join(caio, made["joinCode"])).status == 200, "the seat is free again"


async def test_a_company_is_erased_with_its_dojos(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana = await dojos.person(tenant, "Ana")
    made = await dojos.dojo(ana, allowGuests=True)
    await dojos.guest(made["joinCode"])
    await dojos.ask("POST", f"{PATH}/{made['dojoId']}/invitations", {"email": "x@example.com"}, who=ana)
    await dojos.put(f"{PATH}/{made['dojoId']}/rooms/{made['rooms'][0]['roomId']}/join", ana)
    await dojos.everything.execute("UPDATE tenants SET status = 'ERASING' WHERE tenant_id = $1", tenant)
    await dojos.everything.execute("SET ROLE dojo_worker")
    await dojos.everything.execute("SELECT tenant_erase($1)", tenant)
    await dojos.everything.execute("RESET ROLE")
    for row in await dojos.everything.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'dojo%'"
        " AND relkind IN ('r', 'p')"
    ):
        assert await dojos.everything.fetchval(f"SELECT count(*) FROM {row[0]}") == 0, row[0]
