"""SRTP and SRTCP (RFC 3711, RFC 7714) over libsrtp's own functions, in place and with every return code checked.

libsrtp leaves the plain payload in the buffer when protecting fails, and protects one index twice with different bytes
without complaint. So nothing that failed is ever returned from here, and whoever protects in place (the forwarder) must
look at the return code and must never use a sequence number for other bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pylibsrtp import Policy, _binding

#: libsrtp's functions and the memory they work on, for loops that cannot afford a call in between:
#: `lib.srtp_protect(session, pointer, length_pointer) -> int` works in place; anything but 0 failed.
ffi: Final[Any] = _binding.ffi
lib: Final[Any] = _binding.lib

# Packets. Accepts a retransmission of the last 20 s of a 50 packets/s stream, costs 128 bytes per SSRC.
WINDOW: Final = 1_024

# Bytes libsrtp may add: tag 16, SRTCP index 4, key identifier 128.
TRAILER: Final = 148

# Bytes: an Ethernet frame's payload and a trailer.
_ROOM: Final = 1_500 + TRAILER

# Outbound: what is sent again is a second old at most, 100 packets of 10 ms. Every packet shifts the window, word by
# word.
WINDOW_OUT: Final = 128

# libsrtp keeps a replay window per SSRC and frees none: an authenticated peer that invents SSRCs would grow us without
# end. A browser uses one to four; a new one follows a collision or a replaced microphone.
MOST_SSRCS: Final = 32

# libsrtp's srtp_err_status_t: "replay check failed", seen already and older than the window.
_REPLAYED: Final = frozenset({9, 10})

# cdata of the calls below; the loop is single-threaded and every call is finished before the next begins.
_scratch: Final[Any] = ffi.new("char[]", _ROOM)
_length: Final[Any] = ffi.new("int *")


class SrtpUnavailable(RuntimeError):
    """libsrtp would not make a session: the key's length does not fit the profile, or memory ran out."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A DTLS-SRTP protection profile (RFC 5764, RFC 7714). Lengths in bytes; `overhead` is what SRTP adds to RTP."""

    name: bytes
    libsrtp: int
    key_length: int
    salt_length: int
    overhead: int

    @property
    def keying_length(self) -> int:
        """Bytes to export from DTLS: a key and a salt for each direction."""
        return 2 * (self.key_length + self.salt_length)

    def split(self, keying: bytes) -> tuple[bytes, bytes]:
        """Cut exported keying material (RFC 5764, 4.2) into (client's, server's) master key and salt."""
        key, salt = self.key_length, self.salt_length
        salts = 2 * key
        return (
            keying[:key] + keying[salts : salts + salt],
            keying[key:salts] + keying[salts + salt : salts + 2 * salt],
        )


AEAD_AES_256_GCM: Final = Profile(b"SRTP_AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 16)
AEAD_AES_128_GCM: Final = Profile(b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16)
AES128_CM_SHA1_80: Final = Profile(b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10)
PROFILES: Final = {profile.name: profile for profile in (AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES128_CM_SHA1_80)}


def _session(key: bytes, profile: Profile, ssrc_type: int, window: int) -> Any:
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile.libsrtp)
    policy.window_size = window
    policy.allow_repeat_tx = True
    return _create(policy._policy)


def _create(policy: Any) -> Any:
    holder = ffi.new("srtp_t *")
    status = lib.srtp_create(holder, policy)
    if status:
        raise SrtpUnavailable(f"libsrtp made no session (status {status}): check the profile and the key's length")
    # The pointer itself owns the session: whoever holds it, a hot loop too, keeps it from being freed.
    return ffi.gc(holder[0], lib.srtp_dealloc)


# A session without any stream: protecting with it fails ("no context"). It stands in for one that was torn down.
_TORN: Final[Any] = _create(ffi.NULL)


def _run(function: Any, session: Any, data: bytes) -> int:
    size = len(data)
    ffi.memmove(_scratch, data, size)
    _length[0] = size
    status: int = function(session, _scratch, _length)
    return status


def _result() -> bytes:
    packet: bytes = ffi.unpack(_scratch, _length[0])
    return packet


class Outbound:
    """What one peer is sent. The hot loop protects in place with `session`; others `seal`.

    A retransmission of the same bytes is byte-identical. `overhead`: bytes SRTP adds. `failures`: packets that could
    not be protected and therefore were not sent (the hot loop adds its own).
    """

    __slots__ = ("failures", "overhead", "session")

    def __init__(self, key: bytes, profile: Profile) -> None:
        """`key`: master key followed by master salt. Raises `SrtpUnavailable` or, for a short key, `ValueError`."""
        self.session: Any = _session(key, profile, Policy.SSRC_ANY_OUTBOUND, WINDOW_OUT)
        self.overhead = profile.overhead
        self.failures = 0

    def seal(self, data: bytes) -> bytes | None:
        """Protect one RTP packet; None (counted) if that failed."""
        return self._seal(lib.srtp_protect, data)

    def seal_rtcp(self, data: bytes) -> bytes | None:
        """Protect one compound RTCP packet; None (counted) if that failed."""
        return self._seal(lib.srtp_protect_rtcp, data)

    def close(self) -> None:
        """Tear the keys down: whatever is protected from now on fails, in a hot loop too."""
        self.session = _TORN

    def _seal(self, function: Any, data: bytes) -> bytes | None:
        if len(data) > _ROOM - TRAILER or _run(function, self.session, data):
            self.failures += 1
            return None
        return _result()


class Inbound:
    """What one peer sends. `failures`: forged, damaged or oversize packets; `replays`: those seen before or too old."""

    __slots__ = ("_session", "_ssrcs", "failures", "replays")

    def __init__(self, key: bytes, profile: Profile) -> None:
        """`key`: master key followed by master salt. Raises `SrtpUnavailable` or, for a short key, `ValueError`."""
        self._session: Any = _session(key, profile, Policy.SSRC_ANY_INBOUND, WINDOW)
        self._ssrcs: set[bytes] = set()
        self.failures = 0
        self.replays = 0

    def open(self, data: bytes) -> bytes | None:
        """The RTP packet inside, or None (counted) if it is not authentic or was seen before."""
        return self._open(lib.srtp_unprotect, data, data[8:12])

    def open_rtcp(self, data: bytes) -> bytes | None:
        """The compound RTCP packet inside, or None (counted) if it is not authentic or was seen before."""
        return self._open(lib.srtp_unprotect_rtcp, data, data[4:8])

    def close(self) -> None:
        """Tear the keys down: nothing opens from now on."""
        self._session = _TORN

    def _open(self, function: Any, data: bytes, ssrc: bytes) -> bytes | None:
        known = ssrc in self._ssrcs
        if len(data) > _ROOM or (not known and len(self._ssrcs) >= MOST_SSRCS):
            self.failures += 1
            return None
        status = _run(function, self._session, data)
        if status:
            if status in _REPLAYED:
                self.replays += 1
            else:
                self.failures += 1
            return None
        if not known:
            # Only now: a forged packet must not use up the places.
            self._ssrcs.add(ssrc)
        return _result()
