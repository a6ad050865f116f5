"""
title: Router exporter
author: llama-router-exporter
version: 0.1.0
required_open_webui_version: 0.5.0
license: MIT
description: While GPU memory is kept free, refuses chats and background tasks; tells what models are used for; /unload-all.
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


COMMAND_WITHIN_SECONDS = 120
"""How long whoever sent the command waits for what came of it. Open WebUI gives up after 300."""


class Pipeline:
    """Stands before every chat and every background task of Open WebUI.

    The Pipelines server lets whoever reaches its port read and write the valves, without a key. So the exporter's
    address and token, and the command, are no valves: they come from the environment of this process.
    """

    class Valves(BaseModel):
        """What may be set in Open WebUI. Without `pipelines` and `priority` the server's list of models fails."""

        pipelines: list[str] = Field(default=["*"], description="The models of Open WebUI that this is for; *: all.")
        priority: int = Field(default=0, description="Of several filters, the lowest runs first.")
        routers: str = Field(
            default="", description="Only holds of these routers count: names or globs, separated by commas. Empty: all."
        )
        models: str = Field(
            default="",
            description="Only these models are held up: globs on what the router calls them, separated by commas. "
            "Empty: all that a held router has. Models of other providers never are.",
        )
        connection_prefix: str = Field(default="", description="The prefix of the connection to the router, if it has one.")
        refuse_chats: bool = Field(
            default=True,
            description="Refuse chats during a hold, too, and not only background tasks. Switch it off where the GPU hold "
            "filter is in Open WebUI: that one can say why, while Open WebUI since 0.8 shows nothing of what is said here.",
        )
        administrators_pass: bool = Field(default=False, description="Administrators may use models during a hold.")
        report_usage: bool = Field(
            default=True,
            description="Tell the exporter what models are used for, so that its metrics know why one was loaded again. "
            "Never who uses them. Needs LLAMA_ROUTER_EXPORTER_TOKEN.",
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
        """Says in the server's log whether it can do what it is there for."""
        token = "with" if self.exporter.token else "without"
        log.info("Asking %s before chats, %s a token", self.exporter.url, token)

    async def on_shutdown(self) -> None:
        """Lets the last reports arrive."""
        await self.exporter.settled()

    async def on_valves_updated(self) -> None:
        """Nothing is kept that valves decide."""

    async def inlet(self, body: dict[str, Any], user: dict[str, Any] | None = None) -> dict[str, Any]:
        """Passes a request on as it is, or raises with a sentence that Open WebUI shows in its place."""
        metadata = body.get("metadata") or {}
        administrator = (user or {}).get("role") == "admin"
        if self._is_command(metadata, body):
            if metadata.get("task"):
                raise Exception(f"{self.command} is no chat: there is nothing to find a title or tags for.")
            if administrator:
                raise Exception(await self._unload_all())
            raise Exception("Only administrators can unload models.")
        await self._pass(body, metadata, administrator)
        return body

    async def outlet(self, body: dict[str, Any], user: dict[str, Any] | None = None) -> dict[str, Any]:
        """Passes an answer on. Nothing is unloaded here: background tasks are still to come, and would load it again."""
        return body

    async def _pass(self, body: dict[str, Any], metadata: Mapping[str, Any], administrator: bool) -> None:
        """Raises while the model's memory is to stay free, else tells what the model is about to be used for."""
        valves = self.valves
        model = model_of(str(body.get("model") or ""), metadata.get("model"), valves.connection_prefix)
        # A direct connection is the user's own server, whatever its models are called.
        if not model or metadata.get("direct") or not matches(model, valves.models):
            return
        look = await self.exporter.look(model, valves.routers)
        cause, task = cause_of(metadata)
        passes = task is None and (not valves.refuse_chats or (administrator and valves.administrators_pass))
        # A task that nobody asked for waits for better times, whoever's chat it belongs to.
        if look.refusal is not None and not passes:
            raise Exception(f"{look.refusal} Please try again after that.")
        if valves.report_usage:
            self.exporter.report(look, cause, task)

    def _is_command(self, metadata: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
        """Whether this is the command, or a task (a title, tags) about a chat whose last word it was."""
        about = metadata.get("task_body") if metadata.get("task") else body
        return self.command != "" and last_word((about or {}).get("messages") or []) == self.command

    async def _unload_all(self) -> str:
        """What came of it, in a sentence. What is kept, and what happens to busy models, is the exporter's to decide."""
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
            return f"The exporter at {self.exporter.url} does not answer: nothing is known of what was unloaded."


def last_word(messages: list[Mapping[str, Any]]) -> str | None:
    """The text of the last message that a person wrote."""
    said = next((it.get("content") for it in reversed(messages) if it.get("role") == "user"), None)
    if isinstance(said, list):
        said = " ".join(str(part.get("text", "")) for part in said)
    return said.strip() if isinstance(said, str) else None


def outcome_of(operation: Mapping[str, Any]) -> str:
    """An operation of the exporter's in a few short sentences."""
    gone = operation["summary"]["unloaded"]
    freed = sum((it.get("memory") or {}).get("freed_bytes", 0) for it in operation["routers"])
    said = [f"{gone} model{'' if gone == 1 else 's'} unloaded" + (f", {freed / 2**30:.1f} GiB freed" if freed > 0 else "")]
    for word, results in (("Kept", ["kept"]), ("Busy", ["busy"]), ("Failed", ["failed", "timeout"])):
        if models := models_with(operation, *results):
            said.append(f"{word}: {', '.join(models)}")
    said += troubles_of(operation)
    if operation["outcome"] is None:
        said.append("It is still going on: the exporter's page shows how")
    return ". ".join(said) + "."


def troubles_of(operation: Mapping[str, Any]) -> list[str]:
    """The routers on which nothing could be done, and why."""
    said = [(it["router"], it["fault"]["message"]) for it in operation["routers"] if "fault" in it]
    said += [(it["router"], it["refused"]["detail"]) for it in operation["routers"] if "refused" in it]
    return [f"{router}: {why.rstrip('.')}" for router, why in said]


def models_with(operation: Mapping[str, Any], *results: str | None) -> list[str]:
    """The models of an operation that came to one of these results; None: they are still on their way."""
    return [it["model"] for router in operation["routers"] for it in router["models"] if it["result"] in results]
