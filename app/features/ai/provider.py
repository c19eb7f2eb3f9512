"""OpenAI and services that speak its API, through the openai SDK.

Requests run on one event loop in a thread of its own, made with the client at the first request of a process: importing
or configuring opens nothing, so a parent may load this before it forks. The SDK's retries are off: the engine's ledger
retries. *timeout_s* is a total deadline: a server that drips bytes does not stretch it. Answers are read from the bytes
that came, not by the SDK's models of them: those would take more memory than the answers.
"""

import asyncio
import binascii
import json
import os
import re
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx2
import openai
import openai.resources.chat.completions
import openai.resources.images
from openai import AsyncOpenAI

from app.core.cached import cached_property
from app.engine.contract import Answer, ImageRequest, StepError, TextRequest
from app.features.ai import prices
from app.features.ai.faults import connection_fault, timed_out, translated, unusable
from app.features.ai.models import Thought, thinking_tokens, thought_of
from app.features.ai.texts import Reply, Spent, Unfit, asked, form_of

OFFICIAL_URL = "https://api.openai.com/v1"
TEMPERATURES = {"safe": 0.3, "balanced": 0.8, "adventurous": 1.1}
MANNERS = {
    "safe": "Be careful and plain: no risky jokes, no bold claims.",
    "balanced": "Be lively, but stay close to what was asked.",
    "adventurous": "Be bold and surprising: vary tone, angle and structure widely.",
}
LONGEST_ANSWER = 40 * 1024 * 1024
BODIES_AT_ONCE = 2  # pictures held at the same time, from the first byte read to the row written: about 8 MB each
GRACE_S = 5.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RawPicture:
    """The bytes of a picture as the service sent them, and what they cost; *release* it when it is kept."""

    content: bytes
    cost_microusd: int
    tokens_in: int
    tokens_out: int
    release: Callable[[], object] = lambda: None


