"""Logs: one line an event, and nothing secret in it."""

import json
import logging as standard

import pytest
import structlog

from app.core import logging
from app.core.settings import Settings

SECRETS = {
    "secret_key": "canary-secret-key",
    "openai_api_key": "sk-canary-openai",
    "smtp_url": "smtp://me:canary-smtp@mail.example:587",
    "database_url": "postgresql://me:canary-db@db.example/greenlight",
    "redis_url": "rediss://:canary-redis@redis.example:7000",
}


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = Settings(environment="production", **SECRETS)
    logging.configure(settings)
    return settings


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]


def test_an_event_is_one_json_line_with_its_facts(
    production: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    structlog.get_logger("app.engine").warning("step failed", run="r1", step="ads", attempt=2)
    (line,) = lines(capfd)
    assert line.pop("timestamp")
    assert line == {
        "event": "step failed",
        "level": "warning",
        "logger": "app.engine",
        "run": "r1",
        "step": "ads",
        "attempt": 2,
    }


def test_the_standard_librarys_loggers_end_there_too(
    production: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    standard.getLogger("library").error("it %s", "broke")
    try:
        raise ValueError("why")
    except ValueError:
        standard.getLogger("library").exception("with a trace")
    first, second = lines(capfd)
    assert first["event"] == "it broke"
    assert "ValueError: why" in str(second["exception"])


def test_a_name_with_a_line_break_stays_on_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    hostile = 'Bob\n{"level": "info"}\x1b[31m\u2028'
    for environment in ("production", "development"):
        logging.configure(Settings(environment=environment, secret_key="-"))
        structlog.get_logger().info("signed in", name=hostile)
        written = capfd.readouterr().err
        assert written.count("\n") == 1
        assert "\x1b" not in written


@pytest.mark.parametrize("environment", ["production", "development"])
def test_secrets_never_reach_a_line(environment: str, capfd: pytest.CaptureFixture[str]) -> None:
    logging.configure(Settings(environment=environment, **SECRETS))
    log = structlog.get_logger()
    log.info(
        "start", password="canary-pw", api_key="canary-key", cookie="canary-cookie", prompt="canary-prompt"
    )
    log.info("sk-canary-openai was refused", url=SECRETS["smtp_url"], other="http://a:canary-web@b.example/x")
    standard.getLogger("x").warning("connect %s", SECRETS["database_url"])
    try:
        raise RuntimeError(f"bad key {SECRETS['secret_key']}")
    except RuntimeError:
        log.exception("failed")
    written = capfd.readouterr().err
    assert "canary" not in written
    assert "mail.example:587" in written  # where it went is no secret
    assert len(written) > 200


def test_the_process_is_named(production: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    logging.name_process("worker")
    try:
        structlog.get_logger().info("hello")
    finally:
        logging.name_process("")
    assert lines(capfd)[0]["process"] == "worker"


def test_quiet_levels(capfd: pytest.CaptureFixture[str]) -> None:
    logging.configure(Settings(environment="production", secret_key="-", log_level="error"))
    structlog.get_logger().warning("unseen")
    structlog.get_logger().error("seen")
    assert [line["event"] for line in lines(capfd)] == ["seen"]
