"""What the builder's pages share: saving a change, and answering with the panel and what stands around it."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from flask import Response, flash, make_response, render_template, request, url_for

from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.definition import edit
from app.definition.parts import MAX_JSON_BYTES
from app.definition.problems import listed
from app.definition.sentences import values_in_words
from app.definition.short_names import NameImpossible
from app.definition.unchecked import EditImpossible
from app.definition.values import texts_in
from app.features.accounts.guards import who
from app.features.workflows import lately, moves, offers, queries, samples, service
from app.features.workflows.builder.choices import form_of, handed
from app.features.workflows.desk import Desk, lay
from app.features.workflows.forms import asking
from app.features.workflows.forms.clash import Clash, Fields, Posted, onto
from app.features.workflows.forms.details import details_form
from app.features.workflows.forms.question import QuestionForm, find_question
from app.features.workflows.forms.step import OPERATORS, value_choices
from app.features.workflows.forms.text import as_text
from app.features.workflows.models import Workflow
from app.features.workflows.queries import Draft
from app.web import htmx
from app.web.setting_fields import Setting

Data = dict[str, Any]
Change = Callable[[Draft], tuple[Data, str]]
NEVER = "Only one of these ways is ever taken, so this step would always be skipped. Choose “Go on after the first”."
STAYS = "-"  # no field: the focus stays on what was pressed
WHOLE = "panel"  # stands for all of a form where it says what it still shows old


class Clashed(Exception):
    """Somebody else changed the same settings."""


def workflow_of(workflow_id: str) -> Workflow:
    """Return a workflow of this workspace. Raises NotFound."""
    return queries.workflow(db.session(), who().workspace_id, workflow_id)


def save(workflow: Workflow, change: Change, *, by_itself: bool = False) -> None:
    """Save what a change makes of the newest draft, and commit; *by_itself* when nobody pressed a button for it."""
    service.edit_draft(db.session(), workflow, change, actor_id=who().user_id, by_itself=by_itself)
    db.session.commit()


def step_back(workflow_id: str, way: Callable[..., Draft]) -> Response:
    """Undo or redo, and show the step that was open."""
    workflow = workflow_of(workflow_id)
    chosen = request.form.get("chosen", "")
    try:
        way(db.session(), workflow, base_revision=base_revision())
        db.session.commit()
    except Conflict as conflict:
        db.session.rollback()
        return refused(workflow_id, conflict, chosen=chosen)
    return done(workflow_id, workflow, chosen, focus=STAYS)


def changed(
    workflow_id: str,
    workflow: Workflow,
    change: Change,
    chosen: Callable[[], str],
    *,
    told: Callable[[], str] = str,
    focus: str = "",
    added: bool = False,
) -> Response:
    """Save a change and show the step that *chosen* names afterwards, *added* by it or not, with what *told* says."""
    try:
        save(workflow, change)
    except (EditImpossible, Invalid) as fault:
        db.session.rollback()
        return refused(workflow_id, fault, chosen=chosen())
    return done(workflow_id, workflow, chosen(), told=told(), focus=focus, added=added)


def done(
    workflow_id: str, workflow: Workflow, chosen: str, *, told: str = "", focus: str = "", added: bool = False
) -> Response:
    """Show a step after a change, with what was told; its title gets the *focus*, or the field that is named."""
    desk = lay(db.session(), workflow, chosen=chosen, added=added)
    is_there = bool(chosen) and desk.step(chosen) is not None
    if not htmx.is_htmx():
        if told:
            flash(told, "go")
        more: dict[str, Any] = {"added": "1"} if added else {}
        where = url_for(".step", workflow_id=workflow_id, step_id=chosen, **more) if is_there else ""
        return htmx.redirect(where or url_for(".show", workflow_id=workflow_id))
    if is_there:
        return step_panel(desk, wants_panel=True, told=told, focus=focus)
    part = "start" if desk.has_steps else "add"
    return panel(lay(db.session(), workflow), part, wants_panel=True, told=told, after=[], before=[])


def answer(workflow_id: str, part: str, *, told: str = "", **args: str) -> Response:
    """Answer a saved form with the part of the builder that follows, and with what is *told* of it."""
    if not htmx.is_htmx():
        if told:
            flash(told, "care")
        arguments: dict[str, Any] = {"as": args["kind"]} if "kind" in args else dict(args)
        return htmx.redirect(url_for(f".{part}", workflow_id=workflow_id, **arguments))
    desk = lay(db.session(), workflow_of(workflow_id))
    if part == "question":
        return question_panel(desk, args["key"], wants_panel=True)
    context: dict[str, Any] = {"focus": STAYS}
    if part == "details":
        context["form"] = details_form(desk.workflow, desk.data)
    if part == "text":
        context |= {"text": as_text(desk.data, args["kind"]), "kind": args["kind"], "faults": []}
    return panel(desk, part, wants_panel=True, told=f"Saved. {told}".strip(), **context)


def refused(
    workflow_id: str,
    fault: Exception,
    *,
    chosen: str = "",
    part: str = "",
    key: str = "",
    name_field: str = "",
) -> Response:
    """Say why a change was not made, at *name_field* too where it was for a short name; nothing on the page is lost.

    What stands around the form is shown as it is now, so that what is said of others' changes can be seen and undone.
    """
    name_field = name_field if isinstance(fault, NameImpossible) else ""
    message = " ".join(filter(None, (_message(fault), getattr(fault, "fix", ""))))
    desk = lay(db.session(), workflow_of(workflow_id), chosen=chosen, added="added" in request.form)
    if htmx.is_htmx():
        html = render_template(
            "workflows/builder/refused.oob.html", desk=desk, oob=True, refused=message, name_field=name_field
        )
        response = make_response(html, 422)
        response.headers["HX-Reswap"] = "none"
        return response
    if chosen and desk.step(chosen) is not None:
        context = _noted(step_context(desk), name_field, message)
        return panel(desk, "step", **context, refused=message, status=422)
    if part == "question" and find_question(desk.data, key)[1] is not None:
        context = _noted(question_context(desk, key), name_field, message)
        return panel(desk, "question", **context, refused=message, status=422)
    return panel(desk, "questions" if part else "start", refused=message, status=422)


def _message(fault: Exception) -> str:
    if isinstance(fault, service.DraftConflict):
        return fault.told(who().name)
    if isinstance(fault, Invalid) and len(fault.problems) == 1:
        return f"{fault.message} {fault.problems[0].message}"
    return str(getattr(fault, "message", fault))


def _noted(context: dict[str, Any], name: str, message: str) -> dict[str, Any]:
    """Return what a form shows, with what was posted to the field *name* and what is wrong with it; "" for none."""
    if name:
        field = context["form"].fields[name]
        field.data = request.form.get(name, "")
        field.notes.append(message)
    return context


def is_by_itself(name_field: str, name: str) -> bool:
    """Tell whether the form was saved because something was typed in it: no button was pressed, no *name* is given."""
    return "act" not in request.form and request.form.get(name_field, name) == name


def is_typing() -> bool:
    """Tell whether the form is saved while somebody types in it: what is typed in must stay as it is on the page."""
    return "typing" in request.form


def is_whole_anew(has_other_parts: bool) -> bool:
    """Tell whether a saved form is shown anew as a whole: now, or since a save while somebody typed in it."""
    return (has_other_parts or WHOLE in request.form.getlist("anew")) and not is_typing()


def saved(
    desk: Desk,
    context: Mapping[str, Any],
    *,
    redrawn: Iterable[Setting],
    unseen: Iterable[str],
    has_other_parts: bool,
) -> Response:
    """Answer a saved form with what it changes around it, and with its fields that are shown anew.

    Those are *unseen*, which somebody else changed, and *redrawn*. While somebody types in the form, *redrawn* stay as
    they are; the page then says with its next save (``anew``) that it still shows them old.
    """
    fields = context["form"].fields
    names = dict.fromkeys([*request.form.getlist("anew"), *(field.name for field in redrawn)])
    if has_other_parts:
        names[WHOLE] = None
    shown = dict.fromkeys([*(() if is_typing() else names), *unseen])
    html = render_template(
        "workflows/builder/saved.oob.html",
        desk=desk, oob=True, **context, redrawn=[fields[name] for name in shown if name in fields],
        anew=[name for name in names if name == WHOLE or name in fields] if is_typing() else [],
    )  # fmt: skip
    return make_response(html)


def base_revision() -> int:
    """Return the revision that the posted form showed; 0 when it does not say."""
    return request.form.get("revision", type=int) or 0


def base_of(workflow: Workflow, find: Callable[[Data], Data | None]) -> Data | None:
    """Return what *find* finds in the draft as the posted form showed it; None when that is not known any more."""
    found = queries.revision(db.session(), workflow, base_revision())
    return find(found.definition) if found else None


def posted_onto(opened: Fields, now: Fields, clash: list[Clash]) -> Posted:
    """Return what to post to the fields as they are *now*, from what was posted to those that were *opened*.

    Raises Clashed, and fills *clash*, when somebody else changed the same settings meanwhile, and EditImpossible for a
    text that is longer than a whole workflow may be.
    """
    for field in (inner for each in opened.values() if each.is_changed for inner in each.family):
        if len(field.text) > MAX_JSON_BYTES:
            said = f"“{field.label.text}” has {len(field.text):,} characters; {MAX_JSON_BYTES:,} is the limit."
            raise EditImpossible(f"{said} Make it shorter.")
    posted = onto(opened, now, clash, act=request.form.get("act", ""), is_sure="over" in request.form)
    if clash:
        raise Clashed
    return posted


def gone(workflow: Workflow, thing: str, name: str, part: str) -> EditImpossible:
    """Tell what became of a *thing* that the draft's list *part* has no more under its *name*: renamed or deleted."""
    key = "key" if part == "inputs" else "id"

    def read(data: Data) -> list[tuple[str, str]]:
        listed = data.get(part)
        found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        return [(str(each.get(key)), str(each.get("type"))) for each in found]

    found = queries.fate(db.session(), workflow, base_revision(), name, read)
    is_own = found.author == who().name
    by = "You" if is_own else found.author or "Somebody"
    when = "in another window" if is_own else "while you were at it"
    if found.now:
        fix = "Open it under that name to make your change."
        return EditImpossible(f"{by} renamed this {thing} to “{found.now}” {when}. {fix}")
    fix = ""
    if workflow.draft_number < base_revision():
        fix = " Redo brings it back."
    elif found.author:
        since = "" if found.is_last else ", and takes back what was changed since"
        fix = f" Undo brings it back{since}."
    return EditImpossible(f"{by} deleted this {thing} {when}.{fix}")


