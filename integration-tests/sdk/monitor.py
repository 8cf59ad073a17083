"""A WebSocket client of another make: the monitor's socket as Python's `websockets` sees it.

    python monitor.py BRIDGE EDGE BRIDGE_WITH_KEY KEY
"""

import base64
import json
import sys
import urllib.request

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from checks import check, equal, raises, run

PATIENCE = 20


def chat(edge, text):
    """Has a chat, whole."""
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(f"{edge}/v1/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)


def frames_until(socket, event):
    """Frames up to the first one of this name."""
    frames = []
    while not frames or frames[-1]["event"] != event:
        frames.append(json.loads(socket.recv(timeout=PATIENCE)))
    return frames


@check
def the_originals_frames_come_in_order(bridge, edge, *_):
    with connect(f"ws://{bridge}/ws", proxy=None) as socket:
        frames_until(socket, "connected")
        chat(edge, "say exactly: planted")
        frames = frames_until(socket, "exchange_finished")
    packets = [frame["packet"] for frame in frames if frame["event"] == "packet_captured"]
    equal([packet["type"] for packet in packets], ["warp_request", "warp_response"])
    for packet in packets:
        json.loads(packet["data_preview"])
        equal(packet["full_data"], None)
    assert "planted" not in json.dumps(frames)


@check
def who_comes_later_is_told_the_past_first(bridge, edge, *_):
    for _ in range(6):
        chat(edge, "say exactly: past")
    with connect(f"ws://{bridge}/ws", proxy=None) as socket:
        socket.send(json.dumps({"command": "ping"}))
        events = [frame["event"] for frame in frames_until(socket, "pong")]
    equal(events, ["connected"] + ["packet_history"] * 10 + ["pong"])


@check
def a_page_of_another_origin_gets_nothing(bridge, *_):
    error = raises(InvalidStatus, lambda: connect(f"ws://{bridge}/ws", origin="https://evil.example", proxy=None))
    equal(error.response.status_code, 403)


@check
def without_the_key_there_is_nothing_and_with_it_as_browsers_send_it_there_is(_bridge, _edge, bridge, key):
    error = raises(InvalidStatus, lambda: connect(f"ws://{bridge}/ws", proxy=None))
    equal(error.response.status_code, 401)
    encoded = base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
    with connect(f"ws://{bridge}/ws", subprotocols=["warp2api.v1", f"warp2api.key.{encoded}"], proxy=None) as socket:
        equal(socket.subprotocol, "warp2api.v1")
        frames_until(socket, "connected")


if __name__ == "__main__":
    run(*sys.argv[1:])
