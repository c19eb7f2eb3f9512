"""What a run has brought so far: texts and pictures as they come, with the places of those still to come."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.engine.enums import StepStatus
from app.features.runs.chips import Chip
from app.features.runs.trace import Entry
from app.features.runs.words import clipped
from app.web.filters import plural

SHOWN = 7
SHORT = 220


@dataclass(frozen=True, slots=True)
class ArrivedDocument:
    """A document as the list needs it; *body* is its beginning."""

    id: str
    step_run_id: str | None
    position: int
    title: str
    body: str
    status: str


@dataclass(frozen=True, slots=True)
class ArrivedPicture:
    """A picture as the list needs it; sizes in px."""

    id: str
    step_run_id: str | None
    position: int
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Text:
    """A document in the list: a short one by its text, a long one by its title and beginning."""

    id: str
    number: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Arriving:
    """The card: *things* names what is there ("10 texts"), *ghosts* hold the places of pictures still to come."""

    title: str
    summary: str
    things: tuple[str, ...]
    pictures: tuple[ArrivedPicture, ...]
    ghosts: tuple[Chip, ...]
    texts: tuple[Text, ...]
    more_texts: tuple[Text, ...]
    is_writing: bool
    is_one: bool

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show, not even a place."""
        return not (self.pictures or self.ghosts or self.texts or self.is_writing)


def arriving(
    entries: Sequence[Entry],
    *,
    documents: Sequence[ArrivedDocument],
    pictures: Sequence[ArrivedPicture],
    title: str,
    has_ended: bool,
) -> Arriving:
    """Put what came in the order of the steps under *title*, and reserve the places of what is to come."""
    in_order = _in_order(entries)
    texts = [_text(document, number) for number, document in enumerate(sorted(documents, key=in_order), 1)]
    shown = tuple(sorted(pictures, key=in_order))
    ghosts = tuple(ghost for entry in entries for ghost in _ghosts(entry, shown, has_ended))
    writing = any(entry.type == "generate_copy" and entry.is_under_way for entry in entries) and not has_ended
    things = [plural(len(texts), "text")] if texts else []
    things += [plural(len(shown), "picture")] if shown else []
    said = list(things)
    if ghosts and not has_ended:
        wanted = len(shown) + len(ghosts)
        said[len(texts) > 0 :] = [f"{len(shown)} of {plural(wanted, 'picture')}"]
    cut = SHOWN if len(texts) > SHOWN + 1 else len(texts)
    return Arriving(
        title=title,
        summary=", ".join(said),
        things=tuple(things),
        pictures=shown,
        ghosts=ghosts,
        texts=tuple(texts[:cut]),
        more_texts=tuple(texts[cut:]),
        is_writing=writing,
        is_one=len(things) == 1 and len(texts) + len(shown) == 1,
    )


@dataclass(frozen=True, slots=True)
class Made:
    """What one step wrote and drew, in its order."""

    documents: tuple[ArrivedDocument, ...] = ()
    pictures: tuple[ArrivedPicture, ...] = ()


def made(
    entries: Sequence[Entry], documents: Sequence[ArrivedDocument], pictures: Sequence[ArrivedPicture]
) -> dict[str, Made]:
    """Return what each step wrote and drew, by step; steps that made neither are left out."""
    step_of = {step_run_id: entry.id for entry in entries for step_run_id in entry.step_run_ids}
    written: dict[str, list[ArrivedDocument]] = defaultdict(list)
    drawn: dict[str, list[ArrivedPicture]] = defaultdict(list)
    in_order = _in_order(entries)
    for document in sorted(documents, key=in_order):
        written[step_of.get(document.step_run_id or "", "")].append(document)
    for picture in sorted(pictures, key=in_order):
        drawn[step_of.get(picture.step_run_id or "", "")].append(picture)
    return {step: Made(tuple(written[step]), tuple(drawn[step])) for step in {*written, *drawn} if step}


def _in_order(entries: Sequence[Entry]) -> Callable[[ArrivedDocument | ArrivedPicture], tuple[int, int, str]]:
    """Return the key that sorts by step, by its items, by what each made; what no step made comes last."""
    ids = (step_run_id for entry in entries for step_run_id in entry.step_run_ids)
    places = {step_run_id: place for place, step_run_id in enumerate(ids)}
    return lambda each: (places.get(each.step_run_id or "", len(places)), each.position, each.id)


def _text(document: ArrivedDocument, number: int) -> Text:
    body = " ".join(document.body.split())
    if len(body) <= SHORT:
        return Text(document.id, number, "", body)
    return Text(document.id, number, document.title, clipped(body, SHORT - 40))


def _ghosts(entry: Entry, pictures: Sequence[ArrivedPicture], has_ended: bool) -> list[Chip]:
    """Return the places of the pictures that a step still owes, while their number is known."""
    if entry.type != "generate_image" or not entry.total:
        return []
    missing = _owed(entry, Counter(picture.step_run_id for picture in pictures))
    if entry.status is StepStatus.FAILED:
        return [Chip("bad", "circle-x", "Missing")] * missing
    if has_ended or not entry.is_under_way:
        return []
    return [Chip("run", "loader-2", "Making"), *[Chip("idle", "circle-dashed", "Next")] * missing][:missing]


def _owed(entry: Entry, made: Mapping[str | None, int]) -> int:
    """Count the pictures that a step does not have yet; of items not begun, as those that are make alike many."""
    if not entry.is_for_each:
        return max(0, entry.total - made[entry.step_run_id])
    begun = [item for item in entry.items if item.total]
    each = {item.total for item in begun}
    has_failed = entry.status is StepStatus.FAILED
    owing = [item for item in begun if has_failed or not item.status.is_settled]
    later = (entry.total - len(entry.items)) * each.pop() if len(each) == 1 else 0
    return later + sum(max(0, item.total - made[item.step_run_id]) for item in owing)
