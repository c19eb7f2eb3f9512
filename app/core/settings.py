"""Settings: one typed class, read from the environment here and nowhere else. ``docs/settings.md`` is made from it."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.core.errors import GreenlightError

MOST_MICROUSD = 10**15  # a billion dollars
ROOT = Path(__file__).resolve().parents[2]


class SettingsInvalid(GreenlightError):
    """A setting is missing or cannot be read: the start stops with this one sentence."""

    code = "settings"


def _setting(default: Any, help_text: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"help": help_text, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the environment decides. Names are the environment's in lower case."""

    environment: str = _setting(
        "production", "`development` (what `bin/dev` sets), `test` or `production`."
    )
    port: int = _setting(5000, "The port that the web server listens on.")
    host: str = _setting(
        "", "The address to listen on; empty: 127.0.0.1 in development, 0.0.0.0 in production."
    )
    serve: str = _setting("all", "`all`: web, worker and clock in one dyno; `web`: the web server alone.")
    database_url: str = _setting(
        "", "SQLAlchemy URL; `postgres://` is accepted. Empty: SQLite in the data folder.", secret=True
    )
    redis_url: str = _setting(
        "",
        "Redis for the queue; `rediss://` with a self-signed certificate works. Empty: an embedded server.",
        secret=True,
    )
    data_dir: str = _setting(
        "", "Folder for SQLite and the embedded Redis. Empty: `instance/` beside the program."
    )
    secret_key: str = _setting(
        "", "Signs and encrypts. Required in production: the start stops without it.", secret=True
    )
    secret_key_fallbacks: str = _setting(
        "", "Older keys, comma-separated, still accepted while you rotate.", secret=True
    )
    allow_ephemeral: bool = _setting(False, "Accept SQLite on a disk that is lost at the next restart.")
    base_url: str = _setting(
        "", "Address used in e-mails, such as `https://ads.example.com`; never taken from a request."
    )
    openai_api_key: str = _setting(
        "", "Key of OpenAI or a compatible service. Empty: the sample writer answers.", secret=True
    )
    openai_base_url: str = _setting("", "Address of an OpenAI-compatible service.")
    anthropic_api_key: str = _setting("", "Key of Anthropic. Reserved: nothing reads it yet.", secret=True)
    ai_text_model: str = _setting("gpt-5-mini", "Model that writes texts.")
    ai_image_model: str = _setting("gpt-image-2.5-flare", "Model that makes pictures.")
    ai_daily_budget_usd: str = _setting(
        "", "Most that AI may cost a workspace in one of its days, such as `20`. A workspace may set less for itself."
    )
    smtp_url: str = _setting(
        "",
        "`smtp://user:password@host:587` (`smtps://` for TLS from the start). Empty: mail is kept under "
        "Settings, Outbox.",
        secret=True,
    )
    mail_from: str = _setting("Greenlight <greenlight@localhost>", "Sender of all mail.")
    web_processes: int = _setting(
        0,
        "Processes that answer pages: each keeps one core busy and takes some 30 MB. "
        "0: two where the machine has two cores or more and is no dyno, else one.",
    )
    web_threads: int = _setting(24, "Threads of each of them.")
    worker_threads: int = _setting(10, "Threads of a worker that plan and do steps without outward calls.")
    call_threads: int = _setting(64, "Threads of a worker that do steps which spend or send.")
    steps_at_once: int = _setting(
        0, "Most steps that spend or send which may be under way at once, in the whole house. 0: no limit."
    )
    ai_steps_at_once: int = _setting(
        0, "Most steps that ask the AI service which may be under way at once, in the whole house. 0: no limit."
    )
    trusted_proxies: int = _setting(0, "How many proxies stand in front and set X-Forwarded-For.")
    log_level: str = _setting("info", "`debug`, `info`, `warning` or `error`.")
    dyno: str = _setting(
        "", "The dyno’s name, set by a Heroku-style host, whose disk is lost at every restart."
    )
    crash_at: str = _setting(
        "", "Only with `GREENLIGHT_ENV=test`: a point of the engine at which this process kills itself."
    )
    lease_s: float = _setting(60.0, "How long a lease lives without its heartbeat, in seconds.")

    @property
    def is_production(self) -> bool:
        """Whether real people's data is at stake: no demo users, no made-up secret."""
        return self.environment == "production"

    @property
    def data_path(self) -> Path:
        """The folder for SQLite, the embedded Redis and the development secret."""
        return Path(self.data_dir) if self.data_dir else ROOT / "instance"

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL in the form that SQLAlchemy's chosen drivers want."""
        url = self.database_url
        if not url:
            return f"sqlite:///{self.data_path / 'greenlight.db'}"
        for prefix in ("postgres://", "postgresql://"):
            if url.startswith(prefix):
                return "postgresql+psycopg://" + url.removeprefix(prefix)
        return url

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is in use."""
        return self.sqlalchemy_url.startswith("sqlite")

    @property
    def servers(self) -> int:
        """How many processes answer pages here."""
        return self.web_processes or (1 if self.dyno else min(2, _cores()))

    @property
    def has_ai(self) -> bool:
        """Whether a provider is set up; if not, the sample writer answers."""
        return bool(self.openai_api_key or self.openai_base_url)

    @property
    def ai_daily_budget_microusd(self) -> int | None:
        """What AI may cost a workspace a day, in micro-dollars; None: no limit."""
        return _microusd("AI_DAILY_BUDGET_USD", self.ai_daily_budget_usd)

    @property
    def public_url(self) -> str:
        """The address for links in mail, without a slash at its end."""
        return (self.base_url or f"http://localhost:{self.port}").rstrip("/")

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The key in force, then those still accepted."""
        older = (part.strip() for part in self.secret_key_fallbacks.split(","))
        return (self.secret_key, *(part for part in older if part))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> "Settings":
        """Read the environment; raise :class:`SettingsInvalid` with one sentence for the first fault found."""
        source = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for spec in fields(cls):
            raw = source.get(variable(spec.name))
            if raw is not None and raw.strip():
                values[spec.name] = _read(spec.name, spec.default, raw.strip())
        settings = cls(**{**values, **overrides})
        return settings._checked()

    def _checked(self) -> "Settings":
        if self.environment not in ("development", "test", "production"):
            raise SettingsInvalid(
                f"GREENLIGHT_ENV is {self.environment!r}: use development, test or production."
            )
        if self.serve not in ("all", "web"):
            raise SettingsInvalid(f"SERVE is {self.serve!r}: use all or web.")
        if self.web_processes < 0:
            raise SettingsInvalid(f"WEB_PROCESSES is {self.web_processes}: it must be 1 or more, or 0.")
        _microusd("AI_DAILY_BUDGET_USD", self.ai_daily_budget_usd)
        if self.secret_key:
            return self
        if self.is_production:
            raise SettingsInvalid(
                "SECRET_KEY is not set. Set it to a long random text, for example the output of: openssl rand -hex 32"
            )
        return self._replace(secret_key=_development_secret(self.data_path))

    def _replace(self, **changes: Any) -> "Settings":
        return type(self)(
            **{spec.name: changes.get(spec.name, getattr(self, spec.name)) for spec in fields(self)}
        )

    def replace(self, **changes: Any) -> "Settings":
        """Return a copy with some settings changed, checked again."""
        return self._replace(**changes)._checked()


