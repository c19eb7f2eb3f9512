"""Two people at one workflow, Alice and Dana: both changes stay, or the second is told who changed what."""

import re
from dataclasses import replace

import pytest

from tests.cast import add_editor
from tests.features.workflows.builder.conftest import Bench, controls
from tests.page import Page


@pytest.fixture
def hers(bench: Bench) -> Bench:
    """Dana's browser on Alice's workflow."""
    return replace(bench, browser=bench.cast.browser(add_editor(bench.cast)))


def question(bench: Bench) -> dict[str, object]:
    return next(each for each in bench.draft.definition["inputs"] if each["key"] == "offer")


def over(bench: Bench, page: str, path: str) -> None:
    """Press "Save mine over it"."""
    assert Page(page).faults == []
    bench.post(path, controls(page, f'<form method="post" action="{bench.url}{path}"'))


def test_a_question_keeps_what_another_changed(bench: Bench, hers: Bench) -> None:
    old = hers.form("/questions/offer")
    bench.post("/questions/offer", bench.form("/questions/offer") | {"q-help": "Say the price"})
    answer = hers.post("/questions/offer", old | {"q-label": "The deal"}, htmx=True)
    assert (question(bench)["help"], question(bench)["label"]) == ("Say the price", "The deal")
    assert re.findall(r'id="f-([\w-]+)"[^>]*hx-swap-oob', answer.text) == ["q-help"]
    assert "Say the price</textarea>" in answer.text
    assert f'name="revision" value="{bench.draft.revision}"' in answer.text


def test_the_same_setting_of_a_question_is_offered_twice(bench: Bench, hers: Bench) -> None:
    old = hers.form("/questions/offer")
    bench.post("/questions/offer", bench.form("/questions/offer") | {"q-label": "Her deal"})
    hers.post("/questions/approver", hers.form("/questions/approver") | {"q-label": "Who?"})
    mine = old | {"q-label": "My deal", "q-help": "<b>"}
    answer = hers.post("/questions/offer", mine, htmx=True, status=409)
    assert "Alice Ames saved this question while you were at it." in Page(answer.text).text
    assert "Question Her deal My deal" in Page(answer.text).text
    assert question(bench)["label"] == "Her deal"
    over(hers, hers.post("/questions/offer", mine, status=409).text, "/questions/offer")
    assert (question(bench)["label"], question(bench)["help"]) == ("My deal", "<b>")


def test_a_page_that_names_no_revision_still_saves(bench: Bench) -> None:
    old = bench.form("/questions/offer") | {"q-label": "The deal"}
    del old["revision"]
    bench.post("/questions/offer", old)
    assert question(bench)["label"] == "The deal"
    details = bench.form("/details") | {"name": "Old page"}
    bench.post(
        "/details", {name: text for name, text in details.items() if not name.startswith(("was-", "rev"))}
    )
    assert bench.form("/details")["name"] == "Old page"


def test_details_keep_what_another_changed(bench: Bench, hers: Bench) -> None:
    old = hers.form("/details")
    bench.post(
        "/details", bench.form("/details") | {"name": "Stock ads", "minutes": "90", "description": "a\r\nb"}
    )
    hers.post("/details", old | {"tags": "cars", "cost_usd": "7.50"})
    shown = hers.form("/details")
    assert (shown["name"], shown["tags"], shown["description"]) == ("Stock ads", "cars", "a\r\nb")
    limits = bench.draft.definition["limits"]
    assert (limits["minutes"], limits["cost_usd"]) == (90, "7.50")
    hers.post("/details", shown | {"icon": "car"})
    assert hers.form("/details")["description"] == "a\r\nb"


def test_the_same_detail_is_offered_twice(bench: Bench, hers: Bench) -> None:
    old = hers.form("/details")
    bench.post("/details", bench.form("/details") | {"name": "Her ads", "minutes": "90"})
    hers.post("/details", hers.form("/details") | {"category": "blog"})
    mine = old | {"name": "My ads", "minutes": "45", "tags": "cars"}
    answer = hers.post("/details", mine, htmx=True, status=409)
    words = Page(answer.text).text
    assert "Alice Ames saved this workflow while you were at it." in words
    assert "Name Her ads My ads" in words
    assert "Longest working time 90 45" in words
    assert (hers.form("/details")["name"], hers.form("/details")["tags"]) == ("Her ads", "")
    over(hers, hers.post("/details", mine, status=409).text, "/details")
    shown = hers.form("/details")
    assert (shown["name"], shown["minutes"], shown["tags"], shown["category"]) == (
        "My ads",
        "45",
        "cars",
        "blog",
    )


def test_details_that_come_twice_clash_with_nothing(bench: Bench) -> None:
    sent = bench.form("/details") | {
        "tags": "ads, cars,, ads",
        "cost_usd": "$1,200.5",
        "description": " Ten\r\nads ",
    }
    bench.post("/details", sent)
    bench.post("/details", sent)
    assert bench.form("/details")["tags"] == "ads, cars"
    assert bench.draft.definition["limits"]["cost_usd"] == "1200.5"


def test_a_detail_that_does_not_fit_keeps_what_the_page_showed(bench: Bench, hers: Bench) -> None:
    old = hers.form("/details")
    bench.post("/details", bench.form("/details") | {"name": "Stock ads"})
    hers.post("/details", old | {"cost_usd": "sNaN"}, status=422)
    bad = controls(hers.post("/details", old | {"cost_usd": "lots"}, htmx=True, status=422).text)
    hers.post("/details", bad | {"cost_usd": "5.00"})
    assert hers.form("/details")["name"] == "Stock ads"
    assert bench.draft.definition["limits"]["cost_usd"] == "5.00"


