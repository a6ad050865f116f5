"""The button with a real exporter."""

from datetime import UTC, datetime
from typing import Any

import pytest
from doubles import Answer, hangs, problem, serving, talks_html, talks_nonsense
from exporter import QUICK, ROUTER, SLOW, TOKEN, Running
from loading import load

ADMIN = {"id": "1", "role": "admin", "name": "Ada"}


class Person:
    """A user who answers the confirmation."""

    def __init__(self, answer: Any = True) -> None:
        self.answer = answer
        self.seen: list[dict[str, Any]] = []
        self.questions: list[str] = []

    async def emit(self, event: dict[str, Any]) -> None:
        self.seen.append(event)

    async def call(self, event: dict[str, Any]) -> Any:
        assert event["type"] == "confirmation"
        self.questions.append(event["data"]["message"])
        return self.answer

    def statuses(self) -> list[tuple[str, bool]]:
        return [(it["data"]["description"], it["data"]["done"]) for it in self.seen if it["type"] == "status"]

    def notes(self) -> list[tuple[str, str]]:
        return [(it["data"]["type"], it["data"]["content"]) for it in self.seen if it["type"] == "notification"]


async def press(url: str, person: Person, user: dict[str, Any] | None = ADMIN, **valves: Any) -> None:
    made = load("unload_models_action.py").Action()
    made.valves = made.Valves(**{"exporter_url": url, "exporter_token": TOKEN, **valves})
    body = {"model": SLOW, "messages": []}
    assert await made.action(body, __user__=user, __event_emitter__=person.emit, __event_call__=person.call) is None


RELOAD = "Reload the page to update the list of models."


async def test_unloads_and_reports(exporter: Running) -> None:
    await exporter.load(QUICK)
    person = Person()
    await press(exporter.url, person)
    assert await exporter.status(QUICK) == "unloaded"
    assert len(person.questions) == 1
    assert person.questions[0].startswith(f"To be unloaded: {QUICK}")
    assert person.statuses()[0] == ("Checking loaded models …", False)
    assert person.statuses()[-1] == ("1 model unloaded.", True)
    assert person.notes() == [("success", f"1 model unloaded. {RELOAD}")]
    operation = (await exporter.call("GET", "/api/v1/operations"))["operations"][0]
    assert operation["reason"] == "Open WebUI: button"
    assert "Ada" not in str(operation)


async def test_shows_progress(exporter: Running) -> None:
    await exporter.load(SLOW)
    answering = await exporter.generate(SLOW, tokens=140)
    person = Person()
    await press(exporter.url, person)
    await answering
    assert f"To be unloaded: {SLOW} (it is generating" in person.questions[0]
    assert any(text.startswith(f"0 of 1 models unloaded; waiting for {SLOW} (it is ") for text, _ in person.statuses())
    assert person.statuses()[-1] == ("1 model unloaded.", True)
    assert [done for _, done in person.statuses()].count(True) == 1


async def test_skips_busy_and_kept_models(exporter: Running) -> None:
    await exporter.load(QUICK)
    await exporter.load(SLOW)
    answering = await exporter.generate(SLOW, tokens=140)
    person = Person()
    await press(exporter.url, person, when_busy="skip", keep=f" {QUICK}, nothing*")
    await answering
    assert person.questions == []
    (kind, text) = person.notes()[0]
    assert kind == "info"
    assert text.startswith(f"There is nothing to unload. Busy, stays loaded: {SLOW}")
    assert f"Kept: {QUICK} (it is on the keep list)." in text
    assert "No model matches the keep pattern nothing*." in text
    assert await exporter.status(QUICK) == "loaded"


@pytest.mark.parametrize("answer", [False, None, {"error": "Client session disconnected."}, "yes"])
async def test_needs_a_confirmation(exporter: Running, answer: Any) -> None:
    await exporter.load(QUICK)
    person = Person(answer)
    await press(exporter.url, person)
    assert person.statuses()[-1] == ("Nothing was unloaded.", True)
    assert await exporter.status(QUICK) == "loaded"


@pytest.mark.parametrize("user", [None, {}, {"role": "user"}, {"role": "pending"}])
async def test_is_for_administrators(exporter: Running, user: dict[str, Any] | None) -> None:
    await exporter.load(QUICK)
    person = Person()
    await press(exporter.url, person, user)
    assert person.notes() == [("warning", "Only administrators can unload models.")]
    assert person.questions == []
    assert await exporter.status(QUICK) == "loaded"


async def test_holds_the_memory_afterwards(exporter: Running) -> None:
    await exporter.load(QUICK)
    person = Person()
    await press(exporter.url, person, hold_minutes=30)
    assert "The memory is then held for 30 minutes." in person.questions[0]
    (hold,) = await exporter.holds()
    assert hold["routers"] == ["gpu-box"]
    until = load("unload_models_action.py").time_of(hold["until"], datetime.now(UTC))
    text = f"1 model unloaded. Memory is held on gpu-box until {until}; press the button again to end the hold."
    assert person.statuses()[-1] == (text, True)