_NAMES = {"environment": "GREENLIGHT_ENV", "crash_at": "GREENLIGHT_CRASH_AT"}


def variable(name: str) -> str:
    """Return the environment variable that sets the field *name*."""
    return _NAMES.get(name, name.upper())


def _read(name: str, default: Any, raw: str) -> Any:
    if isinstance(default, bool):
        return raw.lower() in ("1", "true", "yes", "on")
    if isinstance(default, int | float):
        try:
            return type(default)(raw)
        except ValueError:
            raise SettingsInvalid(f"{name.upper()} is {raw!r}: it must be a number.") from None
    return raw


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _microusd(name: str, raw: str) -> int | None:
    if not raw:
        return None
    try:
        microusd = int(Decimal(raw.removeprefix("$")) * 1_000_000)
    except (ArithmeticError, ValueError):
        microusd = -1
    if not 0 <= microusd <= MOST_MICROUSD:
        raise SettingsInvalid(f"{name} is {raw!r}: it must be dollars, such as 20 or 7.50.")
    return microusd


def _development_secret(folder: Path) -> str:
    """Keep one made-up secret a machine, so that sign-ins outlive a restart of ``bin/dev``."""
    path = folder / "secret_key"
    try:
        if path.exists():
            return path.read_text().strip()
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
        return path.read_text().strip()
    except OSError as error:
        raise SettingsInvalid(
            f"The folder {folder} cannot be written ({error.strerror}). Set DATA_DIR to one that can."
        ) from None
