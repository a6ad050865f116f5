"""
title: Unload models
author: llama-router-exporter
version: 0.1.0
required_open_webui_version: 0.6.0
license: MIT
description: A button for administrators that unloads models of llama.cpp routers, waits until they are gone, and can hold the memory.
icon_url: data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAyNCAyNCIgZmlsbD0ibm9uZSIgc3Ryb2tlPSIjODA4MDgwIiBzdHJva2Utd2lkdGg9IjIiIHN0cm9rZS1saW5lY2FwPSJyb3VuZCIgc3Ryb2tlLWxpbmVqb2luPSJyb3VuZCI+PHBhdGggZD0iTTEyIDQgNSAxM2gxNHpNNSAxOWgxNCIvPjwvc3ZnPg==
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import aiohttp
from pydantic import BaseModel, Field

log = logging.getLogger(__name__)

# Open WebUI imports single files, so shared code is copied into each of them: `npm run generate`.

ANSWER_WITHIN_SECONDS = 10
"""Limit for one request. The exporter answers at once; long operations are polled."""

LOOK_EVERY_SECONDS = 0.5
GIVE_UP_AFTER_SECONDS = 900
"""How long the button shows progress. The operation continues afterwards."""

REASON = "Open WebUI: button"
"""The reason of what the button does, by which it finds its holds."""


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


URL = from_environment("LLAMA_ROUTER_EXPORTER_URL", "http://localhost:10180")
TOKEN = from_environment("LLAMA_ROUTER_EXPORTER_TOKEN")

Emit = Callable[[dict[str, Any]], Awaitable[Any]]


class Problem(Exception):
    """An error message for the user."""


class Screen(NamedTuple):
    """Output to the user who pressed the button."""

    emit: Emit | None
    call: Emit | None

    async def status(self, text: str, done: bool = False) -> None:
        """Sets the status line above the message."""
        if self.emit:
            await self.emit({"type": "status", "data": {"description": text, "done": done}})

    async def notify(self, kind: Literal["success", "info", "warning", "error"], text: str) -> None:
        """Shows a notification."""
        if self.emit:
            await self.emit({"type": "notification", "data": {"type": kind, "content": text}})

    async def confirmed(self, title: str, message: str) -> bool:
        """Whether the user confirmed. A closed or failing browser counts as no."""
        if not self.call:
            return False
        # A failure is a dictionary, which is also truthy.
        return await self.call({"type": "confirmation", "data": {"title": title, "message": message}}) is True


class Action:
    """A button below messages for administrators: shows a dry run, asks for confirmation, and shows progress."""

    class Valves(BaseModel):
        """Settings for administrators in Open WebUI."""

        priority: int = Field(default=0, description="Buttons with a lower priority come first.")
        exporter_url: str = Field(
            default=URL, description="URL of llama-router-exporter as Open WebUI reaches it, such as http://exporter:10180."
        )
        exporter_token: str = Field(
            default="",
            description="Token of the exporter. Empty: LLAMA_ROUTER_EXPORTER_TOKEN of Open WebUI's environment.",
            json_schema_extra={"input": {"type": "password"}},
        )
        routers: str = Field(default="", description="Comma-separated router names. Empty: all.")
        keep: str = Field(
            default="",
            description="Models to keep, such as *embed*: comma-separated globs, in addition to the exporter's keep lists.",
        )
        when_busy: Literal["wait", "skip", "force"] = Field(
            default="wait",
            description="Busy models: wait until they are idle, skip them, or force the unload, which interrupts answers.",
        )
        hold_minutes: float = Field(
            default=0,
            ge=0,
            description="Hold the memory for this time; the button then offers to end it. 0: no hold. Needs the hold filter.",
        )

    def __init__(self) -> None:
        self.valves = self.Valves()

    async def action(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __event_emitter__: Emit | None = None,
        __event_call__: Emit | None = None,
    ) -> None:
        """Runs when the button is pressed. Open WebUI shows it to every user, so the role is checked here."""
        # Open WebUI replaces them for every use, also while this one runs.
        valves = self.valves
        screen = Screen(__event_emitter__, __event_call__)
        if (__user__ or {}).get("role") != "admin":
            await screen.notify("warning", "Only administrators can unload models.")
            return
        try:
            exporter = Exporter(valves.exporter_url or URL, valves.exporter_token or TOKEN)
            if not await end_holds(exporter, screen):
                await unload_all(exporter, valves, screen)
        except Problem as problem:
            await screen.status(str(problem), done=True)
            await screen.notify("error", str(problem))


async def end_holds(exporter: "Exporter", screen: Screen) -> bool:
    """Offers to end the holds that the button placed. Whether the user has ended them."""
    holds = await holds_of_the_button(exporter)
    message = f"Memory is {held(holds)}. Confirm to end the hold, or cancel to unload models again."
    if not holds or not await screen.confirmed("End the hold?", message):
        return False
    for hold in holds:
        await exporter.delete(f"/api/v1/holds/{hold['id']}")
    await screen.status("The hold has ended. Models are loaded again when they are used.", done=True)
    await screen.notify("success", "The hold has ended.")
    return True


async def holds_of_the_button(exporter: "Exporter") -> list[dict[str, Any]]:
    """The holds that the button placed and that have not ended."""
    holds = (await exporter.get("/api/v1/holds", "holds"))["holds"]
    return [hold for hold in holds if hold["reason"] == REASON]


def held(holds: Iterable[Mapping[str, Any]]) -> str:
    """Which routers are held until when: `held on gpu-box until 14:05 UTC`."""
    ends = [f"on {', '.join(hold['routers'])} until {time_of(hold['until'], datetime.now(UTC))}" for hold in holds]
    return f"held {', '.join(ends)}"


def time_of(until: str, now: datetime) -> str:
    """`14:05 UTC`, with the date unless that is today. Rounded up to a minute, as in the texts of the exporter."""
    end = datetime.fromisoformat(until).astimezone(UTC)
    if end.second or end.microsecond:
        end = end.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return f"{end:%H:%M} UTC" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M} UTC"


async def unload_all(exporter: "Exporter", valves: Action.Valves, screen: Screen) -> None:
    """Shows a dry run, asks for confirmation and unloads. Raises Problem if the exporter fails or refuses."""
    wanted = request_of(valves)
    await screen.status("Checking loaded models …")
    plan = await exporter.post("/api/v1/unload-all", {**wanted, "dry_run": True})
    if not models_with(plan, "would_unload") and not valves.hold_minutes:
        text = f"There is nothing to unload. {question(plan, 0)}".strip()
        await screen.status(text, done=True)
        await screen.notify("warning" if troubles_of(plan) else "info", text)
        return
    if not await screen.confirmed("Unload models?", question(plan, valves.hold_minutes)):
        await screen.status("Nothing was unloaded.", done=True)
        return
    hold = {"hold_seconds": round(valves.hold_minutes * 60)} if valves.hold_minutes else {}
    operation = await exporter.post("/api/v1/unload-all", {**wanted, **hold, "wait": False})
    operation = await watch(exporter, operation, screen)
    holds = await holds_of_the_button(exporter) if hold else []
    await finish(screen, operation, f" Memory is {held(holds)}; press the button again to end the hold." if holds else "")


def request_of(valves: Action.Valves) -> dict[str, Any]:
    """The request, without the user's name."""
    request = {"when_busy": valves.when_busy, "reason": REASON}
    return {**request, "routers": names_in(valves.routers), "keep": names_in(valves.keep)}


