"""A real coturn on loopback, run with what deploy/coturn.conf says, and credentials for it as the edge makes them."""

from __future__ import annotations

import asyncio
import datetime
import secrets
import shutil
import socket
from asyncio.subprocess import STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.media_sfu.children import end

SAMPLE: Final = Path(__file__).parents[2] / "deploy" / "coturn.conf"
HOST: Final = "127.0.0.1"
START_SECONDS: Final = 15.0
STOP_SECONDS: Final = 5.0
ASK_SECONDS: Final = 0.05

# Besides what the sample says: everything is on loopback here, and the machine is not to be filled with threads.
ON_LOOPBACK: Final = "allow-loopback-peers\nrelay-threads=1\nverbose\n"


@dataclass(frozen=True, slots=True)
class Coturn:
    """`url` is for `iceServers`, without a transport; `certificate` is what TLS is served with."""

    port: int
    tls_port: int
    secret: str = field(repr=False)
    certificate: Path
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self.port

    @property
    def url(self) -> str:
        return f"turn:{HOST}:{self.port}"


@asynccontextmanager
async def running_coturn(folder: Path, *, allowed: str) -> AsyncIterator[Coturn]:
    """As the sample has it, but for addresses, files and the secret; relays to the address `allowed` only."""
    program = shutil.which("turnserver")
    assert program is not None, "coturn is not installed: `apt-get install coturn`"
    certificate, key = _certificate(folder)
    (port, tls_port), secret, log = _free_ports(2), secrets.token_hex(32), folder / "coturn.log"
    file = folder / "coturn.conf"
    file.write_text(
        adapted(
            SAMPLE.read_text(encoding="utf-8"),
            {
                "listening-ip": HOST,
                "relay-ip": HOST,
                "listening-port": str(port),
                "tls-listening-port": str(tls_port),
                "cert": str(certificate),
                "pkey": str(key),
                "static-auth-secret": secret,
                "allowed-peer-ip": allowed,
                "userdb": str(folder / "turndb"),
                "pidfile": str(folder / "turnserver.pid"),
            },
        )
        + ON_LOOPBACK,
        encoding="utf-8",
    )
    file.chmod(0o600)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program, "-c", str(file), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=STDOUT, cwd=folder
        )
    try:
        async with asyncio.timeout(START_SECONDS):
            await _serving(process, port)
        yield Coturn(port, tls_port, secret, certificate, log)
    finally:
        await end(process, STOP_SECONDS)


def adapted(sample: str, values: Mapping[str, str]) -> str:
    """The sample with other values. All of `values` must be set in it, each once."""
    lines, left = [], dict(values)
    for line in sample.splitlines():
        name = line.partition("=")[0]
        lines.append(f"{name}={left.pop(name)}" if name in left else line)
    assert not left, f"the sample does not set {sorted(left)}"
    return "\n".join([*lines, ""])


async def _serving(process: Process, port: int) -> None:
    """It answers a Binding request."""
    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    class Asker(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            answered.set()

    transport, _ = await loop.create_datagram_endpoint(Asker, remote_addr=(HOST, port))
    try:
        while not answered.is_set():
            assert process.returncode is None, f"coturn ended with {process.returncode} while starting"
            transport.sendto(bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)))
            await asyncio.sleep(ASK_SECONDS)
    finally:
        transport.close()


def _free_ports(count: int) -> list[int]:
    """Free for UDP and TCP a moment ago."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((HOST, 0))
            port = int(udp.getsockname()[1])
            try:
                tcp.bind((HOST, port))
            except OSError:
                continue
            if port not in found:
                found.append(port)
    return found


def _certificate(folder: Path) -> tuple[Path, Path]:
    """For `HOST`, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    files = folder / "turn.pem", folder / "turn.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
