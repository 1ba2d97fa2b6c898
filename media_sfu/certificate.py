"""The certificate of this process, and the DTLS settings all its connections share."""

from __future__ import annotations

from typing import Final

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL

# The version's number on the wire (RFC 6347): pyOpenSSL has no name for it.
_DTLS_1_2: Final = 0xFEFD


class Certificate(RTCCertificate):
    """P-256, self-signed: what vouches for it is its fingerprint in the answer. Make one with `Certificate.new()`.

    Its dates mean nothing (browsers look at the fingerprint only), so a process may outlive them.
    """

    _context: SSL.Context | None = None

    @classmethod
    def new(cls) -> Certificate:
        return cls.generateCertificate()

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate: 32 bytes."""
        return self._cert.fingerprint(SHA256())

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        """One context for all connections: with one each, a connection takes some 30 KiB more.

        Sharing makes two settings necessary: a server context keeps finished sessions, with the clients' certificates,
        for five minutes, and nobody resumes one here.
        """
        if self._context is None:
            context = super()._create_ssl_context(srtp_profiles)
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            # A client could have a handshake a second time and again, at our cost; no browser does.
            context.set_options(SSL.OP_NO_RENEGOTIATION)
            context.set_min_proto_version(_DTLS_1_2)
            context.set_mode(SSL.MODE_RELEASE_BUFFERS)
            self._context = context
        return self._context


def colons(fingerprint: bytes) -> str:
    """As SDP writes it (RFC 8122): `AB:01:...`."""
    return fingerprint.hex(":").upper()
