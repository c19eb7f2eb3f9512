"""The questions, and what the workflow is called: adding, ordering, changing, deleting; limits and tags."""

import re
from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest

from app.core.db import db
from app.definition.parts import InputType
from app.features.workflows.enums import Category
from app.features.workflows.forms.details import ICONS
from app.features.workflows.models import Workflow
from tests.factories import ADS
from tests.features.workflows.builder.conftest import Bench
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def questions(bench: Bench) -> dict[str, dict[str, object]]:
    return {each["key"]: each for each in bench.draft.definition["inputs"]}


def test_a_question_is_added_ordered_and_deleted(bench: Bench) -> None:
    answer = bench.post("/questions", {"act": ":add", "label": "What does it cost?"})
    assert answer.headers["Location"].endswith("/questions/what_does_it_cost")
    bench.post("/questions", {"act": ":add", "label": "What does it cost?"}, htmx=True)
    assert list(questions(bench)) == ["offer", "approver", "what_does_it_cost", "what_does_it_cost_2"]
    bench.post("/questions", {"act": "what_does_it_cost:up"})
    bench.post("/questions", {"act": "what_does_it_cost_2:remove"})
    assert list(questions(bench)) == ["offer", "what_does_it_cost", "approver"]
    assert "cannot go further" in bench.post("/questions", {"act": "offer:up"}, htmx=True, status=422).text
    bench.post("/questions", {"act": "gone:remove"}, status=422)


def test_fix_this_focuses_the_field_of_a_question(bench: Bench) -> None:
    bench.post("/questions/offer", bench.form("/questions/offer") | {"q-label": "x" * 301})
    way = f"{bench.url}/questions/offer?fix=q-label"
    assert way in [a.get("hx-get") for a in Page(bench.browser.get(bench.url).text).attributes("a")]
    for address, focused in ((way, "q-label"), (f"{bench.url}/questions/offer?fix=q-gone", "panel-title")):
        opened = Page(bench.browser.get(address, headers={"HX-Request": "true"}).text)
        assert [attrs["id"] for _, attrs in opened.tags if "data-focus" in attrs] == [focused]


def test_every_kind_of_answer_can_be_chosen_and_is_previewed(bench: Bench) -> None:
    for kind in InputType:
        form = bench.form("/questions/offer")
        bench.post("/questions/offer", form | {"q-type": kind.value})
        assert questions(bench)["offer"]["type"] == kind.value
        page = Page(bench.browser.get(f"{bench.url}/questions/offer").text)
        assert page.faults == []
    preview = Page(bench.browser.get(f"{bench.url}/questions").text)
    assert preview.faults == []
    assert "As it will be asked" in preview.text


def test_choices_groups_and_defaults_are_kept(bench: Bench) -> None:
    form = bench.form("/questions/offer") | {"q-type": "choice"}
    bench.post("/questions/offer", form)
    form = bench.form("/questions/offer") | {
        "q-choices-0": "Honda", "q-choices-1": "Toyota, new", "q-group": "The car", "q-default": "Honda",
        "q-required": "true", "q-help": "Only <one>",
    }  # fmt: skip
    bench.post("/questions/offer", form, htmx=True)
    found = questions(bench)["offer"]
    assert found["choices"] == ["Honda", "Toyota, new"]
    assert (found["group"], found["default"], found["required"]) == ("The car", "Honda", True)
    assert found["help"] == "Only <one>"


@pytest.mark.parametrize(
    ("kind", "sent", "stored", "control"),
    [
        ("choice", "Ford", "Ford", '<option value="Ford" selected>'),
        ("multi_choice", ["Honda", "Ford"], ["Honda", "Ford"], 'type="checkbox" name="q-default" value="Ford" checked'),
        ("boolean", "false", False, 'type="radio" name="q-default" value="false" checked'),
        ("date", "2026-12-01", "2026-12-01", 'type="date" id="q-default" name="q-default" value="2026-12-01"'),
        ("datetime", "2026-12-01T09:30", "2026-12-01T14:30:00Z", 'name="q-default" value="2026-12-01T09:30"'),
        ("json", '{"a": [1]}', {"a": [1]}, '<textarea class="form-control" id="q-default"'),
        ("money", "12.5", 12.5, 'inputmode="decimal"'),
        ("text", "5", "5", 'name="q-default" value="5"'),
    ],
)
def test_the_answer_to_begin_with_has_the_control_of_its_kind(
    make: Callable[[dict[str, Any]], Bench], kind: str, sent: Any, stored: Any, control: str
) -> None:
    question = {"key": "offer", "label": "Offer", "type": kind} | (
        {"choices": ["Honda", "Ford"]} if "choice" in kind else {}
    )
    bench = make(ADS | {"inputs": [question, *ADS["inputs"][1:]]})
    bench.post("/questions/offer", bench.form("/questions/offer") | {"q-default": sent})
    found = questions(bench)["offer"]
    assert found == found | question | {"default": stored}
    page = bench.browser.get(f"{bench.url}/questions/offer").text
    assert control in page
    assert Page(page).faults == []
    bench.post("/questions/offer", bench.form("/questions/offer") | {"q-default": ""})
    assert questions(bench)["offer"].get("default") is None


