from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from typing import Protocol

import pytest
import pytest_asyncio

from tests.chaos.cluster import Cluster
from tests.chaos.scene import Scene

PER_SECOND = 5.0
"""Edits of each writer."""


class Typing(Protocol):
    """Makes a scene with people who type; at its end all is compared."""

    def __call__(self, *, dojo: bool = False) -> AbstractAsyncContextManager[Scene]: ...


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Three nodes for all tests of this folder: who breaks one mends it."""
    async with Cluster(tmp_path_factory.mktemp("chaos")) as running:
        yield running


@pytest.fixture
def typing(cluster: Cluster, request: pytest.FixtureRequest) -> Typing:
    """Six writers and three readers in a room of their own, evenly on the nodes, or with `dojo` writers of both
    dialects in a dojo. Whatever went wrong meanwhile: in the end all agree, and all that was saved is there."""

    @asynccontextmanager
    async def typing(*, dojo: bool = False) -> AsyncIterator[Scene]:
        scene = Scene(cluster, Random(request.node.name))
        if dojo:
            await scene.add_dojo(yjs=3, json=3)
        else:
            scene.add_room(request.node.name, writers=6, readers=3)
        try:
            await scene.begin(PER_SECOND)
            yield scene
            verdict = await scene.end()
            assert verdict.good, str(verdict)
            assert verdict.saved == verdict.made > 0
            assert not verdict.gone, str(verdict)
        finally:
            await scene.leave()

    return typing
