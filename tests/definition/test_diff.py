"""What changed between two definitions, sentence by sentence, over our real step types."""

import copy
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from app import steps as step_package
from app.core import yaml
from app.definition import schema, short_names
from app.definition.diff import changes
from app.definition.parts import Definition, TypeFacts
from app.engine import catalog

BASE: dict[str, Any] = yaml.load(
    """
schema: 1
inputs:
  - {key: offer, label: "What is the offer?", type: long_text, required: true, max_length: 2000}
  - {key: price, label: Price, type: money}
  - {key: brand, label: Brand, type: choice, choices: [Honda, Toyota]}
steps:
  - {id: ads, type: generate_copy, name: Write 10 ads,
     config: {prompt: "Write a short Facebook ad in a warm voice for this spring offer: {{ inputs.offer }}", count: 10,
              max_chars: 125}}
  - {id: pictures, type: generate_image, name: Make pictures, config: {prompt: "{{ inputs.offer }}", count: 5}}
  - {id: attach, type: attach_images, name: Give each ad a picture, after: [ads, pictures],
     config: {documents: ads, images: pictures}}
  - {id: check, type: review, name: The manager decides, after: [attach],
     config: {documents: ads, approvers: [ann@example.com, bob@example.com]}}
  - {id: dear, type: condition, name: Is it expensive?, after: ["check:approved"],
     config: {if: {value: "{{ inputs.price }}", op: gt, than: 30000}}}
  - {id: sums, type: transform, name: Work out the sums, after: ["dear:yes"],
     config: {set: {total: "{{ inputs.price }}"}}}
  - {id: tell, type: notify, name: Tell the team, after: ["dear:no", sums], join: any,
     config: {to: ["{{ run.started_by.email }}"], subject: Your ads are ready, body: They are.}}
limits: {cost_usd: "5.00", minutes: 60}
"""
)
_SOURCE = re.compile(r"\{\{|\}\}|/steps|/inputs|steps\.\w|inputs\.\w|_s\b|None|\bTrue\b|<|Decimal")
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def types() -> dict[str, TypeFacts]:
    """The facts of our own step types."""
    catalog.discover(step_package)
    return catalog.facts()


def _step(data: dict[str, Any], step_id: str) -> dict[str, Any]:
    return next(step for step in data["steps"] if step["id"] == step_id)


def _config(step_id: str, **settings: Any) -> Edit:
    return lambda data: _step(data, step_id)["config"].update(settings)


def _set(step_id: str, **attributes: Any) -> Edit:
    return lambda data: _step(data, step_id).update(attributes)


def _question(place: int, **attributes: Any) -> Edit:
    return lambda data: data["inputs"][place].update(attributes)


def _limits(**limits: Any) -> Edit:
    return lambda data: data.update(limits=limits)


def _without_review(data: dict[str, Any]) -> None:
    data["steps"].remove(_step(data, "check"))
    _step(data, "dear")["after"] = ["attach"]


def _with_delay(data: dict[str, Any]) -> None:
    data["steps"].insert(
        3, {"id": "pause", "type": "delay", "name": "Wait a day", "after": ["attach"], "config": {"seconds": 86400}}
    )
    _step(data, "check")["after"] = ["pause"]


def _with_end(data: dict[str, Any]) -> None:
    data["steps"].append(
        {"id": "why", "type": "notify", "name": "Say why not", "after": ["check:rejected"],
         "config": {"to": ["a@example.com"], "subject": "No"}}
    )  # fmt: skip


def _with_start(data: dict[str, Any]) -> None:
    config = {"prompt": "A blog post", "count": 1}
    data["steps"].append({"id": "blog", "type": "generate_copy", "name": "Write a post", "config": config})


def _new_id(data: dict[str, Any]) -> None:
    _step(data, "ads")["id"] = "texts"
    _step(data, "attach").update(after=["texts", "pictures"])
    _step(data, "attach")["config"]["documents"] = "texts"
    _step(data, "check")["config"]["documents"] = "texts"


def _swapped(data: dict[str, Any]) -> None:
    data["steps"][0], data["steps"][1] = data["steps"][1], data["steps"][0]