class Provider:
    """One service with its models. Thread-safe; :meth:`close` ends the loop and the connections."""

    def __init__(self, *, api_key: str, base_url: str, text_model: str, image_model: str) -> None:
        self.text_model = text_model
        self.image_model = image_model
        self._api_key = api_key or "none"  # a compatible service may want none; the SDK insists on a text
        self._base_url = base_url or OFFICIAL_URL
        self._making = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._owner_pid = 0

    def write(self, request: TextRequest, *, key: str, timeout_s: float) -> Answer:
        """Return a text as the JSON of ``request.answer``. Raises for an unusable one: ``again`` asks for a better."""
        return self._run(self._write(request, key, timeout_s), timeout_s)

    def picture(self, request: ImageRequest, *, key: str, timeout_s: float) -> RawPicture:
        """Return one picture's bytes."""
        return self._run(_within(self._picture(request, key), timeout_s), timeout_s)

    def most_tokens(self, request: TextRequest) -> tuple[int, int]:
        """Return how many tokens a text may take at most, said and written.

        No token is less than a byte, in any language; what the format adds around a message is less than its JSON.
        """
        said = [asked(request, manner=self._manner(request)), form_of(request.answer)]
        return len(json.dumps(said, ensure_ascii=False).encode()), self._limit(request)

    def most_picture_tokens(self, request: ImageRequest) -> tuple[int, int]:
        """As :meth:`most_tokens`, of a picture."""
        size = prices.SIZES.get(request.size, prices.SIZES["square"])
        return len(_prompt_with_style(request).encode()), prices.PICTURE_TOKENS[size]

    def close(self) -> None:
        """Close the connections and end the loop of this process; the next request makes them anew."""
        loop = self._loop
        if loop is None or self._owner_pid != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(self._client.close(), loop).result(GRACE_S)
        loop.call_soon_threadsafe(loop.stop)
        self._forget()

    # --- the loop ---

    def _run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._running_loop())
        try:
            return future.result(timeout_s + GRACE_S)
        except FutureTimeout:
            future.cancel()
            raise timed_out(timeout_s) from None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._making:
            if self._loop is None or self._owner_pid != os.getpid():
                self._forget()
                self._owner_pid = os.getpid()
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(self._loop,), name="greenlight-ai", daemon=True).start()
            return self._loop

    def _forget(self) -> None:
        self._loop = None
        for made in ("_client", "_bodies"):
            self.__dict__.pop(made, None)

    @cached_property
    def _client(self) -> AsyncOpenAI:
        return AsyncOpenAI(api_key=self._api_key, base_url=self._base_url, max_retries=0, timeout=None)

    @cached_property
    def _bodies(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(BODIES_AT_ONCE)

    # --- texts ---

    async def _write(self, request: TextRequest, key: str, timeout_s: float) -> Answer:
        spent = Spent()
        try:
            written = await _within(self._ask(request, key, spent), timeout_s)
        except StepError as error:
            if spent.tokens_in or spent.tokens_out:
                error.spent = self._cost(spent, None)
            raise
        return self._cost(spent, written)

    async def _ask(self, request: TextRequest, key: str, spent: Spent) -> Any:
        """Ask; an answer that is empty, cut off or not in the form asked for says how to ask for another, once."""
        try:
            return (await self._complete(request, key, spent)).value(request.answer)
        except Unfit as unfit:
            error = unusable(unfit.code, unfit.message)
            if not request.is_repair:
                error.again = replace(request, said=unfit.feedback, room=2 if unfit.code == "truncated" else 1)
            raise error from unfit

    async def _complete(self, request: TextRequest, key: str, spent: Spent) -> Reply:
        """Make one request; *spent* counts what it cost."""
        messages: list[Any] = asked(request, manner=self._manner(request))
        try:
            response = await self._client.chat.completions.with_raw_response.create(
                model=self.text_model,
                messages=messages,
                response_format=form_of(request.answer),
                extra_headers={"Idempotency-Key": key},
                **self._options(request),
            )
        except openai.OpenAIError as error:
            raise translated(error, model=self.text_model) from error
        return Reply.read(response.content, spent)

    def _options(self, request: TextRequest) -> dict[str, Any]:
        thought = thought_of(self.text_model)
        options: dict[str, Any] = {}
        if thought in (Thought.AT_WILL, Thought.ALWAYS):
            options["reasoning_effort"] = thought.value
        if self._takes_temperature:
            options["temperature"] = TEMPERATURES.get(request.creativity, TEMPERATURES["balanced"])
        # most compatible services know the older name of the limit only
        options["max_completion_tokens" if self._is_official else "max_tokens"] = self._limit(request)
        return options

    def _limit(self, request: TextRequest) -> int:
        return request.max_tokens * request.room + thinking_tokens(self.text_model)

    def _manner(self, request: TextRequest) -> str:
        return "" if self._takes_temperature else MANNERS.get(request.creativity, "")

    @property
    def _takes_temperature(self) -> bool:
        return not thinking_tokens(self.text_model)

    @property
    def _is_official(self) -> bool:
        return self._base_url.rstrip("/") == OFFICIAL_URL

    def _cost(self, spent: Spent, value: Any) -> Answer:
        cost = prices.cost_microusd(
            self.text_model, spent.tokens_in, spent.tokens_out, cached_in=spent.cached_in
        )
        return Answer(value, cost, spent.tokens_in, spent.tokens_out, self.text_model)

    # --- pictures ---

    async def _picture(self, request: ImageRequest, key: str) -> RawPicture:
        size = prices.SIZES.get(request.size, prices.SIZES["square"])
        options: dict[str, Any] = {"response_format": "b64_json"}
        if self.image_model.startswith(("gpt-image", "chatgpt-image")):
            options = {"quality": "medium", "output_format": "png"}
        try:
            async with self._client.images.with_streaming_response.generate(
                model=self.image_model,
                prompt=_prompt_with_style(request),
                size=size,
                n=1,
                extra_headers={"Idempotency-Key": key},
                **options,
            ) as response:
                await self._bodies.acquire()
                try:
                    picture = self._decoded(await _read(response), request, size)
                except BaseException:
                    self._bodies.release()
                    raise
                loop, bodies = asyncio.get_running_loop(), self._bodies
                return replace(picture, release=lambda: loop.call_soon_threadsafe(bodies.release))
        except openai.OpenAIError as error:
            raise translated(error, model=self.image_model) from error

    def _decoded(self, body: bytearray, request: ImageRequest, size: str) -> RawPicture:
        """Read the picture straight out of the body and only what is left as JSON: no three copies of 3 MB."""
        try:
            content = _take_picture(body)
            used = json.loads(body).get("usage") or {}
            tokens_in = int(used.get("input_tokens") or 0) or prices.tokens_of(request.prompt)
            tokens_out = int(used.get("output_tokens") or 0) or prices.PICTURE_TOKENS[size]
        except (ValueError, TypeError, AttributeError) as error:
            raise unusable("unusable", "The AI service sent no picture that can be read.") from error
        if not content:
            raise unusable("empty", "The AI service sent an empty picture.")
        cost = prices.cost_microusd(self.image_model, tokens_in, tokens_out)
        return RawPicture(content, cost, tokens_in, tokens_out)


def _prompt_with_style(request: ImageRequest) -> str:
    parts = [request.prompt.strip(), f"Style: {request.style}." if request.style else ""]
    if request.size == "story":
        parts.append("Tall picture for a phone; keep the top and bottom sixth free of anything important.")
    if request.count > 1:
        parts.append(f"This is picture {request.number} of {request.count}: choose a view of its own.")
    return "\n".join(part for part in parts if part)


_PICTURE = re.compile(rb'"b64_json"\s*:\s*"([A-Za-z0-9+/=\\]*)"')


def _take_picture(body: bytearray) -> bytes:
    """Decode the first picture and cut it out of *body*. Raises ValueError when there is none, or it is no base64."""
    found = _PICTURE.search(body)
    if found is None:
        raise ValueError("no picture in the answer")
    start, end = found.span(1)
    with memoryview(body) as whole, whole[start:end] as coded:
        plain = (
            coded if body.find(b"\\", start, end) < 0 else bytes(coded).replace(b"\\/", b"/")
        )  # some escape it
        content = binascii.a2b_base64(plain, strict_mode=True)
        del plain
    del found  # it holds the body, which could not shrink
    del body[start:end]
    return content


async def _read(response: Any) -> bytearray:
    content = bytearray()
    try:
        async for chunk in response.iter_bytes(65536):
            content += chunk
            if len(content) > LONGEST_ANSWER:
                raise unusable("too_large", "The AI service sent more than 40 MB for one picture.")
    except httpx2.TransportError as error:
        raise connection_fault(error) from error
    return content


async def _within(work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    try:
        async with asyncio.timeout(timeout_s):
            return await work
    except TimeoutError:
        raise timed_out(timeout_s) from None


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
