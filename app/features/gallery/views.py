"""Pages of the gallery: the cards, a template with its sample, and the launch form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, url_for

from app.core.db import db
from app.core.errors import FieldError, Invalid
from app.definition import lanes
from app.definition.schema import Definition, Input, InputType
from app.engine import catalog
from app.features.accounts import queries as accounts
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.queries import Who
from app.features.files import queries as files
from app.features.files.service import read_upload
from app.features.gallery import figures, forms, queries, quote, rules, samples, service, shelf
from app.features.gallery.asking import Asking
from app.features.gallery.enums import Category, Sort, View, Whose
from app.features.gallery.figures import CardFacts
from app.features.gallery.models import Template
from app.features.runs import queries as run_queries
from app.features.runs import service as runs
from app.web import htmx
from app.web.forms import Form

blueprint = Blueprint("gallery", __name__)

CHECK = "check"
MOST_COMPARED = 3
MAX_FILE_BYTES = 2 * 1024 * 1024  # more than may be used: the reader says that it is too large


@blueprint.get("/gallery")
@requires(Permission.SEE)
def index() -> Response:
    """Show the templates that fit the search and the filters of the address, as cards or as a list."""
    workspace_id, session = who().workspace_id, db.session()
    wanted = _wanted()
    listed, known = queries.listed(session, workspace_id), figures.read(session, workspace_id)
    arranged = shelf.arrange(listed, known, wanted)
    slugs = [template.slug for template in shelf.page(arranged, wanted.page)]
    templates = queries.chosen(session, workspace_id, slugs)
    return htmx.page(
        "gallery/index.html",
        fragment="gallery/_cards.html",
        templates=templates,
        facts={one.slug: figures.facts_of(one, known.get(one.slug, figures.NONE)) for one in templates},
        covers=samples.covers(session, workspace_id, slugs),
        counts=shelf.counts(listed, wanted.whose),
        has_own=any(template.whose is Whose.OWN for template in listed),
        total=len(arranged),
        pages=shelf.pages(arranged),
        wanted=wanted,
        view=_one_of(View, request.args.get("view")) or View.GRID,
        address=_address(wanted),
        sorts=list(Sort),
        may_launch=who().may(Permission.LAUNCH),
        may_build=who().may(Permission.BUILD),
    )


@blueprint.get("/gallery/compare")
@requires(Permission.SEE)
def compare() -> Response:
    """Show two or three templates side by side: what each gives, asks, takes and costs."""
    me, session = who(), db.session()
    slugs = list(dict.fromkeys(request.args.getlist("t")))[:MOST_COMPARED]
    chosen = queries.chosen(session, me.workspace_id, slugs)
    facts = figures.facts(session, me.workspace_id, slugs)
    return htmx.page(
        "gallery/compare.html",
        columns=[_column(template, facts[template.slug]) for template in chosen],
        covers=samples.covers(session, me.workspace_id, slugs),
        others=[one for one in queries.listed(session, me.workspace_id) if one.slug not in slugs],
        most=MOST_COMPARED,
        may_launch=me.may(Permission.LAUNCH),
    )


@blueprint.get("/gallery/<slug>")
@requires(Permission.SEE)
def show(slug: str) -> Response:
    """Show one template: a finished sample first, then how it is made and what it takes."""
    me, session = who(), db.session()
    template = queries.template(session, me.workspace_id, slug)
    definition = Definition.model_validate(template.definition)
    sample = samples.sample(session, me.workspace_id, slug)
    shown = _place(request.args.get("document"), len(sample.documents) if sample else 0)
    return htmx.page(
        "gallery/show.html",
        fragment="gallery/_sample.html",
        template=template,
        category=_one_of(Category, template.category),
        definition=definition,
        places=lanes.layout(definition),
        types=catalog.step_types(),
        facts=figures.facts(session, me.workspace_id, [slug])[slug],
        sample=sample,
        shown=shown,
        made=quote.made(definition, template.sample_inputs),
        at_hand=quote.at_hand(definition),
        reviews=quote.asked(definition, {}),
        mails=quote.mails(definition, {}),
        nothing_else=quote.sends_nothing_else(definition),
        may_launch=me.may(Permission.LAUNCH),
        may_build=me.may(Permission.BUILD),
    )


@blueprint.get("/gallery/<slug>/launch")
@requires(Permission.LAUNCH)
def launch(slug: str) -> Response:
    """Show a page of the launch form, or all answers to check."""
    asking = _asking(slug)
    if request.args.get("page") == CHECK or not asking.pages:
        return _check(asking)
    number = asking.number(request.args.get("page"))
    form = asking.form(number)
    if "fix" in request.args:
        forms.show_problems(form, asking.problems(number))
    return _ask(asking, number, form)


@blueprint.post("/gallery/<slug>/launch")
@requires(Permission.LAUNCH)
def answer(slug: str) -> Response:
    """Keep a page's answers and go on to the next page; wrong ones are kept too, and shown with the way out."""
    texts, faults = _uploads()
    asking, number = _keep(slug, texts)
    problems = faults + [
        fault for fault in asking.problems(number) if fault.path not in {f.path for f in faults}
    ]
    if problems:
        form = asking.form(number)
        forms.show_problems(form, problems)
        return _ask(asking, number, form, status=422)
    last = number == len(asking.pages)
    return htmx.redirect(url_for(".launch", slug=slug, page=CHECK if last else number + 1))