def test_a_vehicle_is_asked_by_its_parts_and_begins_with_some(make: Callable[[dict[str, Any]], Bench]) -> None:
    question = {"key": "offer", "label": "Offer", "type": "vehicle"}
    bench = make(ADS | {"inputs": [question, *ADS["inputs"][1:]]})
    form = bench.form("/questions/offer")
    sent = {"q-parts": ["vin", "price"], "q-default.make": "Honda", "q-default.price": "22500"}
    bench.post("/questions/offer", form | sent | {"q-must_have": ["price"]})
    found = questions(bench)["offer"]
    assert found["must_have"] == ["price"]
    assert (found["parts"], found["default"]) == (["vin", "price"], {"make": "Honda", "price": 22500})
    page = Page(bench.browser.get(f"{bench.url}/questions/offer").text)
    assert page.faults == []
    assert "All of it where nothing is ticked." in page.text
    assert "Example in the empty field" not in page.text
    asked = Page(bench.browser.get(f"{bench.url}/questions").text)
    assert asked.faults == []
    assert "Always give its price. VIN Price" in " ".join(asked.text.split())

    bench.post("/questions/offer", bench.form("/questions/offer") | {"q-type": "text"})
    assert "has no parts to ask for" in bench.browser.get(f"{bench.url}/questions/offer").text


def test_the_bounds_of_a_moment_are_moments_of_the_workspace(make: Callable[[dict[str, Any]], Bench]) -> None:
    question = {"key": "offer", "label": "Offer", "type": "datetime", "max": "2026-12-31T22:15:30Z"}
    bench = make(ADS | {"inputs": [question, *ADS["inputs"][1:]]})
    form = bench.form("/questions/offer")
    assert form["q-max"] == "2026-12-31T17:15"

    bench.post("/questions/offer", form | {"q-min": "2026-07-01T08:00"})
    found = questions(bench)["offer"]
    assert (found["min"], found["max"]) == ("2026-07-01T12:00:00Z", question["max"])  # nobody changed it


def test_what_is_no_json_is_told_at_its_field(make: Callable[[dict[str, Any]], Bench]) -> None:
    bench = make(ADS | {"inputs": [{"key": "offer", "label": "Offer", "type": "json"}, *ADS["inputs"][1:]]})
    bench.post("/questions/offer", bench.form("/questions/offer") | {"q-default": '{"a": '})
    page = bench.browser.get(f"{bench.url}/questions/offer").text
    assert "{&#34;a&#34;:" in page
    notes = re.search(r'id="q-default-notes".*?</div>', page, re.DOTALL)
    assert notes
    assert "is not JSON" in notes.group()


def test_a_question_is_fixed_ordered_in_time_and_given_columns(make: Callable[[dict[str, Any]], Bench]) -> None:
    listed = [{"key": "offer", "type": "date", "label": "From"}, {"key": "until", "type": "date", "label": "Until"},
              {"key": "cars", "type": "csv", "label": "Cars"}]  # fmt: skip
    bench = make(ADS | {"inputs": listed})
    until = bench.form("/questions/until") | {"q-not_before": "offer", "q-fixed": "true", "q-default": "2026-12-01"}
    bench.post("/questions/until", until)
    bench.post("/questions/cars", bench.form("/questions/cars") | {"q-columns-0": "vin", "q-columns-1": "price"})
    found = questions(bench)
    fixed = {"not_before": "offer", "fixed": True, "default": "2026-12-01"}
    assert found["until"] == found["until"] | listed[1] | fixed
    assert found["cars"] == found["cars"] | listed[2] | {"columns": ["vin", "price"]}
    assert '<option value="offer" selected>From</option>' in bench.browser.get(f"{bench.url}/questions/until").text
    cars = Page(bench.browser.get(f"{bench.url}/questions/cars").text)
    assert "Customise first" in cars.text
    assert "q-default" not in "".join(name for name, text in bench.form("/questions/cars").items() if text)


