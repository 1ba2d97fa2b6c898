from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.edge.identity.company import CompanyApi, Someone


async def found(company: CompanyApi, who: Someone, **query: str) -> list[dict[str, object]]:
    answer = await company.get(f"/api/v1/audit?{urlencode(query)}", who)
    assert answer.status == 200, answer.body
    items: list[dict[str, object]] = answer.body["items"]
    return items


async def test_the_log_is_read_by_action_person_and_time(company: CompanyApi) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana@example.com", "host")
    await company.ask("PATCH", f"/api/v1/users/{ana.user}", {"role": "guest"}, token=admin.access)
    (changed,) = await found(company, admin, action="user.role_changed")
    assert changed["actorId"] == str(admin.user)
    assert changed["targetId"] == str(ana.user)
    assert changed["details"] == {"from": "host", "to": "guest"}
    assert changed["network"] == "192.0.2.1"
    assert changed["requestId"]
    newest = await found(company, admin)
    assert newest[0] == changed
    assert await found(company, admin, sortOrder="asc") == newest[::-1]
    assert {entry["actorId"] for entry in await found(company, admin, actorId=str(ana.user))} == {str(ana.user)}
    at = str(changed["at"])
    assert await found(company, admin, **{"from": at}) == [changed]
    assert await found(company, admin, to=at) == newest[1:]
    assert len(await found(company, admin, pageSize="1", page="2")) == 1


async def test_a_company_reads_its_own_log_only_and_only_administrators_do(company: CompanyApi) -> None:
    admin, other = await company.founder(), await company.founder("boss@example.com", "Globex")
    host = await company.join(admin, "host@example.com", "host")
    assert await found(company, other, actorId=str(admin.user)) == []
    assert (await company.get("/api/v1/audit", host)).status == 403


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "from=2026-11-20T10:00:00",
        "from=0001-01-01T00:00:00%2B14:00",
        "to=9999-12-31T23:59:59-14:00",
        "action=%00",
        "action=" + "a" * 61,
        "actorId=me",
        "sortBy=action",
        "page=10001",
    ],
)
async def test_what_cannot_be_asked_is_refused(company: CompanyApi, query: str) -> None:
    answer = await company.get(f"/api/v1/audit?{query}", await company.founder())
    assert (answer.status, answer.code) == (400, "invalid_query")
