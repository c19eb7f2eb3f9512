"""Ports: what the engine needs of the features above it. ``wiring.py`` binds them once a process."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.definition.schema import Definition
from app.engine.contract import Answer, DocumentFacts, ImageRequest, TextRequest


class _WriteText(Protocol):
    def __call__(self, request: TextRequest, *, key: str, timeout_s: float, as_sample: bool) -> Answer: ...


class _MakeImage(Protocol):
    def __call__(self, request: ImageRequest, *, key: str, timeout_s: float, as_sample: bool) -> Answer: ...


class _Notice(Protocol):
    def __call__(self, subject: str, body: str, link: tuple[str, str] | None = None) -> dict[str, Any]: ...


class Ports:
    """The bound functions; reading one that was never bound raises AttributeError."""

    load_definition: Callable[[Session, str], Definition]
    write_text: _WriteText
    make_image: _MakeImage
    estimate_text: Callable[[TextRequest], int]
    estimate_image: Callable[[ImageRequest], int]
    create_document: Callable[..., Any]
    read_documents: Callable[[Session, str, Sequence[str]], list[DocumentFacts]]
    attach: Callable[[Session, str, Sequence[str]], Any]
    prepare_image: Callable[[Any], Any]
    store_image: Callable[..., Any]
    notice: _Notice
    remove_made_by: Callable[[Session, Sequence[str]], Any]
    due_schedules: Callable[[Session], Sequence[str]]
    start_scheduled: Callable[[Engine, str], Sequence[str]]


bound = Ports()


def bind(**functions: Any) -> None:
    """Bind the ports by name; a name that is not a port raises."""
    for name, function in functions.items():
        if name not in Ports.__annotations__:
            raise TypeError(f"no such port: {name}")
        setattr(bound, name, function)
