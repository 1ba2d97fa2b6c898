"""Settings: defaults, file, environment; unknown and wrong ones are named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from kernel.settings import SettingsError, from_json, load, to_json


class Inner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    message_bytes: Annotated[int, msgspec.Meta(ge=1)] = 1024
    rate: float = 1.5


class Outer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    folder: Path = Path("state")
    name: str | None = None
    loud: bool = False
    origins: tuple[str, ...] | None = None
    inner: Inner = Inner()


def write(folder: Path, text: str) -> Path:
    file = folder / "settings.toml"
    file.write_text(text)
    return file


def test_without_file_and_environment_the_defaults_hold() -> None:
    assert load(Outer, file=None, env={"PATH": "/bin", "DOJOX": "1"}) == Outer()


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = write(tmp_path, 'name = "file"\nloud = true\n[inner]\nmessage_bytes = 7\nrate = 2\n')
    found = load(Outer, file=file, env={"DOJO_NAME": "env", "DOJO_INNER__MESSAGE_BYTES": "9", "DOJO_FOLDER": "/x y"})
    assert found == Outer(name="env", loud=True, folder=Path("/x y"), inner=Inner(message_bytes=9, rate=2.0))


@pytest.mark.parametrize(
    ("text", "value"),
    [("", ()), ("http://a, http://b", ("http://a", "http://b")), ('["http://a,b"]', ("http://a,b",))],
)
def test_lists_are_written_as_json_or_with_commas(text: str, value: tuple[str, ...]) -> None:
    assert load(Outer, file=None, env={"DOJO_ORIGINS": text}).origins == value


def test_numbers_in_scientific_notation_are_numbers() -> None:
    assert load(Outer, file=None, env={"DOJO_INNER__RATE": "1e9"}).inner.rate == 1e9


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("DOJO_NAMES", "`names`"),
        ("DOJO_INNER__MESSAGE_BYTE", "did you mean `message_bytes`"),
        ("DOJO_INNER", "DOJO_INNER__NAME"),
        ("DOJO_NAME__MORE", "`name.more`"),
    ],
)
def test_an_unknown_variable_is_refused_by_name(variable: str, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(Outer, file=None, env={variable: "1"})
    assert named in str(refused.value)
    assert variable in str(refused.value)


def test_an_unknown_key_of_the_file_is_refused_with_its_path_and_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "[inner]\nmessage_byte = 7\n")
    with pytest.raises(SettingsError, match=r"`inner.message_byte` in .*settings.toml; did you mean `message_bytes`"):
        load(Outer, file=file, env={})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DOJO_INNER__MESSAGE_BYTES", "0"),
        ("DOJO_INNER__MESSAGE_BYTES", "many"),
        ("DOJO_LOUD", "perhaps"),
        ("DOJO_FOLDER", ""),
    ],
)
def test_a_wrong_value_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load(Outer, file=None, env={variable: value})


@pytest.mark.parametrize("text", ["loud = 1", "inner = 3", "[inner]\nmessage_bytes = -1", 'inner.rate = "fast"'])
def test_a_wrong_value_in_the_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"\$\.(loud|inner)"):
        load(Outer, file=write(tmp_path, text), env={})


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        load(Outer, file=tmp_path / "missing.toml", env={})
    with pytest.raises(SettingsError, match=r"settings.toml is not valid TOML"):
        load(Outer, file=write(tmp_path, "a = = 1"), env={})


def test_settings_survive_being_handed_down_as_json() -> None:
    settings = Outer(folder=Path("/data"), origins=("http://a",), inner=Inner(rate=3.0))
    assert from_json(Outer, to_json(settings)) == settings
    with pytest.raises(SettingsError):
        from_json(Outer, b'{"nonsense": 1}')
