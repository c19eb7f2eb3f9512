"""The pictures themselves, and the page that shows them."""

import sqlalchemy as sa

from app.core.db import db
from app.features.files.models import Image
from tests import factories
from tests.features.runs.conftest import Yard
from tests.page import Page


def _first(yard: Yard, run_id: str) -> str:
    with yard.app.app_context():
        wanted = sa.select(Image.id).where(Image.run_id == run_id).order_by(Image.position).limit(1)
        return str(db.session.scalar(wanted))


def test_image_is_sent_as_it_came_and_kept_by_the_browser_alone(yard: Yard) -> None:
    image_id = _first(yard, yard.make("finished")[0])
    alice = yard.cast.browser(yard.cast.alice)

    original, small = alice.get(f"/images/{image_id}"), alice.get(f"/images/{image_id}/small")

    assert (original.mimetype, original.data) == ("image/png", factories.picture(1).original)
    assert small.mimetype == "image/jpeg"
    assert small.data != original.data
    for answer in (original, small):
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert "Cookie" in answer.headers["Vary"]
    assert original.headers["ETag"] != small.headers["ETag"]


def test_image_that_the_browser_has_is_not_sent_again(yard: Yard) -> None:
    image_id = _first(yard, yard.make("finished")[0])
    alice = yard.cast.browser(yard.cast.alice)
    tag = alice.get(f"/images/{image_id}/small").headers["ETag"]

    answer = alice.get(f"/images/{image_id}/small", headers={"If-None-Match": tag})

    assert (answer.status_code, answer.data) == (304, b"")
    other = yard.cast.browser(yard.cast.charlie).get(f"/images/{image_id}/small", headers={"If-None-Match": tag})
    assert other.status_code == 404


def test_images_shows_pictures_with_their_words(yard: Yard) -> None:
    run_id = yard.make("finished")[0]
    alice = yard.cast.browser(yard.cast.alice)

    page = Page(alice.get("/images").text)

    assert page.faults == []
    assert len(page.attributes("figure")) == 5
    assert {a["alt"] for a in page.attributes("img")} == {f"The car on a coast road, view {n}" for n in range(1, 6)}
    assert "See its run (picture 1)" in page.text
    assert "See its run (picture 5)" in page.text
    assert len(Page(alice.get(f"/images?run={run_id}").text).attributes("figure")) == 5
    assert "No pictures yet" in yard.cast.browser(yard.cast.charlie).get("/images").text
