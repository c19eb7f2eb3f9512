import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.definition.problems import CODES, Problem
from app.definition.schema import Definition, DefinitionInvalid, InputType, check, check_filled, dump, parse
from tests.definition.facts import TYPES, step, workflow
from tests.speed import took_s

ADS: dict[str, Any] = {
    "schema": 1,
    "inputs": [
        {
            "key": "offer",
            "label": "What is the offer?",
            "type": "long_text",
            "required": True,
            "max_length": 2000,
        },
        {"key": "approver", "type": "email"},
        {"key": "copies", "type": "integer", "default": 10, "min": 1, "max": 50},
    ],
    "steps": [
        {
            "id": "ads",
            "type": "generate_copy",
            "name": "Write 10 ads",
            "config": {
                "prompt": "Write an ad for {{ inputs.offer }}",
                "count": "{{ inputs.copies }}",
                "max_chars": 125,
            },
        },
        {"id": "pictures", "type": "generate_image", "config": {"prompt": "{{ inputs.offer }}", "count": 5}},
        {
            "id": "attach",
            "type": "attach_images",
            "after": ["ads", "pictures"],
            "config": {"documents": "ads", "images": "pictures"},
        },
        {
            "id": "check",
            "type": "review",
            "after": ["attach"],
            "config": {"documents": "ads", "approvers": ["{{ inputs.approver }}"], "policy": {"at_least": 1}},
        },
        {
            "id": "tell",
            "type": "http_request",
            "after": ["check:approved"],
            "when": {"value": "{{ steps.ads.texts | length }}", "op": "gt", "than": 0},
            "config": {"json": {"to": "{{ run.started_by.email }}", "first": "{{ steps.ads.texts[0] }}"}},
        },
    ],
    "limits": {"cost_usd": "5.00", "minutes": 60},
}


def problems(data: object) -> list[tuple[str, str]]:
    return [(problem.path, problem.code) for problem in check(data, TYPES)]


def only(data: object) -> Problem:
    found = check(data, TYPES)
    assert len(found) == 1, found
    return found[0]


def test_a_limit_is_called_as_its_form_calls_it() -> None:
    found = check(workflow(step("a"), limits={"cost_usd": "-5", "minutes": 0, "at_once": 0}), TYPES)
    assert [problem.message for problem in found] == [
        "“Most at once” must be at least 1.",
        "“Most it may cost” must be at least 0.",
        "“Longest working time” must be at least 1.",
    ]


def test_a_right_definition_has_no_problems() -> None:
    assert check(ADS, TYPES) == []
    definition = parse(ADS, TYPES)
    assert definition.step("attach").after == ["ads", "pictures"]
    assert definition.step("pictures").name == "Pictures"
    assert definition.step("ads").timeout_s == 120
    assert definition.index("check") == 3
    assert definition.has_step("tell")
    assert not definition.has_step("nix")
    assert definition.input("copies").type is InputType.INTEGER
    assert str(definition.limits.cost_usd) == "5.00"
    with pytest.raises(KeyError):
        definition.step("nix")
    with pytest.raises(KeyError):
        definition.input("nix")


def test_dump_is_stable_json_with_every_key() -> None:
    dumped = dump(parse(ADS, TYPES))
    assert dumped["schema"] == 1
    assert dumped["limits"] == {"cost_usd": "5.00", "minutes": 60, "at_once": None}
    assert dumped["steps"][0]["config"] == ADS["steps"][0]["config"]
    again = dump(parse(json.loads(json.dumps(dumped)), TYPES))
    assert json.dumps(again) == json.dumps(dumped)
    assert dump(Definition.model_validate(dumped)) == dumped


def test_twelve_faults_come_back_at_once() -> None:
    data = copy.deepcopy(ADS)
    data["inputs"][1]["type"] = "mail"  # 1
    data["inputs"][2]["key"] = "offer"  # 2; what names `copies` is then 3
    data["steps"][0]["config"]["count"] = 99  # 4
    data["steps"][0]["config"]["prompt"] = "{{ inputs.ofer }}"  # 3
    data["steps"][0]["after"] = ["check:approved"]  # 5: a cycle
    data["steps"][1]["type"] = "generate_picture"  # 6
    data["steps"][2]["after"] = ["ads", "pictures", "nix"]  # 7
    data["steps"][3]["config"]["approvers"] = []  # 8
    data["steps"][3]["timeout_s"] = 9999  # 9
    data["steps"][4]["after"] = ["check"]  # 10
    data["steps"][4]["when"]["op"] = "over"  # 11
    data["limits"]["hours"] = 3  # 12
    assert problems(data) == [
        ("/inputs/1/type", "bad_value"),
        ("/inputs/2/key", "duplicate"),
        ("/steps/0/config/count", "out_of_range"),
        ("/steps/0/config/prompt", "unknown_input"),
        ("/steps/1/type", "unknown_type"),
        ("/steps/2/after/0", "cycle"),
        ("/steps/2/after/2", "unknown_step"),
        ("/steps/3/config/approvers", "required"),
        ("/steps/3/timeout_s", "out_of_range"),
        ("/steps/4/after/0", "outcome_needed"),
        ("/steps/4/when/op", "bad_condition"),
        ("/limits/hours", "unknown_key"),
    ]


