"""Loads a file as Open WebUI loads it: its text is run in a new module, which is nowhere to be found afterwards.

Written after what its loader does (open_webui/utils/plugin.py of 0.12.4), for tests that look at one function alone. The
real one is tried in test/e2e/open-webui.test.ts.
"""

import sys
import types
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
FILES = ("gpu_hold_filter.py", "router_exporter_pipeline.py", "unload_models_action.py")


def load(name: str) -> Any:
    """A module of this folder's."""
    module = types.ModuleType(f"function_{uuid.uuid4().hex}")
    sys.modules[module.__name__] = module
    try:
        exec((HERE / name).read_text(encoding="utf-8"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module
