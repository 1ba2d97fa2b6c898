"""Settings: defaults in a struct, a TOML file over them, the environment over both.

A service describes its settings as a frozen `msgspec.Struct`, nested where it helps. A key nobody knows is refused
and named: a misspelt limit that silently keeps its default is worse than a server that does not start.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

NESTING = "__"
"""Separates the levels in a variable's name: DOJO_LIMITS__MESSAGE_BYTES is `message_bytes` in `[limits]`."""

T = TypeVar("T", bound=msgspec.Struct)


class SettingsError(Exception):
    """A setting is unknown or has a wrong value. The text names the setting and where it came from."""


def load(cls: type[T], *, file: Path | None, env: Mapping[str, str], prefix: str = "DOJO_") -> T:
    """Defaults of `cls`, the TOML `file` over them, then every variable of `env` that starts with `prefix`.

    Variables are upper case, levels joined by `__`. Lists are written as JSON (`["a", "b"]`) or with commas.
    Raises `SettingsError`.
    """
    values = _read_toml(cls, file) if file is not None else {}
    for variable in sorted(env):
        if variable.startswith(prefix):
            path = variable.removeprefix(prefix).lower().split(NESTING)
            _put(values, path, _from_text(variable, _leaf_type(cls, path, variable), env[variable]))
    return from_builtins(cls, values)


def from_builtins(cls: type[T], values: Mapping[str, Any]) -> T:
    """`cls` out of plain dicts, lists, strings and numbers; every value checked against its type."""
    try:
        return msgspec.convert(dict(values), cls, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        raise SettingsError(f"bad setting: {error}") from error


def to_json(settings: msgspec.Struct) -> bytes:
    """The whole struct as one JSON document, to be handed to a child process."""
    return msgspec.json.encode(settings, enc_hook=_encode_path)


def from_json(cls: type[T], document: bytes | str) -> T:
    """What `to_json` wrote. Raises `SettingsError`."""
    try:
        return msgspec.json.decode(document, type=cls, dec_hook=_decode_path)
    except msgspec.DecodeError as error:
        raise SettingsError(f"bad settings document: {error}") from error


def _read_toml(cls: type[msgspec.Struct], file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
    _refuse_unknown(cls, values, (), str(file))
    return values


def _refuse_unknown(cls: type[msgspec.Struct], values: Mapping[str, Any], above: tuple[str, ...], source: str) -> None:
    types = get_type_hints(cls, include_extras=True)
    for key, value in values.items():
        if key not in types:
            raise _unknown(".".join((*above, key)), key, types, source)
        nested = _struct_in(types[key])
        if nested is not None and isinstance(value, Mapping):
            _refuse_unknown(nested, value, (*above, key), source)


def _leaf_type(cls: type[msgspec.Struct], path: list[str], variable: str) -> Any:
    """The type of the field that an environment variable names."""
    here: Any = cls
    for depth, key in enumerate(path):
        struct = _struct_in(here)
        types = get_type_hints(struct, include_extras=True) if struct is not None else {}
        if key not in types:
            raise _unknown(".".join(path[: depth + 1]), key, types, f"the environment ({variable})")
        here = types[key]
    if _struct_in(here) is not None:
        raise SettingsError(f"{variable} names a group of settings; say which one: {variable}{NESTING}NAME")
    return here


def _unknown(path: str, key: str, known: Iterable[str], source: str) -> SettingsError:
    near = difflib.get_close_matches(key, list(known), n=1)
    hint = f"; did you mean `{near[0]}`?" if near else f"; known here: {', '.join(sorted(known)) or 'nothing'}"
    return SettingsError(f"unknown setting `{path}` in {source}{hint}")


def _struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct that a field holds, also behind `| None`."""
    return next((c for c in _choices(annotation) if isinstance(c, type) and issubclass(c, msgspec.Struct)), None)


def _from_text(variable: str, annotation: Any, text: str) -> Any:
    """A variable's text in its field's type, then back to builtins so that file and environment merge alike."""
    value: Any = text
    try:
        if _is_list(annotation):
            value = msgspec.json.decode(text) if text.lstrip().startswith("[") else _split(text)
        converted = msgspec.convert(value, annotation, strict=False, dec_hook=_decode_path)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise SettingsError(f"{variable}: {error}") from error
    return msgspec.to_builtins(converted, enc_hook=_encode_path)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(choice) in (list, tuple) for choice in _choices(annotation))


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The types a field may hold, without their constraints."""
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(choice for part in get_args(annotation) for choice in _choices(part))
    return (annotation,)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value


def _decode_path(annotation: type, value: Any) -> Any:
    if annotation is Path:
        if isinstance(value, str) and value:
            return Path(value)
        raise ValueError("expected the path of a file or folder")
    raise NotImplementedError(annotation)


def _encode_path(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))
