"""Redis clients. Every one sets its timeouts and retries itself: redis-py's defaults differ by how a client is made.

The queue is only a hint, so putting something on it may fail, and fails within a second; a worker's connection waits
for work and is made again by the worker when it breaks.
"""

import functools
import time
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry

from app.core import redis_server
from app.core.settings import Settings

QUEUE = "greenlight"  # one queue: a worker on two pops without a trace, and a crash then loses the job
ENQUEUE_S = 1.0
WORKER_S = 5.0
TROUBLE_S = 60.0  # so long after a lost hint pages say that runs start late, unless one got through since

# Hosted Redis with certificates that only the host itself has signed (Heroku Key-Value Store).
SELF_SIGNED_HOSTS = (".compute.amazonaws.com", ".compute-1.amazonaws.com")

_log = structlog.get_logger(__name__)


_lost: tuple[float, bool] | None = None  # when this process last lost a hint, and whether for want of space


def note(error: Exception | None) -> None:
    """Note how the last attempt to put hints on the queue ended: None for well."""
    global _lost
    _lost = None if error is None else (time.monotonic(), isinstance(error, OutOfMemoryError))


def trouble() -> Literal["", "away", "full"]:
    """Return why hints of this process get lost at the moment; nothing when they get through, as far as it knows."""
    lost = _lost
    if lost is None or time.monotonic() - lost[0] > TROUBLE_S:
        return ""
    return "full" if lost[1] else "away"


def redis_url(settings: Settings) -> str:
    """Return the address of the Redis of *settings*: the one set, else the embedded server's."""
    if not settings.redis_url:
        return redis_server.url(settings)
    if trusts_any_certificate(settings.redis_url) and "ssl_cert_reqs" not in settings.redis_url:
        joint = "&" if urlsplit(settings.redis_url).query else "?"
        return f"{settings.redis_url}{joint}ssl_cert_reqs=none"
    return settings.redis_url


def trusts_any_certificate(url: str) -> bool:
    """Tell whether the certificate behind *url* is not checked: asked for in it, or a host known to sign its own."""
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return False
    asked = parse_qs(parts.query).get("ssl_cert_reqs")
    if asked is not None:
        return asked[-1].lower() == "none"
    return (parts.hostname or "").endswith(SELF_SIGNED_HOSTS)


def warn_of_open_certificate(settings: Settings) -> None:
    """Log one warning when the connection to Redis is encrypted but not checked."""
    if trusts_any_certificate(settings.redis_url):
        _log.warning("the certificate of Redis is not checked", host=urlsplit(settings.redis_url).hostname)


def enqueue_client(settings: Settings) -> Redis:
    """Return this process's client for putting hints on the queue: 2 connections, 1 s, no retry."""
    return _enqueue_client(redis_url(settings))


def worker_client(settings: Settings, *, connections: int = 2, timeout_s: float = WORKER_S) -> Redis:
    """Return a new client for a worker or the clock: at most *connections*, each read within *timeout_s*, no retry.

    A worker that waits for work in one command must set *timeout_s* above that wait.
    """
    return _client(redis_url(settings), connections, timeout_s)


@functools.cache
def _enqueue_client(url: str) -> Redis:
    return _client(url, 2, ENQUEUE_S)


def _client(url: str, connections: int, timeout_s: float) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout_s,  # waiting for one of the connections
        socket_timeout=timeout_s,
        socket_connect_timeout=min(timeout_s, ENQUEUE_S),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=30,
    )
    return Redis(connection_pool=pool)
