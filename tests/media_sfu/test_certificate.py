from aiortc.rtcdtlstransport import SRTP_PROFILES
from OpenSSL import SSL

from media_sfu.certificate import Certificate, colons


def test_the_fingerprint_is_the_one_others_compute() -> None:
    certificate = Certificate.new()
    [theirs] = [found.value for found in certificate.getFingerprints() if found.algorithm == "sha-256"]
    assert len(certificate.fingerprint) == 32
    assert colons(certificate.fingerprint) == theirs


def test_connections_share_one_context_of_their_own_certificate() -> None:
    one, other = Certificate.new(), Certificate.new()
    assert one._create_ssl_context(SRTP_PROFILES) is one._create_ssl_context(SRTP_PROFILES)
    assert one._create_ssl_context(SRTP_PROFILES) is not other._create_ssl_context(SRTP_PROFILES)
    assert one.fingerprint != other.fingerprint


def test_no_session_is_kept() -> None:
    assert Certificate.new()._create_ssl_context(SRTP_PROFILES).get_session_cache_mode() == SSL.SESS_CACHE_OFF
