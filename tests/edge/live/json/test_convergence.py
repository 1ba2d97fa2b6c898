"""Any number of JSON clients and clients with documents, in any interleaving: one text, and nothing typed is lost."""

from __future__ import annotations

import asyncio
import random

import pytest
from pycrdt import Text

from collab_core.splice import Splice, spliced
from tests.edge.live.json.scene import Author, Person, Scene, scene

FIRST = 0x4E00
"""Where the words' own characters begin."""


class Story:
    """What everyone does, by chance. Every word typed is another, so that losing or doubling one shows."""

    def __init__(self, seed: int, scene: Scene) -> None:
        self.chance = random.Random(seed)
        self.scene = scene
        self.words: list[str] = []

    def word(self) -> str:
        """Its first and last characters are its own, so that no difference can be read in two ways."""
        number = 2 * len(self.words)
        inside = self.chance.choice(["", "😀", "é", "\n", "ab"])
        self.words.append(f"{chr(FIRST + number)}{inside}{chr(FIRST + number + 1)}")
        return self.words[-1]

    def place(self, text: str) -> int:
        """Never inside a word: a word that somebody cuts is nobody's loss."""
        places, inside = [], False
        for at, character in enumerate(text):
            if not inside:
                places.append(at)
            if ord(character) >= FIRST and character != "😀":
                inside = not inside
        return self.chance.choice([*places, len(text)])

    def types(self, person: Person) -> None:
        at = self.place(person.thin.text)
        person.thin.text = spliced(person.thin.text, [Splice(at, at, self.word())])

    def writes(self, author: Author) -> None:
        text = str(author.text)
        at = len(text[: self.place(text)].encode())
        word = self.word()

        def insert(shared: Text) -> None:
            shared.insert(at, word)

        author.change(insert)

    async def goes_on(self, person: Person, author: Author) -> None:
        match self.chance.randrange(11):
            case 0:
                self.types(person)
            case 1 | 2:
                person.send(as_edits=self.chance.random() < 0.5)
            case 3 | 4:
                person.receive()
            case 5:
                self.writes(author)
            case 6:
                author.send()
            case 7:
                author.receive()
            case 8:
                person.stop_reading()
            case 9:
                person.read_on()
            case _:
                await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(12))
async def test_everything_typed_is_there_once_and_all_have_the_same_text(seed: int) -> None:
    async with scene() as here:
        people = [await here.person(f"json{number}") for number in range(4)]
        authors = [await here.author(f"crdt{number}") for number in range(2)]
        story = Story(seed, here)
        for _ in range(250):
            await story.goes_on(story.chance.choice(people), story.chance.choice(authors))
        await settled(here, people, authors)
        for one in people:
            assert one.thin.text == one.thin.shadow == here.text
        assert {str(author.text) for author in authors} == {here.text}
        assert {word: here.text.count(word) for word in story.words} == dict.fromkeys(story.words, 1)
        assert not [error for one in people for error in one.thin.errors if error["code"] != "stale_version"]


async def settled(here: Scene, people: list[Person], authors: list[Author]) -> None:
    for one in people:
        one.read_on()
    async with asyncio.timeout(10.0):
        while True:
            for author in authors:
                author.send()
            await here.flushed()
            for one in people:
                one.receive()
                one.send()
            await here.flushed()
            for one in people:
                one.receive()
            for author in authors:
                author.receive()
            if all(one.thin.idle and one.thin.text == here.text for one in people):
                return


def put(shared: Text) -> None:
    shared.insert(0, "(x)")


@pytest.mark.parametrize("seed", range(8))
async def test_people_who_delete_too_end_with_one_text(seed: int) -> None:
    async with scene() as here:
        people = [await here.person(f"json{number}") for number in range(5)]
        authors = [await here.author("crdt")]
        chance = random.Random(seed)
        for _ in range(300):
            one = chance.choice(people)
            text = one.thin.text
            action = chance.randrange(6)
            if action < 2:
                start = chance.randrange(len(text) + 1)
                end = min(len(text), start + chance.choice([0, 0, 1, 5]))
                insert = "".join(chance.choices("ab \n😀", k=chance.randrange(4)))
                one.thin.text = text[:start] + insert + text[end:]
            elif action == 2:
                one.send(as_edits=chance.random() < 0.5)
            elif action == 3:
                one.receive()
            elif action == 4:
                await asyncio.sleep(0)
            else:
                authors[0].receive()
                size = len(str(authors[0].text))
                authors[0].change(Text.clear if size > 80 else put)
                authors[0].send()
        await settled(here, people, authors)
        assert {one.thin.text for one in people} == {here.text} == {str(authors[0].text)}
