from __future__ import annotations

from uuid import uuid4

from tests.edge.dojos.hosting import PATH, DojoApi


async def test_who_was_removed_needs_the_code_to_come_back(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana)
    path = f"{PATH}/{made['dojoId']}"
    room = f"{path}/rooms/{made['rooms'][0]['roomId']}"
    assert (await dojos.put(room + "/join", bia)).body["participantStatus"] == "ADMITTED"
    assert (await dojos.get(room, ana)).body["participantCount"] == 1
    assert (await dojos.delete(f"{path}/participants/{bia.user}", ana)).status == 204
    assert (await dojos.get(room, ana)).body["participantCount"] == 0
    again = await dojos.put(room + "/join", bia)
    assert (again.status, again.code) == (403, "removed")
    assert (await dojos.join(bia, made["joinCode"])).body["status"] == "ADMITTED"
    assert (await dojos.put(room + "/join", bia)).status == 200
    assert "dojo.participant_removed" in await dojos.audited(tenant)


async def test_to_who_is_banned_the_dojo_does_not_exist(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana)
    path = f"{PATH}/{made['dojoId']}"
    await dojos.join(bia, made["joinCode"])
    assert (await dojos.put(f"{path}/participants/{bia.user}/ban", ana)).body["status"] == "BANNED"
    nobody = await dojos.get(f"{PATH}/{uuid4()}", bia)
    for answer in (
        await dojos.get(path, bia),
        await dojos.put(f"{path}/rooms/{made['rooms'][0]['roomId']}/join", bia),
        await dojos.delete(f"{path}/participants/{bia.user}", bia),
    ):
        assert (answer.status, answer.body) == (404, nobody.body)
    assert (await dojos.get(PATH, bia)).body["items"] == []
    assert set(await dojos.people(made["dojoId"], ana, "BANNED")) == {"Bia"}
    assert (await dojos.put(f"{path}/participants/{bia.user}/admit", ana)).body["status"] == "ADMITTED"
    assert (await dojos.get(path, bia)).status == 200
    assert "dojo.participant_banned" in await dojos.audited(tenant)


async def test_the_host_stays(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    path = f"{PATH}/{(await dojos.dojo(ana))['dojoId']}/participants/{ana.user}"
    for method, what, body in (
        ("DELETE", "", None),
        ("PUT", "/ban", None),
        ("PATCH", "", {"role": "OBSERVER"}),
    ):
        answer = await dojos.ask(method, path + what, body, who=ana)
        assert (answer.status, answer.code) == (409, "host_stays")


async def test_the_host_says_who_only_watches(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana)
    await dojos.join(bia, made["joinCode"])
    path = f"{PATH}/{made['dojoId']}/participants/{bia.user}"
    assert (await dojos.ask("PATCH", path, {"role": "OBSERVER"}, who=bia)).code == "not_host"
    assert (await dojos.ask("PATCH", path, {"role": "OBSERVER"}, who=ana)).body["role"] == "OBSERVER"
    assert (await dojos.ask("PATCH", path, {"role": "HOST"}, who=ana)).status == 400


async def test_somebody_who_is_not_there_is_not_found(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    path = f"{PATH}/{(await dojos.dojo(ana))['dojoId']}/participants"
    for user in (bia.user, uuid4()):
        for method, what in (("PUT", "/admit"), ("PUT", "/ban"), ("DELETE", "")):
            assert (await dojos.ask(method, f"{path}/{user}{what}", who=ana)).code == "not_found"


async def test_the_list_has_pages(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana = await dojos.person(tenant, "Ana")
    made = await dojos.dojo(ana)
    for name in ("caio", "Bia", "Davi"):
        await dojos.join(await dojos.person(tenant, name), made["joinCode"])
    path = f"{PATH}/{made['dojoId']}/participants?sortBy=userName&pageSize=3"
    page = (await dojos.get(path, ana)).body
    assert [item["userName"] for item in page["items"]] == ["Ana", "Bia", "caio"]
    assert page["pagination"] == {"page": 1, "pageSize": 3, "totalItems": 4, "totalPages": 2}
    assert [item["userName"] for item in (await dojos.get(path + "&page=2", ana)).body["items"]] == ["Davi"]
