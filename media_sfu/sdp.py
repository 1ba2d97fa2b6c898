"""The grammar of a session description, sans-I/O: text in, lines with their values out. RFC 8866 section 5 and 9.

Only the form is read here; what an offer means is `media_sfu.offer`. Everything that is echoed in an answer (kind,
protocol, formats, mid) is a token, so that no line of ours can be broken by what a client wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

MOST_CHARACTERS: Final = 65_536  # Chromium's largest offer, 4 audio sections with video and data, has 9,300
MOST_LINES: Final = 2_000
MOST_MEDIA: Final = 64
MOST_FORMATS: Final = 128  # an RTP section has one per payload type, and those are seven bits

TOKEN: Final = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,64}", re.ASCII)  # RFC 8866 token; 64 is ours
_LINE: Final = re.compile(r"[a-z]=[^\x00\r\n]*")
_MEDIA: Final = re.compile(r"(\S+) ([0-9]{1,5})(?:/[0-9]{1,5})? (\S+) (\S.*)", re.ASCII)
_PROTOCOL: Final = re.compile(r"[A-Za-z0-9/-]{1,64}", re.ASCII)


class SdpError(ValueError):
    """This is no session description, or one beyond the bounds. The text is for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """The `a=` lines of the session or of one media section: all values of a name in their order, "" for a flag."""

    values: Mapping[str, tuple[str, ...]]

    def first(self, name: str) -> str | None:
        found = self.values.get(name)
        return found[0] if found else None

    def all(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())

    def __contains__(self, name: object) -> bool:
        return name in self.values


@dataclass(frozen=True, slots=True)
class Media:
    """One `m=` section. `port` is 0..65535; `formats` are payload types as text, or the data channel's name."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Description:
    """A whole description: the session's attributes and its media sections in order."""

    session: Attributes
    media: tuple[Media, ...]


def parse(text: str) -> Description:
    """Read a description; lines may end in CRLF or LF. Raises `SdpError`."""
    read = lines(text)
    if next(read, None) != ("v", "0"):
        raise SdpError("A session description begins with the line v=0.")
    return sections(read)


def sections(read: Iterator[tuple[str, str]]) -> Description:
    """Group lines into the session and its media sections; also for a fragment, which has no v= line."""
    session: dict[str, list[str]] = {}
    heads: list[tuple[str, dict[str, list[str]]]] = []
    current = session
    for kind, value in read:
        if kind == "a":
            name, _, rest = value.partition(":")
            current.setdefault(name, []).append(rest)
        elif kind == "m":
            if len(heads) == MOST_MEDIA:
                raise SdpError(f"The session description has more than {MOST_MEDIA} media sections.")
            current = {}
            heads.append((value, current))
    return Description(_frozen(session), tuple(_media(head, found) for head, found in heads))


def lines(text: str, most_characters: int = MOST_CHARACTERS, most_lines: int = MOST_LINES) -> Iterator[tuple[str, str]]:
    """The type and value of each line. Raises `SdpError` for text beyond the bounds, before a line of it is read."""
    if len(text) > most_characters:
        raise SdpError(f"The session description is longer than {most_characters} characters.")
    # str.splitlines would also break at U+2028 and its like, which may stand in a value.
    rows = text.split("\n", most_lines + 1)
    if len(rows) > most_lines + 1 or (len(rows) == most_lines + 1 and rows[-1]):
        raise SdpError(f"The session description has more than {most_lines} lines.")
    for number, row in enumerate(rows, 1):
        line = row.removesuffix("\r")
        if not line and number == len(rows):
            return
        if _LINE.fullmatch(line) is None:
            raise SdpError(f"Line {number} of the session description is not of the form x=value.")
        yield line[0], line[2:]


def decimal(text: str, most: int) -> int | None:
    """An unsigned number of at most `most`, or None: no sign, no blanks, ASCII digits only, at most 20 of them."""
    if not text.isascii() or not text.isdecimal() or len(text) > 20:
        return None
    number = int(text)
    return number if number <= most else None


def _frozen(found: dict[str, list[str]]) -> Attributes:
    return Attributes({name: tuple(values) for name, values in found.items()})


def _media(head: str, found: dict[str, list[str]]) -> Media:
    matched = _MEDIA.fullmatch(head)
    if matched is None:
        raise SdpError("A media line is not of the form m=kind port protocol formats.")
    kind, port, protocol, rest = matched.groups()
    formats = tuple(rest.split())
    number = decimal(port, 65_535)
    if (
        number is None
        or len(formats) > MOST_FORMATS
        or TOKEN.fullmatch(kind) is None
        or _PROTOCOL.fullmatch(protocol) is None
        or any(TOKEN.fullmatch(name) is None for name in formats)
    ):
        raise SdpError("A media line has a kind, port, protocol or format that is none.")
    return Media(kind, number, protocol, formats, _frozen(found))
