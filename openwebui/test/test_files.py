"""What Open WebUI and the Pipelines server demand of a file before they run a line of it."""

import ast
import sys
from itertools import combinations

import pytest
from loading import FILES, HERE, load

SHIPPED = {"aiohttp", "pydantic"}
"""What both bring along, beside Python's own."""

# Open WebUI replaces these words in the text of a function, wherever they stand.
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
    # Open WebUI would run pip with it, which fails without a network.
    assert "requirements" not in header


@pytest.mark.parametrize("name", FILES)
def test_imports_only_what_is_there(name: str) -> None:
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0]
        for node in ast.walk(ast.parse(text_of(name)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= SHIPPED | set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", FILES)
def test_says_nothing_that_open_webui_would_rewrite(name: str) -> None:
    assert [word for word in REPLACED if word in text_of(name)] == []


@pytest.mark.parametrize(("name", "kind"), [*zip(FILES, ("Filter", "Pipeline", "Action"), strict=True)])
def test_is_of_one_kind_with_valves(name: str, kind: str) -> None:
    module = load(name)
    made = getattr(module, kind)()
    assert isinstance(made.valves, made.Valves)
    assert [it for it in ("Pipe", "Filter", "Action", "Event", "Pipeline") if hasattr(module, it)] == [kind]


@pytest.mark.parametrize(("one", "other"), [*combinations(FILES, 2)])
def test_what_has_one_name_in_two_files_is_the_same(one: str, other: str) -> None:
    # The Action has an exporter of its own: it says what goes wrong, the others go on.
    own = {"ANSWER_WITHIN_SECONDS", "Exporter"} if "unload_models_action.py" in (one, other) else set()
    ours, theirs = definitions_of(one), definitions_of(other)
    differing = {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]}
    assert differing == own


def test_a_token_is_masked_where_it_is_a_valve_and_no_valve_where_valves_can_be_read() -> None:
    for name, kind in (("gpu_hold_filter.py", "Filter"), ("unload_models_action.py", "Action")):
        schema = getattr(load(name), kind).Valves.model_json_schema()
        assert schema["properties"]["exporter_token"]["input"] == {"type": "password"}
    valves = load("router_exporter_pipeline.py").Pipeline.Valves.model_fields
    assert [it for it in valves if "token" in it or "url" in it or "command" in it] == []


def definitions_of(name: str) -> dict[str, str]:
    found = {}
    for node in ast.parse(text_of(name)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = ast.dump(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.dump(node)
    return found