def _moved(data: dict[str, Any]) -> None:
    _step(data, "tell")["after"] = ["attach"]
    _step(data, "tell")["join"] = "all"


PAIRS: list[tuple[Edit, list[str]]] = [
    (_without_review, ["The manager’s approval was removed."]),
    (_config("ads", count=5), ["“Write 10 ads” now makes 5 texts instead of 10."]),
    (_config("pictures", count=1), ["“Make pictures” now makes 1 picture instead of 5."]),
    (_config("ads", max_chars=200), ["In “Write 10 ads”, “Longest text” is now 200 characters instead of 125."]),
    (_config("ads", max_chars=0), ["In “Write 10 ads”, “Longest text” is now no limit instead of 125."]),
    (_config("ads", creativity="adventurous"),
     ["In “Write 10 ads”, “Creativity” is now adventurous instead of balanced."]),
    (_config("ads", voice="friendly, down to earth"),
     ["In “Write 10 ads”, “Voice” is now “friendly, down to earth”; it was empty."]),
    (_config("ads", prompt="Write a short Facebook ad in a warm voice for this summer offer: {{ inputs.offer }}"),
     ["In “Write 10 ads”, “What should be written?” was reworded: “spring” became “summer”."]),
    (_config("ads", prompt="Write a short Facebook ad for this spring offer: {{ inputs.offer }}"
             " and name {{ inputs.brand }}"),
     [("In “Write 10 ads”, “What should be written?” was reworded: “in a warm voice” was taken out and"
      " “and name [the answer “Brand”]” was added.")]),
    (_config("pictures", prompt="{{ inputs.offer | upper }}"),
     [("In “Make pictures”, “What should the pictures show?” is now the answer “What is the offer?”, in capitals"
      " instead of the answer “What is the offer?”.")]),
    (_config("attach", strategy="one_to_all"),
     ["In “Give each ad a picture”, “How” is now one to all instead of one each."]),
    (_config("check", approvers=["ann@example.com", "cleo@example.com"]),
     [("In “The manager decides”, “Who decides” now includes “cleo@example.com” and no longer includes"
      " “bob@example.com”.")]),
    (_config("check", documents=["ads", "attach"]),
     ["In “The manager decides”, “Texts to decide on” now includes “Give each ad a picture”."]),
    (_config("check", expires_after_hours=24),
     ["In “The manager decides”, “Time to answer” is now 24 hours instead of 72."]),
    (_config("dear", **{"if": {"value": "{{ inputs.price }}", "op": "gt", "than": 40000}}),
     [("In “Is it expensive?”, “Go the way “yes” if” is now: the answer “Price” is more than 40,000;"
      " before: the answer “Price” is more than 30,000.")]),
    (_config("dear", **{"if": {"all": [
        {"value": "{{ inputs.price }}", "op": "gt", "than": 30000},
        {"any": [{"value": "{{ inputs.brand }}", "op": "in", "than": ["Honda", "Toyota"]},
                 {"not": {"value": "{{ steps.check.reason }}", "op": "is_empty"}}]}]}}),
     [("In “Is it expensive?”, “Go the way “yes” if” is now: the answer “Price” is more than 30,000 and (the answer"
      " “Brand” is one of “Honda” or “Toyota” or it is not so that the reason of “The manager decides” is empty);"
      " before: the answer “Price” is more than 30,000.")]),
    (_config("sums", set={"total": "{{ inputs.price | round(2) }}", "vat_rate": 19}),
     [("In “Work out the sums”, “Values”: “total” is now the answer “Price”, rounded to 2 decimals"
       " instead of the answer “Price”."),
      "In “Work out the sums”, “Values” now has “vat rate”: 19."]),
    (_with_delay, ["“Wait a day” was added between “Give each ad a picture” and “The manager decides”."]),
    (_with_end, ["“Say why not” was added after “The manager decides” (rejected)."]),
    (_with_start, ["“Write a post” was added; it starts at once."]),
    (_new_id, []),
    (_set("ads", name="Write the ads"), ["“Write 10 ads” is now called “Write the ads”."]),
    (_set("tell", type="transform", config={"set": {"done": True}}),
     ["“Tell the team” is now a step “Work out values” instead of “Tell people”."]),
    (_swapped, ["“Make pictures” now stands first in the list."]),
    (_moved, [("“Tell the team” now comes after “Give each ad a picture” instead of after “Is it expensive?” (no) and"
              " “Work out the sums”."),
              "“Tell the team” now waits until all ways before it are done, instead of any."]),
    (_set("attach", after=["ads"]), ["“Give each ad a picture” now comes no longer after “Make pictures”."]),
    (_set("pictures", after=["ads"]), ["“Make pictures” now comes after “Write 10 ads” instead of at once."]),
    (_set("sums", after=["dear:yes", "check:expired"]),
     ["“Work out the sums” now comes after “The manager decides” (expired) too."]),
    (_set("attach", join="any"),
     ["“Give each ad a picture” now goes on when any of the ways before it is done, instead of all."]),
    (_set("tell", when={"value": "{{ inputs.brand }}", "op": "eq", "than": "Honda"}),
     ["“Tell the team” is now only done if the answer “Brand” is “Honda”."]),
    (_set("pictures", retry={"attempts": 3, "backoff": "fixed", "delay_s": 30}),
     ["“Make pictures” is now tried 3 times at most.",
      "Between the tries of “Make pictures” the wait is now 30 seconds, always the same."]),
    (_set("pictures", timeout_s=300), ["“Make pictures” may now take 5 minutes instead of 2 minutes."]),
    (_set("pictures", on_failure="continue"), ["When “Make pictures” fails, the run now goes on."]),
    (_set("sums", for_each={"items": "{{ steps.ads.texts }}", "parallel": 2}),
     ["“Work out the sums” is now done for every item of the texts of “Write 10 ads”, 2 at a time."]),
    (lambda data: data["inputs"].append({"key": "vin", "label": "VIN", "type": "vin", "required": True}),
     ["A new question is asked: “VIN”; it must be answered."]),
    (lambda data: data["inputs"].pop(2), ["The question “Brand” is no longer asked."]),
    (lambda data: data["inputs"].reverse(), ["The questions are asked in another order."]),
    (_question(0, label="Which offer?"), ["The question “What is the offer?” now reads “Which offer?”."]),
    (_question(1, required=True, type="number"),
     ["“Price” now takes a number instead of an amount of money.", "“Price” must now be answered."]),
    (_question(0, max_length=500, help="One sentence.", group="The offer"),
     ["The help below “What is the offer?” was added.",
      "“What is the offer?” is now asked in the group “The offer”.",
      "“What is the offer?” may now have 500 characters at most instead of 2,000."]),
    (_question(2, choices=["Honda", "Kia"], default="Kia"),
     ["“Brand” is now filled in with “Kia” at first.", "“Brand” now offers “Kia” too.",
      "“Brand” no longer offers “Toyota”."]),
    (_question(1, not_before="offer"), ["“Price” may no longer be before “What is the offer?”."]),
    (_question(1, min=1000, max=90000), ["“Price” is now 1000 at least.", "“Price” is now 90000 at most."]),
    (_limits(cost_usd="2.50", minutes=60), ["A run may now cost $2.50 at most instead of $5.00."]),
    (_limits(cost_usd="5.00", minutes=60, at_once=3),
     ["3 of its steps that spend or send may now be under way at once."]),
    (_question(2, fixed=True), ["“Brand” is no longer asked: its answer is always the same."]),
    (_question(1, type="vehicle", parts=["price", "vin"]),
     ["“Price” now takes a vehicle instead of an amount of money.", "“Price” now asks of the vehicle: VIN and Price."]),
    (_question(1, type="vehicle", must_have=["price", "vin"]),
     ["“Price” now takes a vehicle instead of an amount of money.",
      "“Price” now always needs the VIN and price of the vehicle."]),
    (_question(1, type="csv", columns=["name", "email"]),
     ["“Price” now takes a table instead of an amount of money.",
      "The table for “Price” must now have the columns name and email."]),
    (_limits(minutes=90), ["There is no limit any more on what a run may cost; it was $5.00.",
                           "A run may now work 90 minutes at most instead of 1 hour."]),
]  # fmt: skip


