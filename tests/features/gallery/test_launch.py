"""The launch form: pages of questions, kept answers, the check, and Start."""

from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core import clock
from app.core.db import db
from app.engine.models import Run
from app.features.gallery import library, service
from app.features.gallery.models import LaunchDraft, Template
from app.features.workflows.models import Workflow
from tests.cast import Cast, Person
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LAUNCH = "/gallery/facebook-ads-campaign/launch"
OFFER = "One-owner CR-V EX-L for $28,990"
HTMX = {"HX-Request": "true"}


def _draft(app: Flask) -> LaunchDraft | None:
    with app.app_context():
        return db.session.scalars(sa.select(LaunchDraft)).one_or_none()


def _runs(app: Flask) -> list[Run]:
    with app.app_context():
        return list(db.session.scalars(sa.select(Run).order_by(Run.number)))


def _answer(browser: FlaskClient, page: int, **answers: Any) -> Any:
    return browser.post(f"{LAUNCH}?page={page}", data={f"q_{key}": value for key, value in answers.items()})


def _fill(browser: FlaskClient, **answers: str) -> str:
    """Answer all pages and return the check page."""
    _answer(browser, 1, **{"offer": OFFER, **answers})
    _answer(browser, 2, tone="Friendly", copies="10", pictures="5", picture_style="showroom")
    response = _answer(browser, 3, approver="bob@north.example")
    assert response.location == f"{LAUNCH}?page=check"
    return str(browser.get(response.location).text)


