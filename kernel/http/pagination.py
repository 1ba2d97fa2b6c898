"""Lists, a page at a time."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

Item = TypeVar("Item")

PAGES = 10_000
"""Pages that can be asked for: the offset is counted through, so there must be an end."""


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The query of a list. A list adds `sortBy` with the names it sorts by, and its filters."""

    page: Annotated[int, Meta(ge=1, le=PAGES)] = 1
    page_size: Annotated[int, Meta(ge=1, le=100)] = 20
    sort_order: Literal["asc", "desc"] = "desc"

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.page_size


class Pagination(msgspec.Struct, frozen=True, rename="camel"):
    """Where in its list a page stands."""

    page: int
    page_size: int
    total_items: int
    total_pages: int


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """One page of a list."""

    items: list[Item]
    pagination: Pagination


def page_of(items: list[Item], query: PageQuery, total_items: int) -> Page[Item]:
    """`items` as the page that `query` asked for."""
    pages = -(-total_items // query.page_size)
    return Page(items, Pagination(query.page, query.page_size, total_items, pages))
