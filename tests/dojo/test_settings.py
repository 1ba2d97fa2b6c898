"""The composed settings, and the sample file that is the operator's manual."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from dojo.settings import (
    DatabaseSettings,
    IdentitySettings,
    LiveSettings,
    MailSettings,
    RedisSettings,
    Settings,
    VoiceSettings,
    load,
)
from edge.identity.oidc.settings import OidcSettings
from kernel.settings import SettingsError, from_json, to_json

SAMPLE = Path(__file__).parents[2] / "deploy" / "dojo.toml"


def test_the_defaults() -> None:
    settings = load(None, {})
    assert (settings.http.host, settings.http.port, settings.wanted_live_port) == ("127.0.0.1", 8080, 8081)
    assert settings.origins == ("http://127.0.0.1:8080", "http://localhost:8080")
    assert settings.database.embedded
    assert settings.ticket_hours == 12


def test_limits_can_be_set_in_the_environment() -> None:
    settings = load(None, {"DOJO_LIMITS__UPDATES_PER_SECOND": "1e9", "DOJO_LIMITS__MESSAGE_BYTES": "2048"})
    assert (settings.limits.updates_per_second, settings.limits.message_bytes) == (1e9, 2048)


def test_the_variable_that_hands_settings_to_children_is_no_setting() -> None:
    assert load(None, {"DOJO_SETTINGS": "{}"}) == Settings()


@pytest.mark.parametrize(
    ("env", "port"),
    [
        ({"DOJO_HTTP__PORT": "9000"}, 0),
        ({"DOJO_HTTP__PORT": "9000", "DOJO_LIVE__PORT": "9001"}, 9001),
        ({"DOJO_LIVE__PORT": "0"}, 0),
    ],
)
def test_the_sockets_port_is_free_to_choose_unless_it_was_given(env: dict[str, str], port: int) -> None:
    assert load(None, env).wanted_live_port == port


def test_clients_are_told_the_advertised_address_if_there_is_one() -> None:
    assert load(None, {"DOJO_LIVE__PORT": "9"}).live_url == "ws://127.0.0.1:9"
    assert load(None, {"DOJO_LIVE__URL": "wss://live.example.com"}).live_url == "wss://live.example.com"


@pytest.mark.parametrize(
    ("template", "address", "any_node"),
    [
        ("wss://{hostname}.live.example.com", "wss://n1.live.example.com", "wss://*.live.example.com"),
        ("ws://127.0.0.1:{port}", "ws://127.0.0.1:9", "ws://127.0.0.1:*"),
        ("wss://{hostname}:{port}", "wss://n1:9", "wss://*:*"),
        ("wss://live.example.com:443", "wss://live.example.com:443", "wss://live.example.com:443"),
    ],
)
def test_each_node_can_have_an_address_of_its_own(template: str, address: str, any_node: str) -> None:
    live = load(None, {"DOJO_LIVE__PUBLIC_URL": template}).live
    assert (live.node_url("n1", 9), live.every_node_url) == (address, any_node)


def test_without_one_all_nodes_are_behind_the_same() -> None:
    assert (Settings().live.node_url("n1", 9), Settings().live.every_node_url) == (None, None)


@pytest.mark.parametrize(
    "env",
    [
        {"DOJO_LIVE__PUBLIC_URL": "wss://live-{hostname}.example.com"},
        {"DOJO_LIVE__PUBLIC_URL": "https://{hostname}.example.com"},
        {"DOJO_LIVE__PUBLIC_URL": "wss://{hostname}.example.com/path"},
        {"DOJO_LIVE__PUBLIC_URL": "wss://{name}.example.com"},
        {"DOJO_LIVE__WEIGHT": "0"},
        {"DOJO_HTTP__PORT": "65536"},
        {"DOJO_LOG_LEVEL": "loud"},
        {"DOJO_TICKET_HOURS": "0"},
        {"DOJO_DATABASE__JOURNAL": "postgresql://x"},
        {"DOJO_HTTP__TRUSTED_PROXIES": "-1"},
        {"DOJO_REDIS__URL": "http://redis.example.com"},
    ],
)
def test_what_makes_no_sense_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        load(None, env)


def test_the_password_of_redis_shows_nowhere() -> None:
    settings = load(None, {"DOJO_REDIS__URL": "rediss://:hidden-word@redis.example.com/0"})
    assert settings.redis.url == "rediss://:hidden-word@redis.example.com/0"
    assert "hidden-word" not in repr(settings)
    with pytest.raises(SettingsError) as refused:
        load(None, {"DOJO_REDIS__URL": "https://:hidden-word@redis.example.com"})
    assert "hidden-word" not in str(refused.value)


def test_a_child_gets_exactly_the_settings_in_force() -> None:
    settings = load(
        None, {"DOJO_DATA_DIR": "/x", "DOJO_ALLOWED_ORIGINS": "http://a", "DOJO_ENGINE__EVICT_AFTER_SECONDS": "1"}
    )
    assert from_json(Settings, to_json(settings)) == settings


def test_the_sample_file_changes_nothing() -> None:
    assert load(SAMPLE, {}) == Settings()


def test_the_sample_file_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(re.sub(r"(?m)^#([a-z_]+ = )", r"\1", SAMPLE.read_text()))
    shown = tomllib.loads(file.read_text())
    for path, struct in groups(Settings):
        group = functools.reduce(lambda found, name: found[name], path, shown)
        assert set(group) == set(struct.__struct_fields__)
    # Those whose default is "unset" show an example instead.
    unset = {
        "allowed_origins": None,
        "live": LiveSettings(),
        "voice": VoiceSettings(),
        "database": DatabaseSettings(),
        "redis": RedisSettings(),
        "identity": IdentitySettings(),
        "oidc": OidcSettings(),
        "mail": MailSettings(),
    }
    assert msgspec.structs.replace(load(file, {}), **unset) == Settings()


def groups(
    struct: type[msgspec.Struct], above: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], type[msgspec.Struct]]]:
    found = [(above, struct)]
    for name, annotation in get_type_hints(struct).items():
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            found += groups(annotation, (*above, name))
    return found
