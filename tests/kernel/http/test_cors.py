"""Which pages of other origins may use the API."""

from __future__ import annotations

import pytest

from kernel.http.cors import Cors
from tests.kernel.http.conftest import ORIGIN, Shop
from tests.kernel.http.serving import problem

THINGS = "/api/v1/things"
PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}


@pytest.mark.parametrize("origin", [ORIGIN, ORIGIN.upper()])
async def test_a_listed_origin_may_ask_with_its_cookies_and_read_what_helps_it(front: Shop, origin: str) -> None:
    async with front.client.options(f"{THINGS}/x", headers={"Origin": origin, **PREFLIGHT}) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Access-Control-Allow-Methods"] == "DELETE, GET, PATCH"
        assert {"Authorization", "Idempotency-Key"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
        assert answer.headers.getall("Vary") == ["Origin"]
    for path in ("/api/v1/seen", "/api/v1/nothing", THINGS):
        async with front.client.get(path, headers={"Origin": origin, "Authorization": ""}) as answer:
            assert answer.status in (200, 401, 404)
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "null", "*", "https://app.example.com.evil.example", "https://evil.example", "http://app.example.com",
        "https://app.example.com:8443", "https://sub.app.example.com", "https://app.example.com/", "",
    ],
)  # fmt: skip
async def test_any_other_origin_is_told_nothing(front: Shop, origin: str) -> None:
    async with front.client.options(THINGS, headers={"Origin": origin, **PREFLIGHT}) as answer:
        assert await problem(answer) == (403, "origin_not_allowed")
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    async with front.client.get("/api/v1/seen", headers={"Origin": origin}) as answer:
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
        assert answer.headers["Vary"] == "Origin"


async def test_without_an_origin_answers_still_vary_by_it(front: Shop) -> None:
    async with front.client.get("/api/v1/seen") as answer:
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_options_that_ask_for_nothing_are_a_method_like_others(front: Shop) -> None:
    async with front.client.options(THINGS, headers={"Origin": ORIGIN}) as answer:
        assert await problem(answer) == (405, "method_not_allowed")
    async with front.client.options("/api/v1/nothing", headers={"Origin": ORIGIN, **PREFLIGHT}) as answer:
        assert await problem(answer) == (404, "not_found")


@pytest.mark.parametrize("origin", ["*", "null"])
def test_a_list_with_everybody_in_it_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="one by one"):
        Cors([ORIGIN, origin])
