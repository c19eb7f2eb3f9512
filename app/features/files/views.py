"""Pages of documents and pictures, and the pictures themselves."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, cast

from flask import Blueprint, Response, flash, make_response, request, send_file, url_for

from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import is_id
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.files import archive, queries, service, shelf
from app.features.files.enums import DocumentStatus
from app.features.files.forms import DocumentForm
from app.features.files.models import Document, DocumentRevision, Image
from app.features.files.queries import AttachmentFacts, Variant
from app.features.files.shelf import RunFacts
from app.web import htmx, paging
from app.web.address import choice, not_filters

blueprint = Blueprint("files", __name__)

OF_RUN = 100  # documents of a run on a page
IN_ARCHIVE = 1000  # texts, and as many pictures
MOST_CHARS = 200
PICTURES = 48
FOREVER = "private, max-age=31536000, immutable"
SANDBOX = "default-src 'none'; sandbox"
FILTERS = (
    ("", "All"),
    (DocumentStatus.APPROVED.value, "Approved"),
    (DocumentStatus.IN_REVIEW.value, "Not reviewed"),
    (DocumentStatus.DRAFT.value, "Drafts"),
    (DocumentStatus.REJECTED.value, "Rejected"),
)
NAMES = {"status": "Status", "q": "Search", "run": "Run"}  # of the filters in the address


# --- documents ---


@blueprint.get("/documents")
@requires(Permission.SEE)
def documents() -> Response:
    """List documents, the newest first, those with the words ``?q=``; ``?run=`` those of one run in their order."""
    session, workspace_id = db.session(), who().workspace_id
    problems, run = dict[str, str](), _run()
    status = choice(request.args, "status", set(DocumentStatus).__contains__, problems)
    size = OF_RUN if run else paging.SIZE
    text = "" if run else " ".join(request.args.get("q", "").replace("\0", "").split())[:MOST_CHARS]
    found = queries.documents(
        session,
        workspace_id,
        run_id=run.id if run else None,
        status=status or None,
        text=text,
        limit=size + 1,
        before=paging.before(),
    )
    page, counts = paging.cut(found, size), shelf.status_counts(session, workspace_id, run_id=run.id if run else None)
    return htmx.page(
        "files/documents.html",
        documents=page.items,
        next=page.next,
        pictures=queries.attachments(session, [document.id for document in page.items]),
        runs=shelf.runs_of(session, workspace_id, page.items),
        not_asked=shelf.not_asked(session, workspace_id, page.items),
        counts=counts,
        parts=_parts(run) if run and counts[""] >= IN_ARCHIVE else 1,
        filters=FILTERS,
        problems=problems,
        filter_names=NAMES,
        not_filters=not_filters(request.args, NAMES),
        most=shelf.MOST_COUNTED,
        chosen=status,
        q=text,
        run=run,
    )


@blueprint.get("/documents/panel")
@requires(Permission.SEE)
def panel() -> Response:
    """Show the newest runs whose documents are ready, for the home page."""
    sets = shelf.ready_sets(db.session(), who().workspace_id)
    return htmx.page("files/panel.html", sets=sets)


@blueprint.get("/documents.zip")
@requires(Permission.SEE)
def download() -> Response:
    """Give what a run has made so far, or the document named by ``?document=`` with its pictures, as an archive.

    More than fits into one comes in parts, ``?part=2`` and so on; each says which it is.
    """
    session, workspace_id = db.session(), who().workspace_id
    run, pictures, note, skip = _run(), list[Image](), "", 0
    if run is not None:
        part, parts = _number(request.args.get("part", "")), _parts(run)
        skip = (part - 1) * IN_ARCHIVE
        chosen = queries.documents(session, workspace_id, run_id=run.id, limit=IN_ARCHIVE, skip=skip)
        pictures = queries.images(session, workspace_id, run_id=run.id, limit=IN_ARCHIVE, skip=skip)
        name = f"run-{run.number}.zip" if parts == 1 else f"run-{run.number}-part-{part}.zip"
        note = "" if parts == 1 else (
            f"This is part {part} of {parts} of what run {run.number} made.\r\n"
            f"The others: {url_for('files.documents', run=run.id, _external=True)}\r\n"
        )
    else:
        document = _document(request.args.get("document", ""))
        chosen, name = [document], f"document-{document.position}.zip"
    if not chosen and not pictures:
        raise NotFound("This run has no texts and no pictures.", fix="While it runs they arrive one by one.")
    packed = tempfile.SpooledTemporaryFile(max_size=4 * 1024 * 1024)  # noqa: SIM115 (the answer closes it)
    archive.write(session, workspace_id, chosen, cast(BinaryIO, packed), pictures, first=skip + 1, note=note)
    packed.seek(0)
    return send_file(
        cast(BinaryIO, packed), mimetype="application/zip", as_attachment=True, download_name=name, max_age=0
    )


@blueprint.get("/documents/<document_id>")
@requires(Permission.SEE)
def document(document_id: str) -> Response:
    """Show one document as its channel would, with its pictures and how it came to be."""
    return _page(_document(document_id))


@blueprint.get("/documents/<document_id>/edit")
@requires(Permission.LAUNCH)
def edit(document_id: str) -> Response:
    """Show the form for a document's words."""
    found = _document(document_id)
    return htmx.page("files/edit.html", document=found, form=DocumentForm(obj=found))


