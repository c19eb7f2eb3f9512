"""The pages of documents."""

import io
import re
import zipfile
from html import unescape

import pytest
import sqlalchemy as sa

from app.core.db import db
from app.core.ids import new_id
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import WaitRow
from app.features.files import service, views
from app.features.files.models import Attachment, Document, DocumentRevision, Image
from app.features.runs import resource
from tests import factories
from tests.features.runs.conftest import Yard, statements
from tests.page import Page, token


def _documents(yard: Yard, run_id: str) -> list[str]:
    with yard.app.app_context():
        wanted = sa.select(Document.id).where(Document.run_id == run_id).order_by(Document.position)
        return list(db.session.scalars(wanted))


def _pictures(yard: Yard, document_id: str) -> list[tuple[str, bool]]:
    with yard.app.app_context():
        wanted = sa.select(Attachment).where(Attachment.document_id == document_id).order_by(Attachment.position)
        return [(each.image_id, each.is_primary) for each in db.session.scalars(wanted)]


def _attach_all(yard: Yard, run_id: str, document_id: str) -> list[str]:
    with yard.app.app_context():
        ids = list(db.session.scalars(sa.select(Image.id).where(Image.run_id == run_id).order_by(Image.position)))
        service.attach(db.session(), document_id, ids)
        db.session.commit()
    return ids


def test_documents_lists_the_newest_first_with_run_and_status(yard: Yard) -> None:
    run_id = yard.make("finished")[0]

    answer = yard.cast.browser(yard.cast.alice).get("/documents")

    page = Page(answer.text)
    assert page.faults == []
    rows = [a["id"].removeprefix("document-") for a in page.attributes("article")]
    assert rows == _documents(yard, run_id)  # what a step wrote at one moment stands in its order
    assert page.text.count("Approved") == 11  # ten rows and the filter
    assert "Run 1: Facebook ads: 2023 Toyota RAV4, stock T1192" in page.text


def test_documents_filters_by_status_and_run(yard: Yard) -> None:
    finished, running = yard.make("finished", "running")
    alice = yard.cast.browser(yard.cast.alice)

    def rows(query: str) -> list[str]:
        found = Page(alice.get(f"/documents?{query}").text).attributes("article")
        return [a["id"].removeprefix("document-") for a in found]

    assert rows(f"run={finished}") == _documents(yard, finished)
    assert set(rows("status=draft")) == set(_documents(yard, running))
    assert rows(f"run={finished}&status=draft") == []
    assert "No documents here" in alice.get(f"/documents?run={finished}&status=draft").text


def test_a_filter_that_is_not_understood_is_said_and_the_rest_is_kept(yard: Yard) -> None:
    yard.make("finished")
    alice = yard.cast.browser(yard.cast.alice)

    page = Page(alice.get("/documents?status=odd&category=nonsense&q=zebra").text)
    assert page.faults == []
    assert "Status: “odd” is not one of the choices. There is no filter “category”." in page.text
    assert "No documents match “zebra”" in page.text
    assert "is understood" not in alice.get("/documents?status=approved&q=rav4").text


def test_documents_page_by_key(yard: Yard) -> None:
    ids = yard.make("finished", "finished", "finished")
    alice = yard.cast.browser(yard.cast.alice)

    first = Page(alice.get("/documents").text)
    older = next(a["href"] for a in first.attributes("a") if "before=" in a.get("href", ""))
    second = Page(alice.get(older).text)

    assert len(first.attributes("article")) == 25
    rows = [a["id"].removeprefix("document-") for page in (first, second) for a in page.attributes("article")]
    assert rows == [document_id for run_id in reversed(ids) for document_id in _documents(yard, run_id)]


def test_documents_without_any_says_what_to_do(yard: Yard) -> None:
    page = Page(yard.cast.browser(yard.cast.alice).get("/documents").text)

    assert "No documents yet" in page.text
    assert page.faults == []


