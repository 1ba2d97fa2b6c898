"""E-mail addresses and passwords as requests bring them; what is wrong with them becomes a problem."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from edge.identity.passwords import LONGEST_CHARACTERS, Busy, PasswordHashing, WeakPassword, check_new
from kernel.http.fields import normal_email
from kernel.http.problem import Problem, busy

Password = Annotated[str, Meta(min_length=1, max_length=LONGEST_CHARACTERS)]
"""Any text; whether it will do as a new one is told apart from whether it is right."""

_EMAIL_CHARACTERS: Final = range(3, 255)


def email_of(text: str) -> str:
    """The form under which an address is stored. Raises `Problem` 400 if that cannot be stored."""
    email = normal_email(text)
    if len(email) not in _EMAIL_CHARACTERS:
        raise invalid_email()
    return email


def invalid_email() -> Problem:
    """400 for what no mail can be sent to."""
    return Problem(400, "invalid_email", "this is no e-mail address that mail can be sent to")


async def verified(hashing: PasswordHashing, stored: str | None, password: str) -> bool:
    """Whether `password` is right; the same work without a stored hash. Raises `Problem` 503."""
    try:
        return await hashing.verify(stored, password)
    except Busy:
        raise _busy() from None


def check_choice(password: str, *, email: str, full_name: str) -> None:
    """Raises `Problem` 400, with its `reason`, unless this person may choose this password."""
    try:
        check_new(password, email=email, full_name=full_name)
    except WeakPassword as weak:
        raise Problem(400, "weak_password", str(weak), reason=weak.reason) from None


async def hashed(hashing: PasswordHashing, password: str) -> str:
    """The hash of a password that `check_choice` took. Raises `Problem` 503."""
    try:
        return await hashing.hash(password)
    except Busy:
        raise _busy() from None


def _busy() -> Problem:
    return busy("busy", "too many people sign in at this moment; try again")
