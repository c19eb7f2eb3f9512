"""A real local server that speaks OpenAI's API: texts by schema, pictures, models, and every way to go wrong.

In tests: ``with FakeOpenAI() as server: server.url``. By hand, for a whole Greenlight beside it::

    python -m tests.fakes.openai_server --port 8123 --latency 3 --picture-bytes 2000000
    OPENAI_BASE_URL=http://127.0.0.1:8123/v1 bin/dev

What it should do next is scripted: ``server.script("chat", Reply(status=429, retry_after="7"))`` holds for one request;
``server.always("images", Reply(latency_s=3))`` for all that nothing else is scripted for. Words in a prompt work from
afar: "text 7 too long" makes the seventh text of a first request longer than its limit.
"""

import argparse
import base64
import json
import random
import re
import socket
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

USAGE_TEXT = {"prompt_tokens": 200, "completion_tokens": 120, "total_tokens": 320}
USAGE_PICTURE = {"input_tokens": 50, "output_tokens": 1056, "total_tokens": 1106}


@dataclass(frozen=True)
class Reply:
    """How one request is answered; the default is well."""

    latency_s: float = 0.0
    status: int = 200
    code: str = ""  # OpenAI's error code, such as insufficient_quota
    retry_after: str = ""  # seconds or an HTTP date
    hang: bool = False  # says nothing until the server stops
    reset: bool = False  # reads the request, then resets the connection
    cut: bool = False  # sends half of the answer it promised, then closes
    drip_s: float = 0.0  # sends one byte, waits so long, and so on
    truncated: bool = False  # structured text stops in the middle
    finish: str = "stop"  # "length" with truncated: the token limit was met
    refusal: str = ""  # the model refuses, in these words
    empty: bool = False  # no text, or no picture
    invalid: bool = False  # JSON that is not what the schema asks for
    not_json: bool = False  # an answer that is no JSON at all
    texts: int | None = None  # how many texts instead of the number asked for
    too_long: tuple[int, ...] = ()  # the numbers of texts over their limit
    content: bytes | None = None  # the picture's bytes
    by_url: bool = False  # a link instead of a picture
    escaped: bool = False  # slashes written as JSON allows: \\/


@dataclass(frozen=True)
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    kind: str

    @property
    def prompt(self) -> str:
        """What was asked, as one text."""
        if "prompt" in self.body:
            return str(self.body["prompt"])
        return "\n".join(str(message.get("content") or "") for message in self.body.get("messages", []))


@dataclass
class _Script:
    once: dict[str, deque[Reply]] = field(default_factory=dict)
    always: dict[str, Reply] = field(default_factory=dict)


