"""The templates that come with the product: YAML files, read and checked before they reach the database."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.core import yaml
from app.core.errors import FieldError, Invalid
from app.definition import schema
from app.definition.expressions import check_value
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid, Problem
from app.definition.values import names_in
from app.engine import catalog
from app.features.workflows.enums import Category

FOLDER = Path(__file__).with_name("templates")

Line = Annotated[str, Field(min_length=1, max_length=300)]


class Estimate(BaseModel):
    """What a run takes before five real ones exist: minutes of work, micro-dollars for AI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: Annotated[float, Field(gt=0, le=600)]
    cost_microusd: Annotated[int, Field(ge=0)]


class TemplateFile(BaseModel):
    """One template as its file says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    summary: Line
    category: Category
    tags: list[Line] = []
    gets: Annotated[list[Line], Field(min_length=1)]
    label: Line
    sample_inputs: dict[str, Any]
    estimate: Estimate
    definition: dict[str, Any]


def read_all(folder: Path = FOLDER) -> list[TemplateFile]:
    """Return every template of *folder*, by slug. Raises Invalid with the problems of all files."""
    files: list[TemplateFile] = []
    problems: list[FieldError] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            files.append(read(path))
        except Invalid as invalid:
            problems += (
                FieldError(f"/{path.stem}{p.path}", p.code, p.message, p.fix) for p in invalid.problems
            )
    if problems:
        raise Invalid(f"{len(problems)} things are wrong with the templates in {folder}.", problems)
    return files


@cache
def ours() -> tuple[TemplateFile, ...]:
    """Return the templates that come with the product, read and checked once a process."""
    return tuple(read_all())


def read(path: Path) -> TemplateFile:
    """Read one file. Raises Invalid with every problem: shape, definition, label, and sample answers."""
    return parse(load(path.read_text(encoding="utf-8"), path.name), name=path.name, stem=path.stem)


def load(text: str, name: str = "The file") -> Any:
    """Return what YAML or JSON holds. Raises Invalid, with the line."""
    try:
        return yaml.load(text)
    except yaml.YamlInvalid as error:
        where = f"Line {error.line}: " if error.line else ""
        fault = FieldError("", "bad_value", f"{where}{error.why}.", "Mend the file.")
        raise Invalid(f"{name} is not YAML.", [fault]) from error


def parse(data: object, *, name: str = "The file", stem: str | None = None) -> TemplateFile:
    """Return a template after all checks; *stem* must be its slug where given. Raises Invalid with every problem."""
    if faults := _faults_of_shape(data):
        raise Invalid(f"{name} is not a template.", faults)
    template = TemplateFile.model_validate(data)
    problems = [*_problems(template, stem)]
    if problems:
        faults = [FieldError(p.path, p.code, p.message, p.fix) for p in problems]
        raise Invalid(f"{name} has {len(problems)} problem{'s' if len(problems) > 1 else ''}.", faults)
    return template


def _faults_of_shape(data: object) -> list[FieldError]:
    """Return what keeps *data* from being a template, and what is wrong in its definition."""
    if not isinstance(data, dict):
        return [FieldError("", "wrong_type", "It must hold keys and values.", "Take a file that Export gave.")]
    found = schema.check_model(TemplateFile, data)
    if found and isinstance(data.get("definition"), dict):
        found += (fault.under("definition") for fault in schema.check(data["definition"], catalog.facts()))
    return [FieldError(p.path, p.code, p.message, _SLUG if p.path == "/slug" else p.fix) for p in found]


_SLUG = "Use small letters and digits with - between, like our-ads."


def _problems(template: TemplateFile, stem: str | None) -> Iterator[Problem]:
    if stem is not None and template.slug != stem:
        message = f"The slug is {template.slug}, the file {stem}.yaml."
        yield Problem("/slug", "bad_value", message, "Give both one name.")
    faults = schema.check(template.definition, catalog.facts())
    yield from (fault.under("definition") for fault in faults)
    if faults:
        return
    definition = schema.Definition.model_validate(template.definition)
    yield from _problems_of_label(template.label, definition)
    try:
        clean_inputs(definition, template.sample_inputs)
    except InputsInvalid as invalid:
        # an own template may leave sample answers out; ours never do, and a demo run is made of them
        faults = [fault for fault in invalid.problems if stem is not None or fault.code != "required"]
        yield from (fault.under("sample_inputs") for fault in faults)


def _problems_of_label(label: str, definition: schema.Definition) -> Iterator[Problem]:
    yield from (fault.under("label") for fault in check_value(label))
    keys = {question.key for question in definition.inputs}
    for name in names_in(label):
        if name.root != "inputs" or not name.path or name.path[0] not in keys:
            yield Problem(
                "/label", "unknown_name", f"The label names {name.text}.", "Name an answer: {{ inputs.… }}."
            )