def test_what_a_run_made_stands_everywhere_in_the_order_of_its_steps_and_items(yard: Yard) -> None:
    each = {"prompt": "Write {{ item }}", "count": 2}
    definition = {
        "schema": 1,
        "steps": [
            {"id": "plan", "type": "generate_copy", "config": {"prompt": "Plan", "count": 1}},
            {"id": "texts", "type": "generate_copy", "for_each": {"items": ["a", "b"]}, "config": each},
        ],
    }
    with yard.app.app_context():
        session, workspace_id = db.session(), yard.cast.alice.workspace_id
        made = factories.workflow(session, workspace_id, name="Texts", definition=definition)
        told = factories.story(session, factories.queued_run(session, made, inputs={}))
        told.step("texts", StepStatus.COMPLETED, outcome="done")
        items = [told.step("texts", StepStatus.COMPLETED, outcome="done", item=item) for item in (1, 0)]
        for item in items:  # the second item was the first to be ready, and the plan came last of all
            told.documents(item, [f"Text {item.item} {place}" for place in (1, 2)], status="in_review")
            told.pictures(item, 1)
        plan = told.step("plan", StepStatus.COMPLETED, outcome="done")
        told.documents(plan, ["The plan"], status="approved")
        run = told.now(RunStatus.COMPLETED, done=2)
        pictures = {item.item: session.scalars(sa.select(Image.id).where(Image.step_run_id == item.id)).one()
                    for item in items}
        session.commit()
        run_id = run.id
        names = {row.id: row.title for row in session.execute(sa.select(Document.id, Document.title))}
        as_json = [each["title"] for each in resource.as_json(session, run)["documents"]]
    alice, order = yard.cast.browser(yard.cast.alice), ["The plan", "Text 0 1", "Text 0 2", "Text 1 1", "Text 1 2"]

    def named(address: str) -> list[str]:
        found = re.findall(r'href="/documents/([0-9a-f-]{36})"', alice.get(address).text)
        return [names[each] for each in dict.fromkeys(found)]

    assert as_json == named(f"/runs/{run_id}") == named(f"/documents?run={run_id}") == order
    step = alice.get(f"/runs/{run_id}/made/texts").text
    assert sorted(order[1:], key=step.index) == order[1:]
    archive = zipfile.ZipFile(io.BytesIO(alice.get(f"/documents.zip?run={run_id}").data)).namelist()
    assert [name[3:-4] for name in archive if name.endswith(".txt")] == [
        each.lower().replace(" ", "-") for each in order
    ]
    listed = Page(alice.get(f"/documents?run={run_id}").text)
    assert (listed.text.count("Not reviewed"), listed.text.count("Waiting")) == (5, 0)  # four rows and the filter
    shown = alice.get(f"/images?run={run_id}").text
    assert shown.index(pictures[0]) < shown.index(pictures[1])
    third = next(key for key, name in names.items() if name == "Text 0 2")
    page = Page(alice.get(f"/documents/{third}").text)
    assert "3 of 5" in page.text
    assert "Not reviewed" in page.text


def test_a_document_for_review_waits_while_its_run_goes_on_or_another_asks_about_it(yard: Yard) -> None:
    finished, running = yard.make("finished", "running")
    ended, going = _documents(yard, finished)[:2], _documents(yard, running)[:1]
    with yard.app.app_context():
        session = db.session()
        service.set_status(session, [*ended, *going], "in_review", by="")
        session.commit()
    alice = yard.cast.browser(yard.cast.alice)

    def told(document_id: str) -> list[str]:
        row = alice.get("/documents?status=in_review").text.partition(f'id="document-{document_id}"')[2]
        return [word for word in ("Waiting", "Not reviewed") if word in row.partition("</article>")[0]]

    assert [told(each) for each in (*ended, *going)] == [["Not reviewed"], ["Not reviewed"], ["Waiting"]]
    (asking,) = yard.make("waiting")
    with yard.app.app_context():
        wait = db.session.scalars(sa.select(WaitRow).where(WaitRow.run_id == asking)).one()
        wait.detail = {**wait.detail, "documents": ended[:1]}
        db.session.commit()
    assert [told(each) for each in ended] == [["Waiting"], ["Not reviewed"]]


