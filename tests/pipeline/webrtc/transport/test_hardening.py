import pytest
from aiortc import RTCCertificate, RTCPeerConnection, rtcsctptransport
from aiortc.rtcdtlstransport import SRTP_PROFILES
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from pipeline.webrtc.transport import hardening

pytestmark = pytest.mark.usefixtures("patched")


@pytest.mark.parametrize("body", [b"\0\1\0\0", b"\0\1\0\3abcd", b"\0\1\0\x09abcd", b"\0\1\0\x08abcd\0\1\0\0"])
def test_a_parameter_that_would_loop_or_overrun_is_refused(body):
    with pytest.raises(ValueError):
        rtcsctptransport.decode_params(body)


@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=9)), max_size=5))
def test_good_parameters_are_read_as_before(params):
    assert rtcsctptransport.decode_params(rtcsctptransport.encode_params(params)) == params


@given(st.binary(max_size=200))
def test_any_bytes_end(body):
    try:
        rtcsctptransport.decode_params(body)
    except ValueError:
        return


class End:
    """One of a DTLS connection, with nothing below."""

    def __init__(self, certificate: RTCCertificate) -> None:
        self.ssl = SSL.Connection(certificate._create_ssl_context(SRTP_PROFILES))
        self.ssl.set_ciphertext_mtu(1200)
        self.error: Exception | None = None

    def act(self, *data: bytes) -> None:
        """Read all that came, go on with a handshake where there is one, and send."""
        try:
            for plain in data:
                self.ssl.send(plain)
            self.ssl.do_handshake()
            self.ssl.recv(2048)
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self.error = error

    def carry_to(self, other: "End") -> None:
        try:
            while True:
                other.ssl.bio_write(self.ssl.bio_read(2048))
        except SSL.WantReadError:
            return


def handshake(near: End, far: End) -> None:
    """Or as much of one as the ends want."""
    for _ in range(12):
        for one, other in ((near, far), (far, near)):
            one.act()
            one.carry_to(other)


@pytest.mark.parametrize(
    "kind, role, renewed",
    [(hardening.Certificate, "client", 0), (hardening.Certificate, "server", 0), (RTCCertificate, "client", 1)],
)
def test_a_new_handshake_on_an_old_connection_is_refused(kind, role, renewed):
    """A gateway is the client of DTLS, unless its peer is. That aiortc's own begins anew shows that this is an attack;
    when it does not any more, upstream has changed."""
    peer, ours = End(RTCCertificate.generateCertificate()), End(kind.generateCertificate())
    client, server = (ours, peer) if role == "client" else (peer, ours)
    client.ssl.set_connect_state()
    server.ssl.set_accept_state()
    handshake(peer, ours)
    assert peer.error is ours.error is None

    peer.ssl.renegotiate()
    handshake(peer, ours)

    assert ours.ssl.total_renegotiations() == renewed


def test_connections_of_a_gateway_are_made_with_that_certificate():
    assert isinstance(RTCPeerConnection()._RTCPeerConnection__certificates[0], hardening.Certificate)
