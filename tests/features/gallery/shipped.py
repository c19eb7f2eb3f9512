"""Definitions of the templates that the product ships with."""

from app.definition.schema import Definition
from app.features.gallery import library


def definition_of(slug: str) -> Definition:
    """Return the definition in the template's file."""
    return Definition.model_validate(library.read(library.FOLDER / f"{slug}.yaml").definition)