def test_the_preview_has_the_pages_and_controls_of_the_launch_form(make: Callable[[dict[str, Any]], Bench]) -> None:
    asked: list[dict[str, Any]] = [
        {"key": kind.value, "type": kind.value, "label": f"The {kind.value}.", "group": group}
        for kind, group in zip(InputType, cycle(["Zebra", "Apple"]))
    ]
    asked[0] |= {"placeholder": "For example", "help": "Say it <shortly>", "required": True}
    named = {each["key"]: each for each in asked}
    named["choice"] |= {"choices": ["honda", "ford"], "default": "ford"}
    named["integer"] |= {"min": 2, "max": 20, "default": 5}
    same = {"key": "tone", "label": "Tone", "default": "Friendly", "fixed": True, "group": "Never"}
    bench = make(ADS | {"inputs": [same, *asked]})
    html = bench.browser.get(f"{bench.url}/questions").text
    preview = html[html.index("As it will be asked") :]
    preview = preview[: preview.index("</section>")]
    assert re.findall(r'role="group" aria-label="(.*?)"', preview) == ["Zebra", "Apple"]
    controls = re.findall(r"<(?:input|select|textarea)\b[^>]*>", preview)
    assert len(controls) >= len(asked) - 4
    assert all(" disabled" in each and " name=" not in each for each in controls)
    for kind in ("date", "datetime-local", "checkbox", "file", "radio", "range"):
        assert any(f'type="{kind}"' in each for each in controls)
    assert '<input type="radio" disabled checked>Ford' in preview
    assert [each for each in controls if "range" in each] == [
        '<input class="form-range slides" type="range" min="2" max="20" value="5" aria-hidden="true" disabled>'
    ]
    assert "2 – 20" in preview
    assert 'placeholder="For example"' in preview
    assert "Say it &lt;shortly&gt;" in preview
    places = [preview.index(f"The {each['key']}.") for each in (*asked[::2], *asked[1::2])]
    assert places == sorted(places)
    assert 'Always the same: <span class="strong">Tone</span>, Friendly' in preview
    assert preview.count("Tone") == 1
    assert set(bench.form("/questions")) <= {"csrf_token", "revision", "label", "act"}


def test_the_preview_of_wrong_questions_shows_what_can_be_read(make: Callable[[dict[str, Any]], Bench]) -> None:
    wrong = [{"key": "a", "type": "odd", "choices": "x"}, {"key": "b", "type": "choice", "default": {"x": [1]}}, 5]
    bench = make(ADS | {"inputs": wrong})
    page = Page(bench.browser.get(f"{bench.url}/questions").text)
    assert page.faults == []
    assert "Your answers" in page.text


def test_another_short_name_is_used_wherever_the_answer_was(bench: Bench) -> None:
    bench.post("/questions/offer", bench.form("/questions/offer") | {"q-key": "deal"})
    assert "inputs.deal" in bench.steps["ads"]["config"]["prompt"]
    taken = bench.post(
        "/questions/deal", bench.form("/questions/deal") | {"q-key": "approver"}, htmx=True, status=422
    )
    assert "Another question has the short name “approver”. Use another, such as approver_2." in taken.text
    for name, told in (
        ("kosten preis!", "“kosten preis!” cannot be a short name. Use 1 to 64 letters, digits and _, beginning"),
        ("kosten preis!", "with a letter, such as kosten_preis."),
        ("2 Größen", "such as question_2_grossen."),
        ("approver!", "such as approver_2."),
        ("", "A short name is needed."),
    ):
        form = bench.form("/questions/deal") | {"q-key": name, "q-label": "Other"}
        wrong = bench.post("/questions/deal", form, htmx=True, status=422).text
        assert told in wrong[wrong.index('id="q-key-notes" aria-live="polite" hx-swap-oob="true"') :]
    page = bench.post("/questions/deal", form | {"q-key": "kosten preis!"}, status=422).text
    described = 'aria-describedby="q-key-help q-key-notes"'
    assert f'value="kosten preis!" {described} autocomplete="off" aria-invalid="true"' in page
    assert "such as kosten_preis." in page[page.index('id="q-key-notes"') :]
    assert bench.draft.definition["inputs"][0]["key"] == "deal"


