"""A socket.io session like a browser tab of Open WebUI, which answers confirmations. For test/e2e/open-webui.test.ts.

Prints its session id, then every event as a line of JSON. Usage: socket_session.py URL TOKEN yes|no
"""

import asyncio
import json
import sys
from typing import Any

import socketio


async def main(url: str, token: str, answer: str) -> None:
    """Runs until it is killed."""
    session = socketio.AsyncClient()

    async def on_event(event: dict[str, Any]) -> bool | None:
        print(json.dumps(event["data"]), flush=True)
        return answer == "yes" if event["data"].get("type") == "confirmation" else None

    session.on("events", on_event)
    await session.connect(url, socketio_path="/ws/socket.io", transports=["websocket"], auth={"token": token})
    print(json.dumps({"type": "session", "data": session.get_sid()}), flush=True)
    await session.wait()


asyncio.run(main(*sys.argv[1:]))
