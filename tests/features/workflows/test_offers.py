"""What is offered to be put into a step: the rows of a table and their columns, and what never fits is left out."""

from app.definition.graph import outline
from app.definition.kinds import Kinds
from app.definition.schema import parse
from app.features.workflows import offers
from tests.definition.facts import TYPES, step, workflow

TABLE = {"key": "owners", "type": "csv", "label": "Whom?", "columns": ["name", "e-mail", "phone"]}


def test_a_table_is_offered_by_its_rows_and_a_row_by_its_columns() -> None:
    data = workflow(step("ads", type="generate_copy", config={"prompt": "x"}), inputs=[TABLE])
    found = offers.offers(data, parse(data, TYPES), "ads", TYPES, items="{{ inputs.owners | rows }}")
    assert [(each.text, each.label, each.is_list) for each in found if each.kind == "answer"] == [
        ("{{ item }}", "the item", False),
        ("{{ item.name }}", "the item: name", False),
        ("{{ item.phone }}", "the item: phone", False),
        ("{{ inputs.owners }}", "Whom?", False),
        ("{{ inputs.owners | rows }}", "rows of: Whom?", True),
    ]
    unfit = offers.unfit((each.text for each in found), Kinds(data, outline(data), TYPES))
    assert "{{ inputs.owners | rows }}" in unfit["number"] - unfit["list"]
    assert {"{{ inputs.owners }}", "{{ run.number }}", "{{ run.label }}"} <= unfit["list"]


def test_a_vehicle_is_offered_whole_and_by_its_parts() -> None:
    car = {"key": "car", "type": "vehicle", "label": "Which car?"}
    data = workflow(step("ads", type="generate_copy", config={"prompt": "x"}), inputs=[car])
    found = [each for each in offers.offers(data, parse(data, TYPES), "ads", TYPES) if each.kind == "answer"]
    assert [(each.text, each.label) for each in found[:4]] == [
        ("{{ inputs.car }}", "Which car?"),
        ("{{ inputs.car.vin }}", "Which car: VIN"),
        ("{{ inputs.car.stock }}", "Which car: stock number"),
        ("{{ inputs.car.year }}", "Which car: year"),
    ]
    assert found[-1].in_text == "{{ inputs.car.price | money }}"
    unfit = offers.unfit((each.text for each in found), Kinds(data, outline(data), TYPES))
    assert unfit["number"] == {"{{ inputs.car }}", "{{ inputs.car.vin }}"}
