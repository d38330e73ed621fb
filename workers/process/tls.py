"""https on the spot: browsers give the camera to secure pages only, and a phone's page is not on localhost."""

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

#: It is short, since nobody can revoke the certificate. It is renewed well before its end, with time to try again.
LIFETIME, RENEWAL = datetime.timedelta(days=30), datetime.timedelta(days=20)
#: Clocks of phones run late.
EARLY = datetime.timedelta(days=1)
#: How often the certificate's end is checked: a machine that slept, or whose clock was set, notices within this time.
CHECK_S = 600.0
EVERYWHERE = ("0.0.0.0", "::", "")
#: SAN has no limit of its own; a machine with more addresses than this has them from containers.
MOST_NAMES = 64


def local_address() -> str:
    """This machine's address on its network, as phones beside it see it; no packet is sent."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class SelfSigned:
    """A TLS context whose key and certificate are our own. While `keep` runs, the certificate does not end."""

    def __init__(self, host: str, also: Sequence[str] = (), clock: Callable[[], datetime.datetime] = utc_now) -> None:
        """`host` is the address that is listened on; `also` are further names of this machine."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._host, self._also, self._clock = host, also, clock
        self._made = self._renewed()

    async def keep(self) -> None:
        """Renew the certificate in time, for ever. Open connections stay as they are."""
        while True:
            await asyncio.sleep(CHECK_S)
            self.renew_if_due()

    def renew_if_due(self) -> None:
        """Also where the clock was set back before its beginning. What goes wrong is tried again the next time."""
        age = self._clock() - self._made
        if -EARLY < age < RENEWAL:
            return
        try:
            self._made = self._renewed()
            logger.info("the certificate was made anew")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            logger.error("the certificate could not be made anew: %s", error)

    def _renewed(self) -> datetime.datetime:
        """Make a certificate for the addresses of now: a laptop may have changed its network."""
        now = self._clock()
        with pem_file(certificate(names(self._host, self._also), now)) as path:
            self.context.load_cert_chain(path)
        return now


def names(host: str, also: Sequence[str] = ()) -> list[x509.GeneralName]:
    """All names and addresses that a browser may use: loopback, `host`, and the machine's if it listens on all."""
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
    """None for what no certificate can hold."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text.partition("%")[0]))  # without IPv6's zone
    except ValueError:
        pass
    try:
        return x509.DNSName(text.encode("idna").decode().lower()) if text else None
    except ValueError:
        return None


def certificate(subject_names: Sequence[x509.GeneralName], now: datetime.datetime) -> bytes:
    """A new private key and its certificate, as PEM."""
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
    """A path that ssl can read, for a moment: in memory on Linux, so that no disk holds the key or has to have room."""
    try:
        descriptor = os.memfd_create("certificate")
        path = f"/proc/self/fd/{descriptor}"
    except (AttributeError, OSError):  # another system; mkstemp's file is private
        descriptor, path = tempfile.mkstemp(prefix="mvstylizer-", suffix=".pem")
    try:
        os.write(descriptor, pem)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)