def test_every_problem_has_words_and_a_way_out() -> None:
    data = workflow(step("a", "b"), step("b", "a", "zz:q"), step("c", type="revieww"), foo=1)
    for problem in check(data, TYPES):
        assert problem.code in CODES
        assert problem.message.endswith((".", "?"))
        assert problem.fix.endswith((".", "?"))
        assert problem.as_dict() == {
            "path": problem.path,
            "code": problem.code,
            "message": problem.message,
            "fix": problem.fix,
        }


def test_parse_raises_with_the_same_problems() -> None:
    data = workflow(step("a", "b"))
    with pytest.raises(DefinitionInvalid) as raised:
        parse(data, TYPES)
    assert list(raised.value.problems) == check(data, TYPES)
    assert "/steps/0/after/0" in str(raised.value)


@pytest.mark.parametrize(
    ("data", "path", "code"),
    [
        (None, "", "wrong_type"),
        ([], "", "wrong_type"),
        ("steps", "", "wrong_type"),
        ({}, "/steps", "required"),
        ({"steps": []}, "/steps", "required"),
        ({"steps": {}}, "/steps", "wrong_type"),
        (workflow(step("a"), schema=2), "/schema", "bad_value"),
        (workflow(step("a"), color="red"), "/color", "unknown_key"),
        (workflow(step("a", colour="red")), "/steps/0/colour", "unknown_key"),
        (workflow(step("a"), inputs=[{"key": "x", "colour": 1}]), "/inputs/0/colour", "unknown_key"),
        (workflow(step("a"), inputs=[{"label": "x"}]), "/inputs/0/key", "required"),
        (workflow({"id": "a"}), "/steps/0/type", "required"),
        (workflow({"type": "http_request"}), "/steps/0/id", "required"),
        (workflow(step("a b")), "/steps/0/id", "bad_value"),
        (workflow(step("1a")), "/steps/0/id", "bad_value"),
        (workflow(step("a" * 65)), "/steps/0/id", "bad_value"),
        (workflow(step("a"), inputs=[{"key": "a-b"}]), "/inputs/0/key", "bad_value"),
        (workflow({**step("a"), "after": "b"}), "/steps/0/after", "wrong_type"),
        (workflow({**step("a"), "after": [3]}), "/steps/0/after/0", "wrong_type"),
        (workflow({**step("a"), "config": []}), "/steps/0/config", "wrong_type"),
        (workflow(step("a", join="some")), "/steps/0/join", "bad_value"),
        (workflow(step("a", on_failure="retry")), "/steps/0/on_failure", "bad_value"),
        (workflow(step("a", timeout_s=0)), "/steps/0/timeout_s", "out_of_range"),
        (workflow(step("a", timeout_s=3601)), "/steps/0/timeout_s", "out_of_range"),
        (workflow(step("a", timeout_s="60")), "/steps/0/timeout_s", "wrong_type"),
        (workflow(step("a", retry={"attempts": 0})), "/steps/0/retry/attempts", "out_of_range"),
        (
            workflow(step("a", retry={"attempts": 3, "backoff": "often"})),
            "/steps/0/retry/backoff",
            "bad_value",
        ),
        (workflow(step("a", retry={"attempts": 3, "delay": 1})), "/steps/0/retry/delay", "unknown_key"),
        (workflow(step("a", retry={})), "/steps/0/retry/attempts", "required"),
        (workflow(step("a", for_each={"parallel": 3})), "/steps/0/for_each/items", "required"),
        (workflow(step("a", for_each={"items": list(range(201))})), "/steps/0/for_each/items", "too_large"),
        (workflow(step("a", for_each={"items": "ads"})), "/steps/0/for_each/items", "wrong_type"),
        (
            workflow(step("a", for_each={"items": [1], "parallel": 0})),
            "/steps/0/for_each/parallel",
            "out_of_range",
        ),
        (workflow(step("a"), limits={"cost_usd": "five"}), "/limits/cost_usd", "wrong_type"),
        (workflow(step("a"), limits={"cost_usd": "-1"}), "/limits/cost_usd", "out_of_range"),
        (workflow(step("a"), limits={"minutes": 0}), "/limits/minutes", "out_of_range"),
        (workflow(step("a"), inputs=[{"key": "x", "type": "choice"}]), "/inputs/0/choices", "required"),
        (workflow(step("a"), inputs=[{"key": "x", "choices": ["a"]}]), "/inputs/0/choices", "bad_value"),
        (
            workflow(step("a"), inputs=[{"key": "x", "type": "choice", "choices": ["a", "a"]}]),
            "/inputs/0/choices",
            "duplicate",
        ),
        (
            workflow(step("a"), inputs=[{"key": "x", "type": "number", "min": "few"}]),
            "/inputs/0/min",
            "wrong_type",
        ),
        (workflow(step("a"), inputs=[{"key": "x", "type": "date", "max": 3}]), "/inputs/0/max", "wrong_type"),
        (
            workflow(step("a"), inputs=[{"key": "x", "type": "number", "min": 3, "max": 2}]),
            "/inputs/0/min",
            "out_of_range",
        ),
        (
            workflow(step("a"), inputs=[{"key": "x", "type": "money", "default": "289,90"}]),
            "/inputs/0/default",
            "wrong_type",
        ),
        (workflow(step("a"), inputs=[{"key": "x"}, {"key": "x"}]), "/inputs/1/key", "duplicate"),
        (workflow(step("a"), step("a")), "/steps/1/id", "duplicate"),
        (workflow(step("a", config={"when": float("nan")})), "/steps/0/config/when", "out_of_range"),
        (workflow(step("a", config={"n": 2**53 + 1})), "/steps/0/config/n", "out_of_range"),
        (workflow(step("a", config={"t": "a\x00b"})), "/steps/0/config/t", "bad_value"),
        (workflow(step("a", config={"t": "a\ud800b"})), "/steps/0/config/t", "bad_value"),
        (workflow(step("a", config={"t": {1, 2}})), "/steps/0/config/t", "wrong_type"),
    ],
)
def test_a_fault_of_the_schema_has_its_code_and_place(data: object, path: str, code: str) -> None:
    assert problems(data) == [(path, code)]


