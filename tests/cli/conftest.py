"""A running house and the command line, called as the program calls it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import program
from tests.processes.house import House


@dataclass(frozen=True)
class Said:
    """What a command ended with and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON on stdout, which must be all that is there."""
        return json.loads(self.out)


Greenlight = Callable[..., Said]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """``bin/dev`` on SQLite with its embedded Redis, demo people and the finished sample runs."""
    running = House(tmp_path_factory.mktemp("house"), "dev")
    try:
        running.wait_for("sample runs are there")
        yield running
    finally:
        running.end()


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Greenlight:
    """Call ``greenlight`` in this process with the settings given by name; the test's own come from ``monkeypatch``."""

    def _call(*arguments: str, **settings: str) -> Said:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        code = program.main(arguments)
        captured = capfd.readouterr()
        return Said(code, captured.out, captured.err)

    return _call


@pytest.fixture
def greenlight(house: House, call: Greenlight, monkeypatch: pytest.MonkeyPatch) -> Greenlight:
    """Call ``greenlight`` beside the running house, as in another terminal: it finds out that this is development."""
    monkeypatch.delenv("GREENLIGHT_ENV", raising=False)
    monkeypatch.setenv("DATA_DIR", str(house.folder))
    monkeypatch.setenv("PORT", str(house.port))
    return call


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    """A file with a small workflow: a question, a review, a text."""
    path = tmp_path / "small-check.yaml"
    path.write_text(
        """
schema: 1
inputs:
  - {key: words, label: "Which words?", type: text, required: true, max_length: 40}
  - {key: day, label: "Which day?", type: date}
steps:
  - {id: set, type: transform, config: {set: {said: "{{ inputs.words | upper }}"}}}
  - id: check
    type: review
    after: [set]
    config: {text: "Say {{ steps.set.said }}?", approvers: ["owner@demo.example"]}
  - {id: end, type: transform, after: ["check:approved"], config: {set: {done: true}}}
"""
    )
    return path
