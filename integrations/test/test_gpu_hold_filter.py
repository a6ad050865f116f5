"""The filter: which chats are held, and that a failing exporter delays none."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doubles import SOON_SECONDS, Answer, Listener, drips, hangs, problem, serving, talks_html, talks_nonsense
from exporter import QUICK, SLOW, TOKEN, Running
from loading import load

USER = {"id": "1", "role": "user", "name": "Bob", "email": "bob@example.org"}
ADMIN = {**USER, "role": "admin"}


def a_filter(url: str, **valves: Any) -> Any:
    """A filter that waits longer for an answer, because the machine may be busy."""
    return made_of({"ANSWER_WITHIN_SECONDS": 5, **HURRY}, url, **valves)


def as_shipped(url: str, **valves: Any) -> Any:
    return made_of({}, url, **valves)


HURRY = {"WAIT_STEP_SECONDS": 0.1, "RETRY_SECONDS": 0.02, "SILENT_SECONDS": 0.2}


def made_of(constants: dict[str, float], url: str, **valves: Any) -> Any:
    module = load("gpu_hold_filter.py")
    vars(module).update(constants)
    made = module.Filter()
    made.valves = made.Valves(exporter_url=url, **valves)
    return made


def a_chat(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}]}


async def why_not(made: Any, model: str, user: dict[str, Any] = USER, **more: Any) -> str | None:
    """The error message; None if the chat passes unchanged."""
    body = a_chat(model)
    try:
        passed = await made.inlet(body, __user__=user, **more)
    except Exception as error:
        return str(error)
    assert passed is body
    assert body == a_chat(model)
    return None


async def test_message_names_holder_reason_and_end(exporter: Running) -> None:
    await exporter.hold(reason="training")
    said = await why_not(a_filter(exporter.url), SLOW)
    assert said is not None
    assert said.startswith("GPU memory of gpu-box is kept free until ")
    assert said.endswith(" for training (requested by tests). Please try again after that.")


async def test_lets_chats_pass_when_nothing_is_held(exporter: Running) -> None:
    assert await why_not(a_filter(exporter.url), SLOW) is None


async def test_a_model_that_stayed_in_memory_can_be_used_during_a_hold(exporter: Running) -> None:
    await exporter.load(QUICK)
    await exporter.hold()
    made = a_filter(exporter.url)
    assert await why_not(made, QUICK) is None
    assert await why_not(made, SLOW) is not None


async def test_models_of_other_providers_pass(exporter: Running) -> None:
    await exporter.hold()
    assert await why_not(a_filter(exporter.url), "gpt-5-cloud") is None


async def test_direct_connections_pass(exporter: Running) -> None:
    await exporter.hold()
    assert await why_not(a_filter(exporter.url), SLOW, __metadata__={"direct": True, "chat_id": "1"}) is None


async def test_resolves_aliases_prefixes_and_workspace_models(exporter: Running) -> None:
    await exporter.hold()
    assert await why_not(a_filter(exporter.url), "default") is not None
    prefixed = a_filter(exporter.url, connection_prefix="local")
    assert await why_not(prefixed, f"local.{SLOW}") is not None
    workspace = {"id": "my-tutor", "info": {"base_model_id": f"local.{SLOW}"}}
    assert await why_not(prefixed, "my-tutor", __model__=workspace) is not None
    # Another connection with a model of the same name.
    assert await why_not(prefixed, f"cloud.{SLOW}") is None


async def test_a_hold_that_ends_lets_chats_pass_again_within_a_second(exporter: Running) -> None:
    made = a_filter(exporter.url)
    await exporter.hold()
    assert await why_not(made, SLOW) is not None
    await exporter.release()
    await asyncio.sleep(1.05)
    assert await why_not(made, SLOW) is None


async def test_administrators_pass_only_with_the_valve(exporter: Running) -> None:
    await exporter.hold()
    assert await why_not(a_filter(exporter.url), SLOW, ADMIN) is not None
    lenient = a_filter(exporter.url, administrators_pass=True)
    assert await why_not(lenient, SLOW, ADMIN) is None
    assert await why_not(lenient, SLOW, USER) is not None


async def test_valves_select_routers_and_models() -> None:
    async with serving(Listener(held=("gpu-box",))) as url:
        assert await why_not(a_filter(url), "qwen3-8b") is not None
        assert await why_not(a_filter(url, routers="attic, cellar*"), "qwen3-8b") is None
        assert await why_not(a_filter(url, routers="attic, gpu-*"), "qwen3-8b") is not None
        assert await why_not(a_filter(url, models="gemma*"), "qwen3-8b") is None
        assert await why_not(a_filter(url, models="gemma*, qwen*"), "qwen3-8b") is not None


async def test_a_model_on_several_routers_is_held_if_all_are_held() -> None:
    async with serving(Listener(held=("gpu-box",))) as url:
        assert await why_not(a_filter(url), "both") is None
        # The valve names the router that Open WebUI uses.
        assert await why_not(a_filter(url, routers="gpu-box"), "both") is not None
    async with serving(Listener(held=("gpu-box", "attic"))) as url:
        assert await why_not(a_filter(url), "both") is not None


FAULTS = [hangs, drips, talks_html, talks_nonsense, problem(401, "No token."), problem(503, "Starting."), problem(500, "Oh.")]


@pytest.mark.parametrize("fault", FAULTS)
async def test_fails_open_soon_with_a_faulty_exporter(fault: Answer) -> None:
    async with serving(fault) as url:
        began = time.monotonic()
        assert await why_not(as_shipped(url, exporter_token=TOKEN), SLOW) is None
        assert time.monotonic() - began < SOON_SECONDS


async def test_fails_open_when_the_exporter_is_down(no_exporter: str) -> None:
    began = time.monotonic()
    assert await why_not(as_shipped(no_exporter), SLOW) is None
    assert time.monotonic() - began < SOON_SECONDS


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "http://no-such-host.invalid:10180", "http://192.0.2.1:10180"])
async def test_fails_open_when_the_address_is_wrong(url: str) -> None:
    began = time.monotonic()
    assert await why_not(as_shipped(url), SLOW) is None
    assert time.monotonic() - began < SOON_SECONDS


async def test_a_hanging_exporter_does_not_block_the_event_loop() -> None:
    """The filter shares its event loop with all of Open WebUI."""
    longest = 0.0

    async def heart() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    async with serving(hangs) as url:
        beating = asyncio.create_task(heart())
        made = as_shipped(url)
        await asyncio.gather(*(why_not(made, f"model-{number}") for number in range(50)))
        beating.cancel()
    assert longest < SOON_SECONDS


async def test_asks_about_a_model_once_a_second_and_for_the_list_once_a_minute() -> None:
    listener = Listener()
    async with serving(listener) as url:
        made = a_filter(url)
        for _ in range(20):
            assert await why_not(made, "qwen3-8b") is None
        assert await why_not(made, "default") is None
    assert listener.asked == ["/api/v1/models", "/api/v1/gate", "/api/v1/gate"]


async def test_does_not_ask_a_hanging_exporter_again_at_once() -> None:
    async with serving(hangs) as url:
        made = as_shipped(url)
        await why_not(made, SLOW)
        began = time.monotonic()
        for _ in range(20):
            assert await why_not(made, SLOW) is None
        assert time.monotonic() - began < SOON_SECONDS


async def test_a_slow_list_is_used_by_the_next_chat() -> None:
    listener = Listener(held=("gpu-box",))
    listed = asyncio.Event()

    async def slow_to_list(request: Any) -> Any:
        if request.path == "/api/v1/models":
            await listed.wait()
        return await listener(request)

    async with serving(slow_to_list) as url:
        made = made_of({"REMEMBERED_SECONDS": 0, "CATALOGUE_WITHIN_SECONDS": 60}, url)
        assert await asyncio.gather(*(why_not(made, model) for model in ("qwen3-8b", "default", "both"))) == [None] * 3
        listed.set()
        await until(lambda: "qwen3-8b" in made._exporter._catalogue)
        assert await why_not(made, "qwen3-8b") is not None
    assert listener.asked.count("/api/v1/models") == 1


class TestWaiting:
    """With the valve wait_seconds."""

    class Screen:
        """Status events of a chat."""

        def __init__(self) -> None:
            self.lines: list[tuple[str, bool]] = []

        async def __call__(self, event: dict[str, Any]) -> None:
            assert event["type"] == "status"
            self.lines.append((event["data"]["description"], event["data"]["done"]))

    @pytest.fixture
    def screen(self) -> Screen:
        return self.Screen()

    WAITING = "Waiting for the GPU: kept free until 14:05 UTC for training (requested by alice)"

    async def test_waits_and_continues_when_the_gate_opens(self, screen: Screen) -> None:
        listener = Listener(held=("gpu-box",))
        async with serving(listener) as url:
            chat = asyncio.create_task(why_not(a_filter(url, wait_seconds=60), "qwen3-8b", __event_emitter__=screen))
            await until(lambda: listener.asked.count("/api/v1/gate") >= 4)
            assert screen.lines == [(self.WAITING, False)]
            listener.held = ()
            assert await chat is None
        assert screen.lines[1:] == [("Waited 0 s for the GPU", True)]

    async def test_continues_when_the_hold_is_released(self, exporter: Running, screen: Screen) -> None:
        await exporter.hold(reason="training")
        chat = asyncio.create_task(why_not(as_shipped(exporter.url, wait_seconds=60), SLOW, __event_emitter__=screen))
        await until(lambda: len(screen.lines) == 1)
        await exporter.release()
        began = time.monotonic()
        assert await chat is None
        assert time.monotonic() - began < SOON_SECONDS
        assert screen.lines[0][0].startswith("Waiting for the GPU: kept free until ")

    async def test_one_request_waits_for_long(self, screen: Screen) -> None:
        listener = Listener(held=("gpu-box",))
        async with serving(listener) as url:
            chat = asyncio.create_task(why_not(as_shipped(url, wait_seconds=60), "qwen3-8b", __event_emitter__=screen))
            await until(lambda: listener.asked.count("/api/v1/gate") == 2)
            await asyncio.sleep(0.3)
            listener.held = ()
            assert await chat is None
        assert listener.asked == ["/api/v1/models", "/api/v1/gate", "/api/v1/gate"]

    async def test_refuses_with_the_message_when_the_time_is_over(self, screen: Screen) -> None:
        async with serving(Listener(held=("gpu-box",))) as url:
            said = await why_not(a_filter(url, wait_seconds=0.3), "qwen3-8b", __event_emitter__=screen)
        assert said is not None
        assert said.startswith("GPU memory of gpu-box is kept free until 14:05 UTC")
        assert screen.lines == [(self.WAITING, False), ("Waited 0 s for the GPU", True)]

    async def test_shows_the_new_end_of_a_renewed_hold(self, screen: Screen) -> None:
        listener = Listener(held=("gpu-box",))
        async with serving(listener) as url:
            chat = asyncio.create_task(why_not(a_filter(url, wait_seconds=60), "qwen3-8b", __event_emitter__=screen))
            await until(lambda: len(screen.lines) == 1)
            listener.until = "15:00"
            await until(lambda: len(screen.lines) == 2)
            listener.held = ()
            await chat
        assert screen.lines[1] == (self.WAITING.replace("14:05", "15:00"), False)

    async def test_stopping_the_chat_ends_the_request(self, screen: Screen) -> None:
        listener = Listener(held=("gpu-box",))
        async with serving(listener) as url:
            chat = asyncio.create_task(why_not(as_shipped(url, wait_seconds=60), "qwen3-8b", __event_emitter__=screen))
            await until(lambda: listener.waiting == 1 and len(screen.lines) == 1)
            chat.cancel()
            with pytest.raises(asyncio.CancelledError):
                await chat
            await until(lambda: listener.waiting == 0)
        assert screen.lines == [(self.WAITING, False), (self.WAITING, True)]

    async def test_does_not_spin_if_the_exporter_does_not_wait(self, screen: Screen) -> None:
        """As an older one, and one with too many waiting requests."""
        listener = Listener(held=("gpu-box",))
        listener.can_wait = False
        async with serving(listener) as url:
            assert await why_not(a_filter(url, wait_seconds=0.2), "qwen3-8b", __event_emitter__=screen) is not None
        assert 3 <= listener.asked.count("/api/v1/gate") <= 12

    async def test_one_open_router_of_several_is_enough(self, screen: Screen) -> None:
        listener = Listener(held=("gpu-box", "attic"))
        async with serving(listener) as url:
            chat = asyncio.create_task(why_not(as_shipped(url, wait_seconds=60), "both", __event_emitter__=screen))
            await until(lambda: listener.waiting == 2)
            listener.held = ("gpu-box",)
            assert await chat is None
            await until(lambda: listener.waiting == 0)

    @pytest.mark.parametrize(("silence", "passes"), [(0.05, False), (3600, True)])
    async def test_a_restart_of_the_exporter_is_waited_for_and_a_silent_one_is_not(self, silence: float, passes: bool) -> None:
        listener = Listener(held=("gpu-box",))
        silent_until = float("inf")

        async def restarting(request: Any) -> Any:
            nonlocal silent_until
            if "wait" in request.query:
                silent_until = min(silent_until, time.monotonic() + silence)
                if time.monotonic() < silent_until:
                    request.transport.close()
            return await listener(request)

        async with serving(restarting) as url:
            said = await why_not(a_filter(url, wait_seconds=0.6), "qwen3-8b")
        assert (said is None) == passes

    async def test_refuses_at_once_without_the_valve(self, screen: Screen) -> None:
        async with serving(Listener(held=("gpu-box",))) as url:
            assert await why_not(a_filter(url), "qwen3-8b", __event_emitter__=screen) is not None
        assert screen.lines == []


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_new_valves_apply_to_the_next_chat(exporter: Running, no_exporter: str) -> None:
    await exporter.hold()
    made = a_filter(no_exporter)
    assert await why_not(made, SLOW) is None
    made.valves = made.Valves(exporter_url=exporter.url)
    assert await why_not(made, SLOW) is not None


class TestReports:
    async def reports_of(self, listener: Listener, **more: Any) -> list[dict[str, Any]]:
        async with serving(listener) as url:
            made = a_filter(url, exporter_token=TOKEN)
            await why_not(made, more.pop("model", "default"), **more)
            await made._exporter.settled()
        return listener.reports

    async def test_reports_the_use_of_a_model_by_id(self) -> None:
        listener = Listener()
        reports = await self.reports_of(listener, __metadata__={"chat_id": "1"})
        assert reports == [{"model": "qwen3-8b", "router": "gpu-box", "cause": "chat"}]
        assert listener.tokens == [f"Bearer {TOKEN}"]

    async def test_api_clients_are_not_chats(self) -> None:
        reports = await self.reports_of(Listener(), __metadata__={"chat_id": ""})
        assert reports == [{"model": "qwen3-8b", "router": "gpu-box", "cause": "api"}]

    async def test_names_no_router_when_there_are_several(self) -> None:
        reports = await self.reports_of(Listener(), model="both", __metadata__={"chat_id": "1"})
        assert reports == [{"model": "both", "cause": "chat"}]

    async def test_does_not_report_rejected_chats_and_other_providers(self) -> None:
        assert await self.reports_of(Listener(held=("gpu-box",))) == []
        assert await self.reports_of(Listener(), model="gpt-5-cloud") == []

    async def test_does_not_report_without_a_token_or_with_the_valve_off(self) -> None:
        listener = Listener()
        async with serving(listener) as url:
            for valves in ({}, {"exporter_token": TOKEN, "report_usage": False}):
                made = a_filter(url, **valves)
                await why_not(made, "qwen3-8b")
                await made._exporter.settled()
        assert listener.reports == []

    async def test_a_rejected_report_is_not_retried_with_every_chat(self) -> None:
        """After ten wrong tokens in a minute the exporter blocks the address."""
        listener = Listener(usage_status=401)
        async with serving(listener) as url:
            made = a_filter(url, exporter_token="wrong")
            for _ in range(5):
                assert await why_not(made, "qwen3-8b") is None
                await made._exporter.settled()
        assert listener.asked.count("/api/v1/usage") == 1

    async def test_reports_do_not_block(self) -> None:
        listener = Listener()

        async def slow_to_hear(request: Any) -> Any:
            if request.path == "/api/v1/usage":
                await asyncio.sleep(3600)
            return await listener(request)

        async with serving(slow_to_hear) as url:
            made = a_filter(url, exporter_token=TOKEN)
            began = time.monotonic()
            for _ in range(50):
                assert await why_not(made, "qwen3-8b") is None
            assert time.monotonic() - began < SOON_SECONDS
            assert len(made._exporter._reports) == 20


async def test_reads_url_and_token_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    listener = Listener()
    async with serving(listener) as url:
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_URL", url)
        monkeypatch.setenv("LLAMA_ROUTER_EXPORTER_TOKEN_FILE", str(tmp_path / "token"))
        made = load("gpu_hold_filter.py").Filter()
        assert await why_not(made, "qwen3-8b") is None
        await made._exporter.settled()
    assert listener.tokens == ["Bearer from-a-file"]
