"""The parts of a definition as pydantic models, and what it needs to know of a step type. Checks live in ``schema``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property  # noqa: TID251 (nothing waits in it here, and pydantic knows no other)
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
MAX_STEPS, MAX_INPUTS, MAX_ITEMS = 200, 100, 200
MAX_JSON_BYTES, MAX_DEPTH = 256 * 1024, 20

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Count = Annotated[int, Field(strict=True)]
Line = Annotated[str, Field(max_length=300)]
VehiclePart = Literal["vin", "stock", "year", "make", "model", "trim", "mileage", "price"]


class InputType(StrEnum):
    """Every type that an answer can have; ``inputs.clean_inputs`` says what each becomes."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    NUMBER = "number"
    INTEGER = "integer"
    MONEY = "money"
    PERCENT = "percent"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    MULTI_CHOICE = "multi_choice"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    VIN = "vin"
    VEHICLE = "vehicle"
    DOCUMENT = "document"
    DOCUMENTS = "documents"
    IMAGE = "image"
    IMAGES = "images"
    PEOPLE = "people"
    CSV = "csv"
    JSON = "json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class Input(_Part):
    """Ask one question at the start.

    *min* and *max* bound numbers, money, percents and dates by value, texts by characters, lists by count; those of a
    date may be "today": the day on which it is answered, in the workspace's zone.
    *max_length* is in characters. *default* is an answer as a person would give it. *columns* names what a table (csv)
    must have. *parts* names what is asked of a vehicle, all of it where it is empty; *must_have* those without which a
    vehicle is no answer. *not_before* names another question of the same kind of date, whose answer may not be later
    than this one's. A *fixed* question is never asked: its default is always the answer.
    """

    key: Name
    label: Line = ""
    type: InputType = InputType.TEXT
    required: bool = Field(default=False, strict=True)
    help: Annotated[str, Field(max_length=2000)] = ""
    placeholder: Line = ""
    group: Line = ""
    default: Any = None
    max_length: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    min: int | float | Line | None = None
    max: int | float | Line | None = None
    not_before: Name | None = None
    choices: Annotated[list[Annotated[str, Field(min_length=1, max_length=300)]], Field(max_length=200)] = []
    columns: Annotated[list[Annotated[str, Field(min_length=1, max_length=80)]], Field(max_length=40)] = []
    parts: list[VehiclePart] = []
    must_have: list[VehiclePart] = []
    fixed: bool = Field(default=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _label_it(cls, data: Any) -> Any:
        return _named(data, "key", "label")


class Retry(_Part):
    """Try a step again: *attempts* in all (1–20), waiting from *delay_s* seconds up to *max_delay_s*."""

    attempts: Annotated[int, Field(strict=True, ge=1, le=20)]
    backoff: Literal["fixed", "linear", "exponential"] = "exponential"
    delay_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    max_delay_s: Annotated[float, Field(ge=0, le=86_400)] = 1800.0


class ForEach(_Part):
    """Do a step once for every item (at most 200), *parallel* at a time."""

    items: Annotated[list[Any], Field(max_length=MAX_ITEMS)] | Annotated[str, Field(min_length=1)]
    parallel: Annotated[int, Field(strict=True, ge=1, le=MAX_ITEMS)] = 3


class Limits(_Part):
    """Stop a run that costs more than *cost_usd* dollars or works longer than *minutes* (waits excluded).

    *at_once* is how many of the workflow's steps that spend or send may be under way, in all its runs together.
    """

    cost_usd: Annotated[Decimal, Field(ge=0, le=100_000, decimal_places=6)] | None = Field(
        default=None, title="Most it may cost"
    )
    minutes: Annotated[int, Field(strict=True, ge=1, le=43_200)] | None = Field(
        default=None, title="Longest working time"
    )
    at_once: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = Field(default=None, title="Most at once")


class Step(_Part):
    """Describe one step. *after* names steps, ``"ads"``, or a step's outcome, ``"check:approved"``."""

    id: Name
    type: Annotated[str, Field(min_length=1, max_length=100)]
    name: Annotated[str, Field(max_length=200)] = ""
    after: list[Annotated[str, Field(min_length=1, max_length=140)]] = []
    config: dict[str, Any] = {}
    when: dict[str, Any] | None = None
    join: Literal["all", "any"] = "all"
    retry: Retry | None = None
    timeout_s: Annotated[int, Field(strict=True, ge=1, le=3600)] = 120
    on_failure: Literal["stop", "continue"] = "stop"
    for_each: ForEach | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_it(cls, data: Any) -> Any:
        return _named(data, "id", "name")


class Definition(_Part):
    """Hold one workflow: the questions it asks, its steps, its limits. Immutable; a run keeps its version for life.

    ``Definition.model_validate`` reads what was checked before (a stored version); ``schema.parse`` checks everything.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    inputs: list[Input] = []
    steps: list[Step] = []
    limits: Limits = Limits()

    def step(self, step_id: str) -> Step:
        """Return the step with that id. Raises ``KeyError`` when there is none."""
        return self.steps[self.index(step_id)]

    def index(self, step_id: str) -> int:
        """Return the place of a step in the list, from 0. Raises ``KeyError`` when there is none."""
        return self.places[step_id]

    def has_step(self, step_id: str) -> bool:
        """Tell whether a step has that id."""
        return step_id in self.places

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each step in the list, by its id."""
        places = enumerate(step.id for step in self.steps)
        return {step_id: place for place, step_id in reversed(list(places))}

    @cached_property
    def worked_out(self) -> dict[str, Any]:
        """What others have worked out of this definition, by a name of theirs: it never changes."""
        return {}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "Definition":
        """As pydantic's; what was worked out stays behind."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("places", "worked_out"):
            copied.__dict__.pop(name, None)
        return copied

    def input(self, key: str) -> Input:
        """Return the question with that key. Raises ``KeyError`` when there is none."""
        for question in self.inputs:
            if question.key == key:
                return question
        raise KeyError(key)


Model = type[BaseModel]  # inside the class below, `type` is the field


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """Tell what a definition must know of a step type without knowing the engine.

    *outcomes* never lists ``failed``, which every step can have. *output_fields* is None where they are not known;
    *outputs_of* gives them from a config that was found right. *step_refs* names the config fields whose text (or
    texts) must be the id of a step that comes before. *output_kinds* says of outputs what they always are: ``text``,
    ``number``, ``yes_no``, ``list`` or ``record``. *label* is what people call the type.
    """

    type: str
    config: Model
    outcomes: tuple[str, ...] = ("done",)
    output_fields: frozenset[str] | None = None
    outputs_of: Callable[[Mapping[str, Any]], frozenset[str] | None] | None = None
    step_refs: tuple[str, ...] = ()
    label: str = ""
    output_kinds: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_done(self) -> bool:
        """Tell whether a bare name in ``after`` means something for this type."""
        return "done" in self.outcomes


def _named(data: Any, key: str, name: str) -> Any:
    """Fill an absent *name* from the *key*: ``make_ads`` becomes "Make ads"."""
    if isinstance(data, dict) and data.get(name) in (None, "") and isinstance(data.get(key), str):
        return {**data, name: in_words(data[key])}
    return data


def in_words(key: str) -> str:
    """Write an id as people would: ``max_chars`` becomes "Max chars"."""
    words = key.replace("_", " ").strip()[:200]
    return words[:1].upper() + words[1:]
