"""Nodes for ComfyUI that free GPU memory of llama.cpp routers for a workflow, and give it back.

Copy this file to ComfyUI's folder custom_nodes. It needs llama-router-exporter: set LLAMA_ROUTER_EXPORTER_URL and
LLAMA_ROUTER_EXPORTER_TOKEN (or LLAMA_ROUTER_EXPORTER_TOKEN_FILE) in ComfyUI's environment.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

log = logging.getLogger(__name__)

TTL_SECONDS = 60
"""How long a hold lasts without renewal, for example after ComfyUI was killed."""

RENEW_EVERY_SECONDS = 20.0
LOOK_EVERY_SECONDS = 0.5
ANSWER_WITHIN_SECONDS = 10.0
QUEUE_ACTS_WITHIN_SECONDS = 1.0


# Copied from ../openwebui/gpu_hold_filter.py: environment


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


class Problem(Exception):
    """What failed and what to do about it. ComfyUI shows it on the node."""


class NotStanding(Problem):
    """The hold has ended."""


class Exporter:
    """Client of the exporter. Raises Problem for every error."""

    def __init__(self) -> None:
        self.url = from_environment("LLAMA_ROUTER_EXPORTER_URL", "http://localhost:10180").rstrip("/")
        token = from_environment("LLAMA_ROUTER_EXPORTER_TOKEN")
        # An empty header would count as a wrong token.
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A proxy for downloads does not reach the exporter.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer's JSON."""
        try:
            request = urllib.request.Request(
                self.url + path,
                method=method,
                headers={**self.headers, "Content-Type": "application/json"},
                data=None if body is None else json.dumps(body).encode(),
            )
            with self.opener.open(request, timeout=ANSWER_WITHIN_SECONDS) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        except (OSError, ValueError) as error:
            raise Problem(
                f"The exporter at {self.url} does not answer ({getattr(error, 'reason', error)}). Start llama-router-exporter, "
                "or set LLAMA_ROUTER_EXPORTER_URL in ComfyUI's environment to its address and restart ComfyUI."
            ) from error
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        # A hold that failed at once has an error status.
        if isinstance(said, dict) and (status < 400 or "state" in said):
            return said
        detail = str(said.get("detail") or "") if isinstance(said, dict) else ""
        if detail and method != "POST" and status in (404, 409):
            raise NotStanding(detail)
        raise problem_of(status, detail, self.url)


def problem_of(status: int, detail: str, url: str) -> Problem:
    """The message for an error response."""
    if status == 401:
        return Problem(
            f"The exporter at {url} does not accept the token. Set LLAMA_ROUTER_EXPORTER_TOKEN in ComfyUI's environment "
            "to one of its tokens and restart ComfyUI."
        )
    if status == 403:
        return Problem(f"The exporter does not allow this with ComfyUI's token: give it write access to the routers. {detail}")
    if status == 429:
        return Problem(
            "The exporter received too many wrong tokens. Correct LLAMA_ROUTER_EXPORTER_TOKEN and try again in a minute."
        )
    if detail and status in (404, 409):
        return Problem(detail)
    if detail:
        return Problem(f"The exporter rejected the request. {detail}")
    return Problem(
        f"The server at {url} is not llama-router-exporter, or a version without holds. Correct LLAMA_ROUTER_EXPORTER_URL in "
        "ComfyUI's environment, or update the exporter."
    )


class ComfyUi:
    """What the nodes need of ComfyUI. Outside of ComfyUI, and where a version lacks something, it does nothing."""

    @staticmethod
    def workflows() -> list[tuple[str, bool, bool]] | None:
        """Running and queued workflows: id, whether it runs, whether it frees memory. None if they are unknown."""
        try:
            queue = sys.modules["server"].PromptServer.instance.prompt_queue
            items = [(it, True) for it in list(queue.currently_running.values())] + [(it, False) for it in list(queue.queue)]
            return [(it[1], runs, any(node.get("class_type") == FREE for node in it[2].values())) for it, runs in items]
        except (KeyError, AttributeError):
            return None

    @staticmethod
    def stop_if_cancelled() -> None:
        """Raises ComfyUI's exception if the user cancelled the workflow."""
        if memory := sys.modules.get("comfy.model_management"):
            memory.throw_exception_if_processing_interrupted()

    @staticmethod
    def unload_models() -> None:
        """Frees the GPU memory of ComfyUI's own models. Only for the thread that runs nodes."""
        if memory := sys.modules.get("comfy.model_management"):
            memory.unload_all_models()
            gc.collect()
            memory.soft_empty_cache()

    @staticmethod
    def unload_models_soon() -> None:
        """The same for other threads: the thread that runs workflows does it before the next one."""
        try:
            sys.modules["server"].PromptServer.instance.prompt_queue.set_flag("unload_models", True)
            time.sleep(QUEUE_ACTS_WITHIN_SECONDS)
        except (KeyError, AttributeError):
            pass

    @staticmethod
    def show(text: str, node: str) -> None:
        """Shows a text on the node."""
        try:
            sys.modules["server"].PromptServer.instance.send_progress_text(text, node)
        except (KeyError, AttributeError):
            log.info("%s", text)