def _said(types: dict[str, TypeFacts], before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    old, new = (Definition.model_validate(data) for data in (before, after))
    return [change.sentence for change in changes(old, new, types)]


@pytest.mark.parametrize(("edit", "sentences"), PAIRS, ids=[str(place) for place in range(len(PAIRS))])
def test_what_changed_is_told_in_plain_english(
    types: dict[str, TypeFacts], edit: Edit, sentences: list[str]
) -> None:
    after = copy.deepcopy(BASE)
    edit(after)
    assert _said(types, BASE, after) == sentences


def test_there_are_thirty_pairs() -> None:
    assert len(PAIRS) >= 30


def test_a_way_back_is_told_as_well(types: dict[str, TypeFacts]) -> None:
    after = copy.deepcopy(BASE)
    _without_review(after)
    assert _said(types, after, BASE) == [
        "The manager’s approval was added between “Give each ad a picture” and “Is it expensive?”."
    ]


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("Ask for approval", "The approval “Ask for approval”"),
        ("Get Kim’s approval", "The approval “Get Kim’s approval”"),
        ("Final approval", "The final approval"),
    ],
)
def test_an_approval_is_called_by_its_name_as_one_says_it(
    types: dict[str, TypeFacts], name: str, subject: str
) -> None:
    before, after = copy.deepcopy(BASE), copy.deepcopy(BASE)
    _step(before, "check")["name"] = name
    _without_review(after)
    assert _said(types, before, after) == [f"{subject} was removed."]


