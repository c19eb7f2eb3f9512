"""Logs: one line an event, on stderr. JSON in production, short words in development; never a secret.

Both ``structlog.get_logger()`` and the standard library's loggers end here. Control characters of what people typed are
escaped, so one event is one line whatever it carries.
"""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from dataclasses import fields
from typing import IO, Any

import structlog

from app.core.settings import Settings

SECRET_WORDS = frozenset(
    "authorization cookie password secret token key csrf dsn credentials content body prompt api_key".split()
)
HIDDEN = "…"
QUIET = (
    "alembic",
    "httpx",
    "httpx2",
    "httpcore",
    "openai",
    "urllib3",
    "PIL",
    "sqlalchemy.engine.Engine",
    "rq.worker",
    "rq_scheduler",
)

_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]+)@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_role = ""
_secrets: tuple[str, ...] = ()

Event = MutableMapping[str, Any]


def configure(settings: Settings) -> None:
    """Send every log of this process to stderr in the form of *settings*; may be called again with other settings."""
    global _secrets
    _secrets = tuple(sorted(_secret_values(settings), key=len, reverse=True))
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _add_role,
        hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    last: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if settings.is_production else _short_line
    )
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [kept for kept in root.handlers if not isinstance(kept, _Stderr)] + [handler]
    root.setLevel(settings.log_level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def name_process(role: str) -> None:
    """Add *role* (``web``, ``worker``, ``clock``) to every line of this process from now on."""
    global _role
    _role = role


def hide_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Blank what a key names as secret, and every secret setting wherever it stands."""
    for key, value in event.items():
        if SECRET_WORDS.intersection(key.lower().split("_")):
            event[key] = HIDDEN
        elif isinstance(value, str):
            event[key] = _without_secrets(value)
    return event


class _Stderr(logging.StreamHandler[Any]):
    """Writes to what ``sys.stderr`` is now, not to what it was when logging was set up."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> IO[str]:
        return sys.stderr

    @stream.setter
    def stream(self, _value: Any) -> None:
        """Never kept."""


def _secret_values(settings: Settings) -> Iterable[str]:
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        if spec.metadata.get("secret") and isinstance(value, str) and len(value) >= 8:
            if "://" in value:  # of an address only the password is secret
                yield from (password for _, password in _URL_PASSWORD.findall(value) if len(password) >= 4)
            else:
                yield value


def _without_secrets(text: str) -> str:
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text) if "://" in text else text


def _add_role(_logger: Any, _method: str, event: Event) -> Event:
    if _role:
        event.setdefault("process", _role)
    return event


def _short_line(_logger: Any, _method: str, event: Event) -> str:
    """Write ``12:01:07 worker  step failed  run=… step=…``; an exception follows on lines of its own."""
    time = str(event.pop("timestamp", ""))[11:19]
    level = str(event.pop("level", "info"))
    trace = event.pop("exception", "")
    event.pop("logger", None)
    role = str(event.pop("process", "") or "-")
    said = _one_line(event.pop("event", ""))
    facts = " ".join(f"{key}={_one_line(value)}" for key, value in event.items() if not key.startswith("_"))
    mark = "" if level in ("info", "debug") else f"{level}: "
    line = f"{time} {role:<10} {mark}{said}" + (f"  {facts}" if facts else "")
    return f"{line}\n{trace}" if trace else line


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