@blueprint.post("/gallery/<slug>/launch/draft")
@requires(Permission.LAUNCH)
def keep(slug: str) -> Response:
    """Keep half-filled answers while somebody types; answers with what the AI will be told."""
    asking, number = _keep(slug, {})
    if not htmx.is_fragment():
        return htmx.redirect(url_for(".launch", slug=slug, page=number))
    return htmx.page("gallery/_told.html", asking=asking, told=_told(asking), saved=True)


@blueprint.post("/gallery/<slug>/launch/last")
@requires(Permission.LAUNCH)
def same_as_last_time(slug: str) -> Response:
    """Take over the answers of this person's last run of the template, or of the run named in the form."""
    me, session = who(), db.session()
    asking = _asking(slug)
    known = {question.key for question in asking.definition.inputs}
    run_id = request.form.get("run", "")
    last: Mapping[str, Any] | None
    if run_id:
        last = run_queries.run(session, me.workspace_id, run_id).inputs
    else:
        last = queries.last_inputs(session, me.workspace_id, me.user_id, slug)
    answers = {key: value for key, value in (last or {}).items() if key in known}
    service.keep_answers(
        session,
        workspace_id=me.workspace_id,
        user_id=me.user_id,
        slug=slug,
        answers=answers,
        over=asking.draft,
    )
    session.commit()
    page = CHECK if run_id else asking.number(request.args.get("page"))
    return htmx.redirect(url_for(".launch", slug=slug, page=page))


@blueprint.post("/gallery/<slug>/launch/clear")
@requires(Permission.LAUNCH)
def clear(slug: str) -> Response:
    """Throw the half-filled answers away."""
    asking, session = _asking(slug), db.session()
    if asking.draft is not None:
        service.forget_answers(session, asking.draft)
        session.commit()
    return htmx.redirect(url_for(".launch", slug=slug))


@blueprint.post("/gallery/<slug>/launch/run")
@requires(Permission.LAUNCH)
def start(slug: str) -> Response:
    """Start the run of the checked answers; pressed twice it is one run."""
    me, session = who(), db.session()
    actor = runs.Actor(me.user_id, me.name, me.email)
    try:
        run = service.start_draft(
            session,
            workspace_id=me.workspace_id,
            slug=slug,
            draft_id=request.form.get("draft", ""),
            actor=actor,
        )
    except Invalid:
        session.rollback()
        return _first_problem(_asking(slug))
    run_id = run.id
    session.commit()
    runs.hint(run_id)
    return htmx.redirect(url_for("runs.show", run_id=run_id))


@dataclass(frozen=True, slots=True)
class Column:
    """One template of a comparison."""

    template: Template
    facts: CardFacts
    at_hand: list[Input]
    reviews: list[quote.Asked]
    mails: list[quote.Mail]
    nothing_else: bool


def _column(template: Template, facts: CardFacts) -> Column:
    definition = Definition.model_validate(template.definition)
    return Column(
        template,
        facts,
        quote.at_hand(definition),
        quote.asked(definition, {}),
        quote.mails(definition, {}),
        quote.sends_nothing_else(definition),
    )


def _wanted() -> shelf.Wanted:
    """Return what the address asks for; what it says wrongly counts as not said."""
    page = request.args.get("page", "")
    return shelf.Wanted(
        text=request.args.get("q", "").strip()[:200],
        category=_one_of(Category, request.args.get("category")),
        whose=_one_of(Whose, request.args.get("from")),
        sort=_one_of(Sort, request.args.get("sort")) or Sort.USED,
        page=int(page) if page.isdecimal() and len(page) < 4 else 1,
    )


def _address(wanted: shelf.Wanted) -> Callable[..., str]:
    """Return a function that makes the gallery's address with some of its filters changed, from page 1."""
    view = _one_of(View, request.args.get("view")) or View.GRID
    now: dict[str, Any] = {
        "q": wanted.text,
        "category": wanted.category,
        "from": wanted.whose,
        "sort": wanted.sort if wanted.sort is not Sort.USED else "",
        "view": view if view is not View.GRID else "",
    }

    def address(**changed: Any) -> str:
        asked: dict[str, Any] = {key: str(value) for key, value in {**now, **changed}.items() if value}
        return url_for("gallery.index", **asked)

    return address


