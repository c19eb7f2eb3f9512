"""How often one address may ask for something dear: Flask-Limiter on Redis, in memory while Redis is away."""

from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from app.core.settings import Settings

limiter = Limiter(
    get_remote_address, headers_enabled=True, in_memory_fallback_enabled=True, strategy="moving-window"
)


def init_app(app: Flask, settings: Settings) -> None:
    """Choose where the counts are kept; connects at the first count, not now."""
    app.config.setdefault("RATELIMIT_STORAGE_URI", settings.redis_url or "memory://")
    app.config.setdefault("RATELIMIT_STORAGE_OPTIONS", _options(settings.redis_url))
    app.config.setdefault("RATELIMIT_IN_MEMORY_FALLBACK_ENABLED", True)
    limiter.init_app(app)


def _options(url: str) -> dict[str, Any]:
    if url.startswith("rediss://"):
        return {"ssl_cert_reqs": None, "socket_timeout": 2, "socket_connect_timeout": 2}
    return {"socket_timeout": 2, "socket_connect_timeout": 2} if url else {}
