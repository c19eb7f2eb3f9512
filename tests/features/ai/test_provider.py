"""Texts and pictures over the wire, against a real local server, and every way in which that goes wrong."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO

import pytest
from PIL import Image

from app.core.settings import Settings
from app.engine.contract import Category, ImageRequest, StepError, TextRequest
from app.features.ai import prices, service, texts
from app.steps.generate_copy import Texts
from tests.fakes.openai_server import FakeOpenAI, Reply

LIMITS = (
    "Write exactly 2 texts.\nEach text has at most 90 characters.\nEach headline has at most 40 characters."
)


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        use(server.url)
        yield server
    service.configure(settings())


def settings(**changes: str) -> Settings:
    return Settings(environment="test", secret_key="only for tests", **changes)


def use(url: str, **changes: str) -> None:
    service.configure(settings(openai_base_url=url, **changes))


def ask(**changes: object) -> TextRequest:
    return TextRequest(**{"system": "You write.", "prompt": LIMITS, "answer": Texts, **changes})


def write(timeout_s: float = 10, **changes: object) -> service.Answer:
    return service.write_text(ask(**changes), key="gl-1", timeout_s=timeout_s)


def asked_again(timeout_s: float = 10, **changes: object) -> tuple[StepError, TextRequest]:
    """Ask, get an answer of no use, and return its fault with the request for a better one."""
    with pytest.raises(StepError) as raised:
        write(timeout_s, **changes)
    assert raised.value.again is not None
    return raised.value, raised.value.again


def repair(request: TextRequest, timeout_s: float = 10) -> service.Answer:
    return service.write_text(request, key="gl-1-repair", timeout_s=timeout_s)


def picture(timeout_s: float = 10, **changes: object) -> service.Answer:
    request = ImageRequest(**{"prompt": "A car at dusk", "size": "square", "style": "photo", **changes})
    return service.make_image(request, key="gl-2", timeout_s=timeout_s)


MAKERS = pytest.mark.parametrize(("kind", "make"), [("chat", write), ("images", picture)])


# --- well ---


def test_a_text_comes_back_as_the_json_of_its_schema_with_its_cost(server: FakeOpenAI) -> None:
    answer = write()
    assert [text["title"] for text in answer.value["texts"]] == ["Headline 1", "Headline 2"]
    assert all(0 < len(text["text"]) <= 90 for text in answer.value["texts"])
    # gpt-5-mini: $0.25 a million tokens in, $2 out
    assert (answer.tokens_in, answer.tokens_out, answer.cost_microusd) == (200, 120, 290)
    assert answer.model == "gpt-5-mini"
    [request] = server.of("chat")
    assert request.headers["idempotency-key"] == "gl-1"
    assert request.headers["authorization"] == "Bearer none"
    assert request.body["messages"][0]["role"] == "system"
    assert request.body["response_format"]["json_schema"]["schema"]["properties"]["texts"]["type"] == "array"


def test_creativity_is_an_instruction_for_a_model_that_thinks(server: FakeOpenAI) -> None:
    write(creativity="adventurous")
    [request] = server.of("chat")
    assert "temperature" not in request.body
    assert "Be bold" in request.prompt
    assert request.body["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("creativity", "temperature"), [("safe", 0.3), ("balanced", 0.8), ("adventurous", 1.1)]
)
def test_creativity_is_a_temperature_where_the_model_takes_one(
    server: FakeOpenAI, creativity: str, temperature: float
) -> None:
    use(server.url, ai_text_model="gpt-4o-mini")
    write(creativity=creativity)
    [request] = server.of("chat")
    assert request.body["temperature"] == temperature
    assert "Be bold" not in request.prompt
    assert request.body["max_tokens"] == 4000


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        ("square", (1024, 1024)),
        ("portrait", (1024, 1536)),
        ("landscape", (1536, 1024)),
        ("story", (1024, 1536)),
    ],
)
def test_a_picture_comes_in_the_form_asked_for(
    server: FakeOpenAI, size: str, pixels: tuple[int, int]
) -> None:
    answer = picture(size=size, number=2, count=5)
    assert (answer.value.width, answer.value.height) == pixels
    assert answer.value.media_type == "image/png"
    with Image.open(BytesIO(answer.value.png)) as image:
        image.load()
        assert image.size == pixels
    [request] = server.of("images")
    assert request.headers["idempotency-key"] == "gl-2"
    assert (request.body["n"], request.body["quality"]) == (1, "medium")
    assert "picture 2 of 5" in request.prompt


def test_a_service_may_escape_its_slashes(server: FakeOpenAI) -> None:
    server.script("images", Reply(escaped=True))
    assert (picture().value.width, picture().value.height) == (1024, 1024)


def test_a_pictures_cost_comes_from_the_services_own_usage(server: FakeOpenAI) -> None:
    use(server.url, ai_image_model="gpt-image-1")
    answer = picture()
    # gpt-image-1: $5 a million tokens in, $40 out
    assert (answer.tokens_in, answer.tokens_out, answer.cost_microusd) == (50, 1056, 250 + 42240)
    assert service.estimate_image(ImageRequest("店" * 50, style="")) == 150 * 5 + 42240


def test_a_model_on_no_price_list_costs_nothing(server: FakeOpenAI) -> None:
    use(server.url, ai_text_model="our-own-model")
    assert write().cost_microusd == 0
    assert service.estimate_text(ask()) == 0


def test_an_estimate_is_never_below_the_cost(server: FakeOpenAI) -> None:
    assert service.estimate_text(ask()) >= 4000 * 2
    assert service.estimate_text(ask(max_tokens=100)) < service.estimate_text(ask(max_tokens=200))
    use(server.url, ai_text_model="gpt-5-mini")  # it thinks, and what it thinks is paid for
    assert service.estimate_text(ask(max_tokens=100)) > prices.cost_microusd("gpt-5-mini", 0, 4100)


@pytest.mark.parametrize("word", ["drive ", "7q,", "试驾", "ทดลองขับ", "👩‍👩‍👧‍👦"])
def test_an_estimate_is_never_below_the_cost_in_any_language(server: FakeOpenAI, word: str) -> None:
    use(server.url, ai_text_model="gpt-5-mini")
    request = {"prompt": word * 1000, "said": ({"role": "user", "content": word * 100},), "max_tokens": 100}
    write(**request)
    body = server.of("chat")[-1].body
    asked = json.dumps([body["messages"], body["response_format"]], ensure_ascii=False)
    most = prices.cost_microusd("gpt-5-mini", len(asked.encode()), body["max_tokens"])  # a token has a byte at least
    assert service.estimate_text(ask(**request)) == most


def test_many_threads_share_one_connection_pool(server: FakeOpenAI) -> None:
    server.always("chat", Reply(latency_s=3))
    threads = [threading.Thread(target=write) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked_at = [request.at for request in server.of("chat")]
    assert len(asked_at) == 24
    assert max(asked_at) - min(asked_at) < 3  # nobody waited for another's answer


# --- the service says no ---


@MAKERS
@pytest.mark.parametrize(
    ("reply", "category", "code"),
    [
        (Reply(status=401), Category.PERMISSION, "ai_key"),
        (Reply(status=403), Category.PERMISSION, "ai_key"),
        (Reply(status=404), Category.PERMISSION, "model_not_found"),
        (Reply(status=429, code="insufficient_quota"), Category.BUDGET, "insufficient_quota"),
        (Reply(status=429), Category.BUSY, "busy"),
        (Reply(status=503), Category.BUSY, "busy"),
        (Reply(status=500), Category.OUTSIDE, "outside"),
        (Reply(status=502), Category.OUTSIDE, "outside"),
        (Reply(status=400, code="context_length_exceeded"), Category.INPUT, "too_long"),
        (Reply(status=400, code="moderation_blocked"), Category.AI_ANSWER, "refused"),
        (Reply(status=400), Category.INPUT, "rejected"),
    ],
)
def test_a_refused_request_is_made_once_and_told_in_words(
    server: FakeOpenAI, kind: str, make: Callable[[], object], reply: Reply, category: Category, code: str
) -> None:
    server.script(kind, reply)
    with pytest.raises(StepError) as raised:
        make()
    assert (raised.value.category, raised.value.code) == (category, code)
    assert raised.value.message.endswith(".") or code == "rejected"
    assert raised.value.fix
    if category in (Category.BUDGET, Category.OUTSIDE):  # to start over would make and pay for everything anew
        assert "ry this step again" in raised.value.fix
    assert raised.value.definite is (reply.status != 502)
    assert len(server.of(kind)) == 1


@MAKERS
def test_retry_after_is_read_as_seconds_and_as_a_date(
    server: FakeOpenAI, kind: str, make: Callable[[], object]
) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.script(
        kind, Reply(status=429, retry_after="7"), Reply(status=429, retry_after=soon), Reply(status=429)
    )
    waits = []
    for _ in range(3):
        with pytest.raises(StepError) as raised:
            make()
        waits.append(raised.value.retry_after_s)
    assert waits[0] == 7
    assert 80 < (waits[1] or 0) <= 90
    assert waits[2] is None


# --- nothing, or too late ---


@MAKERS
@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(drip_s=0.02)], ids=["hang", "drip"])
def test_the_total_time_ends_a_hang_and_a_drip(
    server: FakeOpenAI, kind: str, make: Callable[..., object], reply: Reply
) -> None:
    make()  # loads the library and connects, which is no part of the half second
    server.script(kind, reply)
    begun = time.monotonic()
    with pytest.raises(StepError) as raised:
        make(timeout_s=0.5)
    assert time.monotonic() - begun > 0.4
    assert raised.value.category is Category.TIMEOUT
    assert raised.value.definite is False
    assert make() is not None  # the connection is not stuck


@MAKERS
@pytest.mark.parametrize("reply", [Reply(reset=True), Reply(cut=True)], ids=["reset", "cut"])
def test_a_broken_connection_may_have_been_heard(
    server: FakeOpenAI, kind: str, make: Callable[[], object], reply: Reply
) -> None:
    server.script(kind, reply)
    with pytest.raises(StepError) as raised:
        make()
    assert (raised.value.category, raised.value.code) == (Category.NETWORK, "connection_lost")
    assert raised.value.definite is False
    assert len(server.of(kind)) == 1


@MAKERS
def test_a_service_that_is_not_there_heard_nothing(kind: str, make: Callable[[], object]) -> None:
    with FakeOpenAI() as gone:
        use(gone.url)
    with pytest.raises(StepError) as raised:
        make()
    assert (raised.value.category, raised.value.code) == (Category.NETWORK, "unreachable")
    assert raised.value.definite is True
    service.configure(settings())


# --- answers of no use ---


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (Reply(truncated=True), "unusable"),
        (Reply(truncated=True, finish="length"), "truncated"),
        (Reply(invalid=True), "unusable"),
        (Reply(empty=True), "empty"),
    ],
    ids=["truncated", "length", "invalid", "empty"],
)
def test_an_answer_of_no_use_is_asked_for_once_more(server: FakeOpenAI, bad: Reply, code: str) -> None:
    server.script("chat", bad)
    unusable, again = asked_again()
    assert (unusable.category, unusable.code) == (Category.AI_ANSWER, code)
    assert unusable.spent is not None
    assert unusable.spent.cost_microusd == 290
    answer = repair(again)
    assert len(answer.value["texts"]) == 2
    assert (answer.tokens_in, answer.tokens_out) == (200, 120)  # each request is paid by itself
    assert service.estimate_text(again) > service.estimate_text(ask()) or code == "empty"

    server.script("chat", bad)
    with pytest.raises(StepError) as raised:
        repair(again)
    assert (raised.value.code, raised.value.again) == (code, None)
    assert len(server.of("chat")) == 3


def test_a_cut_off_answer_gets_twice_the_room(server: FakeOpenAI) -> None:
    use(server.url, ai_text_model="gpt-4o-mini")
    server.script("chat", Reply(truncated=True, finish="length"))
    repair(asked_again(max_tokens=300)[1])
    assert [request.body["max_tokens"] for request in server.of("chat")] == [300, 600]


def test_the_second_request_says_what_is_wrong_with_the_first_answer(server: FakeOpenAI) -> None:
    server.script("chat", Reply(invalid=True))
    repair(asked_again()[1])
    _, again = server.of("chat")
    assert [message["role"] for message in again.body["messages"]] == ["system", "user", "assistant", "user"]
    assert again.body["messages"][-1]["content"].splitlines()[1] == "texts: Field required"
    assert again.body["response_format"]["json_schema"]["strict"] is True


@pytest.mark.parametrize("around", ["```json\n{}\n```", "<think>Is {it}?</think>\n{}"], ids=["fence", "thoughts"])
def test_an_answer_is_found_in_what_a_service_puts_around_it(around: str) -> None:
    written = around.replace("{}", '{"texts": [{"title": "", "text": "Hello"}]}')
    assert texts.Reply(written, "", "stop").value(Texts) == {"texts": [{"title": "", "text": "Hello"}]}


def test_a_refusal_is_not_argued_with(server: FakeOpenAI) -> None:
    server.script("chat", Reply(refusal="I cannot help with that."))
    with pytest.raises(StepError) as raised:
        write()
    assert (raised.value.category, raised.value.code) == (Category.AI_ANSWER, "refused")
    assert len(server.of("chat")) == 1
    assert raised.value.spent is not None
    assert raised.value.spent.cost_microusd == 290


@pytest.mark.parametrize("kind_and_make", [("chat", write), ("images", picture)], ids=["text", "picture"])
def test_a_reply_that_is_not_json_is_of_no_use(
    server: FakeOpenAI, kind_and_make: tuple[str, Callable[[], object]]
) -> None:
    kind, make = kind_and_make
    server.script(kind, Reply(not_json=True))
    with pytest.raises(StepError) as raised:
        make()
    assert (raised.value.category, raised.value.code) == (Category.AI_ANSWER, "unusable")
    assert len(server.of(kind)) == 1


@pytest.mark.parametrize(
    "reply",
    [Reply(empty=True), Reply(by_url=True), Reply(content=b""), Reply(content=b"%PDF-1.7 not a picture")],
    ids=["none", "link", "zero", "pdf"],
)
def test_what_is_no_picture_is_of_no_use(server: FakeOpenAI, reply: Reply) -> None:
    server.script("images", reply)
    with pytest.raises(StepError) as raised:
        picture()
    assert raised.value.category is Category.AI_ANSWER
    assert len(server.of("images")) == 1


# --- processes ---

_FORK = """
import os, sys, threading
from app.core.settings import Settings
from app.features.ai import service
from app.engine.contract import ImageRequest
service.configure(Settings(environment="test", secret_key="x", openai_base_url=sys.argv[1]))
import openai
assert threading.active_count() == 1, threading.enumerate()
assert not [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")
            and os.readlink(f"/proc/self/fd/{fd}").startswith("socket")] or not os.path.isdir("/proc/self/fd")
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        answer = service.make_image(ImageRequest("A car"), key="k", timeout_s=10)
        os._exit(0 if answer.value.width == 1024 else 1)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
assert threading.active_count() == 1
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at open files the Linux way")
def test_a_parent_loads_it_without_threads_or_connections_and_its_children_ask(server: FakeOpenAI) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORK, server.url], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(server.of("images")) == 3
