import asyncio
import ipaddress
import ssl

from cryptography import x509

from workers.tls import local_address, self_signed_context


async def test_a_browser_can_talk_tls_with_the_certificate_made_on_the_spot():
    server = await asyncio.start_server(_greet, "127.0.0.1", 0, ssl=self_signed_context())
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=trusting)
    greeting = await reader.read()
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    server.close()

    assert greeting == b"hello"
    names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ipaddress.ip_address(local_address()) in names.get_values_for_type(x509.IPAddress)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()
    writer.close()
