"""The builder's pages of steps: seeing, adding, changing, moving, copying, deleting, undoing; with htmx and without."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from app.definition import edit
from app.features.workflows import moves
from tests.cast import Cast
from tests.factories import ADS
from tests.features.workflows.builder.conftest import HTMX, Bench, controls
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_the_page_shows_every_step_with_a_link_and_a_plus(bench: Bench) -> None:
    html = bench.browser.get(bench.url).text
    page = Page(html)
    assert page.faults == []
    boxes = [attrs["data-step"] for attrs in page.attributes("a") if "data-step" in attrs]
    assert sorted(boxes) == sorted(bench.steps)
    pluses = [attrs["aria-label"] for attrs in page.attributes("a") if attrs.get("class") == "plus"]
    assert "Add a step between Write the ads and Give each ad a picture" in pluses
    assert "Add a step after Mail the finished ads" in pluses
    assert "Everything is in order." in page.text


def test_what_spends_and_what_sends_is_marked_in_diagram_list_and_form(bench: Bench) -> None:
    html = bench.browser.get(bench.url).text
    drawn, _, listed = html.partition('id="builder-list"')
    marked = {step_id: drawn.partition(f'id="box-{step_id}"')[2].partition("</a>")[0] for step_id in bench.steps}
    assert [step_id for step_id, box in marked.items() if ">spends</text>" in box] == ["ads", "pictures"]
    assert [step_id for step_id, box in marked.items() if ">sends</text>" in box] == ["tell", "tell_rejected"]
    assert "(spends money)" in marked["ads"].partition("aria-label=")[2].partition(">")[0]
    assert (listed.count("spends money"), listed.count("#send")) == (2, 2)
    heads = {each: bench.browser.get(f"{bench.url}/steps/{each}").text.partition("panel-top")[2] for each in marked}
    badges = {each: 'class="tag"' in head.partition("Close")[0] for each, head in heads.items()}
    assert [each for each, has_badge in badges.items() if not has_badge] == ["attach", "check"]


def test_every_part_is_a_page_and_a_fragment_without_faults(bench: Bench) -> None:
    for path in ("", "/steps/ads", "/steps/check", "/add", "/add?after=ads&before=attach", "/questions",
                 "/questions/offer", "/details", "/text", "/text?as=json"):  # fmt: skip
        whole = bench.browser.get(bench.url + path)
        assert (whole.status_code, Page(whole.text).faults) == (200, []), path
        part = bench.browser.get(bench.url + path, headers=HTMX)
        assert part.status_code == 200
        assert Page(part.text).faults == [], path
        assert "<html" not in part.text


def test_saving_what_was_not_touched_changes_nothing(bench: Bench) -> None:
    before = bench.draft
    for step_id in bench.steps:
        bench.post(f"/steps/{step_id}", bench.form(f"/steps/{step_id}"))
        assert bench.draft.definition == before.definition
    assert bench.draft.revision == before.revision


def test_a_setting_is_saved_and_told(bench: Bench) -> None:
    form = bench.form("/steps/ads") | {"c-count": "7", "c-prompt": "Write {{ inputs.offer }}\r\nnow"}
    answer = bench.post("/steps/ads", form, htmx=True)
    assert bench.steps["ads"]["config"] == {
        **bench.steps["ads"]["config"], "count": 7, "prompt": "Write {{ inputs.offer }}\nnow"
    }  # fmt: skip
    assert bench.draft.author == "Alice Ames"
    assert "how many" in bench.draft.summary
    assert 'id="builder-diagram" hx-swap-oob="true"' in answer.text
    assert f'<input type="hidden" name="revision" value="{bench.draft.revision}"></span>' in answer.text


def test_what_is_wrong_stands_at_its_field_and_on_its_step_and_is_kept(bench: Bench) -> None:
    answer = bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "many", "c-prompt": ""}, htmx=True)
    assert bench.steps["ads"]["config"]["count"] == "many"
    assert "2 things to fix before you can publish." in Page(answer.text).text.replace("\xa0", " ")
    page = bench.browser.get(f"{bench.url}/steps/ads").text
    assert 'value="many"' in page
    assert "must be a whole number" in page
    assert Page(page).faults == []
    for name in ("c-count", "c-prompt"):
        way = f"{bench.url}/steps/ads?fix={name}"
        listed = page.partition('id="builder-list"')[2]
        assert way in [a.get("hx-get") for a in Page(listed).attributes("a")]
        opened = Page(bench.browser.get(way, headers={"HX-Request": "true"}).text)
        assert [attrs.get("name") for _, attrs in opened.tags if "data-focus" in attrs] == [name]


def test_testing_and_publishing_are_off_with_the_reason_in_words(bench: Bench) -> None:
    def off() -> tuple[str, int]:
        html = bench.browser.get(bench.url).text
        assert Page(html).faults == []
        told = [attrs for attrs in Page(html).attributes("button") if attrs.get("aria-describedby") == "publishing-off"]
        assert all(attrs["aria-disabled"] == "true" and "disabled" not in attrs for attrs in told)
        return Page(html.partition('id="publishing-off">')[2].partition("<")[0]).text, len(told)

    assert off() == ("", 0)
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "many"})
    assert off() == ("Fix what is wrong first", 2)
    for step_id in list(bench.steps):
        bench.post(f"/steps/{step_id}/removal", {"revision": str(bench.draft.revision)})
    assert bench.steps == {}
    assert off() == ("Add a step first", 2)


def test_a_sample_needs_only_what_its_step_uses_to_be_right(bench: Bench) -> None:
    def lacks(step_id: str) -> str:
        html = bench.browser.get(f"{bench.url}/steps/{step_id}").text
        assert Page(html).faults == []
        ask = html.partition('id="sample-ask"')[2].partition("</form>")[0]
        assert ("disabled" in ask) == ("sample-lacks" in ask)
        return Page(ask).text.partition("put right first. ")[2]

    bench.post("/steps", {"after": "ads", "type": "notify"})
    assert lacks("ads") == lacks("attach") == ""
    saved = bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "many"}, htmx=True)
    assert 'id="sample-ask" hx-swap-oob="true"' in saved.text
    assert [lacks(each) for each in ("pictures", "tell", "check")] == ["", "", "“Write the ads”: " + lacks("ads")]
    assert lacks("ads") == "“How many” must be a whole number."
    saved = bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "3", "c-prompt": ""}, htmx=True)
    assert "sample-lacks" in saved.text
    saved = bench.post("/steps/ads", bench.form("/steps/ads") | {"c-prompt": "Write"}, htmx=True)
    assert "sample-lacks" not in saved.text


def test_a_text_longer_than_a_workflow_is_refused_with_its_field_and_the_limit(bench: Bench) -> None:
    before = bench.draft.revision
    form = bench.form("/steps/ads") | {"c-prompt": "x" * 300_000}
    answer = bench.post("/steps/ads", form, htmx=True, status=422)
    assert "“What should be written?” has 300,000 characters; 262,144 is the limit. Make it shorter." in answer.text
    form["c-prompt"] = "x" * 262_000
    answer = bench.post("/steps/ads", form, htmx=True, status=422)
    assert "The workflow has one problem. It is larger than 256 KiB. Make it smaller." in Page(answer.text).text
    assert bench.draft.revision == before


def test_a_step_is_added_between_beside_and_after(bench: Bench) -> None:
    place = {"after": "ads", "before": "attach", "type": "delay"}
    answer = bench.post("/steps", place)
    assert answer.headers["Location"].endswith("/steps/wait?added=1")
    assert bench.steps["wait"]["after"] == ["ads"]
    assert bench.steps["attach"]["after"] == ["wait", "pictures"]
    bench.post("/steps", place | {"where": "beside"}, htmx=True)
    assert bench.steps["wait_2"]["after"] == ["ads"]
    assert bench.steps["attach"]["after"] == ["wait", "pictures"]
    bench.post("/steps", {"after": "check:approved", "type": "review"})
    assert bench.steps["ask_for_approval"]["config"] == {"documents": "attach"}
    bench.post("/steps", {"type": "glue"}, htmx=True, status=422)


def test_a_new_condition_invites_and_one_that_is_not_finished_says_what_is_missing(bench: Bench) -> None:
    first = bench.post("/steps", {"type": "condition"}, htmx=True).text
    assert bench.steps["choose_a_way"]["config"] == {"if": {"op": "eq"}}
    assert re.search(r'id="about-step">\s*Choose what to look at\.\s*</p>', first)
    assert "Nothing to compare yet. Choose what to look at." not in first
    opened = bench.browser.get(f"{bench.url}/steps/choose_a_way").text
    assert opened.count("Nothing to compare yet. Choose what to look at.") == 1  # at the field
    form = bench.form("/steps/choose_a_way") | {"c-if~value": "{{ inputs.offer }}"}
    text = Page(bench.post("/steps/choose_a_way", form, htmx=True).text).text
    assert re.search(r"Yes if the answer “[^”]+” is … ", text)
    assert "Nothing to compare to. Write what to compare it with, or choose “is empty”." in text


def test_a_step_just_added_is_called_wrong_only_when_it_is_left(bench: Bench) -> None:
    def said(answer: str) -> tuple[int, bool, bool]:
        box = re.search(r'<a class="([^"]*)" id="box-tell_people"', answer)
        assert box is not None
        return answer.count('class="err"'), "care" in box[1], "Fix what is wrong first" in answer

    added = bench.post("/steps", {"type": "notify"}, htmx=True).text
    assert said(added) == (0, False, False)
    assert "“Tell people” is not filled in yet." in Page(added).text
    assert added.count('aria-disabled="true" aria-describedby="publishing-off"') == 2
    form = bench.form("/steps/tell_people?added=1")
    saved = bench.post("/steps/tell_people", form | {"c-subject": "Ready"}, htmx=True).text
    assert said(saved) == (0, False, False)
    refused = bench.post("/steps/tell_people", form | {"s-id": "ads"}, htmx=True, status=422).text
    assert said(refused)[1:] == (False, False)
    wrong = bench.post("/steps/tell_people", form | {"c-subject": "Ready", "s-attempts": "many"}, htmx=True).text
    assert said(wrong)[1:] == (True, True)
    assert [each for each in re.findall(r'class="err">(.*?)</p>', wrong, re.S) if "Whom" in each] == []
    bench.post("/undo", {"revision": str(bench.draft.revision)})
    left = bench.browser.get(f"{bench.url}/steps/ads").text
    assert said(left)[1:] == (True, True)
    assert "1 thing to fix before you can publish. Tell people: “Whom” is missing." in Page(left).text


def test_bringing_together_takes_the_ends_of_the_lanes_beside(bench: Bench) -> None:
    for way in ("approved", "rejected"):
        bench.post("/steps", {"after": f"check:{way}", "where": "beside", "type": "delay"})
    bench.post("/steps", {"after": "wait", "type": "merge"}, htmx=True)
    made = bench.steps["bring_together"]
    assert (made["after"], made["join"]) == (["wait", "tell", "wait_2", "tell_rejected"], "any")
    bench.post("/steps", {"after": "tell", "type": "merge"})
    assert bench.steps["bring_together_2"]["after"] == ["tell"]  # the other ends were brought together already


def test_a_step_ticked_to_run_after_one_below_it_moves_behind_that_one(bench: Bench) -> None:
    bench.post("/steps", {"after": "tell", "type": "delay"})
    shown = bench.browser.get(f"{bench.url}/steps/check").text
    offered = shown.partition('id="f-s-after"')[2].partition("</fieldset>")[0]
    assert 'value="tell"' in offered
    assert 'value="tell_rejected"' not in offered  # it follows what is rejected, and goes along
    form = bench.form("/steps/check") | {"s-after": ["attach", "tell"]}
    answer = bench.post("/steps/check", form, htmx=True)
    assert {key: bench.steps[key]["after"] for key in ("tell", "check", "wait")} == {
        "tell": ["attach"], "check": ["tell"], "wait": ["check:approved"],
    }  # fmt: skip
    told = "“The sales manager decides” now stands behind “Mail the finished ads”. Undo takes it back."
    assert told in Page(answer.text).text


def test_a_step_is_moved_copied_and_deleted_and_undo_brings_it_back(bench: Bench) -> None:
    before = bench.draft.definition
    bench.post("/steps/check/move", {"way": "up"})
    assert bench.steps["attach"]["after"] == ["check:approved"]
    bench.post("/steps/check/copy", {})
    assert bench.steps["check_2"]["after"] == ["check:approved"]
    answer = bench.post("/steps/attach/removal", {}, htmx=True)
    assert "Deleted “Give each ad a picture”. Undo brings it back." in Page(answer.text).text
    assert "attach" not in bench.steps
    for _ in range(3):
        bench.post("/undo", {"revision": str(bench.draft.revision)})
    assert bench.draft.definition == before
    bench.post("/redo", {"revision": str(bench.draft.revision)}, htmx=True)
    assert bench.steps["attach"]["after"] == ["check:approved"]
    stale = bench.post("/undo", {"revision": "1"}, htmx=True, status=422)
    assert "You saved this workflow in another window: Moved “" in stale.text
    assert "Nothing was undone yet: look at it, then press Undo again." in stale.text


def test_dragging_is_a_move_and_a_ring_is_refused_in_words(bench: Bench) -> None:
    bench.post("/steps/tell/move", {"after": "ads", "before": "attach"}, htmx=True)
    assert bench.steps["attach"]["after"] == ["tell", "pictures"]
    before = bench.draft.revision
    answer = bench.post("/steps/check/move", {"after": "tell_rejected"}, htmx=True, status=422)
    assert "would wait for each other" in answer.text
    assert answer.headers["HX-Reswap"] == "none"
    page = bench.browser.post(f"{bench.url}/steps/check/move", data={"after": "tell_rejected"})
    assert (page.status_code, "would wait for each other" in page.text) == (422, True)
    assert bench.draft.revision == before


def test_a_step_is_moved_to_any_place_that_its_foot_names(bench: Bench) -> None:
    page = Page(bench.browser.get(f"{bench.url}/steps/pictures").text)
    assert page.faults == []
    places = dict(moves.destinations(bench.desk, "pictures"))
    assert [attrs["value"] for attrs in page.attributes("option") if attrs["value"] in places] == list(places)
    named = {words: place for place, words in places.items()}
    decides = "The sales manager decides"
    assert list(named) == [
        "Between Write the ads and Give each ad a picture",
        f"Between Give each ad a picture and {decides}",
        f"Between {decides}: approved and Mail the finished ads",
        f"After {decides}: rejected or expired, before Say why not",
        "After Mail the finished ads",
        "After Say why not",
    ]
    before = bench.draft.definition
    bench.post("/steps/pictures/move", {"to": named[f"After {decides}: rejected or expired, before Say why not"]})
    assert bench.steps["pictures"]["after"] == ["check:rejected", "check:expired"]
    assert bench.steps["tell_rejected"]["after"] == ["pictures"]
    bench.post("/undo", {"revision": str(bench.draft.revision)})
    assert bench.draft.definition == before
    for nowhere in ({}, {"to": ""}, {"to": "somewhere"}, {"way": "sideways"}):
        refused = bench.post("/steps/pictures/move", nowhere, htmx=True, status=422)
        assert "Choose where the step should go." in refused.text
    assert bench.draft.definition == before


def test_no_place_is_offered_where_a_move_would_be_refused_or_change_nothing(bench: Bench) -> None:
    bench.post("/steps", {"after": "ads", "type": "delay"})
    bench.post("/steps", {"after": "tell_rejected", "type": "delay"})
    desk = bench.desk
    for step_id in bench.steps:
        for place, words in moves.destinations(desk, step_id):
            after, before = moves.read(place)
            moved = edit.move_step(desk.data, step_id, desk.types, sources=after, targets=before)
            assert moved != desk.data, (step_id, words)


def test_what_happens_if_a_step_fails_is_a_place_too(bench: Bench) -> None:
    for place in ("after=ads&before=attach", "after=tell", "after=check:expired"):
        page = Page(bench.browser.get(f"{bench.url}/add?{place}").text)
        assert (page.faults, "Only if" in page.text) == ([], True), place
    several = bench.browser.get(f"{bench.url}/add?after=check:approved&after=check:expired").text
    assert Page(several).faults == []
    assert '<input type="checkbox" name="after" value="check:failed">' in several
    for place in ("before=ads", "after=tell:failed", "after=ads&after=pictures&before=attach"):
        assert "Only if" not in Page(bench.browser.get(f"{bench.url}/add?{place}").text).text, place

    bench.post("/steps", {"after": "attach", "before": "check", "type": "review", "where": "failed"})
    made = bench.steps["ask_for_approval"]
    assert (made["after"], made["config"]) == (["attach:failed"], {"documents": "ads"})  # not what the failed one makes
    assert bench.steps["check"]["after"] == ["attach"]
    assert "Only if" not in Page(bench.browser.get(f"{bench.url}/add?after=attach:failed").text).text
    bench.post("/ways", {"after": "tell", "to": "ask_for_approval", "where": "failed"})
    assert bench.steps["ask_for_approval"]["after"] == ["attach:failed", "tell:failed"]


def test_an_end_is_led_on_to_a_step_that_is_there(bench: Bench) -> None:
    bench.post("/steps", {"after": "check:expired", "type": "delay"})
    html = bench.browser.get(f"{bench.url}/add?after=wait").text
    assert Page(html).faults == []
    offered = html.partition('id="lead-to"')[2].partition("</select>")[0]
    assert 'value="tell"' in offered
    assert 'value="check"' not in offered  # it comes before
    answer = bench.post("/ways", {"after": "wait", "to": "tell"}, htmx=True)
    assert bench.steps["tell"]["after"] == ["check:approved", "wait"]
    assert answer.headers["HX-Replace-Url"].endswith("/edit/steps/tell")
    refused = bench.post("/ways", {"after": "tell", "to": "check"}, htmx=True, status=422)
    assert "would wait for each other" in refused.text
    bench.post("/ways", {"to": "tell"}, htmx=True, status=422)


def test_sentences_and_chips_say_names_not_ids(bench: Bench) -> None:
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-prompt": "About {{ inputs.offer | truncate(60) }}"})
    page = Page(bench.browser.get(f"{bench.url}/steps/check").text)
    assert "decides on Write the ads" in page.text
    html = bench.browser.get(f"{bench.url}/steps/ads").text
    assert "What is the offer, shortened to 60 letters" in Page(html).text
    assert "About the answer “What is the offer?”" in Page(html).text
    bench.post("/steps", {"after": "tell", "type": "delay"})
    bench.post("/steps", {"after": "tell", "type": "delay"})
    assert [bench.steps[each]["name"] for each in ("wait", "wait_2")] == ["Wait", "Wait 2"]


def test_money_and_dates_are_put_into_texts_as_people_write_them(make: Callable[[dict[str, Any]], Bench]) -> None:
    asked = [
        {"key": kind, "label": f"Which {kind}", "type": kind} for kind in ("money", "date", "datetime", "number")
    ]
    config = {"to": ["{{ inputs.money }}"], "subject": "For {{ inputs.money | money }}"}
    tell = {"id": "tell", "type": "notify", "name": "Tell", "config": config}
    wait = {"id": "wait", "type": "delay", "name": "Wait", "config": {"until": "{{ inputs.date }}"}, "after": ["tell"]}
    bench = make(ADS | {"inputs": asked, "steps": [tell, wait]})
    page = bench.browser.get(f"{bench.url}/steps/tell").text
    assert re.findall(r'<li data-value="([^"]*)" data-in-text="([^"]*)"', page) == [
        ("{{ inputs.money }}", "{{ inputs.money | money }}"), ("{{ inputs.date }}", "{{ inputs.date | date }}"),
        ("{{ inputs.datetime }}", "{{ inputs.datetime | datetime }}"),
    ]  # fmt: skip
    assert "as money" not in page[page.index('id="values"') :]  # its chip says what the question says
    assert re.findall(r'name="([\w-]+)"[^>]* data-chips="text"', page) == ["c-subject", "c-body", "c-button"]
    assert re.search(r'name="c-to-0"[^>]* data-chips>', page)
    later = bench.browser.get(f"{bench.url}/steps/wait").text
    assert not re.search(r'name="c-until"[^>]* data-chips="text"', later)
    assert not re.search(r'name="s-items"[^>]* data-chips="text"', later)


def test_runs_after_and_short_name_are_fields(bench: Bench) -> None:
    form = bench.form("/steps/tell") | {"s-after": ["check:approved", "ads"], "s-join": "any"}
    bench.post("/steps/tell", form)
    assert (bench.steps["tell"]["after"], bench.steps["tell"]["join"]) == (["check:approved", "ads"], "any")
    answer = bench.post("/steps/ads", bench.form("/steps/ads") | {"s-id": "copy"})
    assert answer.headers["Location"].endswith("/steps/copy")
    assert bench.steps["attach"]["config"]["documents"] == "copy"
    refused = bench.post("/steps/copy", bench.form("/steps/copy") | {"s-id": "tell"}, htmx=True, status=422)
    assert "Another step has the short name “tell”. Use another, such as tell_2." in refused.text


def test_a_condition_is_built_by_buttons(bench: Bench) -> None:
    path = "/steps/tell"
    bench.post(path, bench.form(path) | {"act": "s-when:set"})
    assert bench.steps["tell"]["when"] == {"op": "eq"}
    form = bench.form(path) | {"s-when~value": "{{ inputs.offer }}", "s-when~op": "contains", "s-when~than": "Honda"}
    bench.post(path, form | {"act": "s-when:add"})
    bench.post(path, bench.form(path) | {"act": "s-when:group"}, htmx=True)
    form = bench.form(path) | {
        "s-when.1~value": "{{ inputs.offer | length }}", "s-when.1~op": "gt", "s-when.1~than": "$1,000",
        "s-when.2~kind": "none", "s-when.2.0~value": "{{ run.number }}", "s-when.2.0~op": "in",
        "s-when.2.0~than": "1, 2", "act": "s-when.2.1:remove",
    }  # fmt: skip
    bench.post(path, form)
    assert bench.steps["tell"]["when"] == {
        "all": [
            {"value": "{{ inputs.offer }}", "op": "contains", "than": "Honda"},
            {"value": "{{ inputs.offer | length }}", "op": "gt", "than": 1000},
            {"not": {"any": [{"value": "{{ run.number }}", "op": "in", "than": [1, 2]}]}},
        ]
    }
    assert Page(bench.browser.get(bench.url + path).text).faults == []
    shown = bench.browser.get(bench.url + path).text
    assert 'name="act" value="s-when.2:group"' in shown
    bench.post(path, bench.form(path) | {"act": "s-when.2:group"}, htmx=True)
    bench.post(
        path,
        bench.form(path)
        | {"s-when.2.1~kind": "any", "s-when.2.1.0~value": "{{ inputs.offer }}", "s-when.2.1.0~op": "eq",
           "s-when.2.1.0~than": "Jazz", "act": "s-when.2.1:add"},
    )  # fmt: skip
    inner = bench.steps["tell"]["when"]["all"][2]["not"]["any"][1]
    offer = {"value": "{{ inputs.offer }}", "op": "eq", "than": "Jazz"}
    assert inner == {"any": [offer, {"op": "eq"}, {"op": "eq"}]}  # a group begins with two
    assert Page(bench.browser.get(bench.url + path).text).faults == []
    bench.post(path, bench.form(path) | {"act": "s-when:clear"})
    assert bench.steps["tell"]["when"] is None


def test_two_people_change_different_things_and_both_stay(bench: Bench) -> None:
    hers, his = bench.form("/steps/ads"), bench.form("/steps/ads")
    bench.post("/steps/ads", hers | {"c-count": "3"})
    bench.post("/steps/ads", his | {"c-max_chars": "90"})
    assert bench.steps["ads"]["config"]["count"] == 3
    assert bench.steps["ads"]["config"]["max_chars"] == 90


def test_the_second_save_of_the_same_setting_from_another_window_offers_both(bench: Bench) -> None:
    hers, his = bench.form("/steps/ads"), bench.form("/steps/ads") | {"c-voice": "<loud>\r\n\r\n"}
    bench.post("/steps/ads", hers | {"c-count": "3"})
    answer = bench.post("/steps/ads", his | {"c-count": "4"}, htmx=True, status=409)
    assert answer.headers["HX-Retarget"] == "#panel"
    words = Page(answer.text).text
    assert "You saved this step in another window while you were at it." in words
    assert "Setting In the other window Here How many 3 4" in words
    assert [label in words for label in ("Keep what is saved", "Save this over it")] == [True, True]
    assert bench.steps["ads"]["config"]["count"] == 3
    page = bench.browser.post(f"{bench.url}/steps/ads", data=his | {"c-count": "4"}).text
    assert Page(page).faults == []
    again = controls(page, f'<form method="post" action="/workflows/{bench.workflow_id}/edit/steps/ads"')
    bench.post("/steps/ads", again)
    assert bench.steps["ads"]["config"]["count"] == 4
    assert bench.steps["ads"]["config"]["voice"] == "<loud>\n\n"


def test_deleting_a_review_says_what_became_of_its_branch(bench: Bench) -> None:
    answer = bench.post("/steps/check/removal", {}, htmx=True)
    assert bench.steps["tell_rejected"]["after"] == ["attach"]
    told = (
        "Deleted “The sales manager decides”. “Say why not” came after “rejected or expired” and now comes after "
        "Give each ad a picture. Undo brings it back."
    )
    assert told in Page(answer.text).text


def test_a_move_in_the_list_stays_in_the_list(bench: Bench) -> None:
    html = bench.browser.get(bench.url).text
    assert html.count("data-grip") == len(bench.steps)
    answer = bench.post("/steps/tell/move", {"after": "ads", "before": "attach", "stay": "1"}, htmx=True)
    assert bench.steps["attach"]["after"] == ["tell", "pictures"]
    assert "Moved “Mail the finished ads”. Undo takes it back." in Page(answer.text).text
    assert "step-form" not in answer.text
    assert answer.headers["HX-Replace-Url"] == bench.url


def test_a_step_that_somebody_deleted_is_told_when_saved(bench: Bench) -> None:
    form = bench.form("/steps/tell")
    bench.post("/steps/tell/removal", {})
    answer = bench.post("/steps/tell", form | {"c-subject": "Hello"}, htmx=True, status=422)
    assert "You deleted this step in another window. Undo brings it back." in answer.text
    bench.post("/undo", controls(answer.text, f'<form method="post" action="{bench.url}/undo"'), htmx=True)
    assert bench.steps["tell"]["config"]["subject"] != "Hello"
    bench.post("/redo", {"revision": str(bench.draft.revision)})
    assert bench.browser.get(f"{bench.url}/steps/tell").status_code == 404


def test_deleting_what_others_use_is_told_in_words(bench: Bench) -> None:
    bench.post("/steps/pictures/removal", {})
    page = Page(bench.browser.get(f"{bench.url}/steps/attach").text)
    assert "uses “Make 5 pictures”, which was deleted." in page.text


def test_a_name_too_long_is_cut_in_the_bar_that_says_so(bench: Bench) -> None:
    bench.post("/steps/ads", bench.form("/steps/ads") | {"s-name": "N" * 500})
    page = bench.browser.get(bench.url).text
    bar = Page(page[page.index('id="builder-state"') : page.index("</header>")]).text
    assert f"{'N' * 57}...: “Name” is too long" in bar


def test_hostile_words_and_long_ones_are_shown_as_they_are(bench: Bench) -> None:
    name, prompt = '"><script>alert(1)</script> {{ 7*7 }}', "x" * 10_000
    bench.post("/steps/ads", bench.form("/steps/ads") | {"s-name": name, "c-prompt": prompt})
    assert bench.steps["ads"]["name"] == name
    html = bench.browser.get(f"{bench.url}/steps/ads").text
    assert "<script>alert" not in html
    assert Page(html).faults == []
    assert bench.form("/steps/ads")["c-prompt"] == prompt


def test_an_empty_workflow_asks_for_its_first_step(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    page = browser.get("/workflows/new")
    assert Page(page.text).faults == []
    made = browser.post("/workflows", data={"name": " Price check "})
    assert made.status_code == 303
    first = browser.get(made.headers["Location"])
    assert Page(first.text).faults == []
    assert "No steps yet" in first.text
    answer = browser.post(made.headers["Location"] + "/steps", data={"type": "condition"})
    assert answer.headers["Location"].endswith("/steps/choose_a_way?added=1")
    bad = browser.post("/workflows", data={"name": " "})
    assert (bad.status_code, "The name is missing" in bad.text) == (422, True)


ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("get", "/edit", {}), ("get", "/edit/steps/ads", {}), ("post", "/edit/steps/ads", {}), ("get", "/edit/add", {}),
    ("post", "/edit/steps", {"type": "delay"}), ("post", "/edit/ways", {"after": "ads", "to": "tell"}),
    ("post", "/edit/steps/ads/copy", {}),
    ("post", "/edit/steps/ads/removal", {}), ("post", "/edit/steps/ads/move", {"way": "down"}),
    ("post", "/edit/undo", {}), ("post", "/edit/redo", {}), ("get", "/edit/questions", {}),
    ("post", "/edit/questions", {"act": ":add"}),
    ("get", "/edit/questions/offer", {}), ("post", "/edit/questions/offer", {}), ("get", "/edit/details", {}),
    ("post", "/edit/details", {"name": "x"}), ("get", "/edit/text", {}), ("post", "/edit/text", {"text": "steps: []"}),
]  # fmt: skip


def test_strangers_find_nothing_and_approvers_may_not(bench: Bench) -> None:
    before = bench.draft
    charlie, bob = bench.cast.browser(bench.cast.charlie), bench.cast.browser(bench.cast.bob)
    for method, path, data in ROUTES:
        address = f"/workflows/{bench.workflow_id}{path}"
        for browser, status in ((charlie, 404), (bob, 403)):
            assert getattr(browser, method)(address, data=data).status_code == status, (method, path)
    assert bob.get("/workflows/new").status_code == 403
    assert bob.post("/workflows", data={"name": "x"}).status_code == 403
    assert bench.draft == before
