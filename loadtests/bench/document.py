"""A document as long use leaves it: typed key by key, with corrections, at places all over the text."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from pycrdt import Doc, Text

KEYSTROKES = 100_000
SEED = 20261101
CORRECTS = 0.03
"""Chance, per keystroke, of taking back up to ten characters."""
JUMPS = 0.06
"""Chance, per keystroke, of going on somewhere else. It decides into how many pieces the document falls: with this
one it has 255 KB, its delete set 11 KB, and encoding it takes about 0.6 ms."""
_LINES = (
    "def total(items):\n", "    return sum(item.price for item in items)\n", "for index in range(10):\n",
    "    if values[index] > limit:\n", "        values[index] = limit\n", "print(total(basket))\n",
    "class Basket:\n", "    def __init__(self, owner):\n", "        self.items = []\n", "\n",
)  # fmt: skip


def typed(keystrokes: int, root: str, *, seed: int = SEED) -> bytes:
    """The encoded document (one Yjs update) after `keystrokes` single-character edits, about one in six a deletion.

    Someone writes a line, now and then takes back a few characters, and jumps to another place. The same seed gives
    the same text.
    """
    chance = random.Random(seed)
    doc: Doc[Text] = Doc(client_id=1 + seed % 1_000_000)
    text = doc.get(root, type=Text)
    length = at = done = 0
    line = iter("")
    while done < keystrokes:
        roll = chance.random()
        if roll < CORRECTS and at > 0:
            for _ in range(min(at, chance.randint(1, 10), keystrokes - done)):
                at -= 1
                del text[at : at + 1]
                length -= 1
                done += 1
            continue
        if roll < CORRECTS + JUMPS:
            at = chance.randint(0, length)
        character = next(line, "")
        if not character:
            line = iter(chance.choice(_LINES))
            character = next(line)
        text.insert(at, character)
        at += 1
        length += 1
        done += 1
    return doc.get_update()


def kept(folder: Path, root: str) -> bytes:
    """The benchmark's document, made once and kept in `folder`: making it takes longer than measuring with it."""
    name = hashlib.sha256(f"{KEYSTROKES} {SEED} {CORRECTS} {JUMPS} {root} {_LINES}".encode()).hexdigest()[:12]
    path = folder / f"document-{name}.bin"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(typed(KEYSTROKES, root))
    return path.read_bytes()