def test_a_day_held_to_today_is_told(types: dict[str, TypeFacts]) -> None:
    def asking(**bounds: str) -> dict[str, Any]:
        return {**BASE, "inputs": [*BASE["inputs"], {"key": "ends", "label": "Until", "type": "date", **bounds}]}

    fixed, later, both = asking(min="2026-12-01"), asking(min="today"), asking(min="2026-12-01", max="today")
    assert _said(types, fixed, later) == ["“Until” must now be today or later."]
    assert _said(types, later, asking()) == ["“Until” may now be in the past."]
    assert _said(types, both, fixed) == ["“Until” may now be still to come."]


def test_what_a_change_is_not_is_not_told(types: dict[str, TypeFacts]) -> None:
    def only(kind: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"schema": 1, "steps": [{"id": "a", "type": kind, "name": "A", "config": config, **more}]}

    def told(kind: str, was: dict[str, Any], now: dict[str, Any]) -> list[str]:
        return _said(types, only(kind, was), only(kind, now))

    mail = {"channel": "email", "subject": "s", "body": "b"}
    twice = told("notify", {**mail, "to": ["a@b.co", "a@b.co"]}, {**mail, "to": ["a@b.co"]})
    assert twice == ["In “A”, “Whom” is now “a@b.co” instead of “a@b.co” and “a@b.co”."]
    assert told("transform", {"set": {"x": 1}}, {"set": {"x": True}}) == [
        "In “A”, “Values”: “x” is now yes instead of 1."
    ]
    assert told("transform", {"set": {"any": 1}}, {"set": {"any": 2}}) == [
        "In “A”, “Values”: “any” is now 2 instead of 1."
    ]
    asked = {"text": "t", "approvers": ["a@b.co", "c@d.co", "e@f.co"]}
    assert told("review", {**asked, "policy": "all"}, {**asked, "policy": {"at_least": 2}}) == [
        "In “A”, “How many must agree” is now at least 2 instead of all."
    ]
    lists = [only("transform", {"set": {}}, for_each={"items": items}) for items in (["a", "b"], ["a", "c"])]
    assert _said(types, *lists) == ["The list whose items “A” is done for was changed."]
    tries = [only("transform", {"set": {}}, retry={"attempts": attempts}) for attempts in (1, 2)]
    assert _said(types, *tries) == ["“A” is now tried twice at most instead of once."]


