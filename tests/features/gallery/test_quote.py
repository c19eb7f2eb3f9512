"""What a run will take that nobody has measured yet."""

import pytest

from app.definition.schema import Definition
from app.engine import catalog
from app.features.gallery import quote


def test_what_is_done_for_each_of_several_is_estimated_as_often() -> None:
    def asking(**more: object) -> Definition:
        write = {"id": "write", "type": "generate_copy", "after": ["list"], "config": {"prompt": "{{ item }}"}, **more}
        first = {"id": "list", "type": "generate_image", "config": {"prompt": "A car", "count": 1}}
        return Definition.model_validate({"inputs": [{"key": "cars", "type": "csv"}], "steps": [write, first]})

    answers = {"cars": "vin,stock\n" + "\n".join(f"v{n},{n}" for n in range(10))}
    once_minutes, once = quote.estimate(asking(), answers)
    minutes, cost = quote.estimate(asking(for_each={"items": "{{ inputs.cars | rows }}", "parallel": 5}), answers)

    picture = 40_000
    assert cost - picture == 10 * (once - picture)
    typical = {name: kind.typical_s / 60 for name, kind in catalog.step_types().items()}
    assert once_minutes == typical["generate_image"] + typical["generate_copy"]
    assert minutes == pytest.approx(typical["generate_image"] + 2 * typical["generate_copy"])