async def watch(exporter: "Exporter", operation: dict[str, Any], screen: Screen) -> dict[str, Any]:
    """Shows progress until the operation ends or the limit is reached, and returns it."""
    until = time.monotonic() + GIVE_UP_AFTER_SECONDS
    shown = ""
    while operation["outcome"] is None and time.monotonic() < until:
        if (text := progress_of(operation)) != shown:
            shown = text
            await screen.status(text)
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        operation = await exporter.get(f"/api/v1/operations/{operation['id']}")
    return operation


async def finish(screen: Screen, operation: dict[str, Any], hold: str) -> None:
    """Shows the result."""
    text = outcome_of(operation) + hold
    good = operation["outcome"] in ("success", "noop")
    await screen.status(text, done=True)
    # Open WebUI does not refresh its marks of loaded models.
    await screen.notify("success" if good else "warning", f"{text} Reload the page to update the list of models.")


def question(plan: Mapping[str, Any], hold_minutes: float) -> str:
    """The text of the confirmation."""
    lines = [f"{verb}: {', '.join(models)}." for verb, models in _fates(plan) if models]
    lines += [f"{trouble}." for trouble in troubles_of(plan)]
    lines += [f"No model matches the keep pattern {pattern}." for pattern in plan.get("unmatched_keep", [])]
    lines += [f"The memory is then held for {hold_minutes:g} minutes."] if hold_minutes else []
    return "\n\n".join(lines)