@blueprint.post("/documents/<document_id>")
@requires(Permission.LAUNCH)
def save(document_id: str) -> Response:
    """Save a document's words as a new version."""
    found, form = _document(document_id), DocumentForm()
    if not form.validate_on_submit():
        return htmx.page("files/edit.html", document=found, form=form, status=422)
    try:
        service.edit_document(
            db.session(),
            found,
            title=form.title.data or "",
            body=form.body.data or "",
            written_by=who().name,
            expected_version=form.expected_version,
        )
    except (Invalid, Conflict) as error:
        db.session.rollback()
        form.add_problems(error if isinstance(error, Invalid) else Invalid(f"{error.message} {error.fix}"))
        return htmx.page("files/edit.html", document=_document(document_id), form=form, status=error.status)
    db.session.commit()
    flash(f"Saved as version {found.version}.", "go")
    return htmx.redirect(url_for("files.document", document_id=document_id))


@blueprint.post("/documents/<document_id>/pictures/<image_id>/primary")
@requires(Permission.LAUNCH)
def make_primary(document_id: str, image_id: str) -> Response:
    """Make a picture the primary one."""
    _document(document_id)
    service.set_primary(db.session(), who().workspace_id, document_id, image_id)
    db.session.commit()
    return _pictures(document_id)


@blueprint.post("/documents/<document_id>/pictures/<image_id>/removal")
@blueprint.delete("/documents/<document_id>/pictures/<image_id>", endpoint="detach_by_delete")
@requires(Permission.LAUNCH)
def detach(document_id: str, image_id: str) -> Response:
    """Take a picture off a document; the picture itself stays."""
    _document(document_id)
    service.detach(db.session(), who().workspace_id, document_id, image_id)
    db.session.commit()
    return _pictures(document_id)


# --- pictures ---


@blueprint.get("/images")
@requires(Permission.SEE)
def images() -> Response:
    """Show the workspace's pictures, the newest first; ``?run=`` those of one run."""
    session, workspace_id, run = db.session(), who().workspace_id, _run()
    found = queries.images(
        session, workspace_id, run_id=run.id if run else None, limit=PICTURES + 1, before=paging.before()
    )
    page = paging.cut(found, PICTURES)
    return htmx.page("files/images.html", images=page.items, next=page.next, run=run)


