from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from edge.identity.users import folded
from tests.edge.identity.company import CompanyApi, Someone


def names(body: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["fullName"] for item in body["items"]]


async def test_people_are_listed_searched_and_sorted(company: CompanyApi) -> None:
    admin = await company.founder()
    await company.join(admin, "jose@example.com", "host", "JOSÉ da Silva")
    await company.join(admin, "bia@other.example.com", "member", "Beatriz")
    other = await company.founder("stranger@example.com", "Globex", "José of Globex")

    async def found(query: str) -> list[str]:
        answer = await company.get(f"/api/v1/users?{query}", admin)
        assert answer.status == 200, answer.body
        return names(answer.body)

    assert await found("sortBy=fullName&sortOrder=asc") == ["Ada Admin", "Beatriz", "JOSÉ da Silva"]
    assert await found("sortBy=email&sortOrder=desc") == ["JOSÉ da Silva", "Beatriz", "Ada Admin"]
    assert await found("sortBy=createdAt&sortOrder=asc") == ["Ada Admin", "JOSÉ da Silva", "Beatriz"]
    assert await found("search=jose") == ["JOSÉ da Silva"]
    assert await found("search=Jos%C3%A9") == ["JOSÉ da Silva"]
    assert await found("search=OTHER.example") == ["Beatriz"]
    assert await found("search=%25") == []
    assert await found("role=host") == ["JOSÉ da Silva"]
    assert await found("status=SUSPENDED") == []
    page = await company.get("/api/v1/users?pageSize=2&page=2&sortBy=fullName&sortOrder=asc", admin)
    assert names(page.body) == ["JOSÉ da Silva"]
    assert page.body["pagination"] == {"page": 2, "pageSize": 2, "totalItems": 3, "totalPages": 2}
    assert names((await company.get("/api/v1/users", other)).body) == ["José of Globex"]


@pytest.mark.parametrize(
    "query", ["sortBy=role", "status=active", "role=owner", "page=0", "pageSize=101", "search=%00", "who=me"]
)
async def test_what_cannot_be_asked_is_refused(company: CompanyApi, query: str) -> None:
    answer = await company.get(f"/api/v1/users?{query}", await company.founder())
    assert (answer.status, answer.code) == (400, "invalid_query")


async def test_hosts_see_people_and_change_nobody_and_members_do_neither(company: CompanyApi) -> None:
    admin = await company.founder()
    host = await company.join(admin, "host@example.com", "host")
    member = await company.join(admin, "member@example.com")
    path = f"/api/v1/users/{member.user}"
    assert (await company.get("/api/v1/users", host)).status == 200
    seen = (await company.get(path, host)).body
    assert (seen["email"], seen["role"], seen["status"]) == ("member@example.com", "member", "ACTIVE")
    assert (await company.ask("PATCH", path, {"role": "admin"}, token=host.access)).status == 403
    assert (await company.ask("DELETE", path, token=host.access)).status == 403
    for answer in (await company.get("/api/v1/users", member), await company.get(path, member)):
        assert (answer.status, answer.code) == (403, "forbidden")


async def test_another_role_is_in_force_within_seconds(company: CompanyApi) -> None:
    admin = await company.founder()
    member = await company.join(admin, "member@example.com", "host")
    changed = await company.ask("PATCH", f"/api/v1/users/{member.user}", {"role": "guest"}, token=admin.access)
    assert (changed.status, changed.body["role"]) == (200, "guest")
    await company.refused(member.access)
    refreshed = await company.refresh(member.refresh)
    assert refreshed.status == 200
    me = await company.ask("GET", "/api/v1/users/me", token=refreshed.body["accessToken"])
    assert me.body["role"] == "guest"
    assert (await company.ask("GET", "/api/v1/users", token=refreshed.body["accessToken"])).status == 403
    assert "user.role_changed" in await company.audited(admin.tenant)