def _fates(plan: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    models = [it for router in plan["routers"] for it in router["models"]]

    def named(*results: str) -> list[str]:
        return [described(it) for it in models if it["result"] in results]

    return [("To be unloaded", named("would_unload")), ("Busy, stays loaded", named("busy")), ("Kept", named("kept"))]


def described(model: Mapping[str, Any]) -> str:
    """A model with its detail."""
    return f"{model['model']} ({model['detail']})" if model.get("detail") else str(model["model"])


def progress_of(operation: Mapping[str, Any]) -> str:
    """The text of the progress line."""
    going = [it for router in operation["routers"] for it in router["models"] if it["result"] is None]
    gone = len(models_with(operation, "unloaded", "forced"))
    if gone + len(going) == 0:
        return "Asking the routers …"
    waiting = ", ".join(described(it) for it in going)
    return f"{gone} of {gone + len(going)} models unloaded" + (f"; waiting for {waiting}" if waiting else "") + " …"


# Shared: report


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


def names_in(text: str) -> list[str]:
    """Splits a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


class Exporter:
    """Client of the exporter. Raises Problem for every error."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        # An empty header would count as a wrong token.
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, field: str = "summary") -> dict[str, Any]:
        """Reads an operation, or something else that has this field."""
        return await self._ask("GET", path, None, field)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Starts an operation."""
        return await self._ask("POST", path, body, "summary")

    async def delete(self, path: str) -> None:
        """Ends a hold."""
        await self._ask("DELETE", path, None, "state")

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, field: str) -> dict[str, Any]:
        limit = aiohttp.ClientTimeout(total=ANSWER_WITHIN_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(headers=self.headers, timeout=limit) as session,
                session.request(method, self.url + path, json=body) as answer,
            ):
                said = await answer.json(content_type=None)
                status = answer.status
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            log.warning("%s%s: %s %s", self.url, path, type(error).__name__, error)
            raise Problem(f"The exporter at {self.url} does not answer. Is it running?") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise Problem(f"The server at {self.url} is not the exporter. Check exporter_url.") from error
        if isinstance(said, dict) and field in said:
            return said
        raise Problem(words_for(status, said if isinstance(said, dict) else {}, self.url))


def words_for(status: int, problem: Mapping[str, Any], url: str) -> str:
    """The message for an error response."""
    detail = str(problem.get("detail") or "")
    if status == 401:
        return "The exporter does not accept this token. Check exporter_token."
    if status == 403:
        return f"The exporter does not allow this. {detail}".strip()
    if status == 429:
        return "The exporter received too many wrong tokens. Check exporter_token and try again in a minute."
    if status == 503:
        return f"The exporter is busy. Try again soon. {detail}".strip()
    if detail:
        return f"The exporter rejected the request. {detail}"
    return f"The server at {url} is not the exporter. Check exporter_url."
