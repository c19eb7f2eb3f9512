"""How often one address may ask for something dear: Flask-Limiter on Redis, in memory while Redis is away."""

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from app.core import queue
from app.core.settings import Settings

limiter = Limiter(
    get_remote_address, headers_enabled=True, in_memory_fallback_enabled=True, strategy="moving-window"
)
_TIMEOUTS = {"socket_timeout": 1, "socket_connect_timeout": 1}


def init_app(app: Flask, settings: Settings) -> None:
    """Choose where the counts are kept; connects at the first count, not now."""
    app.config.setdefault(
        "RATELIMIT_STORAGE_URI", queue.redis_url(settings) if settings.redis_url else "memory://"
    )
    app.config.setdefault("RATELIMIT_STORAGE_OPTIONS", _TIMEOUTS if settings.redis_url else {})
    app.config.setdefault("RATELIMIT_IN_MEMORY_FALLBACK_ENABLED", True)
    limiter.init_app(app)
    # A view with a limit asks for itself; of the others each would be asked about limits for all, which there are not.
    app.before_request_funcs[None].remove(limiter._check_request_limit)