def test_each_page_asks_one_group_with_label_help_and_defaults(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    for number, heading in ((1, "The offer"), (2, "Look and words"), (3, "Approval")):
        response = browser.get(f"{LAUNCH}?page={number}")
        page = Page(response.text)
        assert response.status_code == 200
        assert page.faults == []
        assert f"<h1>{heading}</h1>" in response.text
    assert Page(browser.get(f"{LAUNCH}?page=2").text).fields()["q_copies"] == "10"
    first = browser.get(LAUNCH).text
    assert first.index('for="q_offer"') < first.index('id="q_offer-help"') < first.index('id="q_offer"')


@pytest.mark.parametrize("slug", [path.stem for path in library.FOLDER.glob("*.yaml")])
def test_every_template_can_be_asked_for_on_all_its_pages(cast: Cast, slug: str) -> None:
    browser = cast.browser(cast.alice)
    for number in (1, 2, 3, 4):
        page = Page(browser.get(f"/gallery/{slug}/launch?page={number}").text)
        assert page.faults == []


def test_looking_keeps_nothing(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    for address in (LAUNCH, f"{LAUNCH}?page=2", f"{LAUNCH}?page=check"):
        browser.get(address)
    assert _draft(app) is None


def test_a_right_page_leads_to_the_next_and_is_kept(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    response = _answer(browser, 1, offer=OFFER, ends="2099-11-30")
    assert (response.status_code, response.location) == (303, f"{LAUNCH}?page=2")
    draft = _draft(app)
    assert draft is not None
    assert draft.answers["offer"] == OFFER
    assert OFFER in browser.get(LAUNCH).text
    assert 'value="2099-11-30"' in browser.get(LAUNCH).text


def test_wrong_answers_come_back_with_what_to_write_and_are_kept(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    response = _answer(browser, 1, offer="", landing_url="northfield", ends="soon")
    page = Page(response.text)
    assert response.status_code == 422
    assert page.faults == []
    assert "3 things need another look" in page.text
    assert 'href="#q_landing_url"' in response.text
    assert "“northfield” is not a web address. Write it like https://example.com/offer." in page.text
    assert 'value="northfield"' in response.text
    assert response.text.count('aria-invalid="true"') == 3
    draft = _draft(app)
    assert draft is not None
    assert draft.answers["landing_url"] == "northfield"


def test_numbers_out_of_bounds_name_the_bounds(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    response = _answer(browser, 2, copies="21", pictures="0", tone="Shouting")
    text = Page(response.text).text
    assert response.status_code == 422
    assert "“How many ads?” must be from 1 to 20." in text
    assert "“How many pictures?” must be from 1 to 10." in text
    assert "“Shouting” is not one of the choices." in text


def test_the_last_day_of_an_offer_is_not_in_the_past(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    today = clock.now().astimezone(ZoneInfo("America/New_York")).date()
    assert f'min="{today}"' in browser.get(LAUNCH).text
    response = _answer(browser, 1, offer=OFFER, ends="2026-01-31")
    assert response.status_code == 422
    assert "“Until” is 31 January 2026, which is in the past." in Page(response.text).text


def test_a_file_fills_the_brief_below_what_was_typed(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    data = {
        "q_brief": "No slang.",
        "q_copies": "10",
        "f_brief": (BytesIO("We say “pre-owned”.".encode()), "house.md"),
    }
    response = browser.post(f"{LAUNCH}?page=2", data=data, content_type="multipart/form-data")
    assert response.status_code == 303
    draft = _draft(app)
    assert draft is not None
    assert draft.answers["brief"] == "No slang.\n\nWe say “pre-owned”."


def test_a_file_of_another_kind_is_refused_beside_its_question(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    data = {"q_brief": "Typed.", "f_brief": (BytesIO(b"MZ\x00"), "virus.exe")}
    response = browser.post(f"{LAUNCH}?page=2", data=data, content_type="multipart/form-data")
    assert response.status_code == 422
    assert "“virus.exe” does not fit this question. Use .txt, .md or .docx." in Page(response.text).text
    draft = _draft(app)
    assert draft is not None
    assert draft.answers["brief"] == "Typed."


def test_typing_keeps_answers_and_tells_what_the_ai_will_hear(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    response = browser.post(f"{LAUNCH}/draft?page=1", data={"q_offer": "A <i>red</i> car"}, headers=HTMX)
    assert response.status_code == 200
    assert '<span class="chipv wrap-x">A &lt;i&gt;red&lt;/i&gt; car</span>' in response.text
    assert '<p id="told-said" hx-swap-oob="innerHTML">Your answers are kept.</p>' in response.text
    draft = _draft(app)
    assert draft is not None
    assert draft.answers["offer"] == "A <i>red</i> car"
    assert browser.post(f"{LAUNCH}/draft?page=1", data={"q_offer": "x"}).location == f"{LAUNCH}?page=1"


def test_the_check_page_says_all_answers_who_is_asked_what_leaves_and_what_it_costs(cast: Cast) -> None:
    html = _fill(cast.browser(cast.alice), ends="2099-11-30")
    page = Page(html)
    assert page.faults == []
    assert OFFER in page.text
    assert "30 Nov 2099" in page.text
    assert f'href="{LAUNCH}?page=2#q_copies"' in html
    assert "an e-mail to bob@north.example asks for approval" in page.text
    assert "Mail the finished ads: an e-mail to you." in page.text
    assert "about 4 min" in page.text
    assert "about $0.23" in page.text
    assert "Never more than $5.00." in page.text


def test_the_check_page_without_the_required_answer_leads_back_to_it(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    _answer(browser, 3, approver="bob@north.example")
    response = browser.get(f"{LAUNCH}?page=check")
    assert response.location == f"{LAUNCH}?page=1&fix=1"
    assert "“What is the offer?” needs an answer." in Page(browser.get(response.location).text).text


def test_start_makes_the_run_and_shows_it_before_a_worker_has_it(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    draft_id = Page(_fill(browser)).fields()["draft"]
    response = browser.post(f"{LAUNCH}/run", data={"draft": draft_id})
    [run] = _runs(app)
    assert (response.status_code, response.location) == (303, f"/runs/{run.id}")
    assert (run.label, run.status, run.dedupe_key) == (f"Facebook ads: {OFFER}", "queued", draft_id)
    assert run.inputs["approver"] == "bob@north.example"
    assert browser.get(response.location).status_code == 200
    assert _draft(app) is None


def test_start_pressed_twice_is_one_run(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    draft_id = Page(_fill(browser)).fields()["draft"]
    first = browser.post(f"{LAUNCH}/run", data={"draft": draft_id})
    second = browser.post(f"{LAUNCH}/run", data={"draft": draft_id})
    assert first.location == second.location
    assert len(_runs(app)) == 1


@pytest.mark.parametrize("is_first", [True, False], ids=["the long way", "the short way"])
def test_only_what_was_checked_is_started(app: Flask, cast: Cast, is_first: bool) -> None:
    browser = cast.browser(cast.alice)
    if not is_first:
        browser.post(f"{LAUNCH}/run", data=Page(_fill(browser)).fields())
    before = len(_runs(app))
    checked = Page(_fill(browser)).fields()
    browser.post(f"{LAUNCH}/draft?page=1", data={"q_offer": "Another offer"}, headers=HTMX)  # in another tab

    refused = browser.post(f"{LAUNCH}/run", data=checked)

    assert (refused.status_code, refused.location) == (303, f"{LAUNCH}?page=check&changed=1")
    assert len(_runs(app)) == before
    again = Page(browser.get(refused.location).text)
    assert "Something was changed since you checked" in again.text
    assert "Another offer" in again.text
    assert browser.post(f"{LAUNCH}/run", data=again.fields()).location.startswith("/runs/")
    assert [run.inputs["offer"] for run in _runs(app)][before:] == ["Another offer"]


def test_a_new_version_since_the_check_is_checked_again(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    browser.post(f"{LAUNCH}/run", data=Page(_fill(browser)).fields())
    checked = Page(_fill(browser)).fields()
    with app.app_context():
        db.session.execute(sa.update(Template).values(version=Template.version + 1))
        db.session.commit()

    assert browser.post(f"{LAUNCH}/run", data=checked).location == f"{LAUNCH}?page=check&changed=1"
    assert len(_runs(app)) == 1


def test_start_of_somebody_elses_answers_is_not_found(app: Flask, cast: Cast, dana: Person) -> None:
    draft_id = Page(_fill(cast.browser(cast.alice))).fields()["draft"]
    for person in (dana, cast.charlie):
        assert cast.browser(person).post(f"{LAUNCH}/run", data={"draft": draft_id}).status_code == 404
    assert _runs(app) == []


def test_start_of_answers_that_no_longer_fit_shows_them_again(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    draft_id = Page(_fill(browser)).fields()["draft"]
    browser.post(f"{LAUNCH}/draft?page=1", data={"q_offer": ""}, headers=HTMX)
    response = browser.post(f"{LAUNCH}/run", data={"draft": draft_id})
    assert response.status_code == 422
    assert "“What is the offer?” needs an answer." in Page(response.text).text
    assert _runs(app) == []


def test_start_of_answers_that_were_right_some_days_ago_asks_them_again(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    for _ in range(2):  # the second start is the one that takes few statements
        draft_id = Page(_fill(browser)).fields()["draft"]
        browser.post(f"{LAUNCH}/run", data={"draft": draft_id})
    draft_id = Page(_fill(browser)).fields()["draft"]
    with app.app_context():
        draft = db.session.scalars(sa.select(LaunchDraft)).one()
        draft.answers = {**draft.answers, "ends": "2026-01-31"}
        db.session.commit()

    response = browser.post(f"{LAUNCH}/run", data={"draft": draft_id})

    assert response.status_code == 422
    assert "31 January 2026" in Page(response.text).text
    assert len(_runs(app)) == 2


@pytest.mark.parametrize("page", ["0003", "00011", "0001" + "9" * 5000, "٣٣", "-1"])
def test_a_page_that_is_none_is_the_first(cast: Cast, page: str) -> None:
    browser = cast.browser(cast.alice)
    assert "<h1>The offer</h1>" in browser.get(LAUNCH, query_string={"page": page}).text
    shown = browser.get("/gallery/facebook-ads-campaign", query_string={"document": page})
    assert shown.status_code == 200


def test_start_of_a_workflow_that_is_switched_off_says_so(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    browser.post(f"{LAUNCH}/run", data={"draft": Page(_fill(browser)).fields()["draft"]})
    with app.app_context():
        db.session.execute(sa.update(Workflow).values(is_enabled=False))
        db.session.commit()
    response = browser.post(f"{LAUNCH}/run", data={"draft": Page(_fill(browser)).fields()["draft"]})
    assert response.status_code == 409
    assert "“Facebook Ads Campaign” is switched off." in Page(response.text).text
    assert len(_runs(app)) == 1


def test_same_as_last_time_fills_in_this_persons_last_answers(app: Flask, cast: Cast, dana: Person) -> None:
    browser = cast.browser(cast.alice)
    assert "Same as last time" not in browser.get(LAUNCH).text
    browser.post(
        f"{LAUNCH}/run", data={"draft": Page(_fill(browser, price_terms="plus tax")).fields()["draft"]}
    )
    assert "Same as last time" in browser.get(LAUNCH).text
    assert "Same as last time" not in cast.browser(dana).get(LAUNCH).text

    response = browser.post(f"{LAUNCH}/last?page=1")

    assert (response.status_code, response.location) == (303, f"{LAUNCH}?page=1")
    page = Page(browser.get(LAUNCH).text)
    assert page.fields()["q_price_terms"] == "plus tax"
    assert OFFER in page.text
    assert browser.get(f"{LAUNCH}?page=check").status_code == 200


def test_emptying_the_form_forgets_the_answers(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    _answer(browser, 1, offer=OFFER)
    assert browser.post(f"{LAUNCH}/clear").location == LAUNCH
    assert _draft(app) is None
    assert OFFER not in browser.get(LAUNCH).text
    assert browser.post(f"{LAUNCH}/clear").status_code == 303


def test_dates_and_times_are_asked_and_shown_in_the_workspaces_zone(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    address = "/gallery/instagram-carousel/launch"
    browser.post(
        f"{address}?page=1", data={"q_theme": "Snow", "q_call_to_action": "Call us", "q_hashtags": "y"}
    )
    browser.post(f"{address}?page=2", data={"q_slides": "6", "q_tone": "Friendly", "q_look": "photo"})
    response = browser.post(f"{address}?page=3", data={"q_post_at": "2099-11-30T09:00"})
    assert response.location == f"{address}?page=check"
    draft = _draft(app)
    assert draft is not None
    assert draft.answers["post_at"] == "2099-11-30T09:00:00-05:00"
    assert "30 Nov 2099, 09:00" in Page(browser.get(response.location).text).text
    assert 'value="2099-11-30T09:00"' in browser.get(f"{address}?page=3").text


def test_an_unticked_box_is_a_no_though_the_default_is_yes(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    address = "/gallery/instagram-carousel/launch"
    assert "checked" in browser.get(address).text
    browser.post(f"{address}?page=1", data={"q_theme": "Snow"})
    draft = _draft(app)
    assert draft is not None
    assert draft.answers["hashtags"] is False
    assert "checked" not in browser.get(address).text


@pytest.mark.parametrize("path", ["", "/draft", "/last", "/clear", "/run"])
def test_an_approver_may_not_launch_and_a_stranger_signs_in_first(app: Flask, cast: Cast, path: str) -> None:
    assert cast.browser(cast.bob).post(f"{LAUNCH}{path}", data={"q_offer": OFFER}).status_code == 403
    assert cast.browser(None).post(f"{LAUNCH}{path}", data={"q_offer": OFFER}).status_code in (303, 400)
    assert cast.browser(cast.alice).post(f"/gallery/no-such/launch{path}").status_code == 404
    assert _draft(app) is None
    assert _runs(app) == []


def test_an_approver_may_not_see_the_form(cast: Cast) -> None:
    assert cast.browser(cast.bob).get(LAUNCH).status_code == 403
    assert cast.browser(None).get(LAUNCH).status_code == 303
    assert cast.browser(cast.alice).get("/gallery/no-such/launch").status_code == 404


def test_a_form_without_its_token_is_refused(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    del browser.environ_base["HTTP_X_CSRF_TOKEN"]
    assert browser.post(f"{LAUNCH}?page=1", data={"q_offer": OFFER}).status_code == 400
    assert _draft(app) is None


def test_an_editor_may_launch(app: Flask, cast: Cast, dana: Person) -> None:
    browser = cast.browser(dana)
    browser.post(f"{LAUNCH}/run", data={"draft": Page(_fill(browser)).fields()["draft"]})
    [run] = _runs(app)
    assert run.started_by == dana.user_id


def test_answers_that_the_template_no_longer_asks_are_left_out(app: Flask, cast: Cast) -> None:
    with app.app_context():
        service.keep_answers(
            db.session(),
            workspace_id=cast.alice.workspace_id,
            user_id=cast.alice.user_id,
            slug="facebook-ads-campaign",
            answers={"offer": OFFER, "gone": "x"},
            over=None,
        )
        db.session.commit()
    response = cast.browser(cast.alice).get(f"{LAUNCH}?page=check")
    assert response.status_code == 200
    draft_id = Page(response.text).fields()["draft"]
    assert cast.browser(cast.alice).post(f"{LAUNCH}/run", data={"draft": draft_id}).status_code == 303