def test_a_question_under_another_short_name_is_the_same_question(types: dict[str, TypeFacts]) -> None:
    assert _said(types, BASE, short_names.rename_input(BASE, "offer", "deal")) == [
        (
            "“What is the offer?” has another short name: what answers it by the old one, such as a schedule, "
            "must be changed."
        )
    ]


def test_a_change_names_its_step_and_its_kind(types: dict[str, TypeFacts]) -> None:
    after = copy.deepcopy(BASE)
    _with_delay(after)
    _config("ads", count=3)(after)
    after["inputs"].pop(2)
    old, new = (Definition.model_validate(data) for data in (BASE, after))
    assert [(change.kind, change.step) for change in changes(old, new, types)] == [
        ("removed", None),
        ("changed", "ads"),
        ("added", "pause"),
    ]


def test_no_edit_goes_unsaid_and_no_source_text_shows(types: dict[str, TypeFacts]) -> None:
    """Random edits in every place: something is told exactly when something differs, never by key, path or braces."""
    dice = random.Random(4)
    for _ in range(400):
        after = copy.deepcopy(schema.dump(Definition.model_validate(BASE)))
        before = copy.deepcopy(after)
        for _ in range(dice.randint(1, 3)):
            _scramble(after, dice)
        old, new = (Definition.model_validate(data) for data in (before, after))
        said = _said(types, before, after)
        assert bool(said) == (schema.dump(old) != schema.dump(new))
        for sentence in said:
            assert sentence.endswith(".")
            assert not _SOURCE.search(sentence), sentence


def _scramble(data: dict[str, Any], dice: random.Random) -> None:
    step = dice.choice(data["steps"])
    edits: list[Callable[[], object]] = [
        lambda: step.update(name=f"Step {dice.randint(1, 99)}"),
        lambda: step.update(timeout_s=dice.randint(1, 3600)),
        lambda: step.update(on_failure=dice.choice(["stop", "continue"])),
        lambda: step.update(join=dice.choice(["all", "any"])),
        lambda: step.update(when=dice.choice([None, {"value": "{{ inputs.price }}", "op": "is_empty", "than": None}])),
        lambda: step.update(retry={"attempts": dice.randint(1, 20)}),
        lambda: step.update(for_each={"items": dice.choice(["{{ inputs.brand }}", ["a", "b"]]), "parallel": 3}),
        lambda: step.update(after=[dice.choice(data["steps"])["id"]]),
        lambda: step["config"].update({dice.choice(["prompt", "count", "body", "to", "text", "odd"]): dice.choice(
            [None, "", "A word", 3, ["a@example.com"], True, "{{ steps.ads.texts }}", {"x": 1}, "long " * 30])}),
        lambda: dice.choice(data["inputs"]).update(label=f"Question {dice.randint(1, 99)}"),
        lambda: dice.choice(data["inputs"]).update(default=dice.choice(["x", True, ["a"], {"b": 1}, None])),
        lambda: dice.choice(data["inputs"]).update(min=dice.choice([None, 1, "2026-01-01"])),
        lambda: data["limits"].update(minutes=dice.randint(1, 5000)),
        lambda: dice.shuffle(data["steps"]),
    ]  # fmt: skip
    dice.choice(edits)()


def test_a_workflow_of_200_long_steps_is_compared_quickly(types: dict[str, TypeFacts]) -> None:
    """A hostile pair: every prompt 10,000 characters and reworded. CPU time, so that neighbours do not matter."""
    import time

    words = [f"word{number % 97}" for number in range(1500)]
    made = [
        {"id": f"s{n}", "type": "generate_copy", "after": [f"s{n - 1}"] if n else [],
         "config": {"prompt": " ".join(words[: 1000 + n])}}
        for n in range(20)
    ]  # fmt: skip
    after = copy.deepcopy(made)
    for step in after:
        step["config"]["prompt"] = " ".join(reversed(step["config"]["prompt"].split()))
    began = time.process_time()
    assert len(_said(types, {"schema": 1, "steps": made}, {"schema": 1, "steps": after})) == 20
    assert time.process_time() - began < 10
