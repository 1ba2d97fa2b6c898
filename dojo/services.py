"""The services of a Dojo on one machine, wired: who starts after whom, and what each is told."""

from __future__ import annotations

import base64
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import msgspec

from dojo import ports
from dojo.data_directory import DataDirectory, DirectoryLock
from dojo.embedded.postgres import OWNER, EmbeddedPostgres
from dojo.embedded.redis import EmbeddedRedis
from dojo.mailing import PRINT
from dojo.migrate import migrate
from dojo.process import Child, Program
from dojo.settings import DatabaseSettings, MailSettings, RedisSettings, Settings, TrustedKey
from dojo.supervisor import Running, Service, Supervisor
from kernel.tokens import SigningKey
from kernel.tokens.voice_grant import SECRET_BYTES


@dataclass(frozen=True, slots=True)
class Programs:
    """The child processes of a Dojo."""

    live_node: Program
    voice: Program
    api: Program
    worker: Program

    @classmethod
    def own(cls) -> Programs:
        """Dojo's own, run by this interpreter."""
        return cls(
            live_node=Program("live node", (sys.executable, "-m", "dojo.live_node")),
            voice=Program("voice", (sys.executable, "-m", "dojo.voice_node")),
            api=Program("api", (sys.executable, "-m", "dojo.api")),
            worker=Program("worker", (sys.executable, "-m", "dojo.worker")),
        )


