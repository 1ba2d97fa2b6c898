from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.http.operation import Role
from tests.edge.dojos.hosting import PATH, DojoApi, Someone


async def names(dojos: DojoApi, who: Someone, **query: Any) -> list[str]:
    text = "&".join(f"{name}={value}" for name, value in {"sortBy": "name", "sortOrder": "asc", **query}.items())
    answer = await dojos.get(f"{PATH}?{text}", who)
    assert answer.status == 200, answer.body
    return [item["name"] for item in answer.body["items"]]


async def test_what_is_on_and_what_is_to_come(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await dojos.dojo(ana, name="Bowling", language="Python", description="Água e óleo")
    await dojos.dojo(ana, name="Água viva", language="java", scheduledStartTime=later)
    over = await dojos.dojo(ana, name="Chess")
    await dojos.put(f"{PATH}/{over['dojoId']}/end", ana)
    assert await names(dojos, ana) == ["Água viva", "Bowling"]
    assert await names(dojos, ana, status="SCHEDULED") == ["Água viva"]
    assert await names(dojos, ana, status="COMPLETED") == ["Chess"]
    assert await names(dojos, ana, language="PYTHON") == ["Bowling"]
    assert await names(dojos, ana, search="AGUA") == ["Água viva", "Bowling"]
    assert await names(dojos, ana, search="%") == []
    assert await names(dojos, ana, pageSize="1", page="2") == ["Bowling"]
    assert (await dojos.get(f"{PATH}?status=OVER", ana)).code == "invalid_query"


async def test_private_dojos_are_listed_to_those_they_concern(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia, caio = [await dojos.person(tenant, name) for name in ("Ana", "Bia", "Caio")]
    boss = await dojos.person(tenant, "Boss", Role.ADMIN)
    sue = await dojos.person(await dojos.company("Globex"), "Sue", Role.ADMIN)
    private = await dojos.dojo(ana, name="Private", isPrivate=True)
    await dojos.dojo(ana, name="Public")
    path = f"{PATH}/{private['dojoId']}/invitations"
    await dojos.ask("POST", path, {"email": caio.email}, who=ana)
    await dojos.join(bia, private["joinCode"])
    for who in (ana, bia, caio, boss):
        assert await names(dojos, who) == ["Private", "Public"]
    assert await names(dojos, await dojos.person(tenant, "Davi")) == ["Public"]
    assert await names(dojos, sue) == []
    await dojos.everything.execute("UPDATE identities SET email_verified_at = NULL WHERE email = $1", caio.email)
    assert await names(dojos, caio) == ["Public"], "an address that is not proven is nobody's"
