"""Clients: browsers without a screen. Each keeps one connection and speaks the little HTTP that it needs."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from bench.seed import SLUG, Person


@dataclass(frozen=True)
class Answer:
    """What came back, when it was asked for (the system's clock) and how long it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    asked_at: float
    took_s: float


class Browser:
    """One person's browser."""

    def __init__(self, port: int, person: Person) -> None:
        self._port = port
        self.person = person
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._ask("GET", path, b"", headers)

    async def post(self, path: str, **fields: str) -> Answer:
        """Send a form as a page of ours does: with the session's cookie and its form token."""
        body = urlencode({"csrf_token": self.person.csrf, **fields}).encode()
        return await self._ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    async def start(self, draft_id: str) -> Answer:
        """Press Start on the checked answers of a launch form: a redirect to the run."""
        return await self.post(f"/gallery/{SLUG}/launch/run", draft=draft_id)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        lines = {
            "Host": f"127.0.0.1:{self._port}", "Cookie": f"gl={self.person.token}", "Sec-Fetch-Site": "same-origin",
            "Connection": "keep-alive", **headers, **({"Content-Length": str(len(body))} if body else {}),
        }  # fmt: skip
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in lines.items()
        )
        asked_at, began = time.time(), time.perf_counter()
        for is_last in (False, True):  # a kept connection may have been closed by the other side
            try:
                status, received, content = await self._exchange(head.encode() + b"\r\n" + body)
                break
            except (ConnectionError, asyncio.IncompleteReadError):
                await self.close()
                if is_last:
                    raise
        return Answer(status, received, content, asked_at, time.perf_counter() - began)

    async def _exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        status = int(head[0].split()[1])
        content = b""
        if status not in (204, 304):
            content = await self._body(headers)
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return status, headers, content

    async def _body(self, headers: dict[str, str]) -> bytes:
        assert self._reader is not None
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        content = b""
        while size := int(await self._reader.readline(), 16):
            content += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readline()
        return content


def run_of(answer: Answer) -> str | None:
    """Return the id of the run that pressing Start gave; None when it was refused."""
    place = answer.headers.get("location", "")
    return place.rpartition("/")[2] if answer.status in (302, 303) and "/runs/" in place else None


def together(*tasks: Any) -> list[Any]:
    """Run coroutines at the same time and return what they give."""

    async def _all() -> list[Any]:
        return list(await asyncio.gather(*tasks))

    return asyncio.run(_all())
