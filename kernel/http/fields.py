"""Types of fields that many requests have. Their bounds appear in the documentation."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta

# `$` alone lets a line break at the very end pass in Python, though not in JavaScript.
_END: Final = r"$(?!\n)"
_ONE_LINE: Final = r"^[^\x00-\x1f\x7f]*" + _END
_ANY_TEXT: Final = r"^[^\x00]*" + _END
"""Postgres stores no zero byte in a text."""

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=_ONE_LINE)]
"""What something or somebody is called: one line."""
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+" + _END)]
"""Checked for its shape only; that it is somebody's is proven by a mail."""
Secret = Annotated[str, Meta(min_length=1, max_length=512, pattern=_ONE_LINE)]
"""A token, as it was given out."""
Text = Annotated[str, Meta(max_length=10_000, pattern=_ANY_TEXT)]
Instant = Annotated[datetime, Meta(tz=True)]
"""A moment, as RFC 3339 with its offset."""
Search = Annotated[str, Meta(max_length=100, pattern=_ONE_LINE)]


def one_line(text: str) -> str:
    """`text` in Unicode's normal form C, without outer blanks, inner white space as single blanks."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def normal_email(email: str) -> str:
    """The form under which an e-mail address is stored and compared."""
    return unicodedata.normalize("NFC", email.strip()).lower()
