"""
title: GPU hold
author: llama-router-exporter
version: 0.1.0
required_open_webui_version: 0.6.0
license: MIT
description: While GPU memory is kept free, says so instead of loading a model: what for, and until when.
"""

import asyncio
import fnmatch
import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import aiohttp
from pydantic import BaseModel, Field

log = logging.getLogger(__name__)

# Open WebUI imports single files, so what two of them need stands in both. A test holds that what has one name is the same.

ANSWER_WITHIN_SECONDS = 0.2
"""For all questions about one chat together. A hold is a courtesy: nobody waits for an exporter that hangs."""

REMEMBERED_SECONDS = 1.0
"""How long an answer about a model counts, also that there was none."""

CATALOGUE_SECONDS = 60.0
"""How long the list of the routers' models counts for a model that is on it."""

NEW_MODEL_SECONDS = 5.0
"""How long it counts for one that is not: it may be new, or not run on a router at all."""

CATALOGUE_WITHIN_SECONDS = 5.0
"""How long the list may take, which is long where there are many models. A later chat finds it."""

REPORT_WITHIN_SECONDS = 2.0
REPORTS_AT_ONCE = 20
REPORTS_PAUSED_SECONDS = 60.0


class Served(NamedTuple):
    """A model on a router, under the name that it has there: Open WebUI may know it by an alias."""

    router: str
    model: str


class Look(NamedTuple):
    """What is known of a model: where it is served, and why it may not be used now."""

    served: tuple[Served, ...] = ()
    refusal: str | None = None


class Exporter:
    """What is asked of the exporter, and told to it. No method raises, and none takes longer than its limit."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.token = token
        # Without a token no header: an empty one would be a wrong one.
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._catalogue: dict[str, tuple[Served, ...]] = {}
        self._catalogue_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._looks: dict[tuple[str, str], tuple[float, Look]] = {}
        self._reports: set[asyncio.Task[None]] = set()
        self._reports_from = float("-inf")
        self._complained_at = float("-inf")

    async def look(self, model: str, routers: str) -> Look:
        """What is known of a model now, on the routers that match these globs: nothing when no answer comes in time."""
        key = (model, routers)
        at, look = self._looks.get(key, (float("-inf"), Look()))
        if time.monotonic() - at < REMEMBERED_SECONDS:
            return look
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                look = await self._ask(model, routers)
        except Exception as error:
            # Whatever it is, also an answer that is not the exporter's: the chat is not to suffer from it.
            self._complain(f"did not answer ({type(error).__name__} {error}): nobody is held up meanwhile")
            look = Look()
        if len(self._looks) > 1000:
            self._looks.clear()
        self._looks[key] = (time.monotonic(), look)
        return look

    def report(self, look: Look, cause: str, task: str | None = None) -> None:
        """Tells what a model is about to be used for, so that a reload has a cause. Nobody waits for it."""
        if not (self.token and look.served):
            return
        if len(self._reports) >= REPORTS_AT_ONCE or time.monotonic() < self._reports_from:
            return
        said = {"model": look.served[0].model, "cause": cause}
        if task is not None:
            said["task"] = task
        if len(look.served) == 1:
            said["router"] = look.served[0].router
        # asyncio keeps no strong reference to a task: without this one it may vanish before it ran.
        sending = asyncio.create_task(self._send(said))
        self._reports.add(sending)
        sending.add_done_callback(self._reports.discard)

    async def settled(self) -> None:
        """Resolves when no report is under way any more."""
        await asyncio.gather(*self._reports, return_exceptions=True)

    async def _ask(self, model: str, routers: str) -> Look:
        lifetime = CATALOGUE_SECONDS if model in self._catalogue else NEW_MODEL_SECONDS
        if time.monotonic() - self._catalogue_at > lifetime:
            # It goes on when this chat cannot wait for it.
            await asyncio.shield(self._read())
        served = tuple(it for it in self._catalogue.get(model, ()) if matches(it.router, routers))
        async with self._session() as session:
            refusals = [await self._gate(session, it) for it in served]
        # Which of several routers Open WebUI would ask is not known here: one that is open is enough.
        return Look(served, refusals[0] if all(refusals) and refusals else None)

    def _read(self) -> asyncio.Task[None]:
        """The reading of the list that is under way, or a new one: chats that come together share it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_catalogue())
            # Nobody may be left to hear that it failed, and asyncio would complain.
            self._reading.add_done_callback(lambda read: read.cancelled() or read.exception())
        return self._reading

    async def _read_catalogue(self) -> None:
        async with (
            asyncio.timeout(CATALOGUE_WITHIN_SECONDS),
            self._session() as session,
            session.get(f"{self.url}/api/v1/models") as answer,
        ):
            answer.raise_for_status()
            self._catalogue = catalogue_of((await answer.json())["models"])
            self._catalogue_at = time.monotonic()

    async def _gate(self, session: aiohttp.ClientSession, served: Served) -> str | None:
        async with session.get(f"{self.url}/api/v1/gate", params=served._asdict()) as answer:
            # A proxy between us may answer 503 as well: only the gate says it this way.
            if answer.status == 503 and "X-Gate-Error" in answer.headers:
                return str((await answer.json(content_type=None))["detail"])
            answer.raise_for_status()
            return None

    async def _send(self, said: dict[str, str]) -> None:
        try:
            async with (
                asyncio.timeout(REPORT_WITHIN_SECONDS),
                self._session() as session,
                session.post(f"{self.url}/api/v1/usage", json={"reports": [said]}) as answer,
            ):
                answer.raise_for_status()
        except Exception as error:
            # A wrong token must not be tried with every chat: the exporter would shut its door to this address.
            self._reports_from = time.monotonic() + REPORTS_PAUSED_SECONDS
            self._complain(f"took no report ({type(error).__name__} {error}): the next one in a minute")

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(headers=self.headers)

    def _complain(self, what: str) -> None:
        """Once a minute: a chat a second must not fill the log."""
        if time.monotonic() - self._complained_at < 60:
            return
        self._complained_at = time.monotonic()
        log.warning("The exporter at %s %s", self.url, what)


