"""Every step type of ours passes the contract test; a slip in one is found by it."""

from dataclasses import replace
from typing import Any

import pytest

from app import steps
from app.definition.schema import check_config
from app.engine import catalog
from app.engine.contract import Context, Done, Effect, StepType, Wait
from app.steps import generate_copy, transform
from app.steps.testing import Bench, check
from app.steps.words import Settings

LEAST: dict[str, dict[str, Any]] = {
    "generate_copy": {"prompt": "Write an ad"},
    "generate_image": {"prompt": "A car"},
    "attach_images": {"documents": "ads", "images": "pictures"},
    "review": {"text": "Is this right?", "approvers": ["maria@example.com"]},
    "condition": {"if": {"value": "{{ inputs.price }}", "op": "gt", "than": 30000}},
    "parallel": {},
    "merge": {},
    "notify": {"to": ["maria@example.com"], "subject": "Ready"},
    "delay": {"seconds": 60},
    "transform": {"set": {"price": "{{ inputs.price }}"}},
    "run_workflow": {"workflow": "Texts"},
}
OUTPUTS = {"transform": frozenset({"price"})}


def bench() -> Bench:
    made = Bench(inputs={"price": 31000})
    document = made.documents.create(
        title="One", body="Text", fields={}, status="draft", position=1, model=""
    )
    made.outputs.update(ads={"documents": [document]}, pictures={"images": ["image-1"]})
    return made


def ours() -> dict[str, StepType]:
    catalog.discover(steps)
    return catalog.step_types()


def test_the_types_are_those_of_this_list() -> None:
    assert set(ours()) == set(LEAST)


@pytest.mark.parametrize("name", LEAST)
def test_it_keeps_the_contract(name: str) -> None:
    check(ours()[name], config=LEAST[name], bench=bench)


@pytest.mark.parametrize("name", LEAST)
def test_its_least_config_is_right_and_an_unknown_key_is_not(name: str) -> None:
    ours()
    facts = catalog.facts()[name]
    assert check_config(facts, LEAST[name]) == []
    [problem] = check_config(facts, {**LEAST[name], "colour": "red"})
    assert (problem.path, problem.code) == ("/colour", "unknown_key")


@pytest.mark.parametrize(
    ("name", "config", "path"),
    [
        ("generate_copy", {"prompt": "x", "count": 51}, "/count"),
        ("generate_copy", {"prompt": "x", "count": 0}, "/count"),
        ("generate_copy", {"prompt": "x", "creativity": "wild"}, "/creativity"),
        ("generate_copy", {"count": 3}, "/prompt"),
        ("generate_image", {"prompt": "x", "count": 21}, "/count"),
        ("attach_images", {"documents": "ads", "images": "p", "strategy": "all"}, "/strategy"),
        ("review", {"approvers": []}, "/approvers"),
        ("review", {"approvers": ["a@b.example"], "on_expiry": "shout"}, "/on_expiry"),
        ("condition", {"if": {"value": "{{ inputs.x }}", "op": "bigger", "than": 1}}, "/if/op"),
        ("notify", {"to": ["a@b.example"]}, "/subject"),
        ("delay", {"seconds": -1}, "/seconds"),
        ("delay", {"seconds": 5, "until": "2026-11-30"}, ""),
        ("delay", {}, ""),
        ("delay", {"until": "next week"}, ""),
        ("transform", {"set": {"not a name": 1}}, "/set/not a name"),
        ("transform", {"set": {}}, "/set"),
    ],
)
def test_what_is_wrong_is_found_when_saving(name: str, config: dict[str, Any], path: str) -> None:
    ours()
    [problem] = check_config(catalog.facts()[name], config)
    assert problem.path == path
    assert problem.message
    assert problem.fix


@pytest.mark.parametrize("name", LEAST)
def test_any_setting_may_be_a_value(name: str) -> None:
    ours()
    schema = ours()[name].config.model_json_schema()
    fixed = {"documents", "images", "image_ids", "if", "set", "seconds" if name == "delay" else ""}
    config = (
        {key: "{{ inputs.x }}" for key in schema["properties"] if key not in fixed}
        if "properties" in schema
        else {}
    )
    assert check_config(catalog.facts()[name], {**LEAST[name], **config} if name != "delay" else config) == []


def _broken(**changes: Any) -> StepType:
    return replace(generate_copy.STEP, **changes)


class _Loose(Settings):
    model_config = {"extra": "allow"}


class _Untold(Settings):
    colour: str = "red"


def _calls_twice(config: Any, ctx: Context) -> Done:
    ctx.documents.create(title="", body=str(len(ctx.ledger)), fields={}, status="draft", position=1, model="")  # type: ignore[attr-defined]
    ctx.image(f"picture-{ctx.step.attempt}", None)  # type: ignore[arg-type]
    return Done({"documents": [], "texts": [], "titles": []})


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (_broken(effect=Effect.NONE), "made the call copy"),
        (_broken(summary=lambda config: ""), "no summary"),
        (_broken(summary=lambda config: f"Write {config.get('prompt')}"), "value's source"),
        (_broken(output_fields=frozenset({"texts"})), "declares"),
        (_broken(outcomes=("written",)), "left by 'done'"),
        (_broken(outcomes=("done", "failed")), "declares “failed”"),
        (
            _broken(run=lambda config, ctx: Done({"texts": ["x" * 300_000]}), output_fields=None),
            "300015 bytes",
        ),
        (_broken(run=lambda config, ctx: Wait("luck")), "nobody ends"),
        (_broken(run=_calls_twice), "made calls again"),
        (replace(transform.STEP, config=_Loose, run=lambda config, ctx: Done()), "does not know"),
        (replace(transform.STEP, config=_Untold, run=lambda config, ctx: Done()), ""),
        (_broken(step_refs=("nothing",)), "does not have"),
    ],
)
def test_a_slip_is_found(step: StepType, says: str) -> None:
    config = {} if step.config in (_Loose, _Untold) else {"prompt": "Write {{ inputs.what }}"}
    making = lambda: Bench(inputs={"what": "an ad"}, make_image=lambda request: "image")  # noqa: E731
    if not says:
        check(step, config=config, bench=making)  # pydantic makes a title of a field's name
        return
    with pytest.raises(AssertionError, match=says):
        check(step, config=config, bench=making)
