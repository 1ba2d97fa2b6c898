"""All settings of Dojo in one place. `deploy/dojo.toml` is the same list as a commented file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from collab_core.limits import Limits
from collab_core.tuning import Tuning
from edge.identity.attempt_limits import AttemptLimits
from edge.identity.oidc.settings import OidcSettings
from kernel import settings as loader
from kernel.http.limits import HttpLimits
from kernel.tokens.voice_grant import SECRET_BYTES
from media_sfu.limits import VoiceLimits

DEFAULT_HTTP_PORT = 8080
DEFAULT_LIVE_PORT = 8081
DEFAULT_VOICE_PORT = 8082
CHILD_VARIABLE = "DOJO_SETTINGS"
"""The environment variable through which a child process gets all settings as one JSON document."""

NODE_URL = r"^wss?://([{]hostname[}]|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(\.[A-Za-z0-9.-]+)?(:([{]port[}]|[0-9]+))?$"
"""A hostname may be the whole of the first label only: more is not to be had in a content security policy."""

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where page and HTTP API listen. Port 0: any free one."""

    host: str = "127.0.0.1"
    port: Port = DEFAULT_HTTP_PORT
    trusted_proxies: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    """How many proxies of ours append to `X-Forwarded-For` in front of API and sockets. 0: the header is ignored."""


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the sockets listen, and how clients reach them."""

    host: str = "127.0.0.1"
    port: Port | None = None
    """Unset: 8081 next to the default HTTP port, any free one next to another. 0: any free one."""
    url: str | None = None
    """What clients are told, without a path: `wss://live.example.com`. Unset: `ws://host:port`."""
    public_url: Annotated[str, msgspec.Meta(pattern=NODE_URL)] | None = None
    """Where clients reach one node and no other, with `{hostname}` and `{port}` for its own: clients are told the
    address of the node that their room prefers. Unset: they are told `url`, whatever stands behind it."""
    nodes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """How many live nodes `dojo serve` starts here, each on a port of its own and at most one core. With several and no
    `public_url`, clients are told `ws://host:port` of the one their room prefers."""
    weight: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 1.0
    """How many rooms a node gets, beside the others': a machine twice as strong gets 2."""

    def node_url(self, hostname: str, port: int) -> str | None:
        """`public_url` of the node that listens there."""
        if self.public_url is None:
            return None
        return self.public_url.replace("{hostname}", hostname).replace("{port}", str(port))

    @property
    def every_node_url(self) -> str | None:
        """`public_url` for any node, as a source of a content security policy."""
        return self.public_url and self.public_url.replace("{hostname}", "*").replace("{port}", "*")


class VoiceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Talk: where media comes in, how clients reach it, and how the edge reaches the process behind it."""

    enabled: bool = True
    """Whether people can talk, and `dojo serve` starts a voice process."""
    host: str = "127.0.0.1"
    """Where media is taken. "::" is every address of this machine."""
    port: Port | None = None
    """UDP, and TCP for those whose network lets no UDP out. Unset: 8082 next to the default HTTP port, any free one
    next to another. 0: any free one."""
    advertise: tuple[str, ...] = ()
    """Addresses, v4 or v6, that clients are told instead of the one that is listened on: those of a load balancer or a
    container's host. The port is the same."""
    control_host: str = "127.0.0.1"
    control_port: Port = 0
    """Internal HTTP, for the edge alone. 0: any free one."""
    control_url: Annotated[str, msgspec.Meta(pattern="^https?://[^/?#]+$")] | None = None
    """Where the edge finds the voice process (`http://voice.internal:8083`), and what the process registers as in
    Redis. Unset: the address listened on."""
    relay_host: str = "127.0.0.1"
    """Where a voice process takes what others send it of a room that they share. Nobody else may reach it."""
    relay_port: Port = 0
    """UDP. 0: any free one."""
    relay_advertise: str | None = None
    """The address, v4 or v6, that other voice processes are told instead. The port is the same."""
    secret: str | None = None
    """Base64 of 32 random bytes, the same for edge and voice processes: it signs what one tells the other. Unset: made
    at the start of `dojo serve`."""
    turn_urls: tuple[str, ...] = ()
    """TURN servers that clients are told, `turn:turn.example.com:3478?transport=udp`."""
    turn_secret: str | None = None
    """What TURN credentials are made with: coturn's static-auth-secret."""
    turn_hours: Annotated[float, msgspec.Meta(gt=0, le=48)] = 12.0
    """How long they are valid."""
    limits: VoiceLimits = VoiceLimits()

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"VoiceSettings(enabled={self.enabled}, host={self.host!r}, port={self.port})"

    @property
    def secret_bytes(self) -> bytes:
        """`secret` decoded. Raises `SettingsError` if it is not usable."""
        try:
            secret = base64.b64decode(self.secret or "", validate=True)
        except ValueError:
            secret = b""
        if len(secret) < SECRET_BYTES:
            raise loader.SettingsError("voice.secret must be the base64 of at least 32 random bytes")
        return secret


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One connection string per role. With none, Dojo runs a Postgres of its own in the data directory."""

    owner: str | None = None
    """Runs the migrations, at the start of `dojo serve` and in `dojo migrate`. Unset: they were run elsewhere."""
    journal: str | None = None
    """Appends to the journal and may do nothing else."""
    service: str | None = None
    """Reads rooms and compacts them, one tenant at a time."""
    worker: str | None = None
    """Sends mail, deletes what has expired, ends what nobody looks after, erases tenants that asked for it. Unset: no
    worker is started here."""

    def __post_init__(self) -> None:
        if (self.journal is None) != (self.service is None):
            raise ValueError("`journal` and `service` belong together: give both or none")

    @property
    def embedded(self) -> bool:
        """Whether Dojo starts a Postgres of its own."""
        return self.owner is None and self.journal is None


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Live state that all processes share: limits, used tickets, what makes them look at the database at once."""

    url: Annotated[str, msgspec.Meta(pattern="^(redis|rediss|unix)://")] | None = None
    """`redis://`, `rediss://` (TLS) or `unix://`. Unset: Dojo runs a Redis of its own if it runs its own Postgres;
    otherwise there is none, and each process counts for itself."""

    def __repr__(self) -> str:
        """Without the address, which may hold a password."""
        return f"RedisSettings(url={'unset' if self.url is None else 'set'})"


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accounts, and the secrets that keep theirs."""

    public_url: Annotated[str, msgspec.Meta(pattern="^https?://[^/?#]+$")] | None = None
    """What the links in mails begin with. Never taken from a request. Unset: the page's own address."""
    master_keys: tuple[str, ...] = ()
    """Base64 of 32 random bytes each. The first seals signing keys and mails, all of them open. Unset: the file
    `keys/master.key` in the data directory, made on first use; production sets it."""
    require_verified_email: bool | None = None
    """Whether an e-mail must be verified before its owner can sign in. Unset: yes, but not with Dojo's own Postgres."""
    attempts: AttemptLimits = AttemptLimits()

    def __repr__(self) -> str:
        """Without the keys."""
        return f"IdentitySettings(public_url={self.public_url!r}, master_keys={len(self.master_keys)} set)"


class MailSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How mail leaves."""

    url: Annotated[str, msgspec.Meta(pattern="^(smtps?://|smtp[+]plain://|print:$)")] | None = None
    """`smtp://` (STARTTLS, port 587), `smtps://` (TLS, 465), `smtp+plain://` (unencrypted, 25; a relay on this machine)
    or `print:` (to standard error). Unset: `print:` with Dojo's own Postgres."""
    sender: str | None = None
    """The address mails come from. Needed to send any."""
    sender_name: str = "Dojo"
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""

    def __repr__(self) -> str:
        """Without the address of the server, which may hold a password."""
        return f"MailSettings(url={'unset' if self.url is None else 'set'}, sender={self.sender!r})"


class DojoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What time does to dojos."""

    no_show_hours: Annotated[float, msgspec.Meta(gt=0)] = 24.0
    """A scheduled dojo that was not started so long after its hour has failed."""
    idle_hours: Annotated[float, msgspec.Meta(gt=0)] = 24.0
    """An active dojo that nobody has been in for so long is completed."""
    chat_days: Annotated[int, msgspec.Meta(ge=1)] = 365
    """How long chat is kept. Whole months are dropped."""
    recording_days: Annotated[int, msgspec.Meta(ge=1)] = 90
    """How long recordings of voice are kept. What was recorded without an interruption goes as a whole."""


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public key whose tokens are taken (RFC 8037 JWK). `kid` is what tokens name it by."""

    kid: str
    x: str
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    data_dir: Path = Path(".dojo")
    http: HttpSettings = HttpSettings()
    live: LiveSettings = LiveSettings()
    voice: VoiceSettings = VoiceSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    identity: IdentitySettings = IdentitySettings()
    mail: MailSettings = MailSettings()
    oidc: OidcSettings = OidcSettings()
    dojos: DojoSettings = DojoSettings()
    http_limits: HttpLimits = HttpLimits()
    limits: Limits = Limits()
    engine: Tuning = Tuning()
    allowed_origins: tuple[str, ...] | None = None
    """Origins whose pages may connect. Unset: the page of this server, as 127.0.0.1 and as localhost."""
    trusted_keys: tuple[TrustedKey, ...] = ()
    """Keys of token issuers besides the data directory's own key."""
    guests: bool = True
    """Whoever opens the page gets a ticket for its room. Only with Dojo's own Postgres and while `http.host` is
    loopback: whoever can reach that is at this machine already."""
    ticket_hours: Annotated[float, msgspec.Meta(gt=0, le=168)] = 12.0
    """How long a room ticket is valid."""
    history_days: Annotated[int, msgspec.Meta(ge=1)] = 90
    """How long times and authors of folded edits are kept. Whole months are dropped; the text itself stays. It is how
    far back rooms can be replayed."""
    audit_days: Annotated[int, msgspec.Meta(ge=180)] = 365
    """How long the audit log's entries are kept. Brazil's Marco Civil asks for six months of access records."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def origins(self) -> tuple[str, ...]:
        """The Origin allow-list in force."""
        if self.allowed_origins is not None:
            return self.allowed_origins
        port = self.http.port
        return tuple(f"http://{host}:{port}" for host in ("127.0.0.1", "localhost"))

    @property
    def public_url(self) -> str:
        """What links in mails begin with."""
        return self.identity.public_url or f"http://{self.http.host}:{self.http.port}"

    @property
    def require_verified_email(self) -> bool:
        """Whether an unverified e-mail keeps its owner out."""
        wanted = self.identity.require_verified_email
        return not self.database.embedded if wanted is None else wanted

    @property
    def live_url(self) -> str:
        """What clients are told: the advertised address, or the one listened on."""
        return self.live.url or f"ws://{self.live.host}:{self.live.port or 0}"

    @property
    def wanted_live_port(self) -> int:
        """The port the sockets ask for; 0 is any free one."""
        if self.live.port is not None:
            return self.live.port
        return DEFAULT_LIVE_PORT if self.http.port == DEFAULT_HTTP_PORT else 0

    @property
    def wanted_voice_port(self) -> int:
        """The port voice asks for; 0 is any free one."""
        if self.voice.port is not None:
            return self.voice.port
        return DEFAULT_VOICE_PORT if self.http.port == DEFAULT_HTTP_PORT else 0


def load(file: Path | None, env: Mapping[str, str]) -> Settings:
    """Defaults, then `file`, then DOJO_* variables. Raises `kernel.settings.SettingsError`."""
    return loader.load(Settings, file=file, env={k: v for k, v in env.items() if k != CHILD_VARIABLE})