def test_documents_reads_as_often_for_three_runs_as_for_one(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    yard.make("finished")
    alice.get("/documents")
    with statements(yard.app) as one:
        alice.get("/documents")
        alice.get("/documents/panel")
    yard.make("finished", "finished")
    with statements(yard.app) as three:
        alice.get("/documents")
        alice.get("/documents/panel")

    assert len(three) == len(one)


def test_document_shows_text_picture_lengths_and_how_it_came_to_be(yard: Yard) -> None:
    run_id = yard.make("finished")[0]
    document_id = _documents(yard, run_id)[2]
    with yard.app.app_context():
        found = db.session.get_one(Document, document_id)
        service.edit_document(
            db.session(), found, title="Winter-ready", body=found.body.replace("Boots", "Skis"), written_by="Bob Brown"
        )
        db.session.commit()

    answer = yard.cast.browser(yard.cast.alice).get(f"/documents/{document_id}")

    page = Page(answer.text)
    text = page.text.replace("\u00a0", " ")
    assert page.faults == []
    assert "As Facebook shows it" in text
    assert "Skis in the back, heat in the seats." in text
    assert "72 of 125 characters" in text
    assert "12 of 40 characters" in text
    assert "3 of 10" in text
    assert "Written by Sample writer First draft, 73 characters" in text
    assert "Edited by Bob Brown Version 2, 6 % of the words" in text
    assert "Approved by Bob Approver Version 1" in text
    assert [a for a in page.attributes("img") if a["src"].endswith(_pictures(yard, document_id)[0][0])]


def test_document_shows_markup_in_a_text_as_text(yard: Yard) -> None:
    run_id = yard.make("running")[0]
    document_id = _documents(yard, run_id)[0]
    with yard.app.app_context():
        db.session.get_one(Document, document_id).body = "<script>alert(1)</script>\nsecond line"
        db.session.commit()

    html = yard.cast.browser(yard.cast.alice).get(f"/documents/{document_id}").text

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>second line" in html


def test_save_makes_a_new_version_by_the_person(yard: Yard) -> None:
    document_id = _documents(yard, yard.make("running")[0])[0]
    alice = yard.cast.browser(yard.cast.alice)
    form = alice.get(f"/documents/{document_id}/edit").text
    assert Page(form).faults == []

    answer = alice.post(
        f"/documents/{document_id}",
        data={**Page(form).fields(), "csrf_token": token(form), "title": "New", "body": "New words"},
    )

    assert answer.status_code == 303
    with yard.app.app_context():
        found = db.session.get_one(Document, document_id)
        assert (found.title, found.body, found.version, found.written_by) == ("New", "New words", 2, "Alice Ames")
        assert db.session.get_one(DocumentRevision, (document_id, 2)).body == "New words"


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [({"body": "  "}, 422, "The text is empty"), ({"title": "x" * 301}, 422, "300"),
     ({"version": "7"}, 409, "was changed meanwhile")],
)  # fmt: skip
def test_save_refuses_what_does_not_fit_and_keeps_what_was_typed(
    yard: Yard, changes: dict[str, str], status: int, said: str
) -> None:
    document_id = _documents(yard, yard.make("running")[0])[0]
    alice = yard.cast.browser(yard.cast.alice)

    answer = alice.post(
        f"/documents/{document_id}", data={"title": "Mine", "body": "My words", "version": "1", **changes}
    )

    assert answer.status_code == status
    page = Page(answer.text)
    assert page.faults == []
    assert said in page.text
    if "body" not in changes:
        assert "My words" in answer.text
    with yard.app.app_context():
        assert db.session.get_one(Document, document_id).version == 1


