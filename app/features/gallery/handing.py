"""What a form hands in beside its fields, taken over into the answers: files are kept, columns get their names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from app.core.errors import FieldError
from app.definition import launch_form
from app.definition.schema import Input, InputType
from app.features.gallery import columns, service, uploads
from app.features.gallery.uploads import Upload


def take_over(
    session: Session,
    questions: Iterable[Input],
    answers: dict[str, Any],
    handed: Sequence[Upload],
    form: Mapping[str, str],
    *,
    workspace_id: str,
    by: str,
) -> list[FieldError]:
    """Put files and the chosen columns of tables into *answers*; return which files do not fit. The caller commits.

    *form* is what the page sent: ``m_<key>_<number>`` names the heading of a question's column.
    """
    faults: list[FieldError] = []
    for question in questions:
        fits: list[Upload] = []
        for upload in (each for each in handed if each.key == question.key):
            fault = uploads.fault_of(upload, question.type) if launch_form.takes_file(question) else None
            if fault is None and launch_form.takes_file(question):
                fits.append(upload)
            elif fault is not None:
                faults.append(fault)
        if fits:
            answers[question.key] = service.keep_uploads(
                session, fits, question=question, answer=answers[question.key], workspace_id=workspace_id, by=by
            )
        if question.type is InputType.CSV and isinstance(answers[question.key], str):
            chosen = None if fits else _chosen_columns(form, question.key, len(question.columns))
            answers[question.key] = columns.settle(question, answers[question.key], chosen)
    return faults


def looks(questions: Iterable[Input], answers: Mapping[str, Any]) -> dict[str, columns.Look]:
    """Return what questions see of the tables among the answers, by key."""
    found = {
        question.key: columns.look(question, str(answers[question.key]))
        for question in questions
        if question.type is InputType.CSV and answers.get(question.key)
    }
    return {key: look for key, look in found.items() if look is not None}


def plainly(problem: FieldError) -> FieldError:
    """Say of a table with other headings what to do on the page: the choice stands right below."""
    if problem.code != "columns":
        return problem
    message = "The columns of this table have other names than ours."
    return replace(problem, message=message, fix="Check below which is which, then continue.")


def _chosen_columns(form: Mapping[str, str], key: str, count: int) -> dict[int, str] | None:
    """Return the heading chosen for each column, by its number; None where the page did not ask."""
    names = {place: f"m_{key}_{place}" for place in range(count)}
    if not any(name in form for name in names.values()):
        return None
    return {place: form.get(name, "") for place, name in names.items()}
