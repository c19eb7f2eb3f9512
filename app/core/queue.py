"""Redis clients. Every one sets its timeouts and retries itself: redis-py's defaults differ by how a client is made.

The queue is only a hint, so putting something on it may fail, and fails within a second; a worker's connection waits
for work and is made again by the worker when it breaks.
"""

import functools
from urllib.parse import parse_qs, urlsplit

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool
from redis.retry import Retry

from app.core import redis_server
from app.core.settings import Settings

QUEUE = "greenlight"  # one queue: a worker on two pops without a trace, and a crash then loses the job
ENQUEUE_S = 1.0
WORKER_S = 5.0

# Hosted Redis with certificates that only the host itself has signed (Heroku Key-Value Store).
SELF_SIGNED_HOSTS = (".compute.amazonaws.com", ".compute-1.amazonaws.com")

_log = structlog.get_logger(__name__)


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
