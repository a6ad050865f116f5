"""
title: GPU hold
author: llama-router-exporter
version: 0.1.0
required_open_webui_version: 0.6.0
license: MIT
description: During a hold, a chat waits, or is answered with who holds the GPU memory, why and until when.
"""

import asyncio
import fnmatch
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

import aiohttp
from pydantic import BaseModel, Field

log = logging.getLogger(__name__)

# Open WebUI imports single files, so shared code is copied into each of them: `npm run generate`.

# Shared: client
ANSWER_WITHIN_SECONDS = 0.2
"""Limit for all requests of one chat. If the exporter hangs, the chat continues."""

REMEMBERED_SECONDS = 1.0
"""How long a result for a model is cached, including a missing answer."""

CATALOGUE_SECONDS = 60.0
"""How long the list of models is cached for a model that is on it."""

NEW_MODEL_SECONDS = 5.0
"""How long it is cached for a model that is not on it, which may be new or of another provider."""

CATALOGUE_WITHIN_SECONDS = 5.0
"""Limit for reading the list. If it takes longer than a chat waits, a later chat uses it."""

REPORT_WITHIN_SECONDS = 2.0
REPORTS_AT_ONCE = 20
REPORTS_PAUSED_SECONDS = 60.0


class Served(NamedTuple):
    """A model on a router, by its id there. Open WebUI may use an alias."""

    router: str
    model: str


class Lookup(NamedTuple):
    """Where a model is served, and the gate's message if it must not be used now."""

    served: tuple[Served, ...] = ()
    refusal: str | None = None


class Exporter:
    """Client of the exporter. No method raises or exceeds its time limit."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.token = token
        # An empty header would count as a wrong token.
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._catalogue: dict[str, tuple[Served, ...]] = {}
        self._catalogue_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._lookups: dict[tuple[str, str], tuple[float, Lookup]] = {}
        self._reports: set[asyncio.Task[None]] = set()
        self._reports_from = float("-inf")
        self._warned_at = float("-inf")

    async def look_up(self, model: str, routers: str) -> Lookup:
        """Looks a model up on the routers that match the globs. Empty if no answer comes in time."""
        key = (model, routers)
        at, lookup = self._lookups.get(key, (float("-inf"), Lookup()))
        if time.monotonic() - at < REMEMBERED_SECONDS:
            return lookup
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                lookup = await self._ask(model, routers)
        except Exception as error:
            # Any error, including an invalid answer, must not affect the chat.
            self._warn(f"did not answer ({type(error).__name__} {error}); chats continue")
            lookup = Lookup()
        if len(self._lookups) > 1000:
            self._lookups.clear()
        self._lookups[key] = (time.monotonic(), lookup)
        return lookup

    def report(self, lookup: Lookup, cause: str, task: str | None = None) -> None:
        """Reports what a model is about to be used for, so that a reload has a cause. Does not block."""
        if not (self.token and lookup.served):
            return
        if len(self._reports) >= REPORTS_AT_ONCE or time.monotonic() < self._reports_from:
            return
        said = {"model": lookup.served[0].model, "cause": cause}
        if task is not None:
            said["task"] = task
        if len(lookup.served) == 1:
            said["router"] = lookup.served[0].router
        # asyncio keeps only weak references to tasks.
        sending = asyncio.create_task(self._send(said))
        self._reports.add(sending)
        sending.add_done_callback(self._reports.discard)

    async def settled(self) -> None:
        """Waits for all pending reports."""
        await asyncio.gather(*self._reports, return_exceptions=True)

    async def _ask(self, model: str, routers: str) -> Lookup:
        lifetime = CATALOGUE_SECONDS if model in self._catalogue else NEW_MODEL_SECONDS
        if time.monotonic() - self._catalogue_at > lifetime:
            # Continues if this chat stops waiting for it.
            await asyncio.shield(self._read())
        served = tuple(it for it in self._catalogue.get(model, ()) if matches(it.router, routers))
        async with self.session() as session:
            refusals = [await self.gate(session, it) for it in served]
        # It is unknown which of several routers Open WebUI uses, so one that is not held is enough.
        return Lookup(served, refusals[0] if all(refusals) and refusals else None)

    def _read(self) -> asyncio.Task[None]:
        """Returns the pending read of the list, or starts one. Concurrent chats share it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_catalogue())
            # Retrieves the exception, which asyncio would otherwise log.
            self._reading.add_done_callback(lambda read: read.cancelled() or read.exception())
        return self._reading

    async def _read_catalogue(self) -> None:
        async with (
            asyncio.timeout(CATALOGUE_WITHIN_SECONDS),
            self.session() as session,
            session.get(f"{self.url}/api/v1/models") as answer,
        ):
            answer.raise_for_status()
            self._catalogue = catalogue_of((await answer.json())["models"])
            self._catalogue_at = time.monotonic()

    async def gate(self, session: aiohttp.ClientSession, served: Served, wait: float = 0) -> str | None:
        """The gate's message; None when it is open. It waits until it opens, at most `wait` seconds."""
        params = {**served._asdict(), **({"wait": f"{wait:.3f}"} if wait else {})}
        async with session.get(f"{self.url}/api/v1/gate", params=params) as answer:
            # A proxy may also answer 503; only the gate sends this header.
            if answer.status == 503 and "X-Gate-Error" in answer.headers:
                return str((await answer.json(content_type=None))["detail"])
            answer.raise_for_status()
            return None

    async def _send(self, said: dict[str, str]) -> None:
        try:
            async with (
                asyncio.timeout(REPORT_WITHIN_SECONDS),
                self.session() as session,
                session.post(f"{self.url}/api/v1/usage", json={"reports": [said]}) as answer,
            ):
                answer.raise_for_status()
        except Exception as error:
            # Do not retry a wrong token with every chat: the exporter would block this address.
            self._reports_from = time.monotonic() + REPORTS_PAUSED_SECONDS
            self._warn(f"did not accept a report ({type(error).__name__} {error}); next report in a minute")

    def session(self) -> aiohttp.ClientSession:
        """A session with the token."""
        return aiohttp.ClientSession(headers=self.headers)

    def _warn(self, what: str) -> None:
        """Logs a warning, at most once a minute."""
        if time.monotonic() - self._warned_at < 60:
            return
        self._warned_at = time.monotonic()
        log.warning("The exporter at %s %s", self.url, what)


