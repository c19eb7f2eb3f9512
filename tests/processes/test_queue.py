"""Connections to Redis over TLS: checked, or openly not checked."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.core import logging, queue
from app.core.settings import Settings
from app.supervisor import preflight
from tests.servers import RedisServer, free_port


class Encrypted:
    """A TLS door with a self-signed certificate in front of a Redis."""

    def __init__(self, folder: Path, port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certificate(folder))
        self._target = port
        self._server = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.port = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(timeout=60)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except ssl.SSLError:
                continue  # a client that refused our certificate
            except OSError:
                return
            redis = socket.create_connection(("127.0.0.1", self._target))
            self._open += [client, redis]
            for source, target in ((client, redis), (redis, client)):
                self._threads.append(threading.Thread(target=_pump, args=(source, target)))
                self._threads[-1].start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(4096):
            target.sendall(part)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "redis.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def encrypted(redis_server: RedisServer, tmp_path: Path) -> Iterator[Encrypted]:
    from urllib.parse import urlsplit

    door = Encrypted(tmp_path, int(urlsplit(redis_server.url).port or 0))
    yield door
    door.close()


def settings_for(url: str) -> Settings:
    return Settings(environment="production", secret_key="-", redis_url=url)


def test_a_self_signed_certificate_is_refused_in_one_sentence_that_names_the_setting(
    encrypted: Encrypted,
) -> None:
    settings = settings_for(f"rediss://127.0.0.1:{encrypted.port}")
    with pytest.raises(preflight.NotReady) as caught:
        preflight.check_redis(settings)
    assert caught.value.message == (
        "The certificate of Redis at 127.0.0.1 cannot be checked: to accept it, add ?ssl_cert_reqs=none to REDIS_URL."
    )


def test_a_self_signed_certificate_is_accepted_where_the_url_says_so_with_a_warning(
    encrypted: Encrypted, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(f"rediss://127.0.0.1:{encrypted.port}?ssl_cert_reqs=none")
    logging.configure(settings)
    preflight.check_redis(settings)
    for client in (queue.worker_client(settings), queue.enqueue_client(settings)):
        assert client.ping()
        client.close()
        client.connection_pool.disconnect()
    assert "the certificate of Redis is not checked" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("url", "open_to_any"),
    [
        ("rediss://:p@ec2-1-2-3-4.compute-1.amazonaws.com:7000", True),
        ("rediss://:p@ec2-1-2-3-4.eu-west-1.compute.amazonaws.com:7000", True),
        ("rediss://:p@ec2-1-2-3-4.compute-1.amazonaws.com:7000?ssl_cert_reqs=required", False),
        ("redis://ec2-1-2-3-4.compute-1.amazonaws.com:7000", False),
        ("rediss://redis.example.com:7000", False),
        ("rediss://compute-1.amazonaws.com.evil.example:7000", False),
        ("rediss://redis.example.com:7000?ssl_cert_reqs=none", True),
    ],
)
def test_only_known_hosts_and_explicit_words_leave_a_certificate_unchecked(
    url: str, open_to_any: bool
) -> None:
    assert queue.trusts_any_certificate(url) is open_to_any
    assert ("ssl_cert_reqs=none" in queue.redis_url(settings_for(url))) is open_to_any


def test_no_redis_set_means_the_embedded_one(tmp_path: Path) -> None:
    settings = Settings(environment="test", secret_key="-", data_dir=str(tmp_path))
    assert queue.redis_url(settings).startswith("unix://")
    assert queue.redis_url(settings).endswith("/redis/redis.sock")


def test_a_server_that_hangs_costs_a_hint_a_second(tmp_path: Path) -> None:
    from redis.exceptions import TimeoutError as TooSlow

    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = queue.enqueue_client(settings_for(f"redis://127.0.0.1:{silent.getsockname()[1]}"))
        connection = client.connection_pool.make_connection()
        assert (connection.socket_timeout, connection.retry._retries) == (1, 0)
        with pytest.raises(TooSlow):
            client.ping()
        client.connection_pool.disconnect()


def test_a_server_that_is_away_costs_a_hint_nothing() -> None:
    from redis.exceptions import ConnectionError as NoConnection

    with pytest.raises(NoConnection):
        queue.enqueue_client(settings_for(f"redis://127.0.0.1:{free_port()}")).ping()
