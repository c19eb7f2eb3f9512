"""Where the focus goes and what is read aloud after each press, for those who work without a mouse or a screen."""

import pytest

from tests.features.workflows.builder.conftest import HTMX, Bench
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _focused(html: str) -> list[str]:
    return [attrs.get("id") or attrs.get("name", "") for _, attrs in Page(html).tags if "data-focus" in attrs]


def _said(html: str) -> str:
    """Return what the live region gets; it is not drawn anew itself."""
    before, _, rest = html.partition('<p id="builder-said" hx-swap-oob="innerHTML">')
    assert rest, before[:2000]
    return Page(rest.partition("</p>")[0]).text.replace("\xa0", " ")


def test_a_form_that_opens_asks_for_the_focus_and_a_press_within_it_keeps_it(bench: Bench) -> None:
    opened = bench.browser.get(f"{bench.url}/steps/ads", headers=HTMX).text
    assert (_focused(opened), _said(opened)) == (["panel-title"], "")
    added = bench.post("/steps", {"after": "ads", "before": "attach", "type": "delay"}, htmx=True).text
    assert _focused(added) == ["panel-title"]
    form = bench.form("/steps/ads")
    stays = [
        bench.post("/steps/ads/move", {"way": "down"}, htmx=True),
        bench.post("/undo", {"revision": str(bench.draft.revision), "chosen": "ads"}, htmx=True),
        bench.post("/steps/ads", form | {"act": "s-when:set"}, htmx=True),
        bench.post("/questions", {"act": "offer:down"}, htmx=True),
        bench.post("/questions/offer", bench.form("/questions/offer") | {"type": "long_text"}, htmx=True),
    ]
    assert [_focused(answer.text) for answer in stays] == [[]] * len(stays)


def test_what_was_saved_and_what_is_wrong_is_told_where_a_screen_reader_listens(bench: Bench) -> None:
    page = bench.browser.get(f"{bench.url}/steps/ads").text
    assert '<p class="vh" id="builder-said" role="status" data-each></p>' in page
    saved = bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "4"}, htmx=True)
    assert _said(saved.text) == "Saved. Everything is in order."
    wrong = bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "many"}, htmx=True)
    assert _said(wrong.text).startswith("Saved. 1 thing to fix before you can publish. Write the ads: ")
    gone = bench.post("/steps/tell/removal", {}, htmx=True)
    assert _said(gone.text).startswith("Deleted “Mail the finished ads”. Undo brings it back. 1 thing to fix")
    refused = bench.post("/steps", {"type": "nothing"}, htmx=True, status=422)
    assert _said(refused.text) == "Choose what kind of step to add."
    nameless = bench.post("/details", bench.form("/details") | {"name": ""}, htmx=True, status=422)
    assert _said(nameless.text).startswith("Not saved. ")


def test_a_step_that_repeats_says_for_what(bench: Bench) -> None:
    form = bench.form("/steps/ads") | {"s-items": '["red", "blue"]'}
    assert "for each of 2 items" in Page(bench.post("/steps/ads", form, htmx=True).text).text
    form = bench.form("/steps/ads") | {"s-items": "{{ inputs.offer }}"}
    said = Page(bench.post("/steps/ads", form, htmx=True).text).text
    assert "for every item of the answer “What is the offer?”" in said
    assert "repeats for every item of a list; “What is the offer?” is none." in said


def test_a_closed_form_gives_the_focus_back_to_what_opened_it(bench: Bench) -> None:
    for path, opener in (("/steps/ads", "box-ads"), ("/text?beside=1", "as-text")):
        part = Page(bench.browser.get(bench.url + path, headers=HTMX).text)
        assert [attrs["data-back"] for attrs in part.attributes("a") if "data-back" in attrs] == [f"#{opener}"]
        assert f'id="{opener}"' in bench.browser.get(bench.url).text
    # opened, the text has the focus; fetched anew, it leaves it where it is
    assert _focused(bench.browser.get(f"{bench.url}/text?beside=1", headers=HTMX).text) == ["pane-title"]
    assert _focused(bench.browser.get(f"{bench.url}/text?beside=1&as=json", headers=HTMX).text) == []


def test_tab_comes_from_a_step_to_what_leads_on_from_it(bench: Bench) -> None:
    html = bench.browser.get(bench.url).text
    stops = [
        attrs.get("data-step") or attrs["aria-label"]
        for attrs in Page(html.partition('id="builder-list"')[0]).attributes("a")
        if attrs.get("class") == "plus" or "data-step" in attrs
    ]
    for step, leads_on in (
        ("ads", "Add a step between Write the ads and Give each ad a picture"),
        ("tell", "Add a step after Mail the finished ads"),
    ):
        assert stops[stops.index(step) + 1] == leads_on
