"""
title: Router exporter
author: llama-router-exporter
version: 0.1.0
required_open_webui_version: 0.5.0
license: MIT
description: Rejects chats and background tasks during a hold, reports what models are used for, and handles /unload-all.
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

# Open WebUI imports single files, so shared code is copied into each of them: `npm run generate`.

# Copied from gpu_hold_filter.py: client
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


# Copied from gpu_hold_filter.py: environment


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


COMMAND_WITHIN_SECONDS = 120
"""How long the command waits for its result. Open WebUI gives up after 300 seconds."""


class Pipeline:
    """Runs before every chat and background task of Open WebUI.

    Anyone who reaches the port of a Pipelines server can read and change valves without a key. So URL, token and command
    come from the environment instead.
    """

    class Valves(BaseModel):
        """Settings in Open WebUI. The server's list of models requires `pipelines` and `priority`."""

        pipelines: list[str] = Field(default=["*"], description="Open WebUI models that this filter applies to; *: all.")
        priority: int = Field(default=0, description="Filters with a lower priority run first.")
        routers: str = Field(
            default="", description="Only holds of these routers apply: comma-separated names or globs. Empty: all."
        )
        models: str = Field(
            default="",
            description="Only these models are held: comma-separated globs on their names on the router. "
            "Empty: all models of a held router. Models of other providers are never held.",
        )
        connection_prefix: str = Field(default="", description="Prefix ID of the connection to the router, if any.")
        refuse_chats: bool = Field(
            default=True,
            description="Reject chats during a hold, not only background tasks. Turn it off if the GPU hold filter runs in "
            "Open WebUI: that filter can show the reason, while Open WebUI since 0.8 hides messages of this one.",
        )
        administrators_pass: bool = Field(default=False, description="Administrators can use models during a hold.")
        report_usage: bool = Field(
            default=True,
            description="Report to the exporter what models are used for, so that its metrics show why one was loaded again. "
            "Never includes users. Needs LLAMA_ROUTER_EXPORTER_TOKEN.",
        )

    def __init__(self) -> None:
        self.type = "filter"
        self.name = "Router exporter"
        self.valves = self.Valves()
        self.exporter = Exporter(
            from_environment("LLAMA_ROUTER_EXPORTER_URL", "http://localhost:10180"),
            from_environment("LLAMA_ROUTER_EXPORTER_TOKEN"),
        )
        self.command = os.environ.get("LLAMA_ROUTER_EXPORTER_COMMAND", "/unload-all").strip()

    async def on_startup(self) -> None:
        """Logs the exporter's URL and whether there is a token."""
        token = "with" if self.exporter.token else "without"
        log.info("Asking %s before chats, %s a token", self.exporter.url, token)

    async def on_shutdown(self) -> None:
        """Waits for pending reports."""
        await self.exporter.settled()

    async def on_valves_updated(self) -> None:
        """Nothing to do: valves are read for each request."""

    async def inlet(self, body: dict[str, Any], user: dict[str, Any] | None = None) -> dict[str, Any]:
        """Returns the request unchanged, or raises a message."""
        metadata = body.get("metadata") or {}
        administrator = (user or {}).get("role") == "admin"
        if self._is_command(metadata, body):
            if metadata.get("task"):
                raise Exception(f"{self.command} is a command, not a chat: no title or tags are generated.")
            if administrator:
                raise Exception(await self._unload_all())
            raise Exception("Only administrators can unload models.")
        await self._pass(body, metadata, administrator)
        return body

    async def outlet(self, body: dict[str, Any], user: dict[str, Any] | None = None) -> dict[str, Any]:
        """Returns the answer unchanged. Unloading here would not last, because background tasks follow."""
        return body

    async def _pass(self, body: dict[str, Any], metadata: Mapping[str, Any], administrator: bool) -> None:
        """Raises during a hold, otherwise reports the use."""
        valves = self.valves
        model = model_of(str(body.get("model") or ""), metadata.get("model"), valves.connection_prefix)
        # A direct connection is the user's own server.
        if not model or metadata.get("direct") or not matches(model, valves.models):
            return
        lookup = await self.exporter.look_up(model, valves.routers)
        cause, task = cause_of(metadata)
        passes = task is None and (not valves.refuse_chats or (administrator and valves.administrators_pass))
        # Background tasks never pass, also those of administrators.
        if lookup.refusal is not None and not passes:
            raise Exception(f"{lookup.refusal} Please try again after that.")
        if valves.report_usage:
            self.exporter.report(lookup, cause, task)

    def _is_command(self, metadata: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
        """Whether this is the command, or a background task about a chat that ends with it."""
        about = metadata.get("task_body") if metadata.get("task") else body
        return self.command != "" and last_word((about or {}).get("messages") or []) == self.command

    async def _unload_all(self) -> str:
        """Unloads with the exporter's defaults and returns a summary."""
        asked = {"reason": "Open WebUI: " + self.command, "wait": COMMAND_WITHIN_SECONDS}
        try:
            async with (
                asyncio.timeout(COMMAND_WITHIN_SECONDS + 10),
                aiohttp.ClientSession(headers=self.exporter.headers) as session,
                session.post(f"{self.exporter.url}/api/v1/unload-all", json=asked) as answer,
            ):
                said = await answer.json(content_type=None)
                return outcome_of(said) if "summary" in said else f"Nothing was unloaded. {said['detail']}"
        except Exception as error:
            log.warning("unload-all at %s: %s %s", self.exporter.url, type(error).__name__, error)
            return f"The exporter at {self.exporter.url} does not answer. The result is unknown."


def last_word(messages: list[Mapping[str, Any]]) -> str | None:
    """The text of the last user message."""
    said = next((it.get("content") for it in reversed(messages) if it.get("role") == "user"), None)
    if isinstance(said, list):
        said = " ".join(str(part.get("text", "")) for part in said)
    return said.strip() if isinstance(said, str) else None


# Copied from unload_models_action.py: report


def outcome_of(operation: Mapping[str, Any]) -> str:
    """Summarises an operation."""
    gone = operation["summary"]["unloaded"]
    freed = sum((it.get("memory") or {}).get("freed_bytes", 0) for it in operation["routers"])
    said = [f"{gone} model{'' if gone == 1 else 's'} unloaded" + (f", {freed / 2**30:.1f} GiB freed" if freed > 0 else "")]
    for word, results in (("Kept", ["kept"]), ("Busy", ["busy"]), ("Failed", ["failed", "timeout"])):
        if models := models_with(operation, *results):
            said.append(f"{word}: {', '.join(models)}")
    said += troubles_of(operation)
    if operation["outcome"] is None:
        said.append("It is still running; see the exporter's page")
    elif loaded := loaded_meanwhile(operation):
        said.append(f"Loaded meanwhile: {', '.join(loaded)}. A hold keeps memory free")
    return ". ".join(said) + "."


def loaded_meanwhile(operation: Mapping[str, Any]) -> list[str]:
    """Models in memory although the operation left none of them there."""
    left = models_with(operation, "kept", "busy", "failed", "timeout", "asked")
    return [it["model"] for it in operation.get("still_in_memory", []) if it["model"] not in left]


def troubles_of(operation: Mapping[str, Any]) -> list[str]:
    """Routers on which nothing could be done, with the reason."""
    said = [(it["router"], it["fault"]["message"]) for it in operation["routers"] if "fault" in it]
    said += [(it["router"], it["refused"]["detail"]) for it in operation["routers"] if "refused" in it]
    return [f"{router}: {why.rstrip('.')}" for router, why in said]


def models_with(operation: Mapping[str, Any], *results: str | None) -> list[str]:
    """The models of an operation with one of these results; None: not finished."""
    return [it["model"] for router in operation["routers"] for it in router["models"] if it["result"] in results]


# End of report