async def test_who_is_suspended_is_out_until_they_are_let_in_again(company: CompanyApi) -> None:
    admin = await company.founder()
    member = await company.join(admin, "member@example.com")
    path = f"/api/v1/users/{member.user}"
    answer = await company.ask("PATCH", path, {"status": "SUSPENDED"}, token=admin.access)
    assert answer.body["status"] == "SUSPENDED"
    await company.refused(member.access)
    assert (await company.refresh(member.refresh)).status == 401
    login = await company.login(member.email)
    assert (login.status, login.code) == (403, "account_suspended")
    await company.ask("PATCH", path, {"status": "ACTIVE"}, token=admin.access)
    assert (await company.refresh(member.refresh)).status == 401
    assert (await company.login(member.email)).status == 200
    assert (await company.audited(admin.tenant))[-3:-1] == ["user.suspended", "user.reactivated"]


async def test_a_change_that_changes_nothing_ends_nothing(company: CompanyApi) -> None:
    admin = await company.founder()
    before = await company.audited(admin.tenant)
    answer = await company.ask(
        "PATCH", f"/api/v1/users/{admin.user}", {"role": "admin", "status": "ACTIVE"}, token=admin.access
    )
    assert (answer.status, answer.body["role"]) == (200, "admin")
    assert await company.rows("revocations", admin.tenant) == 0
    assert await company.audited(admin.tenant) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/api/v1/users/{}", {"role": "member"}),
        ("PATCH", "/api/v1/users/{}", {"status": "SUSPENDED"}),
        ("DELETE", "/api/v1/users/{}", None),
        ("DELETE", "/api/v1/users/me", {"password": "correct horse battery staple"}),
    ],
)
async def test_the_last_active_administrator_stays(
    company: CompanyApi, method: str, path: str, body: dict[str, str] | None
) -> None:
    admin = await company.founder()
    second = await company.join(admin, "second@example.com", "admin")
    await company.ask("PATCH", f"/api/v1/users/{second.user}", {"status": "SUSPENDED"}, token=admin.access)
    answer = await company.ask(method, path.format(admin.user), body, token=admin.access)
    assert (answer.status, answer.code) == (409, "last_admin")
    assert (await company.get(f"/api/v1/users/{admin.user}", admin)).body["status"] == "ACTIVE"


@pytest.mark.parametrize("change", [{"role": "member"}, {"status": "SUSPENDED"}, None])
async def test_of_two_who_depose_each_other_at_the_same_instant_one_stays(
    company: CompanyApi, change: dict[str, str] | None
) -> None:
    first = await company.founder()
    second = await company.join(first, "second@example.com", "admin")

    async def depose(who: Someone, whom: Someone) -> int:
        method = "PATCH" if change is not None else "DELETE"
        return (await company.ask(method, f"/api/v1/users/{whom.user}", change, token=who.access)).status

    answers = await asyncio.gather(depose(first, second), depose(second, first))
    # The slower one may also find that its token has ended by then.
    assert sorted(answers) in ([200, 401], [200, 409], [204, 401], [204, 409])
    left = await company.everything.fetchval(
        "SELECT count(*) FROM users WHERE tenant_id = $1 AND role = 'admin' AND status = 'ACTIVE'", first.tenant
    )
    assert left == 1


async def test_who_is_no_administrator_any_more_leaves_no_way_in(company: CompanyApi) -> None:
    admin = await company.founder()
    second = await company.join(admin, "second@example.com", "admin")
    token = await company.invited(second, "accomplice@example.com", "admin")
    await company.ask("PATCH", f"/api/v1/users/{second.user}", {"role": "member"}, token=admin.access)
    body = {"email": "accomplice@example.com", "password": "a long enough secret", "fullName": "Al"}
    answer = await company.post("/api/v1/users", {**body, "invitationToken": token})
    assert (answer.status, answer.code) == (400, "invalid_invitation")


async def test_people_of_another_company_are_not_found(company: CompanyApi) -> None:
    admin = await company.founder()
    other = await company.founder("other@example.com", "Globex")
    nobody = uuid4()
    for method, body in (("GET", None), ("PATCH", {"role": "guest"}), ("DELETE", None)):
        theirs = await company.ask(method, f"/api/v1/users/{other.user}", body, token=admin.access)
        nobodys = await company.ask(method, f"/api/v1/users/{nobody}", body, token=admin.access)
        assert theirs.status == nobodys.status == 404
        assert theirs.body == nobodys.body
    assert (await company.get("/api/v1/users/me", other)).body["role"] == "admin"


def test_folding_takes_case_and_accents_away() -> None:
    assert folded("  ÁÉ Çã ") == "ae ca"
    assert folded("日本") == "日本"
