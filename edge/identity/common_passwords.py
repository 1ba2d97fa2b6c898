"""Passwords that everybody tries first.

The words are those of the package `zxcvbn` (30,000 of leaked lists, and what it takes out of these lists because it
stands in another: frequent English words and names), and some that only our customers' people use. A password is
common when it is such a word, such a word with a trivial beginning or end ("senha123", "Dragon2024!"), the same few
characters again and again, or a run of neighbours ("abcdefghij").
"""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import cache
from importlib.machinery import SourceFileLoader
from itertools import pairwise
from pathlib import Path
from typing import Final

TRIVIAL_CHARACTERS: Final = 8
"""So many digits and signs around a word add nothing: a year, a date, three exclamation marks."""
_PIECE_CHARACTERS = 9
"""A longer piece could stand as a password on its own, so saying it twice is no fault."""
_RUN_OUTSIDE = 2
"""A run of neighbours with so many other characters is still a run."""

_LISTS: Final = {
    "passwords": 30_000,
    "english_wikipedia": 10_000,
    "us_tv_and_film": 10_000,
    "surnames": 10_000,
    "female_names": 4_000,
    "male_names": 1_000,
}
"""So many words of each list."""
_LOCAL_WORDS = """
    senha senhas minhasenha novasenha senhanova mudar mudarsenha trocar trocarsenha acesso entrar brasil brazil
    saopaulo riodejaneiro flamengo corinthians palmeiras saopaulofc santos vasco gremio internacional cruzeiro
    atleticomineiro botafogo fluminense bahia futebol amor teamo euteamo amorzinho amordaminhavida meuamor familia
    deus deusefiel jesus jesuscristo jesusteama felicidade saudade estrela princesa gatinha cachorro chocolate
    computador empresa trabalho usuario administrador
"""


def fold(text: str) -> str:
    """`text` as the words are compared: no case, no accents, compatible forms made one."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))


@cache
def load() -> frozenset[str]:
    """All common words, folded. The first call takes 15 ms and leaves some 10 MB; call it in a thread."""
    package = importlib.util.find_spec("zxcvbn")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package zxcvbn is not installed: run `make setup`")
    # The one file, not the package: importing that also builds indices that stay, 14 MB more.
    path = Path(package.submodule_search_locations[0]) / "frequency_lists.py"
    loader = SourceFileLoader("_zxcvbn_frequency_lists", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    lists: dict[str, list[str]] = module.FREQUENCY_LISTS  # each by frequency
    return frozenset(_LOCAL_WORDS.split()).union(*(lists[name][:most] for name, most in _LISTS.items()))


def is_common(password: str) -> bool:
    """Whether `password` is among the first that anybody tries. Takes some microseconds after `load`."""
    words = load()
    folded = fold(password)
    if folded in words or _repeats(folded) or _runs(folded):
        return True
    stem = trimmed(folded)
    # One or two letters between digits are no word: "4831x5520" is not "x" with a trivial end.
    return len(stem) >= 3 and len(folded) - len(stem) <= TRIVIAL_CHARACTERS and (stem in words or _repeats(stem))


def trimmed(text: str) -> str:
    """`text` without the characters at either end that are no letters."""
    letters = [place for place, character in enumerate(text) if character.isalpha()]
    return text[letters[0] : letters[-1] + 1] if letters else ""


def _repeats(text: str) -> bool:
    """Whether it is one short piece again and again (the last time perhaps cut short)."""
    longest = min(len(text) // 2, _PIECE_CHARACTERS)
    return any(text[period:] == text[:-period] for period in range(1, longest + 1))


def _runs(text: str) -> bool:
    """Whether nearly each character is the neighbour of the one before: "abcdefghij", "9876543210", "0123456789!"."""
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    for way in (1, -1):
        # 9 is followed by 0 on every keyboard.
        along = sum(step == way or step == -9 * way for step in steps)
        if along >= max(len(steps) - _RUN_OUTSIDE, 5):
            return True
    return False