@pytest.mark.parametrize(
    ("until", "text"),
    [
        ("2026-11-27T14:05:00Z", "14:05 UTC"),
        ("2026-11-27T14:05:00.001Z", "14:06 UTC"),
        ("2026-11-27T23:59:00.001Z", "2026-11-28 00:00 UTC"),
        ("2026-11-28T09:00:00Z", "2026-11-28 09:00 UTC"),
    ],
)
def test_a_hold_past_midnight_has_a_date(until: str, text: str) -> None:
    assert load("unload_models_action.py").time_of(until, datetime(2026, 11, 27, 14, 0, tzinfo=UTC)) == text


async def test_offers_to_end_its_own_hold(exporter: Running) -> None:
    await exporter.hold(reason="training")
    await press(exporter.url, Person(), hold_minutes=30)
    person = Person()
    await press(exporter.url, person)
    assert person.questions[0].startswith("Memory is held on gpu-box until ")
    assert person.notes() == [("success", "The hold has ended.")]
    assert [hold["reason"] for hold in await exporter.holds()] == ["training"]


async def test_unloads_again_if_the_hold_is_to_stay(exporter: Running) -> None:
    await press(exporter.url, Person(), hold_minutes=30)
    person = Person(answer=False)
    await press(exporter.url, person)
    assert person.notes() == [("info", "There is nothing to unload.")]
    assert len(await exporter.holds()) == 1


async def test_reports_when_nothing_is_loaded(exporter: Running) -> None:
    person = Person()
    await press(exporter.url, person)
    assert person.notes() == [("info", "There is nothing to unload.")]
    assert person.statuses()[-1] == ("There is nothing to unload.", True)


async def test_reports_an_unknown_router(exporter: Running) -> None:
    person = Person()
    await press(exporter.url, person, routers="attic")
    ((kind, text),) = person.notes()
    assert kind == "error"
    assert text.startswith("The exporter rejected the request. ")
    assert "attic" in text


async def test_reports_when_the_token_is_wrong(exporter: Running) -> None:
    person = Person()
    await press(exporter.url, person, exporter_token="another-token-than-that")
    told = "The exporter does not accept this token. Check exporter_token."
    assert person.notes() == [("error", told)]
    assert person.statuses()[-1] == (told, True)


async def test_reports_when_the_exporter_is_down(no_exporter: str) -> None:
    person = Person()
    await press(no_exporter, person)
    assert person.notes() == [("error", f"The exporter at {no_exporter} does not answer. Is it running?")]


async def test_reports_when_the_exporter_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(hangs) as url:
        made = load("unload_models_action.py")
        made.ANSWER_WITHIN_SECONDS = 0.1
        with pytest.raises(made.Problem, match="does not answer"):
            await made.Exporter(url, TOKEN).get("/api/v1/operations/1")


OTHER_SERVER = "is not the exporter. Check exporter_url."


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (talks_html, OTHER_SERVER),
        (talks_nonsense, OTHER_SERVER),
        (problem(403, "This token may not act on gpu-box."), "does not allow this. This token may not act on gpu-box."),
        (problem(429, "Too many."), "try again in a minute"),
        (problem(503, "Eight others wait."), "Try again soon. Eight others wait."),
    ],
)
async def test_reports_other_errors(answer: Answer, told: str) -> None:
    person = Person()
    async with serving(answer) as url:
        await press(url, person)
    ((kind, text),) = person.notes()
    assert kind == "error"
    assert told in text
    assert person.statuses()[-1] == (text, True)


async def test_works_without_a_screen(exporter: Running) -> None:
    """API clients have none and cannot confirm."""
    await exporter.load(QUICK)
    made = load("unload_models_action.py").Action()
    made.valves = made.Valves(exporter_url=exporter.url, exporter_token=TOKEN)
    await made.action({"model": QUICK}, __user__=ADMIN)
    assert await exporter.status(QUICK) == "loaded"


@pytest.mark.parametrize("file", ["unload_models_action.py", "router_exporter_pipeline.py"])
def test_names_models_that_were_loaded_meanwhile(file: str) -> None:
    models = [{"model": "a", "result": "unloaded"}, {"model": "b", "result": "kept"}]
    operation = {
        "outcome": "success",
        "summary": {"unloaded": 1},
        "routers": [{"router": ROUTER, "models": models}],
        "still_in_memory": [{"router": ROUTER, "model": model, "status": "loaded"} for model in ("a", "b", "c")],
    }
    text = load(file).outcome_of(operation)
    assert text == "1 model unloaded. Kept: b. Loaded meanwhile: a, c. A hold keeps memory free."