class FakeOpenAI:
    """The server. Start it by ``with``; *url* is what OPENAI_BASE_URL takes."""

    def __init__(
        self, *, port: int = 0, latency_s: float = 0.0, picture_bytes: int = 0, log: Path | None = None
    ) -> None:
        self.latency_s = latency_s
        self.picture_bytes = picture_bytes
        self.requests: list[Request] = []
        self._log = log
        self._script = _Script()
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "FakeOpenAI":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def script(self, kind: str, *replies: Reply) -> None:
        """Answer the next requests of *kind* (``chat``, ``images``) like this, one each."""
        with self._lock:
            self._script.once.setdefault(kind, deque()).extend(replies)

    def always(self, kind: str, reply: Reply) -> None:
        """Answer every other request of *kind* like this."""
        with self._lock:
            self._script.always[kind] = reply

    def of(self, kind: str) -> list[Request]:
        """Return the requests of one kind, in order."""
        with self._lock:
            return [request for request in self.requests if request.kind == kind]

    def note(self, request: Request) -> Reply:
        """Log a request and return how it is to be answered."""
        with self._lock:
            self.requests.append(request)
            if self._log:
                with self._log.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(asdict(request)) + "\n")
            waiting = self._script.once.get(request.kind)
            if waiting:
                return waiting.popleft()
            return self._script.always.get(request.kind, Reply(latency_s=self.latency_s))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    fake: FakeOpenAI

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        kind = "models" if self.path.endswith("/models") else "unknown"
        reply = self.server.fake.note(
            Request(
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                {},
                time.time(),
                kind,
            )
        )
        if kind == "unknown":
            reply = Reply(status=404)
        self._answer(reply, lambda: {"object": "list", "data": [{"id": "gpt-5-mini", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = self.path.partition("?")[0]
        kind = {"/v1/chat/completions": "chat", "/v1/images/generations": "images"}.get(path, "unknown")
        request = Request(
            path, {name.lower(): value for name, value in self.headers.items()}, body, time.time(), kind
        )
        reply = self.server.fake.note(request)
        if kind == "unknown":
            reply = Reply(status=404)
        size = self.server.fake.picture_bytes
        self._answer(
            reply, lambda: _chat(request, reply) if kind == "chat" else _images(request, reply, size)
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Stay quiet."""

    def _answer(self, reply: Reply, make: Any) -> None:
        stopping = self.server.fake.stopping
        if reply.hang:
            stopping.wait()
        elif reply.latency_s:
            stopping.wait(reply.latency_s)
        if reply.reset or reply.hang:
            self._reset()
            return
        if reply.status != 200:
            content = json.dumps(_error(reply)).encode()
        elif reply.not_json:
            content = b"<html>not what you asked for</html>"
        else:
            made = make()
            content = made if isinstance(made, bytes) else json.dumps(made).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if reply.retry_after:
            self.send_header("Retry-After", reply.retry_after)
        self.end_headers()
        self._send(content, reply)

    def _send(self, content: bytes, reply: Reply) -> None:
        if reply.cut:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self._reset()
            return
        if not reply.drip_s:
            self.wfile.write(content)
            return
        for place in range(len(content)):
            self.wfile.write(content[place : place + 1])
            self.wfile.flush()
            if self.server.fake.stopping.wait(reply.drip_s):
                return

    def _reset(self) -> None:
        """Close with RST, as a crashed far side does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _error(reply: Reply) -> dict[str, Any]:
    kinds = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded", 500: "server_error"}
    code = reply.code or kinds.get(reply.status, "")
    return {
        "error": {"message": f"scripted {reply.status} {code}", "type": code or "error", "code": code or None}
    }


# --- texts ---


def _chat(request: Request, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    finish = reply.finish
    if reply.refusal:
        message["refusal"] = reply.refusal
    elif reply.empty:
        message["content"] = ""
    else:
        message, finish = _written(request, reply, message)
    return {
        "id": f"chatcmpl-{int(request.at * 1e6)}",
        "object": "chat.completion",
        "created": int(request.at),
        "model": request.body.get("model", "unknown"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": USAGE_TEXT,
    }


def _written(request: Request, reply: Reply, message: dict[str, Any]) -> tuple[dict[str, Any], str]:
    schema, tool = _schema(request.body)
    if schema is None:
        return {**message, "content": f"You said: {request.prompt[-80:]}"}, reply.finish
    answer = _invented(schema, request, reply) if not reply.invalid else {"something": "else"}
    content = json.dumps(answer)
    if reply.truncated:
        content = content[: len(content) // 2]
    if tool is None:
        return {**message, "content": content}, reply.finish
    call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": content}}
    return {**message, "tool_calls": [call]}, "tool_calls" if reply.finish == "stop" else reply.finish


def _schema(body: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """Return the schema that the answer must have, and the tool's name where a tool call should carry it."""
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        return form["json_schema"]["schema"], None
    if body.get("tools"):
        function = body["tools"][0]["function"]
        return function.get("parameters") or {}, function["name"]
    return None, None


@dataclass
class _Invention:
    """Fills a schema with texts that keep the limits named in the prompt, except where the script says otherwise."""

    schema: dict[str, Any]
    count: int
    most: int
    title_most: int
    too_long: frozenset[int]
    number: int = 0

    def value(self, schema: dict[str, Any], name: str = "") -> Any:
        if "$ref" in schema:
            return self.value(self.schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]], name)
        if "anyOf" in schema:
            return self.value(schema["anyOf"][0], name)
        if "enum" in schema or "const" in schema:
            return schema.get("const", (schema.get("enum") or [None])[0])
        kind = schema.get("type")
        if kind == "object":
            return {key: self.value(part, key) for key, part in schema.get("properties", {}).items()}
        if kind == "array":
            return [self._item(schema.get("items", {}), number) for number in range(1, self.count + 1)]
        return {"integer": 1, "number": 1.0, "boolean": True, "null": None}.get(str(kind), self._text(name))

    def _item(self, schema: dict[str, Any], number: int) -> Any:
        self.number = number
        return self.value(schema)

    def _text(self, name: str) -> str:
        number = self.number or 1
        if name == "title":
            return f"Headline {number}"[: self.title_most] if self.title_most else ""
        words = f"Text {number}: a fine day for a test drive, come and see what is new with us. " * 40
        if number in self.too_long:
            return words[: (self.most or 200) + 15].strip() + "!"
        return words[: min(self.most or 200, 60 + number)].strip()


def _invented(schema: dict[str, Any], request: Request, reply: Reply) -> Any:
    prompt = request.prompt
    count = _number(r"exactly (\d+) text", prompt, 1)
    asked = {int(found) for found in re.findall(r"text (\d+) too long", prompt)} if count > 1 else set()
    invention = _Invention(
        schema=schema,
        count=count if reply.texts is None else reply.texts,
        most=_number(r"text has at most (\d+) characters", prompt, 0),
        title_most=_number(r"headline has at most (\d+) characters", prompt, 0),
        too_long=frozenset(reply.too_long) | asked,
    )
    return invention.value(schema)


def _number(pattern: str, text: str, otherwise: int) -> int:
    found = re.search(pattern, text)
    return int(found.group(1)) if found else otherwise


# --- pictures ---


def _images(request: Request, reply: Reply, size_bytes: int) -> bytes:
    if reply.empty:
        data: list[dict[str, Any]] = []
    elif reply.by_url:
        data = [{"url": "http://127.0.0.1:9/picture.png"}]
    elif reply.content is not None:
        data = [{"b64_json": base64.b64encode(reply.content).decode()}]
    else:
        width, height = (int(part) for part in str(request.body.get("size", "1024x1024")).split("x"))
        body = _picture_body(width, height, size_bytes)
        return body.replace(b"/", b"\\/") if reply.escaped else body
    return json.dumps({"created": 1, "data": data, "usage": USAGE_PICTURE}).encode()


@lru_cache(maxsize=8)
def _picture_body(width: int, height: int, size_bytes: int) -> bytes:
    encoded = base64.b64encode(png(width, height, size_bytes)).decode()
    return json.dumps({"created": 1, "data": [{"b64_json": encoded}], "usage": USAGE_PICTURE}).encode()


def png(width: int, height: int, size_bytes: int = 0) -> bytes:
    """Return a real PNG (RGB) of about *size_bytes*: noise in as many rows as it takes, one colour in the rest."""
    row = width * 3
    noisy = min(height, size_bytes // row)
    noise = random.Random(7)  # the same picture every time
    rows = [
        b"\x00" + (noise.randbytes(row) if place < noisy else b"\x1f\x7a\x4b" * width)
        for place in range(height)
    ]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@contextmanager
def running(**options: Any) -> Iterator[FakeOpenAI]:
    """Run a server for the time of a ``with``."""
    with FakeOpenAI(**options) as server:
        yield server


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--picture-bytes", type=int, default=0, help="size of each picture, such as 2000000")
    parser.add_argument("--log", type=Path, help="append every request to this file, one JSON object a line")
    options = parser.parse_args()
    with FakeOpenAI(
        port=options.port, latency_s=options.latency, picture_bytes=options.picture_bytes, log=options.log
    ) as server:
        print(f"OPENAI_BASE_URL={server.url}", flush=True)
        try:
            server.stopping.wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
