"""A process that is told to end while its database is away ends all the same: what it held costs a lease, no more."""

from pathlib import Path

import pytest

from app.core.settings import Settings
from app.engine.clock_process import Ticker
from app.engine.worker_process import Worker


@pytest.mark.parametrize("process", [Worker, Ticker])
def test_a_process_without_its_database_ends_with_0(process: type[Worker | Ticker], tmp_path: Path) -> None:
    settings = Settings(
        environment="test", database_url="postgresql://nobody@127.0.0.1:1/none", data_dir=str(tmp_path), secret_key="-",
        redis_url="redis://127.0.0.1:1/0",
    )  # fmt: skip
    told = process(settings, "told:1:away")
    told.seat.is_ending.set()
    assert told.run() == 0
