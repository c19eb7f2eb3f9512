"""Pages of the builder: a draft as a diagram with a form beside it; every change is saved as a revision.

An answer to htmx is the panel (the form beside the diagram) or nothing, and beside it the parts of the page that a
change touches: head, diagram, list. Without script the same addresses answer with whole pages.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.definition import edit
from app.definition.edit import EditImpossible
from app.features.accounts import queries as accounts
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.files import queries as files
from app.features.workflows import forms, offers, queries, service
from app.features.workflows.desk import Desk, lay, new_step
from app.features.workflows.forms import StepForm
from app.features.workflows.models import Workflow
from app.features.workflows.queries import Draft
from app.web import htmx

blueprint = Blueprint("builder", __name__)

Data = dict[str, Any]
Change = Callable[[Draft], tuple[Data, str]]
PICTURES = 24


@blueprint.get("/workflows/new")
@requires(Permission.BUILD)
def new() -> Response:
    """Ask what the new workflow is called."""
    return htmx.page("workflows/new.html", form=forms.NewForm())


@blueprint.post("/workflows")
@requires(Permission.BUILD)
def create() -> Response:
    """Make an empty workflow and open it in the builder."""
    form = forms.NewForm()
    if form.validate_on_submit():
        try:
            made = service.create_draft(
                db.session(), workspace_id=who().workspace_id, name=form.text("name"), actor_id=who().user_id
            )
            db.session.commit()
            return htmx.redirect(url_for(".show", workflow_id=made.id))
        except Invalid as invalid:
            form.add_problems(invalid)
    return htmx.page("workflows/new.html", form=form, status=422)


@blueprint.get("/workflows/<workflow_id>/edit")
@requires(Permission.BUILD)
def show(workflow_id: str) -> Response:
    """Show a draft: its diagram, and for an empty one what to begin with."""
    desk = lay(db.session(), _workflow(workflow_id))
    return _panel(desk, "start" if desk.has_steps else "add", after=[], before=[])


@blueprint.get("/workflows/<workflow_id>/edit/steps/<step_id>")
@requires(Permission.BUILD)
def step(workflow_id: str, step_id: str) -> Response:
    """Show the form of one step."""
    return _step_panel(lay(db.session(), _workflow(workflow_id), chosen=step_id))


@blueprint.post("/workflows/<workflow_id>/edit/steps/<step_id>")
@requires(Permission.BUILD)
def save_step(workflow_id: str, step_id: str) -> Response:
    """Save the form of one step: what was changed in it, onto what the step is now."""
    workflow = _workflow(workflow_id)
    base = _base_step(workflow, step_id)
    clash: list[forms.Clash] = []
    renamed = step_id

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal renamed
        desk = Desk(workflow, draft, step_id)
        now = desk.step(step_id)
        if now is None:
            raise EditImpossible("Somebody deleted this step while you were at it. Undo brings it back.")
        form = _form(desk, base or now, request.form)
        posted = form.onto(_form(desk, now), clash, is_sure="over" in request.form)
        if clash:
            raise _Clashed
        form = _form(desk, now, posted)
        data = edit.replace_step(desk.data, step_id, form.step())
        if form.new_id != step_id:
            data = edit.rename_step(data, step_id, form.new_id, desk.types)
            renamed = form.new_id
        return data, f"Changed {_said(now)}: {', '.join(form.changed[:3]).lower()}"

    try:
        _save(workflow, change)
    except _Clashed:
        db.session.rollback()
        return _clash_panel(workflow_id, step_id, clash)
    except (EditImpossible, Invalid) as fault:
        db.session.rollback()
        return _refused(workflow_id, fault, chosen=step_id)
    desk = lay(db.session(), workflow, chosen=renamed)
    if not htmx.is_htmx():
        return htmx.redirect(url_for(".step", workflow_id=workflow_id, step_id=renamed))
    if request.form.get("act") or renamed != step_id:
        return _step_panel(desk, wants_panel=True)
    return make_response(
        render_template("workflows/builder/saved.oob.html", desk=desk, oob=True, **_step_context(desk))
    )


@blueprint.get("/workflows/<workflow_id>/edit/add")
@requires(Permission.BUILD)
def add(workflow_id: str) -> Response:
    """Show the kinds of step to add, at the place that ``?after=`` (entries) and ``?before=`` (steps) name."""
    desk = lay(db.session(), _workflow(workflow_id))
    after = [each for each in request.args.getlist("after") if desk.drawn.has_step(each.partition(":")[0])]
    before = [each for each in request.args.getlist("before") if desk.drawn.has_step(each)]
    return _panel(desk, "add", after=after, before=before)


@blueprint.post("/workflows/<workflow_id>/edit/steps")
@requires(Permission.BUILD)
def add_step(workflow_id: str) -> Response:
    """Add a step of the chosen kind and open its form."""
    workflow, made = _workflow(workflow_id), ""
    after = request.form.getlist("after")
    before = [] if request.form.get("where") == "beside" else request.form.getlist("before")

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal made
        desk = Desk(workflow, draft)
        if request.form.get("type") not in desk.kinds:
            raise EditImpossible("Choose what kind of step to add.")
        step = new_step(desk, request.form["type"], after)
        made = step["id"]
        new = edit.insert_step(desk.data, step, desk.types, sources=after, targets=before)
        return new, f"Added {_said(step)}"

    return _changed(workflow_id, workflow, change, lambda: made)


@blueprint.post("/workflows/<workflow_id>/edit/steps/<step_id>/copy")
@requires(Permission.BUILD)
def copy_step(workflow_id: str, step_id: str) -> Response:
    """Put a copy of a step after it and open its form."""
    workflow, made = _workflow(workflow_id), step_id

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal made
        desk = Desk(workflow, draft)
        made = edit.free_id(desk.data, step_id)
        return edit.duplicate_step(desk.data, step_id, desk.types), f"Copied {_name(desk, step_id)}"

    return _changed(workflow_id, workflow, change, lambda: made)


@blueprint.post("/workflows/<workflow_id>/edit/steps/<step_id>/removal")
@requires(Permission.BUILD)
def remove_step(workflow_id: str, step_id: str) -> Response:
    """Take a step out."""
    workflow, words = _workflow(workflow_id), ""

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal words
        words = f"Deleted {_name(Desk(workflow, draft), step_id)}"
        return edit.remove_step(draft.definition, step_id), words

    return _changed(workflow_id, workflow, change, lambda: "", told=lambda: f"{words}. Undo brings it back.")


@blueprint.post("/workflows/<workflow_id>/edit/steps/<step_id>/move")
@requires(Permission.BUILD)
def move_step(workflow_id: str, step_id: str) -> Response:
    """Move a step ``up`` or ``down`` its line, or to the place that ``after`` and ``before`` name."""
    workflow = _workflow(workflow_id)
    after, before = request.form.getlist("after"), request.form.getlist("before")
    way = request.form.get("way", "")

    def change(draft: Draft) -> tuple[Data, str]:
        desk = Desk(workflow, draft)
        words = f"Moved {_name(desk, step_id)}"
        if way in ("up", "down"):
            return (edit.move_up if way == "up" else edit.move_down)(desk.data, step_id, desk.types), words
        return edit.move_step(desk.data, step_id, desk.types, sources=after, targets=before), words

    return _changed(workflow_id, workflow, change, lambda: step_id)


@blueprint.post("/workflows/<workflow_id>/edit/undo")
@requires(Permission.BUILD)
def undo(workflow_id: str) -> Response:
    """Undo the last change of the draft."""
    return _step_back(workflow_id, service.undo)


@blueprint.post("/workflows/<workflow_id>/edit/redo")
@requires(Permission.BUILD)
def redo(workflow_id: str) -> Response:
    """Do again what was undone last."""
    return _step_back(workflow_id, service.redo)


@blueprint.get("/workflows/<workflow_id>/edit/questions")
@requires(Permission.BUILD)
def questions(workflow_id: str) -> Response:
    """Show the questions asked at the start, in order and by group, as the launch form will ask them."""
    return _panel(lay(db.session(), _workflow(workflow_id)), "questions")


@blueprint.post("/workflows/<workflow_id>/edit/questions")
@requires(Permission.BUILD)
def change_questions(workflow_id: str) -> Response:
    """Add a question, or move or delete the one that the pressed button names."""
    workflow = _workflow(workflow_id)
    key, _, action = request.form.get("act", "").rpartition(":")
    opened = ""

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal opened
        data, opened = forms.change_questions(draft.definition, key, action, request.form.get("label", ""))
        return data, "Changed the questions"

    try:
        _save(workflow, change)
    except (EditImpossible, Invalid) as fault:
        db.session.rollback()
        return _refused(workflow_id, fault, part="questions")
    if opened:
        return _answer(workflow_id, "question", key=opened)
    return _answer(workflow_id, "questions")


@blueprint.get("/workflows/<workflow_id>/edit/questions/<key>")
@requires(Permission.BUILD)
def question(workflow_id: str, key: str) -> Response:
    """Show the form of one question."""
    return _question_panel(lay(db.session(), _workflow(workflow_id)), key)


@blueprint.post("/workflows/<workflow_id>/edit/questions/<key>")
@requires(Permission.BUILD)
def save_question(workflow_id: str, key: str) -> Response:
    """Save the form of one question; a new key is used wherever the answer was."""
    workflow, now = _workflow(workflow_id), key

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal now
        place, found = forms.find_question(draft.definition, key)
        if found is None:
            raise EditImpossible("Somebody deleted this question while you were at it. Undo brings it back.")
        form = forms.QuestionForm(found, request.form)
        data = deepcopy(draft.definition)
        data["inputs"][place] = {**form.question(), "key": key}
        if form.new_key != key:
            data = edit.rename_input(forms.with_free_key(data, key, form.new_key), key, form.new_key)
            now = form.new_key
        return data, f"Changed the question “{now}”"

    try:
        _save(workflow, change)
    except (EditImpossible, Invalid) as fault:
        db.session.rollback()
        return _refused(workflow_id, fault, part="question", key=key)
    if not htmx.is_htmx():
        return htmx.redirect(url_for(".question", workflow_id=workflow_id, key=now))
    desk = lay(db.session(), workflow)
    if request.form.get("act") or now != key or request.form.get("type") != request.form.get("was-type"):
        return _question_panel(desk, now, wants_panel=True)
    context = _question_context(desk, now)
    return make_response(render_template("workflows/builder/saved.oob.html", desk=desk, oob=True, **context))


@blueprint.get("/workflows/<workflow_id>/edit/details")
@requires(Permission.BUILD)
def details(workflow_id: str) -> Response:
    """Show name, description, category, tags, icon and limits."""
    desk = lay(db.session(), _workflow(workflow_id))
    return _panel(desk, "details", form=forms.details_form(desk.workflow, desk.data))


@blueprint.post("/workflows/<workflow_id>/edit/details")
@requires(Permission.BUILD)
def save_details(workflow_id: str) -> Response:
    """Save what the workflow is called, and its limits."""
    workflow = _workflow(workflow_id)
    form = forms.DetailsForm()
    if form.validate_on_submit():
        try:
            service.describe(
                db.session(), workflow, name=form.text("name"), description=form.text("description"),
                category=form.text("category"), tags=form.text("tags").split(","), icon=form.text("icon"),
            )  # fmt: skip
            _save(workflow, lambda draft: (form.limited(draft.definition), "Changed the limits"))
            return _answer(workflow_id, "details")
        except Invalid as invalid:
            db.session.rollback()
            form.add_problems(invalid)
    return _panel(
        lay(db.session(), _workflow(workflow_id)), "details", form=form, status=422, wants_panel=True
    )


@blueprint.get("/workflows/<workflow_id>/edit/text")
@requires(Permission.BUILD)
def text(workflow_id: str) -> Response:
    """Show the draft as YAML, or as JSON with ``?as=json``."""
    desk = lay(db.session(), _workflow(workflow_id))
    written = forms.as_text(desk.data, request.args.get("as", "yaml"))
    return _panel(desk, "text", text=written, kind=request.args.get("as", "yaml"), faults=[])


@blueprint.post("/workflows/<workflow_id>/edit/text")
@requires(Permission.BUILD)
def save_text(workflow_id: str) -> Response:
    """Make the draft what a text says. A text with problems changes nothing, and each is shown at its line."""
    workflow = _workflow(workflow_id)
    written, kind = request.form.get("text", ""), request.form.get("as", "yaml")
    desk = lay(db.session(), workflow)
    data, faults = forms.read_text(written, desk.data, desk.types)
    if not faults and data is not None:
        try:
            base = request.form.get("revision", type=int) or 0
            if "over" in request.form:
                base = desk.draft.revision
            service.save_draft(
                db.session(), workflow, data, base_revision=base, actor_id=who().user_id, summary="Changed the text"
            )  # fmt: skip
            db.session.commit()
            return _answer(workflow_id, "text", kind=kind)
        except service.DraftConflict as conflict:
            db.session.rollback()
            desk = lay(db.session(), _workflow(workflow_id))
            context: dict[str, Any] = {"text": written, "kind": kind, "faults": [], "conflict": conflict.message}
            return _panel(desk, "text", status=409, wants_panel=True, **context)
        except Invalid as invalid:
            db.session.rollback()
            faults = [forms.Fault(0, "", problem.message, problem.fix) for problem in invalid.problems]
    return _panel(desk, "text", text=written, kind=kind, faults=faults, status=422, wants_panel=True)


# --- changing ------------------------------------------------------------------------------------------------------


class _Clashed(Exception):
    """Somebody else changed the same settings."""


def _workflow(workflow_id: str) -> Workflow:
    return queries.workflow(db.session(), who().workspace_id, workflow_id)


def _save(workflow: Workflow, change: Change) -> None:
    service.edit_draft(db.session(), workflow, change, actor_id=who().user_id)
    db.session.commit()


def _step_back(workflow_id: str, way: Callable[..., Draft]) -> Response:
    workflow = _workflow(workflow_id)
    chosen = request.form.get("chosen", "")
    try:
        way(db.session(), workflow, base_revision=request.form.get("revision", type=int) or 0)
        db.session.commit()
    except Conflict as conflict:
        db.session.rollback()
        return _refused(workflow_id, conflict, chosen=chosen)
    return _done(workflow_id, workflow, chosen)


def _changed(
    workflow_id: str,
    workflow: Workflow,
    change: Change,
    chosen: Callable[[], str],
    *,
    told: Callable[[], str] = str,
) -> Response:
    """Save a change and show the step that *chosen* names afterwards, with what *told* says."""
    try:
        _save(workflow, change)
    except (EditImpossible, Invalid) as fault:
        db.session.rollback()
        return _refused(workflow_id, fault, chosen=chosen())
    return _done(workflow_id, workflow, chosen(), told=told())


def _done(workflow_id: str, workflow: Workflow, chosen: str, *, told: str = "") -> Response:
    desk = lay(db.session(), workflow, chosen=chosen)
    is_there = bool(chosen) and desk.step(chosen) is not None
    if not htmx.is_htmx():
        if told:
            flash(told, "go")
        where = url_for(".step", workflow_id=workflow_id, step_id=chosen) if is_there else ""
        return htmx.redirect(where or url_for(".show", workflow_id=workflow_id))
    if is_there:
        return _step_panel(desk, wants_panel=True, told=told)
    part = "start" if desk.has_steps else "add"
    return _panel(lay(db.session(), workflow), part, wants_panel=True, told=told, after=[], before=[])


def _answer(workflow_id: str, part: str, **args: str) -> Response:
    """Answer a saved form with the part of the builder that follows."""
    if not htmx.is_htmx():
        arguments: dict[str, Any] = {"as": args["kind"]} if "kind" in args else dict(args)
        return htmx.redirect(url_for(f".{part}", workflow_id=workflow_id, **arguments))
    desk = lay(db.session(), _workflow(workflow_id))
    if part == "question":
        return _question_panel(desk, args["key"], wants_panel=True)
    context: dict[str, Any] = {}
    if part == "details":
        context["form"] = forms.details_form(desk.workflow, desk.data)
    if part == "text":
        context |= {"text": forms.as_text(desk.data, args["kind"]), "kind": args["kind"], "faults": []}
    return _panel(desk, part, wants_panel=True, told="Saved.", **context)


def _refused(
    workflow_id: str, fault: Exception, *, chosen: str = "", part: str = "", key: str = ""
) -> Response:
    """Say why a change was not made; nothing on the page is lost."""
    message = " ".join(filter(None, (str(getattr(fault, "message", fault)), getattr(fault, "fix", ""))))
    if htmx.is_htmx():
        response = make_response(render_template("workflows/builder/refused.oob.html", message=message), 422)
        response.headers["HX-Reswap"] = "none"
        return response
    desk = lay(db.session(), _workflow(workflow_id), chosen=chosen)
    if chosen and desk.step(chosen) is not None:
        return _step_panel(desk, refused=message, status=422)
    if part == "question" and forms.find_question(desk.data, key)[1] is not None:
        return _question_panel(desk, key, refused=message, status=422)
    return _panel(desk, "questions" if part else "start", refused=message, status=422)


def _base_step(workflow: Workflow, step_id: str) -> Data | None:
    """Return the step as it was when the form was opened; None when that is not known any more."""
    number = request.form.get("revision", type=int) or 0
    found = queries.revision(db.session(), workflow, number)
    steps = found.definition.get("steps") if found else None
    known = (each for each in steps or () if isinstance(each, dict) and each.get("id") == step_id)
    return next(known, None)


def _said(step: Mapping[str, Any]) -> str:
    return f"“{str(step.get('name') or step.get('id'))[:60]}”"


def _name(desk: Desk, step_id: str) -> str:
    return _said(desk.step(step_id) or {"id": step_id})


# --- showing -------------------------------------------------------------------------------------------------------


def _panel(
    desk: Desk,
    part: str,
    *,
    status: int = 200,
    wants_panel: bool = False,
    told: str = "",
    refused: str = "",
    **more: Any,
) -> Response:
    """Answer with a part of the builder: the whole page, or the panel and what stands around it."""
    context = {"desk": desk, "part": part, "told": told, "refused": refused, **more}
    if not htmx.is_fragment():
        return htmx.page("workflows/builder/edit.html", status=status, **context)
    response = make_response(render_template("workflows/builder/panel.oob.html", **context), status)
    if wants_panel:
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#panel", "innerHTML"
    return response


def _step_panel(desk: Desk, **options: Any) -> Response:
    return _panel(desk, "step", **_step_context(desk), **options)


def _step_context(desk: Desk) -> dict[str, Any]:
    step = desk.step(desk.chosen)
    card = desk.cards.get(desk.chosen)
    if step is None or card is None:
        raise NotFound("This step does not exist any more.", fix="Go back to the workflow.")
    form = _form(desk, step)
    loose = form.show(card.problems, desk.place_of[desk.chosen])
    offered = offers.offers(
        desk.data, desk.drawn, desk.chosen, desk.types, has_item=bool(step.get("for_each"))
    )
    return {
        "card": card,
        "form": form,
        "loose": loose,
        "offers": offered,
        "values": forms.value_choices(offered),
        "operators": forms.OPERATORS,
        "focus": request.args.get("fix", ""),
    }


def _form(desk: Desk, step: Mapping[str, Any], posted: MultiDict[str, str] | None = None) -> StepForm:
    kind = desk.kinds.get(str(step.get("type")))
    widgets = {
        str((info.json_schema_extra or {}).get("widget", ""))  # type: ignore[union-attr]  # ours are all mappings
        for info in (kind.config.model_fields.values() if kind else ())
    }
    return StepForm(
        step, kind, desk.drawn, desk.types, posted=posted,
        pictures=_pictures(desk) if "images" in widgets else (),
        people=_people() if "people" in widgets else (),
    )  # fmt: skip


def _pictures(desk: Desk) -> list[tuple[str, str]]:
    """Return what pictures may be chosen: those of answers, then the newest ones of the workspace."""
    inputs = desk.data.get("inputs") or []
    asked = [
        (f"{{{{ inputs.{each['key']} }}}}", f"answer: {each.get('label') or each['key']}")
        for each in inputs
        if isinstance(each, dict) and each.get("type") in ("image", "images") and each.get("key")
    ]
    found = files.images(db.session(), who().workspace_id, limit=PICTURES)
    return [*asked, *((image.id, image.prompt[:60] or "Picture") for image in found)]


def _people() -> list[tuple[str, str]]:
    starter = ("{{ run.started_by.email }}", "Whoever starts the run")
    return [
        starter,
        *((each.email, each.name) for each in accounts.members(db.session(), who().workspace_id)),
    ]


def _clash_panel(workflow_id: str, step_id: str, clash: list[forms.Clash]) -> Response:
    desk = lay(db.session(), _workflow(workflow_id), chosen=step_id)
    own = ("revision", "act", "csrf_token")
    kept = [(name, value) for name, value in request.form.items(multi=True) if name not in own]
    context = {**_step_context(desk), "clash": clash, "kept": kept, "base": request.form.get("revision", "0")}
    return _panel(desk, "clash", status=409, wants_panel=True, **context)


def _question_panel(desk: Desk, key: str, **options: Any) -> Response:
    return _panel(desk, "question", **_question_context(desk, key), **options)


def _question_context(desk: Desk, key: str) -> dict[str, Any]:
    place, found = forms.find_question(desk.data, key)
    if found is None:
        raise NotFound("This question does not exist any more.", fix="Go back to the workflow.")
    form = forms.QuestionForm(found)
    loose = form.show(desk.problems, place)
    return {"key": key, "form": form, "loose": loose, "question": found}
