"""The rehearsal of a worker: it goes the whole way of a plain step and leaves nothing behind."""

import pytest
import sqlalchemy as sa

from app.engine import catalog, rehearsal, store
from app.steps import transform
from tests.engine.rig import House
from tests.statements import sent


def test_a_rehearsal_goes_all_the_way_and_writes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog._types, "transform", transform.STEP)

    with sent(house.engine) as said:
        rehearsal.rehearse(house.seat())

    assert len(said) == 4  # the definition, take, a result, the last result
    with house.engine.connect() as connection:
        for table in (store.run, store.step_run):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0
