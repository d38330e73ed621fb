"""The certificates that are made when they are needed, for any name, and renewed before they expire."""

import asyncio
import datetime
import ipaddress
import logging
import os
import ssl
from collections.abc import Iterator

import psutil
import pytest
from cryptography import x509

from workers.process import tls
from workers.process.tls import LIFETIME, RENEWAL, SelfSigned, general_name, local_address, names, utc_now


async def seen(context: ssl.SSLContext) -> x509.Certificate:
    """The certificate that a browser receives."""
    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=trusting)
    assert await reader.read() == b"hello"
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    server.close()
    return x509.load_der_x509_certificate(der)


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()
    writer.close()


def names_of(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


@pytest.mark.parametrize("host", ["127.0.0.1", "stylizer.example", "192.0.2.7", "2001:db8::7", "::1", "localhost"])
async def test_a_browser_gets_a_certificate_for_the_name_that_is_listened_on(host):
    found = names_of(await seen(SelfSigned(host).context))

    assert {host, "localhost", "127.0.0.1", "::1", local_address()} <= found


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_who_listens_everywhere_has_all_of_the_machines_addresses(host):
    found = names_of(await seen(SelfSigned(host, ["proxy.example", "*.example.org"]).context))

    own = {
        str(ipaddress.ip_address(address.address.partition("%")[0]))
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (tls.socket.AF_INET, tls.socket.AF_INET6)
    }
    assert own | {local_address(), "proxy.example", "*.example.org"} <= found
    assert "0.0.0.0" not in found and "::" not in found


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("fe80::1%eth0", "fe80::1"),
        ("LAPTOP", "laptop"),
        ("a" * 64, None),
        ("", None),
        ("a..b", None),
    ],
)
def test_names_are_written_as_certificates_have_them(host, name):
    found = general_name(host)

    assert (found and str(found.value)) == name
    assert general_name("localhost") in names(host)


class Clock:
    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime.datetime:
        return self.now


async def test_a_gateway_that_runs_for_a_year_never_shows_a_certificate_that_has_ended():
    clock = Clock()
    signed, serials = SelfSigned("127.0.0.1", clock=clock), set()
    for _ in range(60):
        clock.now += datetime.timedelta(days=6)
        signed.renew_if_due()
        shown = await seen(signed.context)
        serials.add(shown.serial_number)
        assert shown.not_valid_before_utc < clock.now < shown.not_valid_after_utc
        assert shown.not_valid_after_utc - clock.now <= LIFETIME

    assert 10 < len(serials) < 30  # not each time either


async def test_it_is_looked_after_as_long_as_the_gateway_runs(monkeypatch):
    clock, checks = Clock(), asyncio.Event()
    signed = SelfSigned("127.0.0.1", clock=clock)
    first, check = await seen(signed.context), signed.renew_if_due
    monkeypatch.setattr(tls, "CHECK_S", 0.001)
    monkeypatch.setattr(signed, "renew_if_due", lambda: (check(), checks.set()))

    keeping = asyncio.create_task(signed.keep())
    clock.now += RENEWAL
    await asyncio.wait_for(checks.wait(), 10)
    keeping.cancel()

    assert (await seen(signed.context)).serial_number != first.serial_number


async def test_a_renewal_that_fails_leaves_the_old_one_and_is_tried_again(monkeypatch, caplog):
    clock = Clock()
    signed = SelfSigned("127.0.0.1", clock=clock)
    first = (await seen(signed.context)).serial_number
    clock.now += RENEWAL

    def fail(*args: object) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(tls, "certificate", fail)
    signed.renew_if_due()
    assert (await seen(signed.context)).serial_number == first
    assert [record.levelno for record in caplog.records if record.name == "workers.process.tls"] == [logging.ERROR]
    monkeypatch.undo()
    signed.renew_if_due()

    assert (await seen(signed.context)).serial_number != first


@pytest.fixture
def without_memory_files(monkeypatch) -> Iterator[None]:
    monkeypatch.delattr(os, "memfd_create", raising=False)


def test_a_full_temporary_folder_stops_no_gateway(monkeypatch):
    def full(*args: object, **options: object) -> None:
        raise OSError("No space left on device")

    for name in ("mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory"):
        monkeypatch.setattr(f"tempfile.{name}", full)

    assert SelfSigned("127.0.0.1").context


async def test_elsewhere_than_on_linux_no_file_stays_behind(without_memory_files, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert "127.0.0.1" in names_of(await seen(SelfSigned("127.0.0.1").context))
    assert list(tmp_path.iterdir()) == []
