"""The Pipelines filter without its server (see test_pipelines_server.py)."""

import time
from typing import Any

import pytest
from doubles import SOON_SECONDS, Listener, hangs, problem, serving, talks_html
from exporter import QUICK, SLOW, TOKEN, Running
from loading import load

USER = {"id": "1", "role": "user", "name": "Bob", "email": "bob@example.org"}
ADMIN = {**USER, "role": "admin"}


@pytest.fixture
def a_pipeline(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(url: str, token: str = TOKEN, command: str | None = None, within: float = 5, **valves: Any) -> Any:
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_URL", url)
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_TOKEN", token)
        if command is not None:
            monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_COMMAND", command)
        module = load("router_exporter_pipeline.py")
        # The machine may be busy.
        module.ANSWER_WITHIN_SECONDS = within
        made = module.Pipeline()
        made.valves = made.Valves(**valves)
        return made

    return make


def a_chat(named: str, text: Any = "hello", **metadata: Any) -> dict[str, Any]:
    said = [{"role": "assistant", "content": "How can I help?"}, {"role": "user", "content": text}]
    return {"model": named, "messages": said, "metadata": {"chat_id": "c1", "session_id": "s1", **metadata}}


def a_task(model: str, kind: str, about: str = "hello") -> dict[str, Any]:
    body = a_chat(model, f"Find a title for: {about}")
    task_body = {"model": model, "messages": [{"role": "user", "content": about}]}
    body["metadata"] |= {"task": kind, "task_body": task_body}
    return body


async def why_not(pipeline: Any, body: dict[str, Any], user: dict[str, Any] = USER) -> str | None:
    """The error message; None if the request passes unchanged."""
    try:
        passed = await pipeline.inlet(body, user)
    except Exception as error:
        return str(error)
    assert passed is body
    return None


async def test_refuses_chats_and_tasks_during_a_hold(exporter: Running, a_pipeline: Any) -> None:
    pipeline = a_pipeline(exporter.url)
    assert await why_not(pipeline, a_chat(QUICK)) is None
    await exporter.hold()
    pipeline = a_pipeline(exporter.url)
    told = await why_not(pipeline, a_chat(QUICK))
    assert told is not None
    assert "is kept free until" in told
    assert await why_not(pipeline, a_task(QUICK, "title_generation")) == told
    assert await why_not(pipeline, a_chat("gpt-5-cloud")) is None
    assert await why_not(pipeline, a_task("gpt-5-cloud", "title_generation")) is None


async def test_tasks_of_administrators_do_not_pass(exporter: Running, a_pipeline: Any) -> None:
    await exporter.hold()
    pipeline = a_pipeline(exporter.url, administrators_pass=True)
    assert await why_not(pipeline, a_chat(QUICK), ADMIN) is None
    assert await why_not(pipeline, a_task(QUICK, "title_generation"), ADMIN) is not None
    assert await why_not(pipeline, a_chat(QUICK), USER) is not None


async def test_can_leave_chats_to_the_hold_filter(exporter: Running, a_pipeline: Any) -> None:
    await exporter.hold()
    pipeline = a_pipeline(exporter.url, refuse_chats=False)
    assert await why_not(pipeline, a_chat(QUICK)) is None
    assert await why_not(pipeline, a_task(QUICK, "title_generation")) is not None


async def test_resolves_workspace_models_except_for_tasks_on_another_model(a_pipeline: Any) -> None:
    workspace = {"id": "my-tutor", "info": {"base_model_id": "qwen3-8b"}}
    async with serving(Listener(held=("gpu-box",))) as url:
        pipeline = a_pipeline(url)
        assert await why_not(pipeline, a_chat("my-tutor", model=workspace)) is not None
        task = a_task("cloud-for-tasks", "tags_generation")
        task["metadata"]["model"] = workspace
        assert await why_not(pipeline, task) is None


@pytest.mark.parametrize("kind", ["title_generation", "TASKS.TITLE_GENERATION"])
async def test_reports_tasks_chats_and_programs(a_pipeline: Any, kind: str) -> None:
    listener = Listener()
    async with serving(listener) as url:
        pipeline = a_pipeline(url)
        for body in (a_chat("qwen3-8b"), a_task("default", kind), a_chat("both", chat_id=None)):
            assert await why_not(pipeline, body) is None
            await pipeline.exporter.settled()
    assert listener.reports == [
        {"model": "qwen3-8b", "cause": "chat", "router": "gpu-box"},
        {"model": "qwen3-8b", "cause": "task", "task": "title_generation", "router": "gpu-box"},
        {"model": "both", "cause": "api"},
    ]
    assert listener.tokens == [f"Bearer {TOKEN}"] * 3
    assert "Bob" not in str(listener.reports)


async def test_does_not_report_with_the_valve_off_or_rejected_requests(a_pipeline: Any) -> None:
    listener = Listener(held=("gpu-box",))
    async with serving(listener) as url:
        for pipeline, body in (
            (a_pipeline(url), a_chat("qwen3-8b")),
            (a_pipeline(url, report_usage=False), a_chat("both")),
            (a_pipeline(url, token=""), a_chat("both")),
        ):
            await why_not(pipeline, body)
            await pipeline.exporter.settled()
    assert listener.reports == []


async def test_an_administrator_unloads_everything_with_one_message(exporter: Running, a_pipeline: Any) -> None:
    await exporter.load(QUICK)
    told = await why_not(a_pipeline(exporter.url), a_chat(SLOW, " /unload-all \n"), ADMIN)
    assert told == "1 model unloaded."
    assert await exporter.status(QUICK) == "unloaded"
    operation = (await exporter.call("GET", "/api/v1/operations"))["operations"][0]
    assert operation["reason"] == "Open WebUI: /unload-all"


async def test_reads_the_command_from_messages_in_parts(exporter: Running, a_pipeline: Any) -> None:
    parts = [{"type": "text", "text": "/unload-all"}]
    assert await why_not(a_pipeline(exporter.url), a_chat(SLOW, parts), ADMIN) == "0 models unloaded."


@pytest.mark.parametrize("text", ["please /unload-all", "/unload-all now", "What does /unload-all do?", ""])
async def test_only_the_whole_message_is_a_command(exporter: Running, a_pipeline: Any, text: str) -> None:
    await exporter.load(QUICK)
    assert await why_not(a_pipeline(exporter.url), a_chat(SLOW, text), ADMIN) is None
    assert await exporter.status(QUICK) == "loaded"


async def test_the_command_is_for_administrators(exporter: Running, a_pipeline: Any) -> None:
    await exporter.load(QUICK)
    told = await why_not(a_pipeline(exporter.url), a_chat(SLOW, "/unload-all"), USER)
    assert told == "Only administrators can unload models."
    assert await exporter.status(QUICK) == "loaded"


async def test_generates_no_title_for_a_command(exporter: Running, a_pipeline: Any) -> None:
    """It would load a model again."""
    told = await why_not(a_pipeline(exporter.url), a_task(QUICK, "title_generation", "/unload-all"), ADMIN)
    assert told is not None
    assert await exporter.status(QUICK) == "unloaded"


async def test_the_command_can_be_changed_or_turned_off(exporter: Running, a_pipeline: Any) -> None:
    await exporter.load(QUICK)
    assert await why_not(a_pipeline(exporter.url, command=""), a_chat(SLOW, "/unload-all"), ADMIN) is None
    assert await why_not(a_pipeline(exporter.url, command=""), a_chat(SLOW, ""), ADMIN) is None
    assert await exporter.status(QUICK) == "loaded"
    assert await why_not(a_pipeline(exporter.url, command="!free"), a_chat(SLOW, "!free"), ADMIN) == "1 model unloaded."


async def test_the_command_reports_errors(a_pipeline: Any, no_exporter: str) -> None:
    told = f"The exporter at {no_exporter} does not answer. The result is unknown."
    assert await why_not(a_pipeline(no_exporter), a_chat(SLOW, "/unload-all"), ADMIN) == told
    async with serving(problem(401, "The token is not known.")) as url:
        told = "Nothing was unloaded. The token is not known."
        assert await why_not(a_pipeline(url), a_chat(SLOW, "/unload-all"), ADMIN) == told
    async with serving(talks_html) as url:
        assert "does not answer" in (await why_not(a_pipeline(url), a_chat(SLOW, "/unload-all"), ADMIN) or "")


async def test_fails_open_soon(a_pipeline: Any, no_exporter: str) -> None:
    async with serving(hangs) as url:
        for pipeline in (a_pipeline(url, within=0.2), a_pipeline(no_exporter, within=0.2)):
            began = time.monotonic()
            assert await why_not(pipeline, a_chat(SLOW)) is None
            assert time.monotonic() - began < SOON_SECONDS


async def test_returns_answers_unchanged(exporter: Running, a_pipeline: Any) -> None:
    await exporter.hold()
    body = a_chat(SLOW)
    assert await a_pipeline(exporter.url).outlet(body, USER) is body


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": SLOW, "metadata": None, "messages": None}, {"messages": [{}]}])
async def test_accepts_unexpected_bodies(exporter: Running, a_pipeline: Any, body: dict[str, Any]) -> None:
    assert await why_not(a_pipeline(exporter.url), body) is None
