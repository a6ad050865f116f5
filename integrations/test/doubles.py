"""Faulty exporters, and one that records requests."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

SOON_SECONDS = 1.5
"""Limit for what takes at most 0.2 s, on a busy machine too."""

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """Runs a server with this answer on a free port and yields its URL."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def hangs(_: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.sleep(3600)
    return web.Response()


async def drips(request: web.Request) -> web.StreamResponse:
    """Sends headers and never finishes the body."""
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    await answer.prepare(request)
    await answer.write(b'{"models": [')
    await asyncio.sleep(3600)
    return answer


async def talks_html(_: web.Request) -> web.StreamResponse:
    """Another server."""
    return web.Response(text="<h1>It works!</h1>", content_type="text/html")


async def talks_nonsense(_: web.Request) -> web.StreamResponse:
    """Unexpected JSON."""
    return web.json_response([1, "two", {"models": None}])


def problem(status: int, detail: str) -> Answer:
    """An error response of the exporter."""

    async def answer(_: web.Request) -> web.StreamResponse:
        body = {"type": "about:blank", "title": "No", "status": status, "detail": detail}
        return web.json_response(body, status=status, content_type="application/problem+json")

    return answer


MODELS = [
    {"router": "gpu-box", "id": "qwen3-8b", "aliases": ["default"]},
    {"router": "gpu-box", "id": "both", "aliases": []},
    {"router": "attic", "id": "both", "aliases": []},
]


class Listener:
    """An exporter with two routers, some of them held. Records reports and requests."""

    def __init__(self, held: tuple[str, ...] = (), usage_status: int = 202) -> None:
        self.held = held
        self.until = "14:05"
        self.can_wait = True
        self.waiting = 0
        self.usage_status = usage_status
        self.reports: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.asked: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        match request.path:
            case "/api/v1/models":
                return web.json_response({"models": MODELS})
            case "/api/v1/gate":
                await self._wait(request)
                return self._gate(request.query["router"])
            case "/api/v1/usage":
                self.tokens.append(request.headers.get("Authorization"))
                self.reports += (await request.json())["reports"]
                return web.json_response({"accepted": 1, "ignored": []}, status=self.usage_status)
            case _:
                return web.Response(status=404)

    async def _wait(self, request: web.Request) -> None:
        until = time.monotonic() + float(request.query.get("wait", 0))
        self.waiting += 1
        try:
            while self.can_wait and request.query["router"] in self.held and time.monotonic() < until:
                await asyncio.sleep(0.005)
        finally:
            self.waiting -= 1

    def _gate(self, router: str) -> web.StreamResponse:
        if router not in self.held:
            return web.Response(status=204)
        detail = f"GPU memory of {router} is kept free until {self.until} UTC for training (requested by alice)."
        headers = {"X-Gate-Error": "{}", "Retry-After": "60"}
        return web.json_response({"detail": detail}, status=503, headers=headers, content_type="application/problem+json")


class Lender:
    """An exporter that frees memory for holds: at once, or when a test says so."""

    def __init__(self, state: str = "active", why: str | None = None) -> None:
        self.state = state
        self.why = why
        self.requests: list[tuple[str, str]] = []
        self.tokens: list[str | None] = []
        self.holds: dict[str, dict[str, Any]] = {}
        self.standing: set[str] = set()

    def asked(self, method: str) -> list[str]:
        """The paths of the requests with this method."""
        return [path for said, path in self.requests if said == method]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[-1]
        self.requests.append((request.method, request.path))
        self.tokens.append(request.headers.get("Authorization"))
        if request.path == "/api/v1/operations/an-operation":
            models = [{"model": "qwen3-8b", "result": None, "detail": "busy"}, {"model": "tiny", "result": "unloaded"}]
            return web.json_response({"routers": [{"router": "gpu-box", "models": models}]})
        if request.method == "POST" and request.path == "/api/v1/holds":
            name = f"hold-{len(self.holds) + 1}"
            self.holds[name] = await request.json()
            self.standing.add(name)
            return web.json_response(self._view(name), status=201)
        if name not in self.holds:
            return await problem(404, "No such hold.")(request)
        if request.method == "PATCH" and name not in self.standing:
            return await problem(409, "The hold has ended: place a new one.")(request)
        if request.method == "DELETE":
            self.standing.discard(name)
        return web.json_response(self._view(name))

    def _view(self, name: str) -> dict[str, Any]:
        state = self.state if name in self.standing else "ended"
        return {"id": name, "routers": ["gpu-box"], "state": state, "why": self.why, "operation": "an-operation"}
