"""What every operation promises, on a small service: who is let in, in which order, and what is undone."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from dojo.embedded.postgres import OWNER, EmbeddedPostgres
from dojo.migrate import migrate
from kernel.buckets import Buckets
from kernel.database import create_pool
from kernel.http.limits import HttpLimits
from kernel.http.operation import Operation
from tests.collab_core.live import until
from tests.kernel.http.conftest import ORIGIN, Shop, make_app, token
from tests.kernel.http.serving import problem, raw, serving
from tests.kernel.http.things import SCHEMA, Things

THINGS = "/api/v1/things"


async def made(shop: Shop, name: str = "vase", **more: object) -> str:
    async with shop.client.post(THINGS, json={"name": name, **more}) as answer:
        assert answer.status == 201
        thing: str = (await answer.json())["thingId"]
    return thing


async def refused(shop: Shop, method: str, path: str, **options: object) -> tuple[int, str]:
    async with shop.client.request(method, path, **options) as answer:  # type: ignore[arg-type]
        return await problem(answer)


async def test_a_thing_lives(shop: Shop) -> None:
    async with shop.client.post(THINGS, json={"name": "vase", "weight": 21.0}) as answer:
        assert answer.status == 201
        thing = await answer.json()
        assert answer.headers["Location"] == f"{THINGS}/{thing['thingId']}"
    assert thing["weight"] == 21
    path = f"{THINGS}/{thing['thingId']}"
    async with shop.client.get(path.upper().replace("/API/V1/THINGS", THINGS)) as answer:
        assert await answer.json() == thing
    async with shop.client.get(THINGS, params={"search": "va", "sortBy": "weight", "pageSize": "1"}) as answer:
        page = await answer.json()
        assert page["items"] == [thing]
        assert page["pagination"] == {"page": 1, "pageSize": 1, "totalItems": 1, "totalPages": 1}
    async with shop.client.get("/api/v1/things-as-text") as answer:
        assert (answer.content_type, await answer.text()) == ("text/csv", "vase")
    async with shop.client.delete(path) as answer:
        assert (answer.status, await answer.read(), answer.headers.get("Content-Type")) == (204, b"", None)
    assert await refused(shop, "GET", path) == (404, "not_found")


async def test_another_tenant_sees_nothing_of_it(shop: Shop) -> None:
    path = f"{THINGS}/{await made(shop)}"
    for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        there = await refused(shop, method, path, json=body, headers=token("other"))
        nowhere = await refused(shop, method, f"{THINGS}/{uuid4()}", json=body, headers=token("other"))
        assert there == nowhere == (404, "not_found")
    assert await shop.count() == 1


# The order of refusals


async def test_refusals_come_in_one_order(shop: Shop) -> None:
    """Each request is wrong in all the ways that come after the one it is refused for."""
    bad = {"params": {"x": "1"}, "data": b"{", "headers": {"Content-Type": "text/plain"}}
    everything = {**bad, "headers": {**bad["headers"], "Authorization": ""}}  # type: ignore[dict-item]
    assert await refused(shop, "PATCH", f"{THINGS}/none", **everything) == (401, "no_token")
    wrong = {**bad, "headers": {**bad["headers"], **token("nobody")}}  # type: ignore[dict-item]
    assert await refused(shop, "PATCH", f"{THINGS}/none", **wrong) == (401, "invalid_token")
    guest = {**bad, "headers": {**bad["headers"], **token("guest")}}  # type: ignore[dict-item]
    assert await refused(shop, "PATCH", f"{THINGS}/none", **guest) == (403, "forbidden")
    assert await refused(shop, "PATCH", f"{THINGS}/none", **bad) == (404, "not_found")
    assert await refused(shop, "PATCH", f"{THINGS}/{uuid4()}", **bad) == (400, "invalid_query")
    del bad["params"]
    assert await refused(shop, "PATCH", f"{THINGS}/{uuid4()}", **bad) == (415, "unsupported_media_type")
    json = {"Content-Type": "application/json"}
    assert await refused(shop, "PATCH", f"{THINGS}/{uuid4()}", data=b"{", headers=json) == (400, "invalid_body")
    assert await refused(shop, "PATCH", f"{THINGS}/{uuid4()}", json={"name": "a"}) == (404, "not_found")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic admin", "admin", "Bearer adm\u00efn", "Bearer admin admin"],
)
async def test_without_a_good_token_nobody_is_let_in_and_the_answer_names_the_scheme(
    front: Shop, authorization: str
) -> None:
    async with raw(front.port) as client:
        head = f"GET {THINGS} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n"
        await client.send(head.encode("latin-1"))
        answer = await client.answer()
    assert answer.status == 401
    assert answer.json()["code"] in ("no_token", "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("role", "allowed"), [("admin", {"GET", "POST", "DELETE"}), ("host", {"GET", "POST"}), ("guest", {"GET"})]
)
async def test_roles(shop: Shop, role: str, allowed: set[str]) -> None:
    thing = await made(shop)
    for method, path in (("GET", THINGS), ("POST", THINGS), ("DELETE", f"{THINGS}/{thing}")):
        body = {"name": "a"} if method == "POST" else None
        async with shop.client.request(method, path, json=body, headers=token(role)) as answer:
            assert (answer.status != 403) == (method in allowed)


# Path and query


@pytest.mark.parametrize(
    "spelling",
    [
        "{00000000-0000-0000-0000-000000000000}",
        "00000000000000000000000000000000",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
        "0",
        "%00",
        "%FF",
        "00000000-0000-0000-0000-00000000000g",
        "00000000-0000-0000-0000-000000000000%20",
        "..%2f..%2f",
    ],
)
async def test_an_id_has_one_spelling(front: Shop, spelling: str) -> None:
    async with raw(front.port) as client:
        head = f"GET {THINGS}/{spelling} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n"
        await client.send(head.encode())
        answer = await client.answer()
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "query",
    [
        "page=1&page=2", "page=0", "page=-1", "page=10001", "page=x", "page=", "page=9999999999999999999999",
        "pageSize=101", "pageSize=0", "sortBy=weight%00", "sortBy=created_at;drop", "sortOrder=up", "unknown=1",
        "search=%00", "search=%0A", "search=a%0A", "search=" + "a" * 101, "%ED%A0%80=1", "tenantId=1",
    ],
)  # fmt: skip
async def test_a_query_that_does_not_fit(front: Shop, query: str) -> None:
    async with raw(front.port) as client:
        head = f"GET {THINGS}?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n"
        await client.send(head.encode())
        answer = await client.answer()
    assert (answer.status, answer.json()["code"]) == (400, "invalid_query")


@pytest.mark.parametrize("search", ["%", "'", "\\", "\ud800", "e\u0301", "\U0001f600"])
async def test_odd_searches_are_only_searches(shop: Shop, search: str) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in search.encode(errors="surrogatepass"))
    async with raw(shop.port) as client:
        head = f"GET {THINGS}?search={quoted} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n"
        await client.send(head.encode())
        assert (await client.answer()).status == 200


# What happens inside the transaction


async def test_a_problem_undoes_what_was_done(shop: Shop) -> None:
    async with shop.client.post(THINGS, json={"name": "rock", "weight": 999_999}) as answer:
        assert await problem(answer) == (409, "heavy")
        assert (await answer.json())["weightLimit"] == 999_998
    assert await shop.count() == 0
    assert shop.things.after == []


async def test_our_own_faults_are_500_and_undone_and_told_to_nobody(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("bug", "twice"):
        async with shop.client.post(THINGS, json={"name": name}) as answer:
            assert await problem(answer) == (500, "internal_error")
            assert "SELECT" not in await answer.text()
    assert await shop.count() == 0
    assert "unhandled error in POST" in caplog.text


async def test_what_was_wanted_after_the_commit_is_done_after_it_and_may_fail(shop: Shop) -> None:
    await made(shop, "explosive")
    await made(shop, "calm")
    assert shop.things.after == ["made explosive", "made calm"]
    assert await shop.count() == 2


async def test_a_deadlock_is_tried_again(shop: Shop) -> None:
    one, two = await made(shop, "one"), await made(shop, "two")
    shop.things.other_first = asyncio.Event()
    first = asyncio.ensure_future(shop.client.patch(f"{THINGS}/{one}", json={"name": "one", "note": two, "weight": 10}))
    await shop.things.entered.wait()
    shop.things.entered.clear()
    second = asyncio.ensure_future(
        shop.client.patch(f"{THINGS}/{two}", json={"name": "two", "note": one, "weight": 20})
    )
    await shop.things.entered.wait()  # both hold one lock and want the other
    shop.things.other_first.set()
    answers = await asyncio.gather(first, second)
    assert [answer.status for answer in answers] == [200, 200]


async def test_a_database_that_is_away_is_503_until_it_is_back(tmp_path: Path, limits: HttpLimits) -> None:
    server = EmbeddedPostgres(tmp_path)
    await server.start()
    await migrate(server.dsn(OWNER))
    owner = await asyncpg.connect(server.dsn(OWNER))
    await owner.execute(SCHEMA)
    await owner.close()
    pool = await create_pool(server.dsn("dojo_service"), name="test", statement_seconds=5.0, max_size=4)
    app, things, metrics = make_app(pool, Buckets(None), limits)
    try:
        async with (
            serving(app) as (_, port),
            aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=token("admin")) as client,
        ):
            shop = Shop(things, client, port, None, metrics)
            thing = await made(shop)
            await server.stop()
            for method, path, body in (
                ("GET", THINGS, None), ("POST", THINGS, {"name": "b"}), ("GET", f"/api/v1/count/{uuid4()}", None)
            ):  # fmt: skip
                async with client.request(method, path, json=body) as answer:
                    assert await problem(answer) == (503, "database_unavailable")
                    assert answer.headers["Retry-After"] == "1"
            await server.start()
            async with client.get(f"{THINGS}/{thing}") as answer:
                assert answer.status == 200
    finally:
        pool.terminate()
        await server.stop()


# Limits


@pytest.mark.parametrize("limits", [HttpLimits(user_per_second=0.01, user_burst=10)])
async def test_a_user_past_the_limit_waits_and_others_do_not(shop: Shop) -> None:
    statuses = []
    for _ in range(11):
        async with shop.client.get(THINGS) as answer:
            statuses.append(answer.status)
    assert statuses == [200] * 10 + [429]
    async with shop.client.get(THINGS) as answer:
        assert await problem(answer) == (429, "too_many_requests")
        assert 90 <= int(answer.headers["Retry-After"]) <= 100
    async with shop.client.get(THINGS, headers=token("host")) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("limits", [HttpLimits(network_per_second=0.01, network_burst=10)])
async def test_guessing_tokens_is_not_free(front: Shop) -> None:
    for _ in range(10):
        assert await refused(front, "GET", THINGS, headers=token("guess")) == (401, "invalid_token")
    assert await refused(front, "GET", THINGS, headers=token("guess")) == (429, "too_many_requests")


@pytest.mark.parametrize("limits", [HttpLimits(network_per_second=0.01, network_burst=10)])
async def test_what_costs_more_takes_more(shop: Shop) -> None:
    async with shop.client.get(f"/api/v1/count/{uuid4()}") as one, shop.client.get(f"/api/v1/count/{uuid4()}") as two:
        assert (one.status, two.status) == (200, 200)
    assert await refused(shop, "GET", f"/api/v1/count/{uuid4()}") == (429, "too_many_requests")


# Around a request


async def test_ids_and_headers_of_a_request(front: Shop) -> None:
    async with front.client.get("/api/v1/seen", headers={"X-Request-ID": "my.id-1"}) as answer:
        assert answer.headers["X-Request-ID"] == "my.id-1"
    for bad in ("a b", "a" * 65, "\u00e9", ""):
        async with front.client.get("/api/v1/seen", headers={"X-Request-ID": bad}) as answer:
            assert len(answer.headers["X-Request-ID"]) == 32
    async with raw(front.port) as client:
        await client.send(
            b"GET /api/v1/seen HTTP/1.1\r\nHost: x\xff\r\nUser-Agent: \xff\xfe"
            + b"a" * 500
            + b"\r\nOrigin: null\r\n\r\n"
        )
        seen = (await client.answer()).json()
    assert len(seen["userAgent"]) == 200
    assert (seen["foreign"], seen["webOrigin"], seen["network"]) == (True, "null", "127.0.0.1")
    async with front.client.get("/api/v1/seen", headers={"Origin": ORIGIN}) as answer:
        assert (await answer.json())["foreign"] is False


async def test_no_log_line_holds_a_query_a_token_or_a_body(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for path in (THINGS, "/nothing", f"{THINGS}/none", "/api/v1/seen"):
        for method in ("GET", "POST", "PUT"):
            async with shop.client.request(
                method, path, params={"search": "s3cret", "ticket": "s3cret"}, json={"name": "bug", "s3cret": "s3cret"}
            ) as answer:
                assert answer.status >= 400 or path == THINGS
    await made(shop)
    async with shop.client.get(THINGS, params={"search": "s3cret"}, headers=token("s3cret")) as answer:
        assert answer.status == 401
    assert any(THINGS in record.getMessage() for record in caplog.records)
    assert "s3cret" not in caplog.text


async def test_a_log_line_says_who_asked(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with shop.client.get(THINGS):
        pass
    await until(lambda: any(record.name.endswith("answering") for record in caplog.records))
    record = next(record for record in caplog.records if record.name.endswith("answering"))
    assert {"tenant_id", "user_id", "status_code"} <= record.__dict__.keys()


async def test_a_client_that_leaves_in_the_middle_is_not_the_databases_fault(
    front: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with raw(front.port) as client:
        await client.send(
            f"POST {THINGS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Type: application/json\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
    await until(lambda: "POST /api/v1/things" in caplog.text)
    assert "database" not in caplog.text
    assert "unhandled" not in caplog.text


async def test_unknown_paths_and_methods_are_problems(front: Shop) -> None:
    assert await refused(front, "GET", "/api/v1/nothing") == (404, "not_found")
    async with front.client.put(THINGS) as answer:
        assert await problem(answer) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) == {"GET", "POST"}


async def test_metrics_know_routes_and_not_paths(shop: Shop) -> None:
    thing = await made(shop)
    for path in (f"{THINGS}/{thing}", f"{THINGS}/{uuid4()}", "/api/v1/made-up/1", "/api/v1/made-up/2"):
        async with shop.client.get(path):
            pass
    counted = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value  # type: ignore[union-attr]
        for sample in shop.metrics.samples()
        if sample.name == "dojo_http_responses_total"
    }
    assert counted == {
        ("POST", THINGS, "201"): 1,
        ("GET", THINGS + "/{thingId}", "200"): 1,
        ("GET", THINGS + "/{thingId}", "404"): 1,
        ("GET", "unknown", "404"): 2,
    }


def test_an_operation_whose_handler_does_not_fit_its_access_is_refused_at_once() -> None:
    things = Things(None)
    with pytest.raises(TypeError, match="asks for a Call"):
        Operation("GET", "/x", things.seen, frozenset(), "x")
    with pytest.raises(TypeError, match="idempotent"):
        Operation("DELETE", "/x/{thingId}", things.delete_thing, frozenset(), "x", idempotent=True)


async def test_a_slow_answer_is_not_cut_by_the_clients_patience(shop: Shop) -> None:
    """The work of a client that has gone is finished: it is committed or undone, never half."""
    shop.things.gate = asyncio.Event()
    with pytest.raises(TimeoutError):
        await shop.client.post(THINGS, json={"name": "late"}, timeout=aiohttp.ClientTimeout(total=0.2))
    shop.things.gate.set()
    await until(lambda: shop.things.after == ["made late"])
    assert await shop.count() == 1