@pytest.mark.parametrize(
    ("type_", "config", "path", "code"),
    [
        ("generate_copy", {}, "/prompt", "required"),
        ("generate_copy", {"prompt": ""}, "/prompt", "required"),
        ("generate_copy", {"prompt": 3}, "/prompt", "wrong_type"),
        ("generate_copy", {"prompt": "x", "count": 51}, "/count", "out_of_range"),
        ("generate_copy", {"prompt": "x", "count": "many"}, "/count", "wrong_type"),
        ("generate_copy", {"prompt": "x", "count": "many {{ inputs.offer }}"}, None, None),
        ("generate_copy", {"prompt": "x", "creativity": "wild"}, "/creativity", "bad_value"),
        ("generate_copy", {"prompt": "x", "creativity": "{{ inputs.offer }}"}, None, None),
        ("generate_copy", {"count": "{{ inputs.offer }}"}, "/prompt", "required"),
        ("generate_copy", {"prompt": "x", "creativty": "{{ inputs.offer }}"}, "/creativty", "unknown_key"),
        ("generate_copy", {"prompt": "x" * 20_001}, "/prompt", "too_large"),
        ("review", {"approvers": "{{ inputs.offer }}"}, None, None),
        ("review", {"approvers": ["{{ inputs.offer }}"] * 21}, "/approvers", "too_large"),
        ("review", {"approvers": ["a"], "policy": "most"}, "/policy", "bad_value"),
        ("review", {"approvers": ["a"], "policy": {"at_least": 0}}, "/policy/at_least", "out_of_range"),
        ("review", {"approvers": ["a"], "policy": {"at_least": "{{ inputs.offer }}"}}, None, None),
        ("condition", {"if": {"all": []}}, "/if/all", "bad_condition"),
        (
            "condition",
            {"if": {"any": [{"value": "{{ inputs.offer }}", "op": "eqq", "than": 1}]}},
            "/if/any/0/op",
            "bad_condition",
        ),
        ("condition", {}, "/if", "required"),
    ],
)
def test_a_config_is_checked_by_its_type(
    type_: str, config: dict[str, Any], path: str | None, code: str | None
) -> None:
    found = problems(workflow(step("a", type=type_, config=config)))
    assert found == ([] if path is None else [(f"/steps/0/config{path}", code)])


