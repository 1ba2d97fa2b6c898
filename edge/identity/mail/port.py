"""A mail to one person, and the port through which it leaves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Protocol

ADDRESS_CHARACTERS: Final = 254
"""RFC 5321 4.5.3.1.3, less the angle brackets."""
SUBJECT_CHARACTERS: Final = 200
TEXT_CHARACTERS: Final = 20_000

_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]{1,64}@[^\s@<>()\[\]\\,;:\"]+")
"""What we send to: one plain address, without quoted local parts, comments or lists."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class MailRefused(Exception):
    """This mail can never be delivered: its address is none, or the server refused it for good. Neither the address
    nor the text is in the message."""


class MailAway(Exception):
    """The mail could not be handed over now: try later. Neither the address nor the text is in the message."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Plain text to one address. Raises `MailRefused` on what cannot be a mail; with that, no value can add a header,
    a recipient or a terminal's control sequence. Lines end in a line feed."""

    to: str = field(repr=False)  # personal data
    subject: str
    text: str = field(repr=False)  # holds a token

    def __post_init__(self) -> None:
        if len(self.to) > ADDRESS_CHARACTERS or _CONTROL.search(self.to) or not _ADDRESS.fullmatch(self.to):
            raise MailRefused("the recipient is no plain e-mail address")
        if not self.subject or len(self.subject) > SUBJECT_CHARACTERS or _CONTROL.search(self.subject):
            raise MailRefused(f"the subject must be one line of 1 to {SUBJECT_CHARACTERS} characters")
        if len(self.text) > TEXT_CHARACTERS or _CONTROL_IN_TEXT.search(self.text):
            raise MailRefused(f"the text must be lines of at most {TEXT_CHARACTERS} printable characters")


class Mailer(Protocol):
    """Hands mails over to be delivered."""

    async def send(self, mail: Mail) -> None:
        """Returns when the mail is in other hands. Raises `MailRefused` (for good) or `MailAway` (try later)."""
        ...
