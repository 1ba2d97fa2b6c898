from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from kernel.tokens.jws import TokenRefused
from tests.edge.dojos.hosting import PATH, Answer, DojoApi, Someone

ROUTES = (("POST", f"{PATH}/guests/tickets"), ("GET", f"{PATH}/guests/chat"))


async def ask(dojos: DojoApi, method: str, path: str, token: str | None) -> Answer:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await dojos.ask(method, path, headers=headers)


async def guest_of(dojos: DojoApi, made: dict[str, Any]) -> str:
    return str((await dojos.guest(made["joinCode"], "Gil")).body["token"])


async def say(dojos: DojoApi, made: dict[str, Any], who: Someone, content: str, room: str | None = None) -> None:
    said = {"roomId": room or made["rooms"][0]["roomId"], "content": content}
    assert (await dojos.ask("POST", f"{PATH}/{made['dojoId']}/chat", said, who=who)).status == 201


async def test_a_ticket_says_what_the_guest_token_says_for_half_a_minute(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana, allowGuests=True)
    token = await guest_of(dojos, made)
    answer = await ask(dojos, *ROUTES[0], token)
    assert (answer.status, answer.body["expiresIn"]) == (201, 30)
    authority = dojos.services.authority
    guest, ticket = await authority.guest(token), await authority.guest_ticket(answer.body["ticket"])
    assert (ticket.tid, ticket.sub, ticket.dojo, ticket.name) == (ana.tenant, guest.sub, UUID(made["dojoId"]), "Gil")
    assert ticket.until == guest.exp
    assert 0 < ticket.exp - time.time() <= 30
    for verify, shown in (
        (authority.ticket, answer.body["ticket"]),
        (authority.guest, answer.body["ticket"]),
        (authority.guest_ticket, token),
    ):
        with pytest.raises(TokenRefused, match="wrong_type"):
            await verify(shown)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_it_takes_a_guest_token_and_nothing_else(dojos: DojoApi, method: str, path: str) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    for token, code in ((None, "no_token"), ("forged", "invalid_token"), (ana.token, "invalid_token")):
        answer = await ask(dojos, method, path, token)
        assert (answer.status, answer.code) == (401, code)
        assert "WWW-Authenticate" in answer.headers


async def test_a_guest_reads_the_chat_as_members_do(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made, other = await dojos.dojo(ana, allowGuests=True), await dojos.dojo(ana)
    await dojos.join(bia, made["joinCode"])
    for number in range(3):
        await say(dojos, made, ana, f"before the guest {number}")
    await say(dojos, other, ana, "elsewhere")
    token = await guest_of(dojos, made)
    await say(dojos, made, ana, "after")
    path = ROUTES[1][1]
    page = (await ask(dojos, "GET", path + "?limit=2", token)).body
    older = (await ask(dojos, "GET", f"{path}?limit=2&before={page['before']}", token)).body
    read = [said["content"] for said in (*older["items"], *page["items"])]
    assert read == ["before the guest 0", "before the guest 1", "before the guest 2", "after"]
    members = (await dojos.get(f"{PATH}/{made['dojoId']}/chat?limit=2", bia)).body
    assert page == members
    room = other["rooms"][0]["roomId"]
    assert (await ask(dojos, "GET", f"{path}?roomId={room}", token)).code == "not_found"
    assert (await ask(dojos, "GET", f"{path}?before=%2B", token)).code == "invalid_query"


async def test_only_who_is_let_in_reads_and_only_while_the_dojo_goes_on(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana, allowGuests=True, waitingRoom=True)
    given = (await dojos.guest(made["joinCode"])).body
    person = f"{PATH}/{made['dojoId']}/participants/{given['userId']}"

    async def read() -> tuple[int, str]:
        answer = await ask(dojos, *ROUTES[1], given["token"])
        return answer.status, "" if answer.status == 200 else answer.code

    assert await read() == (403, "not_participant")
    await dojos.put(person + "/admit", ana)
    assert await read() == (200, "")
    # In one transaction: as if what was revoked had been forgotten.
    await dojos.everything.execute("UPDATE tenants SET status = 'SUSPENDED'; DELETE FROM revocations")
    assert await read() == (409, "dojo_over")
    await dojos.everything.execute("UPDATE tenants SET status = 'ACTIVE'")
    await dojos.put(f"{PATH}/{made['dojoId']}/end", ana)
    assert await read() == (409, "dojo_over")
    await dojos.put(person + "/ban", ana)
    assert await read() == (403, "not_participant")
