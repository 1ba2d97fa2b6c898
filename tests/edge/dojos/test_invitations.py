from __future__ import annotations

import asyncio
import re

import pytest

from tests.edge.dojos.hosting import PATH, Answer, DojoApi, Someone

ACCEPT = PATH + "/invitations/accept"


async def invite(dojos: DojoApi, dojo: str, host: Someone, email: str, **more: str) -> str:
    """The token that was mailed."""
    answer = await dojos.ask("POST", f"{PATH}/{dojo}/invitations", {"email": email, **more}, who=host)
    assert answer.status == 201, answer.body
    mail = (await dojos.mails())[-1]
    assert mail.to == email
    found = re.search(r"#dojo-invite=([\w-]+)", mail.text)
    assert found is not None
    return found[1]


async def accept(dojos: DojoApi, who: Someone, token: str) -> Answer:
    return await dojos.ask("POST", ACCEPT, {"token": token}, who=who)


async def test_an_invitation_passes_the_waiting_room_once(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana, isPrivate=True, waitingRoom=True, name="Kata of Ana")
    token = await invite(dojos, made["dojoId"], ana, bia.email, role="OBSERVER")
    assert "Kata of Ana" in (await dojos.mails())[-1].text
    assert (await dojos.get(f"{PATH}/{made['dojoId']}", bia)).status == 200
    answer = await accept(dojos, bia, token)
    assert (answer.status, answer.body["status"], answer.body["role"]) == (200, "ADMITTED", "OBSERVER")
    again = await accept(dojos, bia, token)
    assert (again.status, again.code) == (400, "invalid_invitation")
    (item,) = (await dojos.get(f"{PATH}/{made['dojoId']}/invitations", ana)).body["items"]
    assert (item["status"], item["email"]) == ("ACCEPTED", bia.email)
    revoked = await dojos.delete(f"{PATH}/{made['dojoId']}/invitations/{item['invitationId']}", ana)
    assert (revoked.status, revoked.code) == (409, "already_accepted")
    assert {"dojo.invited", "dojo.invitation_accepted"} <= set(await dojos.audited(tenant))


async def test_it_is_for_one_address_only(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia, caio = [await dojos.person(tenant, name) for name in ("Ana", "Bia", "Caio")]
    made = await dojos.dojo(ana, isPrivate=True)
    token = await invite(dojos, made["dojoId"], ana, bia.email)
    unknown = await accept(dojos, caio, "nobody knows it")
    assert (unknown.status, unknown.code) == (400, "invalid_invitation")
    assert (await accept(dojos, caio, token)).body == unknown.body
    sue = await dojos.person(await dojos.company("Globex"), "Sue")
    assert (await accept(dojos, sue, token)).body == unknown.body
    assert (await accept(dojos, bia, token)).status == 200


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE dojo_invitations SET expires_at = now() - interval '1 second'",
        "UPDATE dojo_invitations SET revoked_at = now()",
        "UPDATE identities SET email_verified_at = NULL",
        "UPDATE dojos SET status = 'COMPLETED'",
    ],
)
async def test_every_other_is_refused_alike(dojos: DojoApi, spoil: str) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana, isPrivate=True)
    token = await invite(dojos, made["dojoId"], ana, bia.email)
    await dojos.everything.execute(spoil)
    answer = await accept(dojos, bia, token)
    assert (answer.status, answer.code) == (400, "invalid_invitation")


async def test_another_replaces_it_and_it_can_be_revoked(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana, isPrivate=True)
    first = await invite(dojos, made["dojoId"], ana, bia.email)
    second = await invite(dojos, made["dojoId"], ana, bia.email)
    assert (await accept(dojos, bia, first)).status == 400
    path = f"{PATH}/{made['dojoId']}/invitations"
    (item,) = (await dojos.get(path + "?status=PENDING", ana)).body["items"]
    for _ in range(2):
        assert (await dojos.delete(f"{path}/{item['invitationId']}", ana)).status == 204
    assert (await accept(dojos, bia, second)).status == 400
    assert (await dojos.get(f"{PATH}/{made['dojoId']}", bia)).status == 404


async def test_who_was_sent_out_loses_the_open_ones_and_a_new_one_lets_in_again(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana, isPrivate=True)
    await dojos.join(bia, made["joinCode"])
    old = await invite(dojos, made["dojoId"], ana, bia.email)
    await dojos.delete(f"{PATH}/{made['dojoId']}/participants/{bia.user}", ana)
    assert (await accept(dojos, bia, old)).status == 400
    new = await invite(dojos, made["dojoId"], ana, bia.email)
    assert (await accept(dojos, bia, new)).body["status"] == "ADMITTED"


async def test_used_once_also_at_the_same_instant(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    token = await invite(dojos, (await dojos.dojo(ana, isPrivate=True))["dojoId"], ana, bia.email)
    answers = await asyncio.gather(*(accept(dojos, bia, token) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]


async def test_a_full_or_locked_dojo_says_so_and_the_invitation_stays_good(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana, maxParticipants=1)
    path = f"{PATH}/{made['dojoId']}"
    token = await invite(dojos, made["dojoId"], ana, bia.email)
    assert (await accept(dojos, bia, token)).code == "dojo_full"
    await dojos.ask("PATCH", path, {"maxParticipants": 2}, who=ana)
    await dojos.put(path + "/lock", ana)
    assert (await accept(dojos, bia, token)).code == "dojo_locked"
    await dojos.put(path + "/unlock", ana)
    assert (await accept(dojos, bia, token)).status == 200


async def test_mails_to_one_address_are_limited(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    path = f"{PATH}/{(await dojos.dojo(ana))['dojoId']}/invitations"
    answers = [await dojos.ask("POST", path, {"email": "bia@example.com"}, who=ana) for _ in range(6)]
    assert [answer.status for answer in answers] == [201] * 5 + [429]
    assert (await dojos.ask("POST", path, {"email": "no address"}, who=ana)).status == 400
