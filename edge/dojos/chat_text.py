"""What may be said in a room's chat, over a socket or over HTTP."""

from __future__ import annotations

import unicodedata
from typing import Final

CHAT_CHARACTERS: Final = 2_000


class NotSaid(ValueError):
    """A message that cannot be taken. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def chat_text(content: str) -> str:
    """What may be stored and shown of what was said: without control characters, and not blank. Raises `NotSaid`."""
    kept = "".join(letter for letter in content if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs"))
    text = kept.strip()
    if not text:
        raise NotSaid("empty_message", "there is nothing to be seen in the message")
    if len(text) > CHAT_CHARACTERS:
        raise NotSaid("message_too_long", f"a message has at most {CHAT_CHARACTERS:,} characters")
    return text
