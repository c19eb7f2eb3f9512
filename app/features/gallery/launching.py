"""The launch form, of a template and of a workflow: a group of questions a page, kept at once, checked, started.

Every rule stands twice: at ``/gallery/<slug>/launch`` and at ``/workflows/<workflow_id>/launch``.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar, cast
from zoneinfo import ZoneInfo

from flask import Request, Response, request, url_for
from werkzeug.exceptions import HTTPException

from app.core.db import db
from app.core.errors import FieldError, Invalid
from app.core.ids import new_id
from app.definition import launch_form
from app.definition.schema import Definition, InputType
from app.features.accounts import queries as accounts
from app.features.accounts.enums import Permission
from app.features.accounts.guards import asks_beside, beside, requires, who
from app.features.accounts.queries import Who
from app.features.accounts.service import Actor
from app.features.files import queries as files
from app.features.gallery import (
    figures,
    forms,
    handing,
    outward,
    prompt,
    queries,
    quote,
    rules,
    service,
    starting,
    uploads,
    wording,
)
from app.features.gallery.asking import Asking, Subject
from app.features.gallery.blueprint import blueprint
from app.features.gallery.figures import CardFacts
from app.features.gallery.queries import Place
from app.features.gallery.uploads import Upload
from app.features.runs import queries as run_queries
from app.features.runs import service as runs
from app.features.workflows import queries as workflows
from app.web import htmx
from app.web.forms import Form

CHECK = "check"
F = TypeVar("F", bound=Callable[..., Any])


def _rule(method: str, tail: str = "") -> Callable[[F], F]:
    """Give a view its two addresses; the one of workflows has an endpoint of its own name."""

    def add(view: F) -> F:
        name = view.__name__
        blueprint.add_url_rule(f"/gallery/<slug>/launch{tail}", name, view, methods=[method])
        blueprint.add_url_rule(
            f"/workflows/<workflow_id>/launch{tail}", f"{name}_workflow", view, methods=[method]
        )
        return view

    return add


@_rule("GET")
@requires(Permission.LAUNCH)
def launch(**place: str) -> Response:
    """Show a page of the launch form, or all answers to check."""
    asking = _asking(place)
    if request.args.get("page") == CHECK or not asking.pages:
        return _check(asking)
    number = asking.number(request.args.get("page"))
    form = asking.form(number)
    if "fix" in request.args:
        forms.show_problems(form, _problems(asking, number))
    return _ask(asking, number, form)


@_rule("POST")
@requires(Permission.LAUNCH)
def answer(**place: str) -> Response:
    """Keep a page's answers and go on to the next page; wrong ones are kept too, and shown with the way out."""
    handed, faults = uploads.read(sent_files())
    asking, number, misfits = _keep(place, handed)
    faults += misfits
    wrong = {fault.path for fault in faults}
    problems = faults + [fault for fault in _problems(asking, number) if fault.path not in wrong]
    if problems:
        form = asking.form(number)
        forms.show_problems(form, problems)
        return _ask(asking, number, form, status=422)
    last = number == len(asking.pages)
    return htmx.redirect(asking.subject.launch_url(page=CHECK if last else number + 1))


@_rule("POST", "/draft")
@requires(Permission.LAUNCH)
def keep(**place: str) -> Response:
    """Keep half-filled answers while somebody types; answers with what the AI will be told, and what VINs say."""
    asking, number, _ = _keep(place, [])
    if not htmx.is_fragment():
        return htmx.redirect(asking.subject.launch_url(page=number))
    vins = asking.vins(number)
    return htmx.page("gallery/keep.oob.html", asking=asking, told=_told(asking), saved=True, vins=vins)


@_rule("POST", "/vin")
@requires(Permission.LAUNCH)
def read_vin(**place: str) -> Response:
    """Say what the VINs of a page's vehicles add, to be filled in where nothing stands; what was typed is kept."""
    asking, number, _ = _keep(place, [])
    if not htmx.is_fragment():
        return htmx.redirect(asking.subject.launch_url(page=number))
    return htmx.page("gallery/vin.oob.html", vins=asking.vins(number), fills=asking.of_vins(number))


@_rule("POST", "/last")
@requires(Permission.LAUNCH)
def same_as_last_time(**place: str) -> Response:
    """Take over the answers of this person's last run, or of the run named in the form."""
    me, session = who(), db.session()
    asking = _asking(place)
    known = {question.key for question in launch_form.asked(asking.definition)}
    run_id = request.form.get("run", "")
    last: Mapping[str, Any] | None
    if run_id:
        last = run_queries.run(session, me.workspace_id, run_id).inputs
    else:
        last = queries.last_inputs(session, me.workspace_id, me.user_id, asking.subject.place)
    answers = {key: value for key, value in (last or {}).items() if key in known}
    _write(asking, answers)
    session.commit()
    page = CHECK if run_id else asking.number(request.args.get("page"))
    return htmx.redirect(asking.subject.launch_url(page=page))