def catalogue_of(models: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Served, ...]]:
    """Where a model is served, by its id and by each of its aliases."""
    catalogue: dict[str, tuple[Served, ...]] = {}
    for model in models:
        for name in {model["id"], *model["aliases"]}:
            catalogue[name] = (*catalogue.get(name, ()), Served(model["router"], model["id"]))
    return catalogue


def matches(name: str, globs: str) -> bool:
    """Whether a name fits one of these globs, which are separated by commas; where there are none, all fit."""
    wanted = [glob.strip() for glob in globs.split(",") if glob.strip()]
    return not wanted or any(fnmatch.fnmatchcase(name, glob) for glob in wanted)


def model_of(named: str, model: Mapping[str, Any] | None, prefix: str) -> str:
    """What the router calls a model of Open WebUI.

    A workspace model stands for another one, and a connection may put a prefix and a dot before all of its models.
    """
    info = (model or {}).get("info") or {}
    base = info.get("base_model_id") if (model or {}).get("id") == named else None
    return str(base or named).removeprefix(f"{prefix}." if prefix else "")


def cause_of(metadata: Mapping[str, Any]) -> tuple[str, str | None]:
    """What a request is for: a task of Open WebUI's own, a chat, or somebody's program; and which task."""
    task = metadata.get("task")
    if task:
        # Some versions say TASKS.TITLE_GENERATION.
        return "task", str(task).rsplit(".", 1)[-1].lower()
    return ("chat" if metadata.get("chat_id") else "api"), None


def from_environment(name: str, otherwise: str = "") -> str:
    """A setting of this process: NAME, or what stands in the file that NAME_FILE names."""
    file = os.environ.get(f"{name}_FILE")
    if not os.environ.get(name) and file:
        try:
            with open(file, encoding="utf-8") as opened:
                return opened.read().strip()
        except OSError as error:
            log.warning("%s_FILE cannot be read: %s", name, error)
    return os.environ.get(name) or otherwise


URL = from_environment("LLAMA_ROUTER_EXPORTER_URL", "http://localhost:10180")
TOKEN = from_environment("LLAMA_ROUTER_EXPORTER_TOKEN")


class Filter:
    """Asks the exporter's gate before a chat goes to a router. When nobody answers, the chat goes on."""

    class Valves(BaseModel):
        """What an administrator sets in Open WebUI."""

        priority: int = Field(default=0, description="Of several filters, the lowest runs first.")
        exporter_url: str = Field(
            default=URL, description="Where Open WebUI reaches llama-router-exporter, such as http://exporter:10180."
        )
        exporter_token: str = Field(
            default="",
            description="A token of the exporter. Only for telling it what models are used for, and where reading needs "
            "one. Empty: LLAMA_ROUTER_EXPORTER_TOKEN of Open WebUI's environment, if there is one.",
            json_schema_extra={"input": {"type": "password"}},
        )
        routers: str = Field(
            default="", description="Only holds of these routers count: names or globs, separated by commas. Empty: all."
        )
        models: str = Field(
            default="",
            description="Only these models are held up: globs on what the router calls them, separated by commas. "
            "Empty: all that a held router has. Models of other providers never are.",
        )
        connection_prefix: str = Field(default="", description="The prefix of the connection to the router, if it has one.")
        administrators_pass: bool = Field(default=False, description="Administrators may use models during a hold.")
        report_usage: bool = Field(
            default=True,
            description="Tell the exporter what models are used for, so that its metrics know why one was loaded again. "
            "Never who uses them. Needs the token.",
        )

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._exporter: Exporter | None = None

    async def inlet(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __metadata__: dict[str, Any] | None = None,
        __model__: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Passes a chat on as it is, or raises with a sentence that Open WebUI shows in its place."""
        # Open WebUI sets them anew for every chat, also while this one waits.
        valves = self.valves
        exporter = self._exporter_of(valves)
        model = model_of(str(body.get("model") or ""), __model__, valves.connection_prefix)
        metadata = __metadata__ or body.get("metadata") or {}
        # A direct connection is the user's own server, whatever its models are called.
        if not model or metadata.get("direct") or not matches(model, valves.models):
            return body
        look = await exporter.look(model, valves.routers)
        administrator = (__user__ or {}).get("role") == "admin"
        if look.refusal is not None and not (administrator and valves.administrators_pass):
            raise Exception(f"{look.refusal} Please try again after that.")
        if valves.report_usage:
            exporter.report(look, *cause_of(metadata))
        return body

    def _exporter_of(self, valves: Valves) -> Exporter:
        url, token = valves.exporter_url or URL, valves.exporter_token or TOKEN
        known = self._exporter
        if known is None or (known.url, known.token) != (url.rstrip("/"), token):
            known = self._exporter = Exporter(url, token)
        return known
