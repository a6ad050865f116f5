"""Shared fixtures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from exporter import Running, running


@pytest.fixture(scope="session")
def _exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("exporter")) as it:
        yield it


@pytest_asyncio.fixture
async def exporter(_exporter: Running) -> Running:
    """A real exporter whose router is not held and has no model loaded."""
    await _exporter.calm()
    return _exporter


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "TOKEN", "TOKEN_FILE", "COMMAND"):
        monkeypatch.delenv(f"LLAMA_ROUTER_EXPORTER_{name}", raising=False)


@pytest.fixture
def no_exporter(tmp_path: Path) -> str:
    """A URL without a listener."""
    from exporter import free_port

    return f"http://127.0.0.1:{free_port()}"