def test_a_clash_names_who_changed_that_setting_not_who_saved_last(bench: Bench, hers: Bench) -> None:
    old = hers.form("/steps/ads")
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "3"})
    hers.post("/steps/ads", hers.form("/steps/ads") | {"c-max_chars": "90"})
    mine = old | {"c-count": "4", "c-max_chars": "80"}
    words = Page(hers.post("/steps/ads", mine, htmx=True, status=409).text).text
    assert "Alice Ames and Dana Dole saved this step" in words
    assert "How many 3 (Alice Ames) 4" in words
    only = Page(hers.post("/steps/ads", old | {"c-count": "4"}, htmx=True, status=409).text).text
    assert "Alice Ames saved this step while you were at it." in only


def test_an_undone_change_is_laid_at_nobodys_door(bench: Bench, hers: Bench) -> None:
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "3"})
    old = hers.form("/steps/ads")
    bench.post("/undo", {"revision": str(bench.draft.revision)})
    answer = hers.post("/steps/ads", old | {"c-count": "4"}, htmx=True, status=409)
    assert "Somebody saved this step while you were at it." in Page(answer.text).text
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-max_chars": "90"})
    both = hers.post("/steps/ads", old | {"c-count": "4", "c-max_chars": "80"}, htmx=True, status=409)
    assert "90 (Alice Ames) 80" in Page(both.text).text
    assert "(Somebody) 4" in Page(both.text).text


def test_the_next_save_of_an_open_step_does_not_take_back_what_another_changed(
    bench: Bench, hers: Bench
) -> None:
    open_page = hers.form("/steps/ads")
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-voice": "Calm"})
    first = hers.post("/steps/ads", open_page | {"c-count": "4"}, htmx=True)
    assert 'id="f-c-voice" hx-swap-oob="true"' in first.text
    assert "Calm" in first.text
    assert 'id="f-c-max_chars" hx-swap-oob' not in first.text


@pytest.mark.parametrize(
    ("path", "field", "thing", "presses"),
    [
        ("/questions/offer", "q-key", "question", [("/questions", {"act": "offer:" + a}) for a in ("up", "remove")]),
        ("/steps/ads", "s-id", "step", [(f"/steps/ads/{way}", {}) for way in ("move", "copy", "removal")]),
    ],
)
def test_what_was_renamed_is_told_so_and_what_was_deleted_so(
    bench: Bench, hers: Bench, path: str, field: str, thing: str, presses: list[tuple[str, dict[str, str]]]
) -> None:
    old, place = hers.form(path), path.rpartition("/")[0]
    bench.post(path, bench.form(path) | {field: "deal"})
    bench.post(f"{place}/deal", bench.form(f"{place}/deal") | {field: "bargain"})
    told = Page(hers.post(path, old, htmx=True, status=422).text).text
    assert f"Alice Ames renamed this {thing} to “bargain” while you were at it." in told
    assert f"renamed this {thing} to “bargain”" in Page(hers.post(path, old, status=422).text).text
    for pressed, values in presses:  # in the list and beside the form
        told = Page(hers.post(pressed, values | {"revision": old["revision"]}, htmx=True, status=422).text).text
        assert f"renamed this {thing} to “bargain”" in told
    late = hers.form(f"{place}/bargain")
    bench.post("/undo", {"revision": str(bench.draft.revision)})
    told = Page(hers.post(f"{place}/bargain", late, htmx=True, status=422).text).text
    assert f"Somebody renamed this {thing} to “deal” while you were at it." in told
    if thing == "step":
        bench.post("/steps/deal/removal", {})
    else:
        bench.post("/questions", {"act": "deal:remove"})
    told = Page(hers.post(path, old, htmx=True, status=422).text).text
    assert f"Alice Ames deleted this {thing} while you were at it. Undo brings it back." in told
    bench.post("/details", bench.form("/details") | {"description": "For the lot"})
    told = Page(hers.post(path, old, htmx=True, status=422).text).text
    assert f"deleted this {thing} while you were at it. Undo brings it back, and takes back what" in told


def test_what_an_undo_took_away_is_brought_back_by_redo(bench: Bench, hers: Bench) -> None:
    bench.post("/steps/ads/copy", {})
    late = hers.form("/steps/ads_2")
    bench.post("/undo", {"revision": str(bench.draft.revision)})
    told = hers.post("/steps/ads_2", late | {"c-count": "4"}, htmx=True, status=422).text
    assert "Somebody deleted this step while you were at it. Redo brings it back." in Page(told).text
    stale = hers.post("/redo", late, htmx=True, status=422).text
    assert "Somebody undid a change of this workflow while you were at it. Nothing was done again" in Page(stale).text
    hers.post("/redo", controls(stale, f'<form method="post" action="{bench.url}/redo"'), htmx=True)
    assert bench.steps["ads_2"]["config"] == bench.steps["ads"]["config"]


def test_undo_after_anothers_change_shows_it_first_and_undoes_it_when_pressed_again(
    bench: Bench, hers: Bench
) -> None:
    old = hers.form("/steps/ads")
    bench.post("/steps/ads", bench.form("/steps/ads") | {"s-name": "Hers now"})
    told = hers.post("/undo", old, htmx=True, status=422).text
    assert "Alice Ames saved this workflow while you were at it: Changed" in Page(told).text
    assert re.search(r'id="box-ads".*?Hers now', told, re.S)
    hers.post("/undo", controls(told, f'<form method="post" action="{bench.url}/undo"'), htmx=True)
    assert bench.steps["ads"]["name"] != "Hers now"
