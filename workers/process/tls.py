"""Makes self-signed certificates for HTTPS, without which browsers give no page but localhost's the camera."""

import asyncio
import contextlib
import datetime
import ipaddress
import logging
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

logger = logging.getLogger(__name__)

#: The lifetime is short, since nobody can revoke the certificate. It is renewed early enough to try again if need be.
LIFETIME, RENEWAL = datetime.timedelta(days=30), datetime.timedelta(days=20)
#: The certificate is valid from this long ago, since clocks of phones may be slow.
EARLY = datetime.timedelta(days=1)
#: How often the certificate's end is checked: a machine that slept, or whose clock was set, notices within this time.
CHECK_S = 600.0
EVERYWHERE = ("0.0.0.0", "::", "")
#: A certificate names at most this many addresses; a machine with more has them from containers.
MOST_NAMES = 64


def local_address() -> str:
    """Return this machine's address on its local network, or loopback without a network. No packet is sent."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class SelfSigned:
    """A TLS context with a self-signed certificate, which `keep` renews."""

    def __init__(self, host: str, also: Sequence[str] = (), clock: Callable[[], datetime.datetime] = utc_now) -> None:
        """`host` is the address that the server listens on; `also` are further names of this machine."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._host, self._also, self._clock = host, also, clock
        self._made = self._renewed()

    async def keep(self) -> None:
        """Renew the certificate whenever it is due, for ever. Open connections are not affected."""
        while True:
            await asyncio.sleep(CHECK_S)
            self.renew_if_due()

    def renew_if_due(self) -> None:
        """Renew an old certificate, or one that a clock which was set back makes too new. Errors are only logged."""
        age = self._clock() - self._made
        if -EARLY < age < RENEWAL:
            return
        try:
            self._made = self._renewed()
            logger.info("the certificate was made anew")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            logger.error("the certificate could not be made anew: %s", error)

    def _renewed(self) -> datetime.datetime:
        """Make a certificate for the machine's present addresses, which may have changed; return the time."""
        now = self._clock()
        with pem_file(certificate(names(self._host, self._also), now)) as path:
            self.context.load_cert_chain(path)
        return now


def names(host: str, also: Sequence[str] = ()) -> list[x509.GeneralName]:
    """Return all names and addresses that a browser may use: loopback, `host`, `also` and the machine's own ones.

    The machine's own ones are all of its addresses if `host` stands for all of them.
    """
    own = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    ]
    asked = [local_address(), socket.gethostname(), *own] if host in EVERYWHERE else [host, local_address()]
    found = [general_name(text) for text in ("localhost", "127.0.0.1", "::1", *also, *asked)]
    return list(dict.fromkeys(name for name in found if name))[:MOST_NAMES]


def general_name(text: str) -> x509.GeneralName | None:
    """Return an IP address or a host name as a certificate has it, or None if it can be neither."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text.partition("%")[0]))  # an IPv6 zone comes after the "%"
    except ValueError:
        pass
    try:
        return x509.DNSName(text.encode("idna").decode().lower()) if text else None
    except ValueError:
        return None


def certificate(subject_names: Sequence[x509.GeneralName], now: datetime.datetime) -> bytes:
    """Return a new private key and its certificate, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "MVStylizer")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLY)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(subject_names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + made.public_bytes(pem)


@contextlib.contextmanager
def pem_file(pem: bytes) -> Iterator[str]:
    """Yield the path of a file with this PEM, for ssl to read.

    On Linux it is in memory, so that the key is not on any disk, and a full disk does not matter.
    """
    try:
        descriptor = os.memfd_create("certificate")
        path = f"/proc/self/fd/{descriptor}"
    except (AttributeError, OSError):  # this is another system; only this user can read mkstemp's file
        descriptor, path = tempfile.mkstemp(prefix="mvstylizer-", suffix=".pem")
    try:
        os.write(descriptor, pem)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)
