"""Loads a file like Open WebUI (open_webui/utils/plugin.py of 0.12.4): runs its text in a temporary module.

test/e2e/open-webui.test.ts uses the real loader.
"""

import sys
import types
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent / "openwebui"
FILES = ("gpu_hold_filter.py", "router_exporter_pipeline.py", "unload_models_action.py")


def load(name: str) -> Any:
    """Loads a file of integrations/openwebui/."""
    module = types.ModuleType(f"function_{uuid.uuid4().hex}")
    sys.modules[module.__name__] = module
    try:
        exec((HERE / name).read_text(encoding="utf-8"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module