HOLDS: dict[str, Hold] = {}
"""The holds of this process that have not ended."""


class Hold:
    """A hold that lasts until it is given back, at most as long as its workflow.

    It also lasts while queued workflows free memory too: models would be loaded and unloaded between any two of them.
    """

    def __init__(self, exporter: Exporter, request: dict[str, Any]) -> None:
        self.exporter = exporter
        self.view = exporter.ask("POST", "/api/v1/holds", {**request, "ttl_seconds": TTL_SECONDS, "wait": False})
        self.id = str(self.view["id"])
        self.given_back = False
        self._workflows = {name for name, runs, _ in ComfyUi.workflows() or [] if runs}
        self._ended = threading.Event()
        self._ending = threading.RLock()
        HOLDS[self.id] = self
        threading.Thread(target=self._keep, name=f"gpu-hold-{self.id}", daemon=True).start()

    def wait(self, node: str) -> None:
        """Waits until the memory is free."""
        while self.view["state"] == "preparing":
            ComfyUi.show(self._progress(), node)
            time.sleep(LOOK_EVERY_SECONDS)
            ComfyUi.stop_if_cancelled()
            self.view = self.exporter.ask("GET", f"/api/v1/holds/{self.id}")
        if self.view["state"] == "active":
            return
        why = str(self.view.get("why") or "the hold was released").rstrip(".")
        raise Problem(
            f"The GPU memory could not be freed: {why}. Run the workflow again later, lower need_gib, "
            "or set when_busy to force, which interrupts answers."
        )

    def give_back(self) -> None:
        """Ends the hold, unless the next workflow needs it. Only for the thread that runs nodes."""
        with self._ending:
            self.given_back = True
            if self._is_wanted():
                log.info("The GPU memory is kept for the next workflow in the queue")
                return
            ComfyUi.unload_models()
            self.end()

    def end(self) -> None:
        """Ends the hold. If the exporter fails, it expires."""
        with self._ending:
            self._ended.set()
            if HOLDS.pop(self.id, None) is None:
                return
            try:
                self.exporter.ask("DELETE", f"/api/v1/holds/{self.id}")
            except NotStanding:
                pass
            except Problem as problem:
                log.warning("%s The hold ends by itself within %s seconds.", problem, TTL_SECONDS)

    def is_left_over(self) -> bool:
        """Whether it only waits for the next workflow."""
        workflows = ComfyUi.workflows()
        runs = workflows is None or any(name in self._workflows for name, _, _ in workflows)
        return self.given_back or not runs

    def _is_wanted(self) -> bool:
        others = [name for name, _, frees in ComfyUi.workflows() or [] if frees and name not in self._workflows]
        return bool(others) or not self.is_left_over()

    def _keep(self) -> None:
        """Renews the hold until it ends, and ends it after its workflow."""
        renew_at = time.monotonic() + RENEW_EVERY_SECONDS
        while not self._ended.wait(LOOK_EVERY_SECONDS):
            with self._ending:
                if self._ended.is_set():
                    return
                if not self._is_wanted():
                    ComfyUi.unload_models_soon()
                    self.end()
                elif time.monotonic() >= renew_at:
                    renew_at = time.monotonic() + RENEW_EVERY_SECONDS
                    self._renew()

    def _renew(self) -> None:
        try:
            self.exporter.ask("PATCH", f"/api/v1/holds/{self.id}", {"ttl_seconds": TTL_SECONDS})
        except NotStanding:
            log.warning("The hold on GPU memory has ended before the workflow: it was released, or the exporter lost it")
            HOLDS.pop(self.id, None)
            self._ended.set()
        except Problem as problem:
            log.warning("The hold on GPU memory is not renewed. %s", problem)

    def _progress(self) -> str:
        """What it waits for."""
        try:
            said = self.exporter.ask("GET", f"/api/v1/operations/{self.view['operation']}")
            models = [it["model"] for router in said["routers"] for it in router["models"] if it["result"] is None]
        except (Problem, LookupError, TypeError):
            models = []
        return f"Waiting for GPU memory: unloading {', '.join(models)} …" if models else "Waiting for GPU memory …"