def test_a_saved_question_brings_what_depends_on_it_and_leaves_what_is_being_typed(bench: Bench) -> None:
    def saved(**changes: str) -> str:
        told: str = bench.post("/questions/offer", bench.form("/questions/offer") | changes, htmx=True).text
        return told

    def anew(told: str) -> list[str]:
        return re.findall(r'id="f-([\w-]+)"[^>]*hx-swap-oob', told)

    label = saved(**{"q-label": "The deal"})
    assert (anew(label), 'id="question-form"' in label) == ([], False)
    assert re.search(r'<h2 id="panel-title"[^>]*hx-swap-oob="true">The deal</h2>', label)
    assert 'id="question-form"' in saved(**{"q-type": "choice"})
    choice = saved(**{"q-choices-0": "Lease"})
    assert 'id="question-form"' in choice  # the answer to begin with is one of the choices now
    assert anew(saved(**{"q-choices-1": "Buy"})) == ["q-choices", "q-default"]
    assert anew(saved(**{"q-choices-1": "Purchase"})) == ["q-default"]
    assert 'id="question-form"' in saved(**{"q-type": "long_text"})


def test_while_somebody_types_nothing_is_drawn_anew_until_the_field_is_left(bench: Bench) -> None:
    def saved(at: str, **changes: str) -> str:
        told: str = bench.post(at, bench.form(at) | changes, htmx=True).text
        return told

    def anew(told: str) -> tuple[list[str], list[str]]:
        asked_for = re.findall(r'name="anew" value="([\w-]+)"', told)
        return re.findall(r'id="f-([\w-]+)"[^>]*hx-swap-oob', told), asked_for

    row = {"c-to-1": "bob@northfield.example"}
    assert anew(saved("/steps/tell", **row, typing="1")) == ([], ["c-to"])
    assert anew(saved("/steps/tell", **{"c-subject": "Hello"}, anew="c-to", typing="1")) == ([], ["c-to"])
    assert anew(saved("/steps/tell", **{"c-subject": "Hello you"}, anew="c-to")) == (["c-to"], [])
    assert bench.steps["tell"]["config"]["to"][1] == "bob@northfield.example"
    assert anew(saved("/steps/tell", anew="no-such")) == ([], [])

    saved("/questions/offer", **{"q-type": "choice"})
    typed = saved("/questions/offer", **{"q-choices-0": "Lease"}, typing="1")
    assert ("panel" in anew(typed)[1], 'id="question-form"' in typed) == (True, False)
    assert 'id="question-form"' in saved("/questions/offer", **{"q-label": "The deal"}, anew="panel")


def test_deleting_a_question_that_steps_use_is_told(bench: Bench) -> None:
    bench.post("/questions", {"act": "offer:remove"})
    told = "“What is the offer?” is no longer asked at the start."
    assert told in Page(bench.browser.get(bench.url).text).text
    page = Page(bench.browser.get(f"{bench.url}/steps/ads").text)
    assert f"{told} Use another one, or undo the deletion." in page.text
    bench.post("/undo", {"revision": str(bench.draft.revision)})
    assert bench.desk.problems == []


def test_an_icon_is_chosen_by_its_picture_and_one_of_old_stays(bench: Bench) -> None:
    form = bench.form("/details")
    page = Page(bench.browser.get(f"{bench.url}/details").text)
    offered = [attrs["value"] for attrs in page.attributes("input") if attrs.get("name") == "icon"]
    assert (form["icon"], offered) == ("route", list(ICONS))
    drawn = bench.browser.get(f"{bench.url}/details").text.partition('class="icon-grid"')[2].partition("</fieldset>")[0]
    assert [each in drawn for each in (f"#{name}" for name in ICONS)] == [True] * len(ICONS)
    bench.post("/details", form | {"icon": "world-share"})  # as a template may have it
    kept = bench.form("/details")
    assert kept["icon"] == "world-share"
    bench.post("/details", kept | {"name": "Other"})
    assert bench.form("/details")["icon"] == "world-share"


def test_a_date_may_be_held_to_today_or_later(make: Callable[[dict[str, Any]], Bench]) -> None:
    asked = [{"key": "ends", "label": "Until", "type": "date"}, {"key": "count", "type": "integer"}]
    bench = make(ADS | {"inputs": asked})
    form = bench.form("/questions/ends")
    assert (form["q-days"], form["q-min"]) == ("", "")
    bench.post("/questions/ends", form | {"q-days": "min"})
    assert questions(bench)["ends"]["min"] == "today"
    page = bench.browser.get(f"{bench.url}/questions/ends").text
    assert ('id="f-q-min"' in page, 'id="f-q-max"' in page) == (False, True)
    bench.post("/questions/ends", bench.form("/questions/ends") | {"q-label": "Until when"})
    assert (questions(bench)["ends"]["min"], questions(bench)["ends"]["label"]) == ("today", "Until when")
    bench.post("/questions/ends", bench.form("/questions/ends") | {"q-days": "max"})
    assert (questions(bench)["ends"]["min"], questions(bench)["ends"]["max"]) == (None, "today")
    bench.post("/questions/ends", bench.form("/questions/ends") | {"q-days": ""})
    assert questions(bench)["ends"]["max"] is None
    assert 'id="f-q-days"' not in bench.browser.get(f"{bench.url}/questions/count").text
    assert [each for each in bench.desk.problems if each.path.startswith("/inputs")] == []