def catalogue_of(models: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Served, ...]]:
    """Maps ids and aliases to the models that have them."""
    catalogue: dict[str, tuple[Served, ...]] = {}
    for model in models:
        for name in {model["id"], *model["aliases"]}:
            catalogue[name] = (*catalogue.get(name, ()), Served(model["router"], model["id"]))
    return catalogue


def matches(name: str, globs: str) -> bool:
    """Whether a name matches one of the comma-separated globs. Without globs, every name matches."""
    wanted = [glob.strip() for glob in globs.split(",") if glob.strip()]
    return not wanted or any(fnmatch.fnmatchcase(name, glob) for glob in wanted)


def model_of(named: str, model: Mapping[str, Any] | None, prefix: str) -> str:
    """Returns the router's name of an Open WebUI model.

    A workspace model has a base model, and a connection may add a prefix and a dot to its models.
    """
    info = (model or {}).get("info") or {}
    base = info.get("base_model_id") if (model or {}).get("id") == named else None
    return str(base or named).removeprefix(f"{prefix}." if prefix else "")


def cause_of(metadata: Mapping[str, Any]) -> tuple[str, str | None]:
    """The cause of a request (task, chat or api) and the kind of task."""
    task = metadata.get("task")
    if task:
        # Some versions send TASKS.TITLE_GENERATION.
        return "task", str(task).rsplit(".", 1)[-1].lower()
    return ("chat" if metadata.get("chat_id") else "api"), None


# End of client


# Shared: environment


def from_environment(name: str, otherwise: str = "") -> str:
    """The environment variable NAME, or the content of the file in NAME_FILE."""
    file = os.environ.get(f"{name}_FILE")
    if not os.environ.get(name) and file:
        try:
            with open(file, encoding="utf-8") as opened:
                return opened.read().strip()
        except OSError as error:
            log.warning("%s_FILE cannot be read: %s", name, error)
    return os.environ.get(name) or otherwise


# End of environment


URL = from_environment("LLAMA_ROUTER_EXPORTER_URL", "http://localhost:10180")
TOKEN = from_environment("LLAMA_ROUTER_EXPORTER_TOKEN")

WAIT_STEP_SECONDS = 20.0
"""How long one request waits at the gate. Then the message is refreshed: the end of a hold may have changed."""

RETRY_SECONDS = 1.0
"""Time between two requests at least, if the exporter does not wait or does not answer."""

SILENT_SECONDS = 10.0
"""How long the exporter may be silent while a chat waits, as during a restart. After that, the chat continues."""

Emit = Callable[[dict[str, Any]], Awaitable[Any]]


