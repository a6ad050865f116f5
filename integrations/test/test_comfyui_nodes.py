"""ComfyUI's nodes, in an imitation of what they use of ComfyUI. It was checked against ComfyUI 0.3.64."""

import asyncio
import importlib.util
import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles import Answer, Lender, hangs, problem, serving, talks_html, talks_nonsense
from exporter import QUICK, SLOW, TOKEN, Running
from loading import HERE

NODES = HERE.parent / "comfyui" / "gpu_memory_nodes.py"


class Interrupted(Exception):
    """As ComfyUI's InterruptProcessingException."""


class FakeComfyUi:
    """The queue, the models and the cancel button of ComfyUI."""

    def __init__(self) -> None:
        self.currently_running: dict[int, tuple[Any, ...]] = {}
        self.queue: list[tuple[Any, ...]] = []
        self.flags: list[str] = []
        self.unloaded = 0
        self.cancelled = False
        self.shown: list[tuple[str, str]] = []

    def workflow(self, name: str, *nodes: str) -> tuple[Any, ...]:
        return (0, name, {str(at): {"class_type": node, "inputs": {}} for at, node in enumerate(nodes)}, {}, [])

    def run(self, *workflows: tuple[Any, ...]) -> None:
        """Runs the first and queues the others."""
        self.currently_running = {0: workflows[0]} if workflows else {}
        self.queue = [*workflows[1:]]

    def set_flag(self, name: str, _: bool) -> None:
        self.flags.append(name)

    def send_progress_text(self, text: str, node: str) -> None:
        self.shown.append((text, node))

    def unload_all_models(self) -> None:
        self.unloaded += 1

    def throw_exception_if_processing_interrupted(self) -> None:
        if self.cancelled:
            raise Interrupted


FREES = "LlamaRouterFreeGpuMemory"


@pytest.fixture
def comfyui(monkeypatch: pytest.MonkeyPatch) -> FakeComfyUi:
    made = FakeComfyUi()
    made.run(made.workflow("first", "CheckpointLoaderSimple", FREES, "KSampler"))
    instance = types.SimpleNamespace(prompt_queue=made, send_progress_text=made.send_progress_text)
    server = types.ModuleType("server")
    server.PromptServer = types.SimpleNamespace(instance=instance)  # type: ignore[attr-defined]
    memory = types.ModuleType("comfy.model_management")
    for name in ("unload_all_models", "throw_exception_if_processing_interrupted"):
        setattr(memory, name, getattr(made, name))
    memory.soft_empty_cache = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "server", server)
    monkeypatch.setitem(sys.modules, "comfy.model_management", memory)
    return made


