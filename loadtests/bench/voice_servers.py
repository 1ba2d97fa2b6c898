"""The voice servers under test: Dojo's voice process with a Redis, as in production, and Janus with its VideoRoom."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import json
import os
import secrets
import shlex
import socket
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dojo.embedded.redis import EmbeddedRedis
from dojo.settings import CHILD_VARIABLE, RedisSettings, Settings, VoiceSettings
from kernel.tokens.voice_grant import SECRET_BYTES
from loadtests.bench.servers import SERVER_CORE, Server, ServerFailed
from loadtests.dialect import PlainDialect
from loadtests.voice.dojo import DojoRoom
from loadtests.voice.janus import JanusRoom
from loadtests.voice.venue import Venue

_JANUS: Final = Path("/usr/bin/janus")
_JANUS_CONFIGURATION: Final = Path(__file__).resolve().parent.parent / "peers" / "janus"
_JANUS_LIBRARIES: Final = "/usr/lib/*/janus"
_TRY_SECONDS: Final = 0.05
_ANYWHERE: Final = ("198.51.100.1", 9)
"""An address nobody has (RFC 5737): a socket connected to it, which sends nothing, tells our own."""


class VoiceServer(Server):
    """A running voice server."""

    dialect = PlainDialect()

    @property
    def roots(self) -> list[int]:
        """The roots of all its process trees: what it costs is what they cost together."""
        return [self.pid]

    @abstractmethod
    def room(self) -> AbstractAsyncContextManager[Venue]:
        """A room nobody is in."""


class DojoVoice(VoiceServer):
    """`dojo.voice_node` and a Redis that it tells what goes on."""

    name = "dojo"

    def __init__(self) -> None:
        super().__init__()
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self._redis = EmbeddedRedis(self._folder)
        self._control = ""

    @property
    def roots(self) -> list[int]:
        assert self._redis.pid is not None
        return [self.pid, self._redis.pid]

    def room(self) -> AbstractAsyncContextManager[Venue]:
        return DojoRoom(self._control, self._secret)

    def url(self, room: str, member: int) -> str:
        return self._control

    async def __aenter__(self) -> Self:
        await self._redis.start()
        assert self._redis.pid is not None
        os.sched_setaffinity(self._redis.pid, {SERVER_CORE})
        try:
            return await super().__aenter__()
        except BaseException:
            await self._redis.stop()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()
        await self._redis.stop()
        await super().__aexit__(kind, error, trace)

    def _command(self) -> list[str]:
        # It says that it is ready on a descriptor of its own, which it closes after: standard output, doubled.
        return ["/bin/sh", "-c", f"exec {shlex.quote(sys.executable)} -m dojo.voice_node --ready-fd 3 3>&1"]

    def _environment(self) -> Mapping[str, str]:
        settings = Settings(
            data_dir=self._folder,
            redis=RedisSettings(url=self._redis.url()),
            voice=VoiceSettings(port=0, secret=base64.b64encode(self._secret).decode()),
        )
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOJO_")}
        return inherited | {CHILD_VARIABLE: msgspec.json.encode(settings, enc_hook=str).decode()}

    async def _ready_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise ServerFailed("it ended before it was ready")
        return line.decode()

    def _take_ready(self, line: str) -> None:
        self._control = json.loads(line)["voice control"]


class Janus(VoiceServer):
    """Debian's Janus at its best: one event loop, ICE-lite, a P-256 certificate, only the plugin that is needed, and
    speech without RED."""

    name = "janus"

    def __init__(self) -> None:
        super().__init__()
        self._port = _free_port()
        self._host = _own_address()

    def room(self) -> AbstractAsyncContextManager[Venue]:
        return JanusRoom(self.url("", 0), self._host)

    def url(self, room: str, member: int) -> str:
        return f"ws://127.0.0.1:{self._port}"

    def _command(self) -> list[str]:
        libraries = next(iter(sorted(Path("/").glob(_JANUS_LIBRARIES.removeprefix("/")))))
        certificate = _write_certificate(self._folder)
        for template in _JANUS_CONFIGURATION.glob("*.jcfg"):
            text = template.read_text()
            for name, value in {
                "FOLDER": self._folder, "LIBRARIES": libraries, "HOST": self._host, "PORT": self._port,
                "CERTIFICATE": certificate,
            }.items():  # fmt: skip
                text = text.replace(f"@{name}@", str(value))
            (self._folder / template.name).write_text(text)
        return [str(_JANUS), "--disable-colors", "--log-stdout", "--configs-folder", str(self._folder)]

    async def _ready_line(self) -> str:
        while True:
            assert self._process is not None
            if self._process.returncode is not None:
                raise ServerFailed("it ended before it was ready")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return ""
            await asyncio.sleep(_TRY_SECONDS)

    def _take_ready(self, line: str) -> None:
        pass


def missing(name: str) -> str | None:
    """Why the server called `name` cannot run here, whatever it is asked to do; None if it may."""
    if name == Janus.name and not _JANUS.exists():
        return "Janus is not installed (Debian's package janus)"
    return None


def make(name: str) -> VoiceServer:
    """The voice server called `name`, not started yet. Raises `KeyError`, `ServerFailed`."""
    servers: dict[str, Callable[[], VoiceServer]] = {"dojo": DojoVoice, "janus": Janus}
    return servers[name]()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _own_address() -> str:
    """Janus offers no loopback address, so its clients use this machine's own; packets to it do not leave either."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ANYWHERE)
        except OSError as error:
            raise ServerFailed("Janus needs an address other than loopback, and this machine has none") from error
        return str(probe.getsockname()[0])


def _write_certificate(folder: Path) -> Path:
    """Key and certificate in one file. P-256: with the RSA key it would make itself, joins cost Janus more."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "janus")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


NAMES: Final = ("dojo", "janus")