def _asking(slug: str) -> Asking:
    me, session = who(), db.session()
    template = queries.template(session, me.workspace_id, slug)
    draft = queries.draft(session, me.workspace_id, me.user_id, slug)
    asking = Asking(template=template, zone=ZoneInfo(me.timezone), draft=draft)
    return replace(asking, choices=_choices(me.workspace_id, asking.definition))


def _choices(workspace_id: str, definition: Definition) -> forms.Choices:
    """Return the documents and pictures to choose from, read only where a question asks for them."""
    types = {question.type for question in definition.inputs}
    found: dict[str, list[tuple[str, str]]] = {}
    if types & {InputType.DOCUMENT, InputType.DOCUMENTS}:
        listed = files.documents(db.session(), workspace_id, limit=100)
        found["document"] = [(document.id, document.title) for document in listed]
    if types & {InputType.IMAGE, InputType.IMAGES}:
        pictures = files.images(db.session(), workspace_id, limit=100)
        found["image"] = [(picture.id, picture.alt or picture.prompt or "Picture") for picture in pictures]
    return found


def _keep(slug: str, texts: Mapping[str, str]) -> tuple[Asking, int]:
    """Keep what a page sent, the text of files added below what was typed; commits."""
    me, session = who(), db.session()
    asking = _asking(slug)
    number = asking.number(request.args.get("page"))
    form = asking.sent_form(number)
    answers = asking.sent_answers(form, number)
    for key, text in texts.items():
        if key in answers:
            answers[key] = "\n\n".join(part for part in (str(answers[key] or "").strip(), text) if part)
    draft = service.keep_answers(
        session,
        workspace_id=me.workspace_id,
        user_id=me.user_id,
        slug=slug,
        answers=answers,
        over=asking.draft,
    )
    session.commit()
    return replace(asking, draft=draft), number


def _uploads() -> tuple[dict[str, str], list[FieldError]]:
    """Read the text of the files that were sent, by the question's key; before the database is asked anything."""
    texts: dict[str, str] = {}
    faults: list[FieldError] = []
    for name, sent in request.files.items():
        if not name.startswith("f_") or not sent.filename:
            continue
        key = name.removeprefix("f_")
        try:
            texts[key] = read_upload(sent.filename, BytesIO(sent.stream.read(MAX_FILE_BYTES)))
        except Invalid as invalid:
            faults.append(FieldError(f"/inputs/{key}", "file", invalid.message, invalid.fix))
    return texts, faults


def _ask(asking: Asking, number: int, form: Form, *, status: int = 200) -> Response:
    me, session = who(), db.session()
    last = queries.last_inputs(session, me.workspace_id, me.user_id, asking.template.slug)
    return htmx.page(
        "gallery/launch.html",
        status=status,
        asking=asking,
        number=number,
        rows=rules.rows(asking.questions(number)),
        form=form,
        told=_told(asking),
        saved=asking.draft is not None,
        has_last=last is not None,
        people=accounts.members(session, me.workspace_id),
    )


def _check(asking: Asking) -> Response:
    me, session = who(), db.session()
    if asking.draft is None or asking.problems():
        number = asking.page_of(asking.problems()[0]) if asking.problems() else 1
        return htmx.redirect(url_for(".launch", slug=asking.template.slug, page=number, fix=1))
    inputs = asking.inputs()
    scope = {"inputs": inputs, "run": _run_scope(me)}
    return htmx.page(
        "gallery/check.html",
        asking=asking,
        rows=quote.rows(asking.definition, inputs, asking.zone),
        reviews=quote.asked(asking.definition, scope),
        mails=quote.mails(asking.definition, scope),
        nothing_else=quote.sends_nothing_else(asking.definition),
        facts=figures.facts(session, me.workspace_id, [asking.template.slug])[asking.template.slug],
        limit_usd=asking.definition.limits.cost_usd,
        me=me,
    )


def _first_problem(asking: Asking) -> Response:
    """Show the first page with a wrong answer, after Start was pressed on answers that no longer fit."""
    problems = asking.problems()
    number = asking.page_of(problems[0]) if problems else 1
    form = asking.form(number)
    forms.show_problems(form, problems)
    return _ask(asking, number, form, status=422)


def _told(asking: Asking) -> list[quote.Piece]:
    return quote.told(asking.definition, asking.kept, _run_scope(who()))


def _run_scope(me: Who) -> dict[str, Any]:
    return {"started_by": {"name": me.name, "email": me.email}, "workspace": {"name": me.workspace_name}}


def _place(written: str | None, count: int) -> int:
    """Return which document of *count* an address names, from 1; the first for anything else."""
    return int(written) if written and written.isdecimal() and 1 <= int(written[:4]) <= count else 1


def _one_of(kind: Any, written: str | None) -> Any:
    try:
        return kind(written) if written else None
    except ValueError:
        return None
