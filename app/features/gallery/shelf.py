"""The gallery's shelf: which templates stand on it, in which order, a page at a time. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.features.gallery import figures, search
from app.features.gallery.enums import Sort, Whose
from app.features.gallery.figures import Figures
from app.features.gallery.models import Template
from app.features.workflows.enums import Category

PAGE = 48


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for; *page* counts from 1."""

    text: str = ""
    category: Category | None = None
    whose: Whose | None = None
    sort: Sort = Sort.USED
    page: int = 1


def found(listed: Sequence[Template], wanted: Wanted) -> list[Template]:
    """Return the templates of every category that fit; of a search the best first."""
    those = [template for template in listed if wanted.whose is None or template.whose is wanted.whose]
    return search.ranked(those, wanted.text)


def arrange(found: Sequence[Template], known: Mapping[str, Figures], wanted: Wanted) -> list[Template]:
    """Return those of the wanted category in order; a search stays best first, whatever the order otherwise."""
    fitting = [one for one in found if wanted.category is None or one.category == wanted.category]
    if wanted.text:
        return fitting
    if wanted.sort is Sort.USED:
        return sorted(fitting, key=lambda template: -known.get(template.slug, figures.NONE).used)
    if wanted.sort is Sort.FASTEST:
        return sorted(fitting, key=lambda t: figures.minutes_of(t, known.get(t.slug, figures.NONE)))
    if wanted.sort is Sort.NEWEST:
        return sorted(fitting, key=lambda template: (template.updated_at, template.id), reverse=True)
    return fitting


def elsewhere(listed: Sequence[Template], wanted: Wanted) -> int:
    """Count what a search would find without the category and whoever made it."""
    return len(search.ranked(listed, wanted.text)) if wanted.text and (wanted.category or wanted.whose) else 0


def counts(listed: Sequence[Template], found: Sequence[Template]) -> dict[Category, int]:
    """Count those *found* of every category that has a template at all, in the categories' own order."""
    known, fitting = {one.category for one in listed}, [one.category for one in found]
    return {category: fitting.count(category.value) for category in Category if category.value in known}


def page(arranged: Sequence[Template], number: int) -> Sequence[Template]:
    """Return one page; the last for a number beyond it."""
    last = max(pages(arranged), 1)
    first = (min(max(number, 1), last) - 1) * PAGE
    return arranged[first : first + PAGE]


def pages(arranged: Sequence[Template]) -> int:
    """Count the pages."""
    return -(-len(arranged) // PAGE)
