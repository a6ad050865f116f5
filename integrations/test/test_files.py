"""Requirements of Open WebUI and the Pipelines server on the files."""

import ast
import sys

import pytest
from loading import FILES, HERE, load

SHIPPED = {"aiohttp", "pydantic"}
"""Available in both, in addition to the standard library."""

# Open WebUI replaces these words in the text of a function.
REPLACED = ["from " + word for word in ("utils", "apps", "main", "config")]


def text_of(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def header_of(name: str) -> dict[str, str]:
    lines = text_of(name).splitlines()
    assert lines[0] == '"""'
    return dict(line.split(": ", 1) for line in lines[1 : lines.index('"""', 1)])


@pytest.mark.parametrize("name", FILES)
def test_has_a_header_and_installs_nothing(name: str) -> None:
    header = header_of(name)
    assert {"title", "author", "version", "license", "description", "required_open_webui_version"} <= set(header)
    # Open WebUI would run pip, which fails offline.
    assert "requirements" not in header


@pytest.mark.parametrize("name", FILES)
def test_imports_only_available_modules(name: str) -> None:
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0]
        for node in ast.walk(ast.parse(text_of(name)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= SHIPPED | set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", FILES)
def test_contains_no_words_that_open_webui_replaces(name: str) -> None:
    assert [word for word in REPLACED if word in text_of(name)] == []


@pytest.mark.parametrize(("name", "kind"), [*zip(FILES, ("Filter", "Pipeline", "Action"), strict=True)])
def test_has_one_kind_and_valves(name: str, kind: str) -> None:
    module = load(name)
    made = getattr(module, kind)()
    assert isinstance(made.valves, made.Valves)
    assert [it for it in ("Pipe", "Filter", "Action", "Event", "Pipeline") if hasattr(module, it)] == [kind]


def test_tokens_are_masked_valves_or_no_valves() -> None:
    for name, kind in (("gpu_hold_filter.py", "Filter"), ("unload_models_action.py", "Action")):
        schema = getattr(load(name), kind).Valves.model_json_schema()
        assert schema["properties"]["exporter_token"]["input"] == {"type": "password"}
    valves = load("router_exporter_pipeline.py").Pipeline.Valves.model_fields
    assert [it for it in valves if "token" in it or "url" in it or "command" in it] == []