@blueprint.get("/images/<image_id>", defaults={"variant": "original"})
@blueprint.get("/images/<image_id>/<any(original, small):variant>")
@requires(Permission.SEE)
def image(image_id: str, variant: Variant) -> Response:
    """Give a picture's bytes. They never change, so the browser may keep them; nobody else may."""
    if not is_id(image_id):
        raise NotFound("This picture does not exist.")
    session = db.session()
    found = queries.image(session, who().workspace_id, image_id)
    etag = hashlib.sha256(f"{found.sha256}-{variant}".encode()).hexdigest()[:32]
    if request.if_none_match.contains(etag):
        response = make_response("", 304)
    else:
        blob = queries.blob(session, found.id, variant)
        response = make_response(blob.content)
        response.headers["Content-Type"] = blob.media_type
    response.set_etag(etag)
    response.headers["Cache-Control"] = FOREVER
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Content-Disposition"] = "inline"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.vary.add("Cookie")
    return response


# --- helpers ---


def _parts(run: RunFacts) -> int:
    """Return in how many archives what a run made comes."""
    return max(-(-max(queries.made_by_run(db.session(), run.id)) // IN_ARCHIVE), 1)


def _number(written: str) -> int:
    return max(int(written), 1) if written.isdecimal() and len(written) < 5 else 1


@dataclass(frozen=True, slots=True)
class Event:
    """One point of how a document came to be."""

    icon: str
    title: str
    detail: str
    at: datetime
    kind: str = ""


def _document(document_id: str) -> Document:
    if not is_id(document_id):
        raise NotFound("This document does not exist.")
    return queries.document(db.session(), who().workspace_id, document_id)


def _run() -> RunFacts | None:
    """Return the run that the list is about. Raises NotFound for a stranger's."""
    run_id = request.args.get("run", "")
    if not run_id:
        return None
    return shelf.run(db.session(), who().workspace_id, run_id)


def _page(found: Document) -> Response:
    session = db.session()
    run = shelf.runs_of(session, found.workspace_id, [found]).get(found.run_id or "")
    return htmx.page(
        "files/document.html",
        document=found,
        run=run,
        not_asked=shelf.not_asked(session, found.workspace_id, [found]),
        pictures=queries.attachments(session, [found.id])[found.id],
        around=shelf.neighbours(session, found),
        trail=_trail(found, queries.revisions(session, found.id)),
        limits=_limits(found),
    )


def _pictures(document_id: str) -> Response:
    if not htmx.is_fragment():
        return htmx.redirect(url_for("files.document", document_id=document_id))
    found = _document(document_id)
    pictures: list[AttachmentFacts] = queries.attachments(db.session(), [document_id])[document_id]
    return htmx.page("files/_pictures.html", document=found, pictures=pictures)


def _limits(found: Document) -> list[tuple[str, int, int]]:
    """Return name, length and limit, in characters, of what the channel limits."""
    known = (("Text", "max_chars", found.body), ("Headline", "title_max_chars", found.title))
    return [
        (name, len(text), int(found.fields[key]))
        for name, key, text in known
        if isinstance(found.fields.get(key), int) and found.fields[key] > 0
    ]


def _trail(found: Document, revisions: Sequence[DocumentRevision]) -> list[Event]:
    """Return how a document came to be, the oldest point first."""
    events = []
    before: DocumentRevision | None = None
    for revision in reversed(revisions):
        length = f"{len(revision.body):,} characters"
        if before is None:
            writer = revision.written_by or "AI"
            events.append(Event("writing", f"Written by {writer}", f"First draft, {length}", revision.at))
        else:
            share = f"Version {revision.version}, {shelf.changed_share(before.body, revision.body)}"
            events.append(Event("pencil", f"Edited by {revision.written_by or 'somebody'}", share, revision.at))
        before = revision
    if found.approved_at is not None:
        by = f"Approved by {found.approved_by}" if found.approved_by else "Approved"
        version = max((each.version for each in revisions if each.at <= found.approved_at), default=found.version)
        events.append(Event("user-check", by, f"Version {version}", found.approved_at, "c-go"))
    return sorted(events, key=lambda event: event.at)