@pytest.fixture
def nodes(comfyui: FakeComfyUi) -> Iterator[Any]:
    """The module as ComfyUI loads it, in a hurry."""
    spec = importlib.util.spec_from_file_location("custom_nodes/gpu_memory_nodes", NODES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.LOOK_EVERY_SECONDS = 0.01  # type: ignore[attr-defined]
    module.RENEW_EVERY_SECONDS = 0.02  # type: ignore[attr-defined]
    module.QUEUE_ACTS_WITHIN_SECONDS = 0.01  # type: ignore[attr-defined]
    yield module
    comfyui.run()
    for hold in list(module.HOLDS.values()):
        hold.end()


async def free(nodes: Any, anything: Any = "latent", **widgets: Any) -> tuple[list[Any], str]:
    """Runs the node as ComfyUI does: in another thread, with a list for each input."""
    inputs = nodes.FreeGpuMemory.INPUT_TYPES()["required"]
    said = {
        name: [options.get("default", kind[0] if isinstance(kind, list) else None)] for name, (kind, options) in inputs.items()
    }
    said |= {name: [value] for name, value in widgets.items()}
    said |= {"anything": anything if isinstance(anything, list) else [anything], "node": ["7"]}
    return await asyncio.to_thread(lambda: nodes.FreeGpuMemory().free(**said))


async def give_back(nodes: Any, hold: str) -> Any:
    return await asyncio.to_thread(lambda: nodes.GiveGpuMemoryBack().give_back(anything=["image"], hold=[hold]))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
def lender() -> Lender:
    return Lender()


@pytest.fixture
async def url(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> Any:
    async with serving(lender) as it:
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_URL", it)
        yield it


class TestInterface:
    def test_both_nodes_are_registered_with_a_name(self, nodes: Any) -> None:
        assert nodes.NODE_DISPLAY_NAME_MAPPINGS.keys() == nodes.NODE_CLASS_MAPPINGS.keys()
        assert [*nodes.NODE_DISPLAY_NAME_MAPPINGS.values()] == ["Free GPU memory", "Give GPU memory back"]

    def test_the_function_takes_the_inputs_and_answers_all_outputs(self, nodes: Any) -> None:
        for node in nodes.NODE_CLASS_MAPPINGS.values():
            inputs = node.INPUT_TYPES()
            function = getattr(node(), node.FUNCTION)
            assert [*inspect.signature(function).parameters] == [*inputs["required"], *inputs.get("hidden", {})]
            assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES) == len(node.OUTPUT_IS_LIST)

    def test_input_and_output_connect_with_every_type(self, nodes: Any) -> None:
        """ComfyUI's rule: types match unless `received != wanted`."""
        for node in nodes.NODE_CLASS_MAPPINGS.values():
            for anything in (node.INPUT_TYPES()["required"]["anything"][0], node.RETURN_TYPES[0]):
                for other in ("IMAGE", "LATENT", "MODEL,CLIP", "*"):
                    assert not other != anything  # noqa: SIM202
                    assert not anything != other  # noqa: SIM202
                assert json.dumps(anything) == '"*"'

    def test_runs_each_time(self, nodes: Any) -> None:
        changed = nodes.FreeGpuMemory.IS_CHANGED(anything=[1], need_gib=[0.0])
        assert changed != changed
        assert nodes.GiveGpuMemoryBack.OUTPUT_NODE

    def test_needs_only_the_standard_library(self) -> None:
        lines = NODES.read_text().splitlines()
        imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
        assert imported <= set(sys.stdlib_module_names)


async def test_places_a_hold_and_passes_the_input_on(nodes: Any, lender: Lender, url: str) -> None:
    latent = object()
    passed, hold = await free(nodes, latent)
    assert passed == [latent]
    assert lender.holds[hold] == {
        "holder": "ComfyUI",
        "reason": "a ComfyUI workflow",
        "routers": [],
        "unload": "all",
        "when_busy": "wait",
        "restore": True,
        "ttl_seconds": 60,
        "wait": False,
    }


async def test_lists_pass_as_they_are_with_one_hold(nodes: Any, lender: Lender, url: str) -> None:
    passed, _ = await free(nodes, ["a", "b", "c"])
    assert passed == ["a", "b", "c"]
    assert len(lender.holds) == 1


async def test_an_amount_unloads_only_enough(nodes: Any, lender: Lender, url: str, comfyui: FakeComfyUi) -> None:
    await free(nodes, need_gib=1.5, routers="gpu-box, attic", when_busy="force", restore=False, reason="training")
    said = lender.holds["hold-1"]
    assert (said["unload"], said["need_bytes"]) == ("enough", 1610612736)
    assert (said["routers"], said["when_busy"], said["restore"]) == (["gpu-box", "attic"], "force", False)
    # ComfyUI's own models would count as used.
    assert comfyui.unloaded == 1


async def test_waits_until_the_memory_is_free(nodes: Any, lender: Lender, url: str, comfyui: FakeComfyUi) -> None:
    lender.state = "preparing"
    freeing = asyncio.create_task(free(nodes))
    await until(lambda: len(lender.asked("GET")) >= 3)
    assert not freeing.done()
    lender.state = "active"
    await freeing
    assert comfyui.shown[0] == ("Waiting for GPU memory: unloading qwen3-8b …", "7")


async def test_says_why_the_memory_could_not_be_freed(nodes: Any, lender: Lender, url: str) -> None:
    lender.state, lender.why = "failed", "qwen3-8b was still busy after 10 min."
    with pytest.raises(nodes.Problem, match=r"^The GPU memory could not be freed: qwen3-8b was still busy after 10 min\. Run"):
        await free(nodes)
    assert nodes.HOLDS == {}


async def test_cancelling_ends_the_hold(nodes: Any, lender: Lender, url: str, comfyui: FakeComfyUi) -> None:
    lender.state = "preparing"
    freeing = asyncio.create_task(free(nodes))
    await until(lambda: len(lender.asked("GET")) >= 1)
    comfyui.cancelled = True
    with pytest.raises(Interrupted):
        await freeing
    assert lender.standing == set()


async def test_renews_the_hold_while_the_workflow_runs(nodes: Any, lender: Lender, url: str) -> None:
    await free(nodes)
    await until(lambda: len(lender.asked("PATCH")) >= 3)
    assert lender.standing == {"hold-1"}


async def test_the_hold_ends_with_a_workflow_that_does_not_give_back(
    nodes: Any, lender: Lender, url: str, comfyui: FakeComfyUi
) -> None:
    await free(nodes)
    comfyui.run(comfyui.workflow("another", "KSampler"))
    await until(lambda: lender.standing == set())
    assert comfyui.flags == ["unload_models"]
    assert nodes.HOLDS == {}


async def test_gives_back_after_unloading_comfyuis_models(nodes: Any, lender: Lender, url: str, comfyui: FakeComfyUi) -> None:
    _, hold = await free(nodes)
    assert await give_back(nodes, hold) == (["image"],)
    assert lender.standing == set()
    assert comfyui.unloaded == 1


async def test_gives_back_once(nodes: Any, lender: Lender, url: str) -> None:
    _, hold = await free(nodes)
    await give_back(nodes, hold)
    await give_back(nodes, hold)
    assert lender.asked("DELETE") == ["/api/v1/holds/hold-1"]


async def test_the_next_workflow_takes_the_memory_over(nodes: Any, lender: Lender, url: str, comfyui: FakeComfyUi) -> None:
    """Otherwise models would be restored and unloaded between any two of a queue."""
    second = comfyui.workflow("second", FREES)
    comfyui.run(*comfyui.currently_running.values(), second)
    _, first_hold = await free(nodes)
    await give_back(nodes, first_hold)
    comfyui.run(second)
    await until(lambda: len(lender.asked("PATCH")) >= 3)
    assert (lender.standing, comfyui.unloaded) == ({"hold-1"}, 0)
    _, second_hold = await free(nodes)
    assert lender.standing == {second_hold}
    await give_back(nodes, second_hold)
    assert (lender.standing, comfyui.unloaded) == (set(), 1)


async def test_the_hold_ends_when_the_queue_is_cleared(nodes: Any, lender: Lender, url: str, comfyui: FakeComfyUi) -> None:
    comfyui.run(*comfyui.currently_running.values(), comfyui.workflow("second", FREES))
    _, hold = await free(nodes)
    await give_back(nodes, hold)
    assert lender.standing == {"hold-1"}
    comfyui.run()
    await until(lambda: lender.standing == set())


async def test_two_parts_of_a_workflow_hold_independently(nodes: Any, lender: Lender, url: str) -> None:
    _, first = await free(nodes)
    _, second = await free(nodes)
    assert lender.standing == {first, second}
    await give_back(nodes, second)
    assert lender.standing == {first}


async def test_continues_when_somebody_releases_the_hold(nodes: Any, lender: Lender, url: str) -> None:
    _, hold = await free(nodes)
    lender.standing.clear()
    await until(lambda: nodes.HOLDS == {})
    assert await give_back(nodes, hold) == (["image"],)
    assert lender.asked("DELETE") == []


async def test_gives_back_without_error_when_the_exporter_has_stopped(
    nodes: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Lender()) as url:
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_URL", url)
        nodes.RENEW_EVERY_SECONDS = 3600
        _, hold = await free(nodes)
    assert await give_back(nodes, hold) == (["image"],)
    assert "ends by itself within 60 seconds" in caplog.text


async def test_works_without_comfyuis_server(nodes: Any, lender: Lender, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "server")
    monkeypatch.delitem(sys.modules, "comfy.model_management")
    _, hold = await free(nodes)
    await until(lambda: len(lender.asked("PATCH")) >= 2)
    await give_back(nodes, hold)
    assert lender.standing == set()


class TestWithTheExporter:
    @pytest.fixture(autouse=True)
    def _environment(self, exporter: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_URL", exporter.url)
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_TOKEN", TOKEN)

    async def test_the_memory_is_free_until_it_is_given_back(self, nodes: Any, exporter: Running) -> None:
        await exporter.load(QUICK)
        _, hold = await free(nodes)
        assert await exporter.status(QUICK) == "unloaded"
        (standing,) = await exporter.holds()
        assert (standing["id"], standing["state"]) == (hold, "active")
        assert (standing["holder"], standing["reason"]) == ("ComfyUI", "a ComfyUI workflow")
        await give_back(nodes, hold)
        assert await exporter.holds() == []
        # It was loaded before.
        await exporter.until(QUICK, "loaded")

    async def test_waits_for_a_busy_model(self, nodes: Any, exporter: Running, comfyui: FakeComfyUi) -> None:
        await exporter.load(SLOW)
        answering = await exporter.generate(SLOW, tokens=140)
        await free(nodes)
        assert answering.done()
        assert f"Waiting for GPU memory: unloading {SLOW} …" in [text for text, _ in comfyui.shown]

    async def test_renews(self, nodes: Any, exporter: Running) -> None:
        await free(nodes)
        (before,) = await exporter.holds()
        await asyncio.sleep(0.1)
        (after,) = await exporter.holds()
        assert after["until"] > before["until"]

    async def test_says_that_memory_is_not_measured(self, nodes: Any, exporter: Running) -> None:
        with pytest.raises(nodes.Problem, match=r"is not measured here.*"):
            await free(nodes, need_gib=1.0)

    async def test_says_which_routers_there_are(self, nodes: Any, exporter: Running) -> None:
        with pytest.raises(nodes.Problem, match="gpu-box"):
            await free(nodes, routers="attic")


class TestErrors:
    """Each says what to do."""

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (problem(401, "No token."), "does not accept the token. Set LLAMA_ROUTER_EXPORTER_TOKEN"),
            (problem(403, "It needs attic."), "give it write access to the routers. It needs attic."),
            (problem(404, "No router is named box."), "No router is named box."),
            (problem(409, "The GPU memory is not measured here."), "The GPU memory is not measured here."),
            (problem(429, "Too many."), "try again in a minute"),
            (problem(400, "reason: too long."), "rejected the request. reason: too long."),
            (talks_html, "is not llama-router-exporter"),
            (talks_nonsense, "is not llama-router-exporter"),
        ],
    )
    async def test_of_the_exporter(self, nodes: Any, monkeypatch: pytest.MonkeyPatch, answer: Answer, said: str) -> None:
        assert said in await self.said_by(nodes, monkeypatch, answer)

    async def test_of_a_hanging_exporter(self, nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        nodes.ANSWER_WITHIN_SECONDS = 0.1
        assert "does not answer (timed out)" in await self.said_by(nodes, monkeypatch, hangs)

    @pytest.mark.parametrize("url", ["nonsense", "http://", "http://no-such-host.invalid:10180", "ftp://localhost/"])
    async def test_of_a_wrong_address(self, nodes: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_URL", url)
        with pytest.raises(nodes.Problem, match="or set LLAMA_ROUTER_EXPORTER_URL in ComfyUI's environment"):
            await free(nodes)

    async def test_of_no_exporter(self, nodes: Any, monkeypatch: pytest.MonkeyPatch, no_exporter: str) -> None:
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_URL", no_exporter)
        with pytest.raises(nodes.Problem, match=r"does not answer \(.*refused\)\. Start llama-router-exporter"):
            await free(nodes)

    async def said_by(self, nodes: Any, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> str:
        async with serving(answer) as url:
            monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_URL", url)
            with pytest.raises(nodes.Problem) as problem:
                await free(nodes)
        return str(problem.value)


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
async def test_sends_the_token_past_any_proxy(
    nodes: Any, lender: Lender, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    _, hold = await free(nodes)
    await give_back(nodes, hold)
    assert set(lender.tokens) == {None}
    (tmp_path / "token").write_text("from-a-file\n")
    monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_TOKEN_FILE", str(tmp_path / "token"))
    await free(nodes)
    assert lender.tokens[-1] == "Bearer from-a-file"