class Filter:
    """Asks the exporter's gate before a chat. Without an answer, the chat continues."""

    class Valves(BaseModel):
        """Settings for administrators in Open WebUI."""

        priority: int = Field(default=0, description="Filters with a lower priority run first.")
        exporter_url: str = Field(
            default=URL, description="URL of llama-router-exporter as Open WebUI reaches it, such as http://exporter:10180."
        )
        exporter_token: str = Field(
            default="",
            description="Token of the exporter, for usage reports and if reading requires one. "
            "Empty: LLAMA_ROUTER_EXPORTER_TOKEN of Open WebUI's environment.",
            json_schema_extra={"input": {"type": "password"}},
        )
        routers: str = Field(
            default="", description="Only holds of these routers apply: comma-separated names or globs. Empty: all."
        )
        models: str = Field(
            default="",
            description="Only these models are held: comma-separated globs on their names on the router. "
            "Empty: all models of a held router. Models of other providers are never held.",
        )
        connection_prefix: str = Field(default="", description="Prefix ID of the connection to the router, if any.")
        administrators_pass: bool = Field(default=False, description="Administrators can use models during a hold.")
        wait_seconds: float = Field(
            default=0,
            ge=0,
            description="How long a chat waits for the end of a hold and shows why, before it is refused. 0: refuse at once.",
        )
        report_usage: bool = Field(
            default=True,
            description="Report to the exporter what models are used for, so that its metrics show why one was loaded again. "
            "Never includes users. Needs the token.",
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
        __event_emitter__: Emit | None = None,
    ) -> dict[str, Any]:
        """Returns the chat unchanged, or raises a message that Open WebUI shows instead of an answer."""
        # Open WebUI replaces them for every chat, also while this one waits.
        valves = self.valves
        exporter = self._exporter_of(valves)
        model = model_of(str(body.get("model") or ""), __model__, valves.connection_prefix)
        metadata = __metadata__ or body.get("metadata") or {}
        # A direct connection is the user's own server.
        if not model or metadata.get("direct") or not matches(model, valves.models):
            return body
        lookup = await exporter.look_up(model, valves.routers)
        administrator = (__user__ or {}).get("role") == "admin"
        if lookup.refusal is not None and not (administrator and valves.administrators_pass):
            lookup = await wait_until_open(exporter, lookup, valves.wait_seconds, __event_emitter__)
            if lookup.refusal is not None:
                raise Exception(f"{lookup.refusal} Please try again after that.")
        if valves.report_usage:
            exporter.report(lookup, *cause_of(metadata))
        return body

    def _exporter_of(self, valves: Valves) -> Exporter:
        url, token = valves.exporter_url or URL, valves.exporter_token or TOKEN
        known = self._exporter
        if known is None or (known.url, known.token) != (url.rstrip("/"), token):
            known = self._exporter = Exporter(url, token)
        return known


async def wait_until_open(exporter: Exporter, lookup: Lookup, seconds: float, emit: Emit | None) -> Lookup:
    """Waits at the gate, at most so long, and shows why. It ends when the user stops the chat."""
    began = answered = time.monotonic()
    shown = ""
    try:
        while lookup.refusal is not None and (left := began + seconds - time.monotonic()) > 0:
            if (text := waiting_for(lookup.refusal)) != shown:
                shown = text
                await show(emit, shown, done=False)
            asked = time.monotonic()
            try:
                lookup = Lookup(lookup.served, await at_the_gates(exporter, lookup.served, min(left, WAIT_STEP_SECONDS)))
                answered = time.monotonic()
            except Exception as error:
                if time.monotonic() - answered > SILENT_SECONDS:
                    log.warning("The exporter at %s does not answer (%r); a waiting chat continues", exporter.url, error)
                    lookup = Lookup(lookup.served)
            if lookup.refusal is not None:
                await asyncio.sleep(min(left, max(0, asked + RETRY_SECONDS - time.monotonic())))
        if shown:
            shown = f"Waited {time.monotonic() - began:.0f} s for the GPU"
        return lookup
    finally:
        if shown:
            await show(emit, shown, done=True)


async def at_the_gates(exporter: Exporter, served: tuple[Served, ...], seconds: float) -> str | None:
    """Waits until one of the gates opens, at most so long, and returns the message if none has."""
    async with exporter.session() as session, asyncio.timeout(seconds + 5):
        asking = [asyncio.create_task(exporter.gate(session, it, seconds)) for it in served]
        try:
            done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            refusals = [it.result() for it in done]
        finally:
            for it in asking:
                it.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
    return None if None in refusals else refusals[0]


def waiting_for(refusal: str) -> str:
    """The text of the status line: `Waiting for the GPU: kept free until 14:05 UTC for training (requested by alice)`."""
    return f"Waiting for the GPU: {refusal.split(' is ', 1)[-1].rstrip('.')}"


async def show(emit: Emit | None, text: str, *, done: bool) -> None:
    """Sets the status line above the answer."""
    if emit:
        await emit({"type": "status", "data": {"description": text, "done": done}})