def said(step: Mapping[str, Any]) -> str:
    """Write a step's name in quotes."""
    return f"“{str(step.get('name') or step.get('id'))[:60]}”"


def name_of(desk: Desk, step_id: str) -> str:
    """Write the name of a step of the draft in quotes."""
    return said(desk.step(step_id) or {"id": step_id})


# --- showing -------------------------------------------------------------------------------------------------------


def panel(
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
    is_saved = request.method == "POST" and status == 200
    html = render_template("workflows/builder/panel.oob.html", is_saved=is_saved, **context)
    response = make_response(html, status)
    if wants_panel:
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#panel", "innerHTML"
    if wants_panel and status == 200:
        response.headers["HX-Replace-Url"] = _url_of(desk, part, more)
    return response


def beside(workflow: Workflow) -> Response:
    """Answer a text that was taken with all that it changes: the diagram, and the form that is open beside it."""
    opened, _, which = htmx.current_path().rpartition("/edit/")[2].partition("/")
    desk = lay(db.session(), workflow, chosen=which if opened == "steps" else "")
    part, context = _still_open(desk, opened, which)
    html = render_template(
        "workflows/builder/taken.oob.html",
        desk=desk, oob=True, part=part, after=[], before=[], **context | {"focus": STAYS},
    )  # fmt: skip
    return make_response(html)


def _still_open(desk: Desk, opened: str, which: str) -> tuple[str, dict[str, Any]]:
    """Return the part of the builder that was open, as it is now, with what it shows."""
    if opened == "steps" and desk.step(which) is not None:
        return "step", step_context(desk)
    if opened == "questions" and find_question(desk.data, which)[1] is not None:
        return "question", question_context(desk, which)
    if opened == "questions":
        return "questions", {}
    if opened == "details":
        return "details", {"form": details_form(desk.workflow, desk.data)}
    return "" if desk.has_steps else "add", {}


def _url_of(desk: Desk, part: str, shown: Mapping[str, Any]) -> str:
    """Return the address of what the panel shows, for the browser to come back to."""
    named: dict[str, Any] = {
        "step": {"step_id": desk.chosen},
        "question": {"key": str(shown.get("key"))},
    }.get(part, {})
    name = part if part in ("step", "add", "questions", "question", "details", "text") else "show"
    return url_for(f".{name}", workflow_id=desk.workflow.id, **named)


def step_panel(desk: Desk, **options: Any) -> Response:
    """Answer with the form of the chosen step."""
    return panel(desk, "step", **step_context(desk) | options)


def step_context(desk: Desk) -> dict[str, Any]:
    """Return what the form of the chosen step shows. Raises NotFound when it is gone."""
    step = desk.step(desk.chosen)
    card = desk.cards.get(desk.chosen)
    if step is None or card is None:
        raise NotFound("This step does not exist any more.", fix="Go back to the workflow.")
    form = form_of(desk, step)
    loose = form.show(card.problems, desk.place_of[desk.chosen])
    if form.fields["s-join"].text == "all" and edit.exclude_each_other(desk.data, desk.chosen):
        form.fields["s-join"].notes.append(NEVER)
    repeats = step.get("for_each")
    items = repeats.get("items") if isinstance(repeats, dict) else None
    offered = offers.offers(desk.data, desk.drawn, desk.chosen, desk.types, items=items)
    values = value_choices(offered)
    written = "\n".join(text for _, text in texts_in(step))
    known = dict(values) | {each.in_text: each.label for each in offered if each.in_text}
    others = list(values_in_words(known, written, desk.words).items())
    return {
        "card": card,
        "form": form,
        "loose": loose,
        "offers": offered,
        "others": others,
        "lately": lately.said(db.session(), desk.workflow, form.conditions),
        "values": [*values, *others],
        "unfit": offers.unfit((text for text, _ in values), desk.known),
        "operators": OPERATORS,
        "lacking": samples.lacking(desk),
        "askable": asking.KINDS,
        "wanted_in": asking.places(form),
        "destinations": partial(moves.destinations, desk, desk.chosen),  # only a part of the answers shows them
        "focus": request.args.get("fix", ""),
    }


def clash_panel(
    desk: Desk, clash: list[Clash], changers: Mapping[str, str], *, thing: str, title: str, at: str, back: str
) -> Response:
    """Answer with both changes of the same settings of a *thing*, to choose from.

    *changers* are who made theirs by the name of the field. Mine are posted *at*; *back* leads to theirs.
    """
    own = ("revision", "act", "csrf_token", "over")
    made_by = {each.name: changers.get(each.name, "Somebody") for each in clash}
    authors = list(dict.fromkeys(made_by.values()))
    context: dict[str, Any] = {
        "clash": clash,
        "made_by": made_by,
        "authors": authors,
        "by": listed(authors),
        "thing": thing,
        "title": title,
        "at": at,
        "back": back,
        "kept": [(name, value) for name, value in request.form.items(multi=True) if name not in own],
        "base": base_revision(),
    }
    return panel(desk, "clash", status=409, wants_panel=True, **context)


def question_panel(desk: Desk, key: str, **options: Any) -> Response:
    """Answer with the form of a question."""
    return panel(desk, "question", **question_context(desk, key) | options)


def question_context(desk: Desk, key: str) -> dict[str, Any]:
    """Return what the form of a question shows. Raises NotFound when it is gone."""
    place, found = find_question(desk.data, key)
    if found is None:
        raise NotFound("This question does not exist any more.", fix="Go back to the workflow.")
    form = QuestionForm(found, listed=desk.data["inputs"], handed=handed(found))
    loose = form.show(desk.problems, place)
    focus = request.args.get("fix", "")
    focus = focus if focus in {field.name for field in form.shown} else ""
    return {"key": key, "form": form, "loose": loose, "question": found, "focus": focus}
