"""The DTLS side of a client (RFC 5764): datagrams in, datagrams out, and at the end the SRTP keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate, SRTPProtectionProfile
from OpenSSL import SSL
from pylibsrtp import Policy, Session

_LABEL: Final = b"EXTRACTOR-dtls_srtp"
_MOST: Final = 1_500
"""Bytes of one of our flights: a P-256 certificate and its proofs are some 700."""


class HandshakeFailed(Exception):
    """The other side ended the handshake, or is not who its description says."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One for all clients of a process: making them costs more than anything it could show."""

    context: SSL.Context
    fingerprint: str

    @classmethod
    def new(cls) -> Certificate:
        made = RTCCertificate.generateCertificate()
        fingerprint = next(f.value for f in made.getFingerprints() if f.algorithm == "sha-256")
        return cls(made._create_ssl_context(SRTP_PROFILES), fingerprint)


@dataclass(frozen=True, slots=True)
class Keys:
    """Both directions, ready for use."""

    profile: SRTPProtectionProfile
    outbound: Session
    inbound_key: bytes

    def inbound(self) -> Session:
        """Decrypts what the server sends; only made where somebody looks into packets."""
        policy = Policy(self.inbound_key, Policy.SSRC_ANY_INBOUND, srtp_profile=self.profile.libsrtp_profile)
        policy.window_size = 1_024
        return Session(policy)


class Handshake:
    """The client's side. `begin`, then `receive` until `keys` is there; `again` after `timeout` seconds of silence."""

    def __init__(self, certificate: Certificate, fingerprint: str) -> None:
        self._connection = SSL.Connection(certificate.context, None)
        self._connection.set_connect_state()
        self._fingerprint = fingerprint
        self.keys: Keys | None = None

    def begin(self) -> list[bytes]:
        return self._step()

    def receive(self, data: bytes) -> list[bytes]:
        """Datagrams to send. Raises `HandshakeFailed`."""
        self._connection.bio_write(data)
        return self._step()

    @property
    def timeout(self) -> float | None:
        return self._connection.DTLSv1_get_timeout()

    def again(self) -> list[bytes]:
        self._connection.DTLSv1_handle_timeout()
        return self._out()

    def close(self) -> list[bytes]:
        """The close alert."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return []
        return self._out()

    def _step(self) -> list[bytes]:
        if self.keys is None:
            try:
                self._connection.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                raise HandshakeFailed(f"the DTLS handshake ended: {error}") from error
            else:
                self._finish()
        return self._out()

    def _finish(self) -> None:
        peer = self._connection.get_peer_certificate()
        if peer is None or peer.digest("sha256").decode().upper() != self._fingerprint:
            raise HandshakeFailed("the server's certificate is not the one its description names")
        chosen = self._connection.get_selected_srtp_profile()
        profile = next((p for p in SRTP_PROFILES if p.openssl_profile == chosen), None)
        if profile is None:
            raise HandshakeFailed("no SRTP profile was agreed upon")
        material = self._connection.export_keying_material(_LABEL, 2 * (profile.key_length + profile.salt_length))
        policy = Policy(
            profile.get_key_and_salt(material, 0), Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.libsrtp_profile
        )
        policy.allow_repeat_tx = True
        self.keys = Keys(profile, Session(policy), profile.get_key_and_salt(material, 1))

    def _out(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self._connection.bio_read(_MOST))
            except SSL.WantReadError:
                return found
