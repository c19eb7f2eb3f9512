"""What the AI is told: the first sentences, with the answers in them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.definition.expressions import Expression, Filtered, Named, Part, ValueInvalid, parse_value
from app.definition.schema import Definition, Step
from app.definition.values import ValueProblem, as_text, resolve
from app.features.gallery.known import filled, with_whole_vehicles
from app.features.gallery.wording import LONG, cut


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the sentence that the AI is told; *is_answer* marks what came from the form."""

    text: str
    is_answer: bool = False


def told(definition: Definition, answers: Mapping[str, Any], run: Mapping[str, Any]) -> list[Piece]:
    """Return the first sentences that the AI is told, with the answers as they stand, missing ones included."""
    writing = next((step for step in definition.steps if step.type == "generate_copy"), None)
    if writing is None:
        return []
    known = {question.key: question.default for question in definition.inputs}
    known |= {key: value for key, value in answers.items() if value not in (None, "")}
    scope = {"inputs": with_whole_vehicles(definition, known), "run": dict(run), "steps": {}}
    scope["steps"] = {step.id: _set_in_words(step, scope) for step in definition.steps if step.type == "transform"}
    return list(_pieces(str(writing.config.get("prompt", "")), scope))


def _set_in_words(step: Step, scope: dict[str, Any]) -> dict[str, Any]:
    """Return what a transform will give, with "…" in its texts where an answer is missing."""
    written: Any = step.config.get("set")
    return {
        key: "".join(piece.text for piece in _pieces(written[key], scope)) if isinstance(value, str) else value
        for key, value in _set(step, scope).items()
    }


def _set(step: Step, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a transform will give, as far as the answers tell already."""
    written = step.config.get("set")
    if not isinstance(written, dict):
        return {}
    known = {key: filled(value, scope) for key, value in written.items()}
    return {key: value for key, value in known.items() if value != written[key] or "{{" not in str(value)}


def _pieces(prompt: str, scope: dict[str, Any]) -> Iterator[Piece]:
    try:
        pieces: Iterable[Any] = parse_value(prompt).pieces
    except ValueInvalid:
        return
    for piece in pieces:
        if isinstance(piece, str):
            yield Piece(piece)
            continue
        try:
            text = as_text(resolve(piece, scope))
        except ValueProblem:
            text = ""
        is_answer = not text or _is_answered(piece, scope["inputs"])
        yield Piece(cut(text, 160 if is_answer else LONG) or "…", is_answer=is_answer)


def _is_answered(expression: Expression, answers: Mapping[str, Any]) -> bool:
    """Tell whether a value came from an answer, not from what stands in for a missing one."""
    match expression:
        case Named(("inputs", str(key), *_)):
            return answers.get(key) not in (None, "")
        case Filtered(of, _, _) | Part(of, _):
            return _is_answered(of, answers)
        case _:
            return False
