"""Operations: what can be asked of the API, as values.

An operation is a method, a path, who may ask, and a handler. What the handler takes and gives is read from its own
annotations, so that the check of a request, the documentation and the code cannot part:

    async def rename(self, call: Call[NewName, None]) -> UserView: ...

    Operation("PATCH", "/api/v1/users/me", rename, access=SIGNED_IN)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import NoneType
from typing import Any, Final, Generic, TypeAlias, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from kernel.http.body import BODY_BYTES, JSON

Body = TypeVar("Body")
Query = TypeVar("Query")
Result = TypeVar("Result")

_PARAMETER: Final = re.compile(r"\{(\w+)\}")


class Role(StrEnum):
    """What somebody is in their tenant, from most to least."""

    ADMIN = "admin"
    HOST = "host"
    MEMBER = "member"
    GUEST = "guest"


Access: TypeAlias = frozenset[Role] | None
ANYBODY: Final[Access] = None
"""No token is asked for."""
SIGNED_IN: Final = frozenset(Role)
HOSTS: Final = frozenset({Role.ADMIN, Role.HOST})
ADMINS: Final = frozenset({Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a user of a tenant, in a session. `expires_at` is the token's end, in Unix seconds."""

    tenant: UUID
    user: UUID
    session: UUID
    role: Role
    name: str
    version: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from. Personal data: for limits and the audit log, not for logs."""

    network: str
    """The client's address, behind trusted proxies."""
    user_agent: str
    request_id: str
    host: str
    """The Host header."""
    web_origin: str | None
    """The Origin header, which browsers set."""
    foreign: bool
    """Whether `web_origin` is one whose pages may not act here."""
    cookies: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PublicCall(Generic[Body, Query]):
    """A request that needs no token. `path` holds the path's parameters as they came, percent-encoded: what has been
    decoded once must not be decoded again. `token` is what was sent as a bearer token all the same; nobody has checked
    it."""

    body: Body
    query: Query
    path: Mapping[str, str]
    origin: Origin
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Generic[Body, Query]):
    """A request of somebody signed in, inside a transaction that speaks for their tenant.

    `db` is the asyncpg connection of that transaction: committed when the handler returns, undone when it raises. None
    for an operation that is `apart`.
    """

    body: Body
    query: Query
    ids: Mapping[str, UUID]
    caller: Caller
    origin: Origin
    db: Any
    if_match: str | None = None
    """The header If-Match, of an operation that `takes_if_match`."""
    _after: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def inside(self, db: Any) -> Call[Body, Query]:
        """The same call in the transaction of `db`, with nothing to run after it yet."""
        return replace(self, db=db, _after=[])

    def after_commit(self, then: Callable[[], Awaitable[None]]) -> None:
        """Run `then` once the transaction is committed; its failure is logged and changes no answer."""
        self._after.append(then)

    @property
    def wanted_after(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What `after_commit` was told, in order."""
        return tuple(self._after)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """A result with headers of its own. A handler that needs none returns the result itself."""

    value: Result
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path.

    `problems` are the codes of the problems it may answer with, each with its status, besides those that any
    operation may. A handler that returns a `web.StreamResponse` answers with a response of its own making, of type
    `media_type`.
    """

    method: str
    path: str
    handler: Callable[[Any], Awaitable[Any]]
    access: Access
    tag: str
    status: int = 200
    problems: Mapping[str, int] = field(default_factory=dict)
    idempotent: bool = False
    """Takes the header Idempotency-Key: the answer is stored for a day, sealed."""
    body_bytes: int = BODY_BYTES
    cost: float = 1.0
    """What it takes from the rate limits."""
    media_type: str = JSON
    body_type: str = JSON
    """Media type of the request's body. One that is not JSON is text: the handler takes a `str`."""
    apart: bool = False
    """Of an operation for somebody signed in: the handler makes its own transactions, because it asks others meanwhile,
    and whoever waits for them must not hold a connection."""
    takes_if_match: bool = False
    """Says for which version of a thing it is (RFC 9110, 13.1.1)."""
    may_be_empty: bool = False
    """Besides `status`, 204 without a body is an answer too."""
    body: type | None = field(init=False)
    query: type | None = field(init=False)
    result: Any = field(init=False)

    def __post_init__(self) -> None:
        hints = get_type_hints(self.handler)
        result = hints.pop("return")
        (call,) = hints.values()
        kind = PublicCall if self.access is None else Call
        if get_origin(call) is not kind:
            raise TypeError(f"{self.name} takes {call}, but its access asks for a {kind.__name__}")
        body, query = get_args(call)
        if get_origin(result) is Answer:
            (result,) = get_args(result)
        if self.idempotent and (self.method != "POST" or self.access is None):
            raise TypeError(f"{self.name}: only POSTs of somebody signed in can be idempotent")
        if self.body_type != JSON and body is not str:
            raise TypeError(f"{self.name} takes {self.body_type}, so its body is a str, not {body}")
        if self.apart and (self.idempotent or self.access is None):
            raise TypeError(f"{self.name}: only what somebody signed in asks can be apart, and not be idempotent")
        object.__setattr__(self, "body", None if body is NoneType else body)
        object.__setattr__(self, "query", None if query is NoneType else query)
        object.__setattr__(self, "result", None if result is NoneType else result)

    @property
    def name(self) -> str:
        """The handler's name in camelCase: the operation's id in the documentation."""
        first, *more = self.handler.__name__.strip("_").split("_")
        return first + "".join(word.capitalize() for word in more)

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n\n")[0].replace("\n", " ").rstrip(".")

    @property
    def description(self) -> str:
        """The rest of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n\n")[2]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_PARAMETER.findall(self.path))