@_rule("POST", "/clear")
@requires(Permission.LAUNCH)
def clear(**place: str) -> Response:
    """Throw the half-filled answers away."""
    asking, session = _asking(place), db.session()
    if asking.draft is not None:
        service.forget_answers(session, asking.draft)
        session.commit()
    return htmx.redirect(asking.subject.launch_url())


def _ask_filled(sent: Request) -> accounts.Beside | None:
    if sent.mimetype != "application/x-www-form-urlencoded":
        return None
    with suppress(HTTPException):  # too large: told where the form is looked at
        return queries.ask_filled(Place(**(sent.view_args or {})), sent.form.get("draft", ""))
    return None


@_rule("POST", "/run")
@requires(Permission.LAUNCH)
@asks_beside(_ask_filled)
def start(**place: str) -> Response:
    """Start the run of the checked answers, or a test of it; Start pressed twice is one run.

    What was changed since it was checked, as in another tab, is shown to be checked again.
    """
    me, draft_id = who(), request.form.get("draft", "")
    actor, is_test = Actor(me.user_id, me.name, me.email), request.form.get("test") == "1"
    wanted: dict[str, Any] = {"workspace_id": me.workspace_id, "draft_id": draft_id, "actor": actor, **place}
    wanted["seen"], found = request.form.get("seen", ""), beside()
    filled = queries.filled_of(found, me.workspace_id, me.user_id, Place(**place)) if found else None
    try:
        run_id = None if is_test else starting.start_at_once(filled, **wanted)
        if run_id is None:
            run_id = starting.start_draft(db.session(), test=is_test, **wanted).id
            db.session.commit()
    except starting.Changed:
        db.session.rollback()
        return htmx.redirect(_subject(me.workspace_id, Place(**place)).launch_url(page=CHECK, changed=1))
    except Invalid as invalid:
        db.session.rollback()
        return _first_problem(_asking(place), list(invalid.problems))
    runs.hint(run_id)
    return htmx.redirect(url_for("runs.show", run_id=run_id))


# --- what is filled in ---


def _asking(place: Mapping[str, str]) -> Asking:
    me, session = who(), db.session()
    subject = _subject(me.workspace_id, Place(**place))
    draft = queries.draft(session, me.workspace_id, me.user_id, subject.place)
    asking = Asking(subject=subject, zone=ZoneInfo(me.timezone), draft=draft)
    return replace(asking, choices=choices(me.workspace_id, asking.definition, asking.kept))


def _subject(workspace_id: str, place: Place) -> Subject:
    session = db.session()
    if place.slug:
        template = queries.template(session, workspace_id, place.slug)
        return Subject(place, template.name, Definition.model_validate(template.definition), str(template.version))
    workflow = workflows.workflow(session, workspace_id, place.workflow_id)
    version = workflows.current_version(session, workflow)
    return Subject(place, workflow.name, workflows.load_definition(session, version.id), version.id)


def sent_files() -> list[tuple[str, str, BinaryIO]]:
    """Return the files that the browser sent: name of the field, name of the file, bytes."""
    listed = request.files.lists()
    return [(name, sent.filename or "", cast("BinaryIO", sent.stream)) for name, files in listed for sent in files]


def choices(workspace_id: str, definition: Definition, answers: Mapping[str, Any]) -> forms.Choices:
    """Return the documents, pictures and people to choose from, read only where a question asks for them.

    The newest, and what is chosen in *answers* already, however old: what a page does not offer it would lose.
    """
    types = {question.type for question in launch_form.asked(definition)}
    session = db.session()
    found: dict[str, list[tuple[str, str]]] = {}
    if types & {InputType.DOCUMENT, InputType.DOCUMENTS}:
        listed = files.documents(session, workspace_id, limit=100)
        found["document"] = [(document.id, document.title) for document in listed]
    if types & {InputType.IMAGE, InputType.IMAGES}:
        pictures = files.images(session, workspace_id, limit=60)
        found["image"] = [(picture.id, picture.alt or picture.prompt or "Picture") for picture in pictures]
    for kind, offered in found.items():
        offered += _chosen_before(workspace_id, definition, answers, kind, {value for value, _ in offered})
    if InputType.PEOPLE in types:
        found["people"] = [(person.email, person.name) for person in accounts.members(session, workspace_id)]
    return found


def _chosen_before(
    workspace_id: str, definition: Definition, answers: Mapping[str, Any], kind: str, offered: set[str]
) -> list[tuple[str, str]]:
    """Return what is chosen of a kind and not offered: id and title. What is gone is left out; nothing, no read."""
    chosen = {
        each
        for question in launch_form.asked(definition)
        if question.type.value.removesuffix("s") == kind
        for each in launch_form.handed_ids(question, answers.get(question.key, question.default))
    }
    return sorted(files.titles(db.session(), workspace_id, chosen - offered).items()) if chosen - offered else []