class Services:
    """Everything `dojo serve` runs. After `start`, `addresses` says where it serves."""

    def __init__(self, settings: Settings, lock: DirectoryLock, programs: Programs) -> None:
        """Takes the page's port at once. Raises `PortTaken`, `KeyFileError`."""
        self._directory = DataDirectory(settings.data_dir)
        self._lock = lock
        self._programs = programs
        self._postgres: EmbeddedPostgres | None = None
        self._redis: EmbeddedRedis | None = None
        live_port = settings.wanted_live_port
        self._live_ports = [live_port + number if live_port else 0 for number in range(settings.live.nodes)]
        for port in self._live_ports:
            ports.check(settings.live.host, port, asked_by="--live-port (setting live.port)")
        self._listener = ports.listen(settings.http.host, settings.http.port, asked_by="--port (setting http.port)")
        # `dojo token` and the guests of one's own machine; elsewhere nobody makes room tickets.
        own_keys = (self._own_key(),) if settings.database.embedded else ()
        self._settings = msgspec.structs.replace(
            settings,
            data_dir=self._directory.path,
            trusted_keys=(*settings.trusted_keys, *own_keys),
            guests=settings.guests and settings.database.embedded,
            identity=msgspec.structs.replace(settings.identity, require_verified_email=settings.require_verified_email),
            http=msgspec.structs.replace(settings.http, port=int(self._listener.getsockname()[1])),
            live=msgspec.structs.replace(settings.live, port=live_port, public_url=_public_url(settings)),
            voice=msgspec.structs.replace(
                settings.voice, port=settings.wanted_voice_port, secret=settings.voice.secret or _new_secret()
            ),
        )
        if settings.database.embedded and settings.mail.url is None:
            self._settings = msgspec.structs.replace(
                self._settings, mail=msgspec.structs.replace(settings.mail, url=PRINT)
            )
        live = [
            Service(_numbered(programs.live_node.name, number), partial(self._start_live_node, number))
            for number in range(settings.live.nodes)
        ]
        voice = [Service(programs.voice.name, self._start_voice)] if settings.voice.enabled else []
        api = Service(programs.api.name, self._start_api)
        database = [Service("postgres", self._start_postgres)] if settings.database.embedded else []
        own_redis = settings.database.embedded and settings.redis.url is None
        redis = [Service("redis", self._start_redis)] if own_redis else []
        has_worker = settings.database.embedded or settings.database.worker is not None
        worker = [Service(programs.worker.name, self._start_worker)] if has_worker else []
        # The live nodes end first, while the journal can still be written.
        self._supervisor = Supervisor(
            [[*database, *redis], [*live, *voice], [api, *worker]],
            stop_order=[[*live, *voice], [api], worker, database, redis],
        )

    @property
    def addresses(self) -> Mapping[str, str]:
        """`http`, `live`, of further live nodes `live 2` and so on, and `voice`, as in the ready line."""
        http, live, voice = self._settings.http, self._settings.live, self._settings.voice
        further = {
            _numbered("live", number): ports.url("ws", live.host, port)
            for number, port in enumerate(self._live_ports)
            if number
        }
        talk = {"voice": ports.url("udp", voice.host, voice.port or 0)} if voice.enabled else {}
        return {"http": ports.url("http", http.host, http.port), "live": self._settings.live_url} | further | talk

    async def start(self) -> None:
        """Start everything. Raises if anything does not start; then nothing is left running."""
        if self._settings.database.owner is not None:
            await migrate(self._settings.database.owner)
        await self._supervisor.start()

    async def stop(self) -> None:
        """Stop everything in order."""
        await self._supervisor.stop()
        self._listener.close()

    async def kill(self) -> None:
        """End the children at once. Postgres ends by itself, cleanly, when this process does."""
        await self._supervisor.kill()
        self._listener.close()

    def _own_key(self) -> TrustedKey:
        return msgspec.convert(SigningKey.load_or_create(self._directory.signing_key).public_jwk(), TrustedKey)

    async def _start_postgres(self) -> Running:
        if self._postgres is not None:
            await self._postgres.start()
            return RunningPostgres(self._postgres)
        postgres = EmbeddedPostgres(
            self._directory.postgres, self._directory.postgres_log, pass_fds=(self._lock.descriptor,)
        )
        await postgres.start()
        try:
            await migrate(postgres.dsn(OWNER))
        except BaseException:
            await postgres.stop()
            raise
        self._postgres = postgres
        # The same over restarts of Postgres, so the children just connect again.
        database = DatabaseSettings(
            journal=postgres.dsn("dojo_journal"),
            service=postgres.dsn("dojo_service"),
            worker=postgres.dsn("dojo_worker"),
        )
        self._settings = msgspec.structs.replace(self._settings, database=database)
        return RunningPostgres(postgres)

    async def _start_redis(self) -> Running:
        if self._redis is None:
            self._redis = EmbeddedRedis(
                self._directory.redis, self._directory.redis_log, pass_fds=(self._lock.descriptor,)
            )
            # The same over restarts of Redis, so the children just connect again.
            self._settings = msgspec.structs.replace(self._settings, redis=RedisSettings(url=self._redis.url()))
        await self._redis.start()
        return self._redis

    async def _start_live_node(self, number: int) -> Running:
        live = msgspec.structs.replace(self._settings.live, port=self._live_ports[number])
        child = await self._start(self._programs.live_node, settings=msgspec.structs.replace(self._settings, live=live))
        # Where it listens now it listens after a restart: clients come back to the same address.
        port = self._live_ports[number] = urlsplit(child.addresses["live"]).port or 0
        if number == 0:
            live = msgspec.structs.replace(self._settings.live, port=port)
            self._settings = msgspec.structs.replace(self._settings, live=live)
        return child

    async def _start_voice(self) -> Running:
        child = await self._start(self._programs.voice)
        # Where it is reached now it is reached after a restart, by clients as by the edge.
        media, control = urlsplit(child.addresses["voice"]), child.addresses["voice control"]
        voice = msgspec.structs.replace(
            self._settings.voice,
            port=media.port,
            control_port=urlsplit(control).port or 0,
            control_url=self._settings.voice.control_url or control,
        )
        self._settings = msgspec.structs.replace(self._settings, voice=voice)
        return child

    async def _start_api(self) -> Running:
        listener = self._listener.fileno()
        return await self._start(self._programs.api, ("--listen-fd", str(listener)), (listener,))

    async def _start_worker(self) -> Running:
        settings = msgspec.structs.replace(
            self._settings, database=DatabaseSettings(worker=self._settings.database.worker)
        )
        return await Child.start(self._programs.worker, settings, (), (self._lock.descriptor,))

    async def _start(
        self,
        program: Program,
        arguments: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        settings: Settings | None = None,
    ) -> Child:
        # Children append and read; only the supervisor may change tables, and only the worker erases and mails.
        database = msgspec.structs.replace(self._settings.database, owner=None, worker=None)
        handed_down = msgspec.structs.replace(settings or self._settings, database=database, mail=MailSettings())
        return await Child.start(program, handed_down, arguments, (self._lock.descriptor, *pass_fds))


def _new_secret() -> str:
    return base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _numbered(name: str, number: int) -> str:
    return name if number == 0 else f"{name} {number + 1}"


def _public_url(settings: Settings) -> str | None:
    """Several nodes of one machine must be told apart by whoever is sent to one of them."""
    if settings.live.public_url is None and settings.live.nodes > 1:
        return f"ws://{settings.live.host}:{{port}}"
    return settings.live.public_url


class RunningPostgres:
    """`EmbeddedPostgres` as the supervisor sees a service."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres

    @property
    def pid(self) -> int | None:
        return self._postgres.pid

    async def wait(self) -> str:
        return f"exit code {await self._postgres.wait()}"

    async def stop(self) -> None:
        await self._postgres.stop()

    async def kill(self) -> None:
        """Nothing: it gets a signal for a clean shutdown when this process ends, and the lock keeps others out."""
