"""The mail that asks for an approval. Its link opens a page; nothing in it decides."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.features.approvals import pictures as small
from app.features.approvals import queries, words
from app.features.approvals.models import Approver
from app.features.approvals.queries import Item, Review
from app.features.notifications import service as notifications
from app.features.notifications.service import Inline, MailContent

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the first items as the mail shows it; *cid* names its picture, empty without."""

    item: Item
    cid: str
    alt: str


def request(review: Review, person: Approver, *, link: str, pictures: Mapping[str, Inline]) -> MailContent:
    """Compose the request to one person; *pictures* by image id, from :func:`pictures`."""
    approval, zone = review.approval, review.workspace.timezone
    expires = "" if approval.expires_at is None else words.exactly(approval.expires_at, zone)
    samples = [_sample(item, pictures) for item in review.items[:SHOWN]]
    used = {sample.cid for sample in samples}
    return notifications.compose(
        "approval",
        subject=words.please_approve(approval.title),
        images=[picture for picture in pictures.values() if picture["cid"] in used],
        review=review,
        approval=approval,
        person=person,
        link=link,
        samples=samples,
        rest=max(0, len(review.items) - SHOWN),
        button="See it and decide" if len(review.items) < 2 else f"See {words.things(len(review.items))} and decide",
        expires=expires,
        ends="" if approval.expires_at is None else words.exactly(approval.expires_at, zone),
        without_answer=words.without_answer(approval.on_expiry, expires),
        others=[queries.shown(other) for other in review.people if other.id != person.id],
        listed=words.listed,
    )


def pictures(session: Session, review: Review) -> dict[str, Inline]:
    """Return the small pictures of the first items, ready to go into a mail."""
    wanted = [item.pictures[0].id for item in review.items[:SHOWN] if item.pictures]
    found = queries.small_pictures(session, wanted)
    return {
        image_id: notifications.inline(f"{image_id}@greenlight", "image/jpeg", small.square(found[image_id]))
        for image_id in dict.fromkeys(wanted)
        if image_id in found
    }


def _sample(item: Item, pictures: Mapping[str, Inline]) -> Sample:
    first = item.pictures[0] if item.pictures else None
    inline = pictures.get(first.id) if first else None
    if first is None or inline is None:
        return Sample(item, "", "")
    return Sample(item, inline["cid"], first.alt or f"Picture for text {item.number}")