def test_a_field_is_called_by_its_title() -> None:
    problem = only(workflow(step("a", type="generate_copy", config={"prompt": "x", "count": 0})))
    assert problem.message == "“How many” must be at least 1."
    assert problem.fix == "Write at least 1."


@pytest.mark.parametrize(
    ("type_", "config", "message"),
    [
        ("generate_copy", {"count": "ann@x.example"}, "“How many” is “ann@x.example”, which is not a whole number."),
        ("generate_copy", {"count": None}, "“How many” is empty."),
        ("generate_copy", {"count": ["7"]}, "“How many” is a list, which is not a whole number."),
        ("generate_copy", {"count": 51}, "“How many” must be at most 50; it is 51."),
        ("generate_copy", {"creativity": "wild"}, "“Creativity” cannot be “wild”."),
        ("review", {"approvers": "ann@x.example"}, "“Approvers” is “ann@x.example”, which is not a list."),
        ("transform", {"set": 3}, "“Set” is 3, which is not a record."),
    ],
)
def test_a_filled_config_says_what_its_values_came_to(type_: str, config: dict[str, Any], message: str) -> None:
    found = check_filled(TYPES[type_].config, {"prompt": "x"} | config if type_ == "generate_copy" else config)
    assert [problem.message for problem in found] == [message]


def test_a_misspelt_key_gets_a_suggestion() -> None:
    assert only(workflow(step("a", tiemout_s=3))).fix == "Did you mean “timeout_s”?"
    assert only(workflow(step("a", type="http_requests"))).fix == "Did you mean “http_request”?"


def test_the_limits_are_kept() -> None:
    assert problems(workflow(*(step(f"s{n}") for n in range(200)))) == []
    assert problems(workflow(*(step(f"s{n}") for n in range(201)))) == [("/steps", "too_large")]
    assert problems(workflow(step("a"), inputs=[{"key": f"k{n}"} for n in range(100)])) == []
    assert problems(workflow(step("a"), inputs=[{"key": f"k{n}"} for n in range(101)])) == [
        ("/inputs", "too_large")
    ]
    assert problems(workflow(step("a", config={"t": "x" * (256 * 1024)}))) == [("", "too_large")]
    assert problems(workflow(step("a", config={"t": "x" * (250 * 1024)}))) == []


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_is_limited_without_recursion() -> None:
    assert problems(workflow(step("a", config={"x": nested(16)}))) == []  # 4 levels stand around it
    assert problems(workflow(step("a", config={"x": nested(17)}))) == [("", "too_large")]
    assert problems(workflow(step("a", config={"x": nested(200_000)}))) == [("", "too_large")]


def test_a_definition_of_200_steps_is_checked_quickly() -> None:
    inputs = [{"key": f"k{n}"} for n in range(100)]
    steps = [
        step(
            f"s{n}",
            *(f"s{before}" for before in range(max(0, n - 3), n)),
            type="generate_copy",
            config={
                "prompt": f"Number {n}: {{{{ inputs.k{n % 100} }}}}"
                + (f" {{{{ steps.s{n - 1}.texts }}}}" if n else "")
            },
        )
        for n in range(200)
    ]
    data = workflow(*steps, inputs=inputs)
    assert check(data, TYPES) == []
    assert took_s(lambda: check(data, TYPES), tries=5) < 0.020


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["{{ inputs.x }}", "a:b", "{{"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "schema inputs steps limits key id type after config when all any not value op than if set".split()
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(_json)
def test_whatever_is_sent_comes_back_as_problems(data: object) -> None:
    found = check(data, TYPES)
    assert all(problem.code in CODES for problem in found)
    if not found:
        parse(data, TYPES)


@given(st.lists(_json, max_size=3), st.lists(_json, max_size=3))
def test_odd_steps_and_inputs_come_back_as_problems(steps: list[object], inputs: list[object]) -> None:
    data = {
        "steps": [{"id": "a", "type": "condition", "config": {"if": odd}, "when": odd} for odd in steps],
        "inputs": inputs,
    }
    assert all(problem.code in CODES for problem in check(data, TYPES))
