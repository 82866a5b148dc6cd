"""TLS in process (X-C22): the same surfaces over encrypted connections."""

import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors.session import SocketLimits
from protocols.exchange import HttpTiming
from protocols.server import Server
from protocols.transport import tls_context
from tests.protocols.transport.client import TEXT, RawSocket, frame, handshake
from tests.protocols.transport.support import Bed, ask, connect, read_all, read_until, status_of


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


@pytest.fixture
def bed(certificate: tuple[Path, Path]) -> Bed:
    made = Bed()
    made.options["tls"] = tls_context(*map(str, certificate))
    return made


@pytest.fixture
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


@asynccontextmanager
async def secure(server: Server, context: ssl.SSLContext) -> AsyncIterator[trio.SSLStream]:
    plain = await connect(server)
    async with trio.SSLStream(plain, context, server_hostname="localhost") as stream:
        yield stream


@asynccontextmanager
async def secure_socket(server: Server, context: ssl.SSLContext) -> AsyncIterator[RawSocket]:
    async with secure(server, context) as stream:
        client = RawSocket(stream)
        await client.open(handshake())
        assert b" 101 " in client.head
        yield client


async def test_rest_is_served_over_tls(bed: Bed, trusting: ssl.SSLContext):
    """X-C22."""
    async with (
        bed.running() as server,
        httpx.AsyncClient(verify=trusting, base_url=f"https://localhost:{server.port}") as client,
    ):
        for number in range(3):
            response = await client.get("/echo/hello", params={"name": str(number)})
            assert response.json()["hello"] == str(number)


async def test_a_socket_echoes_over_tls_whatever_the_size(bed: Bed, trusting: ssl.SSLContext):
    bed.limits = SocketLimits(max_message=3_000_000)
    async with bed.running() as server, secure_socket(server, trusting) as client:
        for size in (0, 5, 16_384, 70_000, 3_000_000):
            text = b"x" * size
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.text, text)
                assert await client.message() == text


async def test_frames_together_with_the_upgrade_are_processed_over_tls(
    bed: Bed, trusting: ssl.SSLContext
):
    async with bed.running() as server, secure(server, trusting) as stream:
        client = RawSocket(stream)
        await client.open(handshake() + frame(TEXT, b"early"))
        assert await client.message() == b"early"


async def test_a_session_closes_over_tls_with_its_code(bed: Bed, trusting: ssl.SSLContext):
    async with bed.running() as server, secure_socket(server, trusting) as client:
        await client.send(frame(TEXT, b"one"), frame(TEXT, b"bye"))
        assert await client.message() == b"one"
        assert await client.closing() == (4401, "token expired")


async def test_a_reader_that_stops_is_cut_off_over_tls_too(bed: Bed, trusting: ssl.SSLContext):
    """X-C27."""
    bed.limits = SocketLimits(write_timeout=0.3)
    async with bed.running() as server, secure_socket(server, trusting) as client:
        while not bed.log.connections:
            await trio.sleep(0.01)
        bed.log.connections[0].send_text(b"x" * 8_000_000)
        started = trio.current_time()
        while server.traffic.sockets:
            await trio.sleep(0.01)
        assert 0.2 < trio.current_time() - started < 2
        assert await client.ended()


async def test_a_large_answer_arrives_whole_over_tls(bed: Bed, trusting: ssl.SSLContext):
    async with bed.running() as server, secure(server, trusting) as stream:
        bed.log.release.set()
        client = RawSocket(stream)
        await client.open(handshake())
        while not bed.log.connections:
            await trio.sleep(0.01)
        bed.log.connections[0].send_text(b"x" * 5_000_000)
        await trio.sleep(0.05)
        assert len(await client.message()) == 5_000_000


async def test_plain_http_on_a_tls_port_and_garbage_are_dropped(bed: Bed, trusting: ssl.SSLContext):
    async with bed.running() as server:
        for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 600):
            assert b"HTTP/1.1" not in await ask(server, data)
        async with secure(server, trusting) as stream:
            await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert status_of(await read_until(stream, b"}")) == 200


async def test_a_handshake_that_is_not_finished_is_cut_off(bed: Bed):
    bed.options["timing"] = HttpTiming(head=0.15)
    async with bed.running() as server, await connect(server) as stream:
        started = trio.current_time()
        await stream.send_all(b"\x16\x03\x01\x02\x00")
        assert await read_all(stream) == b""
        assert trio.current_time() - started < 1


async def test_a_client_that_trusts_nobody_goes_away_quietly(bed: Bed):
    async with bed.running() as server:
        with pytest.raises(trio.BrokenResourceError):
            async with secure(server, ssl.create_default_context()) as stream:
                await stream.do_handshake()
        while server.traffic.connections:
            await trio.sleep(0.01)
        assert server.traffic.failures == 0


async def test_a_client_that_is_cut_off_without_goodbye_ends_its_session(
    bed: Bed, trusting: ssl.SSLContext
):
    async with bed.running() as server:
        plain = await connect(server)
        stream = trio.SSLStream(plain, trusting, server_hostname="localhost")
        client = RawSocket(stream)
        await client.open(handshake())
        await plain.aclose()
        while server.traffic.sockets or server.traffic.connections:
            await trio.sleep(0.01)
        assert bed.log.events == ["opened", "closed"]