def test_primary_and_removal_keep_one_primary_and_the_picture(yard: Yard) -> None:
    run_id = yard.make("finished")[0]
    document_id = _documents(yard, run_id)[0]
    ids = _attach_all(yard, run_id, document_id)
    alice = yard.cast.browser(yard.cast.alice)
    page = Page(alice.get(f"/documents/{document_id}").text)
    actions = [a["action"] for a in page.attributes("form") if "/pictures/" in a.get("action", "")]
    assert len([action for action in actions if action.endswith("/primary")]) == 4
    assert len([action for action in actions if action.endswith("/removal")]) == 5

    assert alice.post(f"/documents/{document_id}/pictures/{ids[3]}/primary").status_code == 303
    assert [image_id for image_id, is_primary in _pictures(yard, document_id) if is_primary] == [ids[3]]

    fragment = alice.post(f"/documents/{document_id}/pictures/{ids[3]}/removal", headers={"HX-Request": "true"})
    assert Page(fragment.text).faults == []
    assert "4 attached" in fragment.text
    left = _pictures(yard, document_id)
    assert len(left) == 4
    assert sum(is_primary for _, is_primary in left) == 1
    with yard.app.app_context():
        assert db.session.get(Image, ids[3]) is not None
    whole = alice.get(f"/documents/{document_id}").text
    assert fragment.text.strip() in whole


def test_download_has_texts_pictures_and_a_table(yard: Yard) -> None:
    run_id = yard.make("finished")[0]
    alice = yard.cast.browser(yard.cast.alice)

    answer = alice.get(f"/documents.zip?run={run_id}")

    assert answer.mimetype == "application/zip"
    assert "run-1.zip" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = archive.namelist()
        assert len([name for name in names if name.endswith(".txt")]) == 10
        assert len([name for name in names if name.endswith(".png")]) == 5
        assert factories.TEXTS[0] in archive.read("manifest.csv").decode("utf-8-sig")
    one = alice.get(f"/documents.zip?document={_documents(yard, run_id)[0]}")
    with zipfile.ZipFile(io.BytesIO(one.data)) as archive:
        assert len(archive.namelist()) == 3


