"""Log lines and metrics: their fields, and no token in any of them."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.telemetry import JsonLines, Readings, Sample, exposition, log_to, logged_as, redact
from kernel.tokens import SigningKey

TOKEN = SigningKey.generate().mint(
    tenant=uuid4(), user=uuid4(), name="Ana", rooms=["*"], write=True, now=1_800_000_000, seconds=60
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the process logs while the test runs."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written = io.StringIO()
    log_to(written, service="test", level="debug")
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_agreed_fields(stream: io.StringIO) -> None:
    logging.getLogger("x").warning("hello %s", "you\nthere", extra={"status_code": 404, "tenant_id": uuid4()})
    [line] = lines(stream)
    assert set(line) == {
        "timestamp", "level", "tenant_id", "user_id", "request_id", "trace_id", "service", "message", "status_code",
    }  # fmt: skip
    assert (line["level"], line["service"], line["message"]) == ("warning", "test", "hello you\nthere")
    assert (line["status_code"], line["user_id"]) == (404, None)
    assert str(line["timestamp"]).endswith("Z")


def test_context_is_on_every_line_inside_and_on_none_outside(stream: io.StringIO) -> None:
    with logged_as(tenant_id="t", request_id="r"), logged_as(request_id="inner"):
        logging.getLogger("x").info("inside")
    logging.getLogger("x").info("outside")
    inside, outside = lines(stream)
    assert (inside["tenant_id"], inside["request_id"]) == ("t", "inner")
    assert (outside["tenant_id"], outside["request_id"]) == (None, None)


def test_no_token_reaches_a_line_wherever_it_stands(stream: io.StringIO) -> None:
    log = logging.getLogger("x")
    log.info("GET /api/v1/rooms/a/sync?token=%s&x=1 101", TOKEN)
    log.info("headers %r", {"authorization": f"Bearer {TOKEN}", "token": TOKEN})
    log.info("just %s", TOKEN, extra={"request_id": f"token={TOKEN}", "user_id": TOKEN})
    log.debug("escaped %%3D: token%%3D%s", TOKEN)
    try:
        raise ValueError(f"bad address ws://h/sync?token={TOKEN}")
    except ValueError:
        log.exception("failed", stack_info=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"token={TOKEN}", UserWarning, stacklevel=1)
    assert len(lines(stream)) == 6
    for part in TOKEN.split("."):
        assert part not in stream.getvalue()


@given(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=6))
def test_nothing_that_follows_the_parameter_stays(secret: str) -> None:
    kept = redact(f"GET /sync?token={secret}")
    assert kept == "GET /sync?token=[redacted]"


@pytest.mark.parametrize("text", ["no secrets here", "a tokenizer = 5", "the token expired", "tokens: 5 used"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_a_line_is_one_line_whatever_is_logged() -> None:
    record = logging.makeLogRecord({"msg": "a\u2028b\r\n\x00c \ud800", "levelname": "INFO"})
    assert "\n" not in JsonLines("s").format(record)


def test_metrics_are_read_at_scrape_time() -> None:
    numbers = {"a": 1.0}

    def read() -> Iterator[Sample]:
        yield Sample("dojo_members", "Members here", 7)
        for room, value in numbers.items():
            yield Sample("dojo_updates_total", "Updates taken", value, kind="counter", labels={"room": room})

    readings = Readings(read)
    assert 'dojo_updates_total{room="a"} 1.0' in exposition(readings).decode()
    numbers.update(a=5.0, b=2.0)
    text = exposition(readings).decode()
    assert "# TYPE dojo_members gauge\ndojo_members 7.0\n" in text
    assert "# TYPE dojo_updates_total counter" in text
    assert 'dojo_updates_total{room="a"} 5.0\ndojo_updates_total{room="b"} 2.0' in text
