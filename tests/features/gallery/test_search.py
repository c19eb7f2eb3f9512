"""A search finds the right template first: by name, plural, another word for it, or with the letters mixed up."""

from functools import cache
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import yaml
from app.features.gallery import library, search
from tests.speed import took_s


@cache
def _ours() -> list[SimpleNamespace]:
    return [SimpleNamespace(**yaml.load(path.read_text("utf-8"))) for path in sorted(library.FOLDER.glob("*.yaml"))]


def _found(text: str) -> list[str]:
    return [str(template.slug) for template in search.ranked(_ours(), text)]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("recal leter", "service-recall-outreach"),
        ("recall letter", "service-recall-outreach"),
        ("facebok", "facebook-ads-campaign"),
        ("fb ad", "facebook-ads-campaign"),
        ("cars for sale", "used-vehicle-listing-copy"),
        ("sell a used truck", "used-vehicle-listing-copy"),
        ("newsletter", "email-campaign"),
        ("news letter", "email-campaign"),
        ("e-mail", "email-campaign"),
        ("emial campagin", "email-campaign"),
        ("5 star", "review-response"),
        ("5-star review", "review-response"),
        ("answer a bad google reveiw", "review-response"),
        ("insta", "instagram-carousel"),
        ("instgram post", "instagram-carousel"),
        ("landing", "landing-page-hero"),
        ("headlins for my website", "landing-page-hero"),
        ("trade in", "trade-in-offer-follow-up"),
        ("cash offer", "trade-in-offer-follow-up"),
        ("coop claim", "oem-co-op-approval"),
        ("co-op", "oem-co-op-approval"),
        ("price drop", "aged-inventory-price-move"),
        ("aged inventroy", "aged-inventory-price-move"),
        ("internet leads", "new-lead-follow-up"),
        ("blog artcle", "blog-with-social"),
        ("win back", "service-recall-outreach"),
        ("win bakc custmers servise", "service-recall-outreach"),
        ("customers who have not been in for service", "service-recall-outreach"),
        ("bring them back to service", "service-recall-outreach"),
        ("lost customers", "service-recall-outreach"),
        ("lapsed", "service-recall-outreach"),
        ("reactivate", "service-recall-outreach"),
        ("oil change reminder", "service-recall-outreach"),
        ("get more reviews", "review-response"),
        ("buy their car", "trade-in-offer-follow-up"),
        ("price too high", "aged-inventory-price-move"),
        ("google ads", "facebook-ads-campaign"),
    ],
)
def test_the_right_template_stands_first(text: str, slug: str) -> None:
    assert _found(text)[:1] == [slug]


@pytest.mark.parametrize("text", ["submarines", "xyzzy", "boat", "zz"])
def test_what_nothing_is_about_finds_nothing(text: str) -> None:
    assert _found(text) == []


def test_without_words_everything_stands_as_it_was() -> None:
    assert _found("") == _found("  ?! ") == [template.slug for template in _ours()]


def test_one_word_that_nobody_knows_does_not_hide_the_rest() -> None:
    assert _found("facebook xyzzy")[:1] == ["facebook-ads-campaign"]


@pytest.mark.parametrize(
    ("one", "other", "wrong"),
    [("recal", "recall", 1), ("leter", "letter", 1), ("emial", "email", 1), ("abc", "abc", 0), ("abcd", "wxyz", 3)],
)
def test_letters_wrong_missing_and_swapped_are_counted(one: str, other: str, wrong: int) -> None:
    assert search.distance(one, other, 2) == wrong


def test_two_templates_for_the_same_words_are_both_found() -> None:
    assert _found("new car arrived") == ["used-vehicle-listing-copy", "facebook-ads-campaign"]


def test_where_nothing_holds_every_word_what_holds_the_most_stands_first() -> None:
    assert _found("recall letter facebook")[:2] == ["service-recall-outreach", "facebook-ads-campaign"]
    assert _found("submarine xyzzy recall")[:1] == ["service-recall-outreach"]
    assert _found("submarine xyzzy zzyzx recall") == []


@given(st.text(max_size=200))
@settings(max_examples=30)
def test_no_search_fails_and_none_invents_a_template(text: str) -> None:
    assert set(_found(text)) <= {str(template.slug) for template in _ours()}


def test_five_hundred_templates_are_searched_in_a_moment() -> None:
    many = [SimpleNamespace(**vars(one) | {"name": f"{one.name} {n}"}) for n in range(42) for one in _ours()]
    assert len(search.ranked(many, "recal leter")) == 42
    assert took_s(lambda: search.ranked(many, "recal leter"), tries=3) < 0.1