def test_download_of_a_run_under_way_has_what_is_there(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    running, queued = yard.make("running", "queued")
    alice = yard.cast.browser(yard.cast.alice)

    answer = alice.get(f"/documents.zip?run={running}")

    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = archive.namelist()
    assert len([name for name in names if name.endswith(".txt")]) == 10
    assert [name for name in names if name.endswith(".png")] == [f"pictures/picture-0{n}.png" for n in (1, 2, 3)]
    assert f"/documents.zip?run={running}" in alice.get(f"/runs/{running}").text
    assert f"/documents.zip?run={queued}" not in alice.get(f"/runs/{queued}").text
    assert alice.get(f"/documents.zip?run={queued}").status_code == 404
    # more than one page and one archive hold: all of it is reached, in order, each once
    monkeypatch.setattr(views, "OF_RUN", 4)
    monkeypatch.setattr(views, "IN_ARCHIVE", 4)
    monkeypatch.setattr(views, "PICTURES", 2)
    for path, count in ((f"/documents?run={running}", 10), (f"/images?run={running}", 3)):
        seen: list[str] = []
        address: str | None = path
        while address:
            page = alice.get(address).text
            seen += dict.fromkeys(re.findall(r'href="/(?:documents|images)/([0-9a-f-]{36})"', page))
            more = re.search(rf'href="({path[:7]}[^"]*before=[^"]*)"', page)
            address = unescape(more[1]) if more else None
        assert len(seen) == len(set(seen)) == count
    parts = re.findall(r'href="(/documents.zip[^"]*part=\d)"', alice.get(f"/documents?run={running}").text)
    texts: list[str] = []
    for address in map(unescape, parts):
        with zipfile.ZipFile(io.BytesIO(alice.get(address).data)) as archive:
            texts += [name for name in archive.namelist() if name.endswith(".txt")]
            assert f"/documents?run={running}" in archive.read("Read this first.txt").decode()
    assert [name[:2] for name in texts if name[0] != "R"] == [f"{n:02}" for n in range(1, 11)]
    assert alice.get(f"/documents.zip?run={running}&part=4").status_code == 404


def test_panel_shows_what_is_ready_and_whose_approval_it_has(yard: Yard) -> None:
    finished, _running = yard.make("finished", "running")

    page = Page(yard.cast.browser(yard.cast.alice).get("/documents/panel").text)

    assert page.faults == []
    assert [a["id"] for a in page.attributes("a") if a.get("id")] == [f"documents-panel-{finished}"]
    assert "10 texts · approved by Bob Approver" in page.text.replace("\u00a0", " ")
    yard.change(finished, lambda run: setattr(run, "trigger_kind", "seed"))
    alice = yard.cast.browser(yard.cast.alice)
    assert f"documents-panel-{finished}" in alice.get("/documents/panel").text  # samples, while there is nothing else
    mine, = yard.make("finished")
    page = Page(alice.get("/documents/panel").text)
    assert [a["id"] for a in page.attributes("a") if a.get("id")] == [f"documents-panel-{mine}"]


@pytest.mark.parametrize("who", ["charlie", "bob", "nobody"])
def test_documents_of_others_stay_as_they_are(yard: Yard, who: str) -> None:
    run_id = yard.make("finished")[0]
    document_id = _documents(yard, run_id)[0]
    image_id = _pictures(yard, document_id)[0][0]
    browser = yard.cast.browser(yard.cast.person(who))
    expected = {"charlie": 404, "bob": 403, "nobody": 303}[who]

    for path in (f"/documents/{document_id}", f"/documents/{document_id}/pictures/{image_id}/primary",
                 f"/documents/{document_id}/pictures/{image_id}/removal"):  # fmt: skip
        assert browser.post(path, data={"title": "x", "body": "y"}).status_code == expected
    reads = {"charlie": 404, "bob": 200, "nobody": 303}[who]
    for path in (f"/documents/{document_id}", f"/documents?run={run_id}", f"/documents.zip?run={run_id}",
                 f"/documents.zip?document={document_id}", f"/images?run={run_id}", f"/images/{image_id}"):  # fmt: skip
        assert browser.get(path).status_code == reads, path
    with yard.app.app_context():
        assert db.session.get_one(Document, document_id).version == 1
    assert len(_pictures(yard, document_id)) == 1


def test_document_that_never_was_is_404(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)

    for path in (f"/documents/{new_id()}", "/documents/x", f"/documents.zip?document={new_id()}", "/documents.zip",
                 f"/documents?run={new_id()}", f"/images/{new_id()}", f"/images/{new_id()}/small"):  # fmt: skip
        assert alice.get(path).status_code == 404, path


def test_page_searches_by_the_name_of_the_run_too_and_reads_as_often_for_three_as_for_one(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    counts = []
    for number in (1, 3):
        yard.make(*["finished"] * number, label="Honda days")
        with statements(yard.app) as seen:
            page = alice.get("/documents?q=honda day").text
        counts.append(len(seen))
        assert Page(page).faults == []
    rows = list(Page(page).attributes("article"))

    assert counts[0] == counts[1]
    assert len(rows) == 25
    assert "q=honda+day" in next(way["href"] for way in Page(page).attributes("a") if "before=" in way.get("href", ""))
    assert "No documents match “zebra”" in Page(alice.get("/documents?q=zebra").text).text
    assert "article" not in yard.cast.browser(yard.cast.charlie).get("/documents?q=honda").text.partition("<main")[2]