def test_a_category_is_chosen_and_one_written_in_old_words_stays(bench: Bench) -> None:
    known = ["", *(each.value for each in Category)]
    form = bench.form("/details")
    assert _category(bench) == ("", known)
    assert bench.post("/details", form | {"category": "nonsense"}, htmx=True, status=422)
    _put(bench, "Cars of ours")
    assert _category(bench) == ("Cars of ours", [*known, "Cars of ours"])
    bench.post("/details", bench.form("/details") | {"name": "Other"})
    assert bench.desk.workflow.category == "Cars of ours"
    _put(bench, "paid Ads")
    assert _category(bench) == ("paid-ads", known)


def _put(bench: Bench, category: str) -> None:
    with bench.cast.app.app_context():
        db.session.get_one(Workflow, bench.workflow_id).category = category
        db.session.commit()


def _category(bench: Bench) -> tuple[str, list[str]]:
    html = bench.browser.get(f"{bench.url}/details").text.partition('name="category">')[2].partition("</select>")[0]
    return bench.form("/details")["category"], [str(attrs["value"]) for attrs in Page(html).attributes("option")]


def test_name_words_and_limits_are_saved(bench: Bench) -> None:
    form = bench.form("/details") | {
        "name": "Stock ads", "tags": "ads, cars,, ads", "category": "paid-ads", "icon": "car", "cost_usd": "$12.50",
        "minutes": "90", "description": "Ten ads\r\na week",
    }  # fmt: skip
    bench.post("/details", form)
    shown = bench.form("/details")
    assert (shown["name"], shown["tags"], shown["icon"]) == ("Stock ads", "ads, cars", "car")
    assert shown["category"] == "paid-ads"
    limits = bench.draft.definition["limits"]
    assert (limits["cost_usd"], limits["minutes"]) == ("12.50", 90)
    bad = bench.post("/details", form | {"name": "", "minutes": "soon"}, htmx=True, status=422)
    assert "Give it a name." in bad.text
    worse = bench.post("/details", form | {"cost_usd": "lots"}, htmx=True, status=422)
    assert "Write an amount like 5.00." in worse.text
    assert bench.draft.definition["limits"] == limits


def test_a_step_asks_a_new_question_where_its_answer_is_wanted(bench: Bench) -> None:
    form = bench.form("/steps/ads")
    assert '<option value="c-prompt">' in bench.browser.get(f"{bench.url}/steps/ads").text
    empty = bench.post("/steps/ads", form | {"act": "ask"}, htmx=True, status=422)
    assert "Write what to ask." in empty.text
    asked = {"new-label": "Lowest price", "new-type": "money", "new-into": "c-prompt"}
    there = form | asked | {"c-prompt": "🚗 From  on", "new-at": "7", "act": "ask"}
    answer = bench.post("/steps/ads", there, htmx=True)
    made = bench.draft.definition["inputs"][-1]
    parts = ("key", "label", "type", "required")
    assert [made[part] for part in parts] == ["lowest_price", "Lowest price", "money", True]
    assert bench.steps["ads"]["config"]["prompt"] == "🚗 From {{ inputs.lowest_price | money }} on"
    assert "It is asked at the start now. Undo takes it back." in Page(answer.text).text
    assert re.search(r'name="c-prompt"[^>]*data-focus', answer.text)

    plain = bench.form("/steps/ads") | asked | {"new-label": "Colour", "new-type": "glue", "c-prompt": "In"}
    page = bench.browser.post(f"{bench.url}/steps/ads", data=plain, follow_redirects=True)  # without script
    assert "It is asked at the start now." in page.text
    assert bench.steps["ads"]["config"]["prompt"] == "In {{ inputs.colour }}"
    typing = bench.form("/steps/ads") | asked  # by itself nothing is asked
    bench.post("/steps/ads", typing, htmx=True)
    assert [each["key"] for each in bench.draft.definition["inputs"]][-2:] == ["lowest_price", "colour"]

    bench.post("/steps", {"type": "condition"})
    wanted = asked | {"new-type": "number", "new-label": "Doors", "new-into": "c-if~value", "act": "ask"}
    bench.post("/steps/choose_a_way", bench.form("/steps/choose_a_way") | wanted)
    assert bench.steps["choose_a_way"]["config"] == {"if": {"value": "{{ inputs.doors }}", "op": "eq"}}
