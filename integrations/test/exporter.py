"""A real exporter with a simulated router. Needs `npm run build`."""

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

ROOT = Path(__file__).parent.parent.parent
TOKEN = "a-token-of-the-tests"
ROUTER = "gpu-box"
QUICK = "nomic-embed-text"
"""Loads in 0.4 s."""

SLOW = "qwen3-8b"
"""Loads in 3 s and generates 70 tokens per second. Its alias is `default`."""


class Running(NamedTuple):
    """An exporter and its router."""

    url: str
    router_url: str

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The exporter's answer; None without a body."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            text = await answer.text()
            return json.loads(text) if text else None

    async def load(self, model: str, tokens: int = 1) -> None:
        """Sends the model a request and waits until the exporter reports it as loaded."""
        await self.chat(model, tokens)
        await self.until(model, "loaded")

    async def chat(self, model: str, tokens: int) -> None:
        """Sends a chat request like Open WebUI."""
        body = {"model": model, "max_tokens": tokens, "messages": [{"role": "user", "content": "hello"}]}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.router_url}/v1/chat/completions", json=body) as answer,
        ):
            await answer.read()

    async def status(self, model: str) -> str:
        """The model's status in the exporter."""
        return str(await self.state(model, "status"))

    async def state(self, model: str, field: str) -> Any:
        """A field of the model in the exporter."""
        models = (await self.call("GET", "/api/v1/models"))["models"]
        return next(it[field] for it in models if it["id"] == model)

    async def until(self, model: str, status: str) -> None:
        """Waits for the status; fails after ten seconds."""
        async with asyncio.timeout(10):
            while await self.status(model) != status:
                await asyncio.sleep(0.02)

    async def generate(self, model: str, tokens: int) -> asyncio.Task[None]:
        """Has a loaded model generate and waits until the exporter, which does not read it at once, reports it as busy."""
        await self.until_busy(model, busy=False)
        answering = asyncio.create_task(self.chat(model, tokens))
        await self.until_busy(model, busy=True)
        return answering

    async def until_busy(self, model: str, *, busy: bool) -> None:
        """Waits for the busy state; fails after ten seconds."""
        async with asyncio.timeout(10):
            while await self.state(model, "busy") is not busy:
                await asyncio.sleep(0.02)

    async def hold(self, seconds: int = 600, reason: str = "training") -> None:
        """Places a hold."""
        await self.call("POST", "/api/v1/holds", {"ttl_seconds": seconds, "reason": reason})

    async def holds(self) -> list[dict[str, Any]]:
        """The holds that have not ended."""
        return list((await self.call("GET", "/api/v1/holds"))["holds"])

    async def release(self) -> None:
        """Ends all holds."""
        for hold in await self.holds():
            await self.call("DELETE", f"/api/v1/holds/{hold['id']}")

    async def calm(self) -> None:
        """Releases holds and unloads all models."""
        await self.release()
        await self.call("POST", "/api/v1/unload-all", {"when_busy": "force", "wait": 30})


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Starts both on free ports."""
    port, router_port = free_port(), free_port()
    running = Running(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{router_port}")
    config = folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "routers": [{"url": running.router_url, "name": ROUTER}],
                "web": {"listen_address": f"127.0.0.1:{port}"},
                "engine": {"interval": "1s"},
                "auth": {"tokens": [{"name": "tests", "token": TOKEN}]},
            }
        )
    )
    with (folder / "log").open("w") as log:
        commands = [
            ["simulate", "--port", str(router_port), "--models", "5", "--quiet"],
            ["serve", f"--config.file={config}"],
        ]
        processes = [
            subprocess.Popen(["node", str(ROOT / "dist/main.mjs"), *command], stdout=log, stderr=log) for command in commands
        ]
    try:
        asyncio.run(ready(running, folder / "log"))
        yield running
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


async def ready(running: Running, log: Path) -> None:
    """Waits until the exporter has listed its router; fails with the output of both."""
    try:
        async with asyncio.timeout(20):
            while not await knows_its_router(running):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise RuntimeError(f"The exporter did not start:\n{log.read_text()}") from None


async def knows_its_router(running: Running) -> bool:
    """Whether its models are listed."""
    try:
        return bool((await running.call("GET", "/api/v1/models"))["models"])
    except aiohttp.ClientError:
        return False


def free_port() -> int:
    """A port without a listener."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