class AnyType(str):
    """A type that can be connected with every other: ComfyUI compares types with `!=`."""

    def __ne__(self, _: object) -> bool:
        return False

    __hash__ = str.__hash__


ANYTHING = AnyType("*")


class FreeGpuMemory:
    """Places a hold and passes its input on when the memory is free."""

    CATEGORY = "GPU memory"
    DESCRIPTION = (
        "Unloads models of routers and llama-swaps, and keeps their GPU memory free until this workflow ends or gives it back. "
        "Put it on a connection before the nodes that need the memory."
    )
    FUNCTION = "free"
    RETURN_TYPES = (ANYTHING, "GPU_HOLD")
    RETURN_NAMES = ("anything", "hold")
    # Lists pass through as they are: otherwise the node would run for each item.
    INPUT_IS_LIST = True
    OUTPUT_IS_LIST = (True, False)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, as ComfyUI describes them."""
        return {
            "required": {
                "anything": (ANYTHING, {"tooltip": "Passed on when the memory is free."}),
                "need_gib": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 1024.0,
                        "step": 0.5,
                        "tooltip": "GiB that must be free on one GPU: as few models as necessary are unloaded. 0: all models.",
                    },
                ),
                "when_busy": (
                    ["wait", "skip", "force"],
                    {"tooltip": "Models that generate: wait until they are idle, leave them, or interrupt them."},
                ),
                "restore": (
                    "BOOLEAN",
                    {"default": True, "tooltip": "Load the unloaded models again afterwards. llama-swap cannot: turn it off."},
                ),
                "reason": ("STRING", {"default": "a ComfyUI workflow", "tooltip": "Shown to users who must wait."}),
                "routers": ("STRING", {"default": "", "tooltip": "Comma-separated names of routers. Empty: all."}),
            },
            "hidden": {"node": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        """Never equal, so that the node runs each time."""
        return float("nan")

    def free(
        self,
        anything: list[Any],
        need_gib: list[float],
        when_busy: list[str],
        restore: list[bool],
        reason: list[str],
        routers: list[str],
        node: list[str],
    ) -> tuple[list[Any], str]:
        """Returns the input and the id of the hold."""
        request: dict[str, Any] = {
            "holder": "ComfyUI",
            "reason": reason[0],
            "routers": [name.strip() for name in routers[0].split(",") if name.strip()],
            "unload": "all",
            "when_busy": when_busy[0],
            "restore": restore[0],
        }
        if need_gib[0] > 0:
            request.update(unload="enough", need_bytes=round(need_gib[0] * 2**30))
            # Its own models would count as used memory.
            ComfyUi.unload_models()
        hold = Hold(Exporter(), request)
        try:
            hold.wait(node[0])
        except BaseException:
            hold.end()
            raise
        for each in list(HOLDS.values()):
            if each is not hold and each.is_left_over():
                each.end()
        return anything, hold.id


class GiveGpuMemoryBack:
    """Ends a hold when its input is there, and passes the input on."""

    CATEGORY = "GPU memory"
    DESCRIPTION = (
        "Unloads ComfyUI's own models and ends the hold of Free GPU memory. Put it on a connection after the nodes that "
        "need the memory. Without it, the hold ends with the workflow."
    )
    FUNCTION = "give_back"
    RETURN_TYPES = (ANYTHING,)
    RETURN_NAMES = ("anything",)
    INPUT_IS_LIST = True
    OUTPUT_IS_LIST = (True,)
    # Runs although nothing may be connected to its output.
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, as ComfyUI describes them."""
        return {
            "required": {
                "anything": (ANYTHING, {"tooltip": "The memory is given back when this is there."}),
                "hold": ("GPU_HOLD", {"tooltip": "The output of Free GPU memory."}),
            }
        }

    def give_back(self, anything: list[Any], hold: list[str]) -> tuple[list[Any]]:
        """Returns the input."""
        for each in hold:
            if standing := HOLDS.get(each):
                standing.give_back()
        return (anything,)


FREE = "LlamaRouterFreeGpuMemory"

NODE_CLASS_MAPPINGS: dict[str, type] = {FREE: FreeGpuMemory, "LlamaRouterGiveGpuMemoryBack": GiveGpuMemoryBack}
NODE_DISPLAY_NAME_MAPPINGS = {FREE: "Free GPU memory", "LlamaRouterGiveGpuMemoryBack": "Give GPU memory back"}
