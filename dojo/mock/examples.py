"""Values of any type an operation answers with: always the same ones, and valid by the type's own bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, get_origin, get_type_hints
from uuid import UUID, uuid5

import msgspec
from msgspec import inspect

MOMENT: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When everything happened."""
_IDS: Final = UUID("5f0d4b1e-8f2f-4a83-9d57-6f6d6f636b00")
_EMAIL: Final = "ada@example.com"
_NESTED_AT_MOST: Final = 8

Known: TypeAlias = Mapping[str, Sequence[Any]]
"""Values by the name of the field they are for."""


def named_id(name: str) -> UUID:
    """The id of what is called `name`."""
    return uuid5(_IDS, name)


def example(type_: Any, known: Known) -> Any:
    """A value of `type_` as msgspec would decode it. A field whose name (as it travels) is in `known` has the first of
    the values there that its type takes, at any depth."""
    return _value(inspect.type_info(type_), "", known, 0)


def _value(kind: inspect.Type, name: str, known: Known, depth: int) -> Any:
    if isinstance(kind, inspect.Metadata):
        return _value(kind.type, name, known, depth)
    if isinstance(kind, inspect.UnionType):
        return _one_of(kind, name, known, depth)
    if isinstance(kind, inspect.StructType):
        return _struct(kind, known, depth)
    if isinstance(kind, inspect.ListType | inspect.CollectionType | inspect.VarTupleType):
        item = getattr(kind, "item_type", None)
        return [] if item is None or depth > _NESTED_AT_MOST else [_value(item, name.rstrip("s"), known, depth + 1)]
    if isinstance(kind, inspect.TupleType):
        return [_value(item, name, known, depth + 1) for item in kind.item_types]
    return _plain(kind, name)


def _plain(kind: inspect.Type, name: str) -> Any:
    match kind:
        case inspect.UUIDType():
            return named_id(name)
        case inspect.DateTimeType():
            return MOMENT
        case inspect.BoolType():
            return False
        case inspect.IntType(ge=ge, gt=gt):
            return ge if ge is not None else 0 if gt is None else gt + 1
        case inspect.FloatType(ge=ge):
            return 0.0 if ge is None else ge
        case inspect.StrType(min_length=least):
            return _EMAIL if "email" in name.lower() else (name or "text").ljust(least or 0, "x")
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.EnumType(cls=enumeration):
            return next(iter(enumeration))
        case inspect.DictType() | inspect.AnyType():
            return {}
        case _:
            return None


def _one_of(kind: inspect.UnionType, name: str, known: Known, depth: int) -> Any:
    """The first that is something. A moment that may be none is none: nothing has ended, nobody has left."""
    some = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
    may_be_none = len(some) < len(kind.types)
    first = some[0].type if isinstance(some[0], inspect.Metadata) else some[0]
    if may_be_none and isinstance(first, inspect.DateTimeType | inspect.UUIDType):
        return None
    return _value(some[0], name, known, depth)


def _struct(kind: inspect.StructType, known: Known, depth: int) -> Any:
    hints = get_type_hints(get_origin(kind.cls) or kind.cls, include_extras=True)
    fields: dict[str, Any] = {} if kind.tag_field is None else {kind.tag_field: kind.tag}
    for field in kind.fields:
        name = field.encode_name
        fitting = [value for value in known.get(name, ()) if _fits(value, hints[field.name])]
        fields[name] = fitting[0] if fitting else _value(field.type, name, known, depth + 1)
    return msgspec.convert(fields, kind.cls, strict=False)


def _fits(value: Any, annotation: Any) -> bool:
    try:
        msgspec.convert(value, annotation, strict=False)
    except (msgspec.ValidationError, TypeError):
        return False
    return True