def _keep(place: Mapping[str, str], handed: list[Upload]) -> tuple[Asking, int, list[FieldError]]:
    """Keep what a page sent with the files that were handed in; commits. Also tells which files do not fit."""
    me, session = who(), db.session()
    asking = _asking(place)
    number = asking.number(request.args.get("page"))
    answers = asking.sent_answers(asking.sent_form(number), number)
    faults = handing.take_over(
        session, asking.questions(number), answers, handed, request.form, workspace_id=me.workspace_id, by=me.name
    )
    draft = _write(asking, answers)
    session.commit()
    kept = replace(asking, draft=draft)
    if handed:
        kept = replace(kept, choices=choices(me.workspace_id, kept.definition, kept.kept))
    return kept, number, faults


def _write(asking: Asking, answers: Mapping[str, Any]) -> Any:
    me, place = who(), asking.subject.place
    return service.keep_answers(
        db.session(),
        workspace_id=me.workspace_id,
        user_id=me.user_id,
        slug=place.slug,
        workflow_id=place.workflow_id,
        answers=answers,
        over=asking.draft,
    )


def _problems(asking: Asking, number: int | None = None) -> list[FieldError]:
    """Return what is wrong with the answers so far, on one page or on all, in the order of the questions."""
    found = [handing.plainly(problem) for problem in asking.problems(number)]
    gone = service.handed_problems(db.session(), who().workspace_id, asking.definition.inputs, asking.kept)
    known = {problem.path for problem in found}
    return found + [
        problem
        for problem in gone
        if problem.path not in known and (number is None or asking.page_of(problem) == number)
    ]


# --- what is shown ---


def _ask(asking: Asking, number: int, form: Form, *, status: int = 200) -> Response:
    me, session = who(), db.session()
    last = queries.last_inputs(session, me.workspace_id, me.user_id, asking.subject.place)
    return htmx.page(
        "gallery/launch.html",
        status=status,
        asking=asking,
        number=number,
        rows=rules.rows(asking.questions(number)),
        looks=asking.looks(number),
        vins=asking.vins(number),
        form=form,
        told=_told(asking),
        saved=asking.draft is not None,
        has_last=last is not None,
        people=accounts.members(session, me.workspace_id),
    )


def _check(asking: Asking, *, status: int = 200) -> Response:
    me = who()
    problems = _problems(asking)
    if asking.pages and (asking.draft is None or problems):
        return htmx.redirect(asking.subject.launch_url(page=asking.first_page(problems), fix=1))
    inputs = asking.inputs()
    scope = {"inputs": inputs, "run": _run_scope(me)}
    titles = files.titles(db.session(), me.workspace_id, wording.handed_ids(asking.definition, inputs))
    return htmx.page(
        "gallery/check.html",
        status=status,
        asking=asking,
        draft_id=asking.draft.id if asking.draft else new_id(),
        has_changed="changed" in request.args,
        problems=[replace(problem, path="", message=f"{problem.message} {problem.fix}") for problem in problems],
        rows=wording.rows(asking.definition, inputs, asking.zone, titles),
        fixed=wording.fixed_rows(asking.definition, asking.zone, titles),
        remarks=_remarks(asking),
        reviews=outward.asked(asking.definition, scope),
        mails=outward.mails(asking.definition, scope),
        parts=outward.parts(asking.definition, scope),
        nothing_else=outward.sends_nothing_else(asking.definition),
        facts=_facts(asking, inputs),
        limit_usd=asking.definition.limits.cost_usd,
        me=me,
    )


def _remarks(asking: Asking) -> list[str]:
    """Return what to know of the tables before Start: rows without an address."""
    pages = range(1, len(asking.pages) + 1)
    return [remark for number in pages for look in asking.looks(number).values() for remark in look.remarks]


def _facts(asking: Asking, inputs: Mapping[str, Any]) -> CardFacts:
    """Return what the run takes: by the runs before it, else by the template's or the step types' own figures."""
    session, workspace_id, place = db.session(), who().workspace_id, asking.subject.place
    if place.slug:
        return figures.facts(session, workspace_id, [place.slug])[place.slug]
    known = figures.of_workflow(session, workspace_id, place.workflow_id)
    minutes, cost = quote.estimate(asking.definition, inputs)
    return CardFacts(
        steps=len(asking.definition.steps),
        approvals=rules.approvals_usual([step.model_dump() for step in asking.definition.steps]),
        minutes=known.minutes if known.is_real and known.minutes is not None else minutes,
        cost_microusd=(known.cost_microusd if known.is_real else 0) or cost,
        used=known.used,
        finished_share=known.ready / known.ended if known.ended else None,
        is_sample=not known.is_real,
        waited_minutes=known.waited_minutes if known.is_real else None,
    )


def _first_problem(asking: Asking, problems: list[FieldError]) -> Response:
    """Show the first page with a wrong answer, after Start was pressed on answers that no longer fit."""
    if not asking.pages:
        return _check(asking, status=422)
    number = asking.first_page(problems)
    form = asking.form(number)
    forms.show_problems(form, problems)
    return _ask(asking, number, form, status=422)


def _told(asking: Asking) -> list[prompt.Piece]:
    return prompt.told(asking.definition, asking.kept, _run_scope(who()))


def _run_scope(me: Who) -> dict[str, Any]:
    workspace = {"name": me.workspace_name, "timezone": me.timezone}
    return {"started_by": {"name": me.name, "email": me.email}, "workspace": workspace}
