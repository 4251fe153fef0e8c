"""The candidate page's socket, run in Node with one that is pretended: when it is dead, and when it is left alone."""

from __future__ import annotations

import json

import pytest

from tests.web.page_modules import run


def test_a_socket_that_fell_silent_in_a_recording_is_dead_in_an_outage_too() -> None:
    script = """
    const { silence } = await import("./phase.js");
    const silent = (state, ms, stalled = false, elsewhere = false) =>
      silence({ elsewhere, sending: "idle", questions: [{ state: "seen" }, { state, stalled }] }, ms);
    const result = {
      recording: [silent("recording", 6001), silent("recording", 6001, true), silent("recording", 5999, true)],
      due: ["thinking", "countdown", "saving"].map((state) => [silent(state, 3999), silent(state, 4001)]),
      idle: ["seen", "hidden", "draft"].map((state) => silent(state, 60_000)),
      elsewhere: [silent("recording", 60_000, false, true), silent("countdown", 60_000, false, true)],
      checked: ["checking", "ready"].map((sending) => silence({ sending, questions: [] }, 4001)),
      before: silence(null, 60_000),
    };
    """
    assert run(script) == {
        "recording": ["dead", "dead", "well"],
        "due": [["well", "doubtful"]] * 3,
        "idle": ["well"] * 3,
        "elsewhere": ["well", "well"],
        "checked": ["doubtful", "well"],
        "before": "well",
    }


PRETENDED_SOCKET = """
globalThis.timers = [];
globalThis.setTimeout = (then, ms) => { timers.push({ then, ms }); return timers.length; };
globalThis.clearTimeout = (timer) => { if (timer) timers[timer - 1].then = null; };
const waiting = () => timers.filter((one) => one.then).map((one) => Math.round(one.ms));
const due = (least) => timers.filter((one) => one.then && one.ms >= least).forEach((one) => {
  const { then } = one;
  one.then = null;
  then();
});
Math.random = () => 0.5;
globalThis.sockets = [];
globalThis.WebSocket = class {
  static OPEN = 1; readyState = 1; sent = [];
  constructor() { sockets.push(this); }
  send(frame) { this.sent.push(JSON.parse(frame).type); }
  close() { this.closed = true; }
  tells(message) { this.onmessage({ data: JSON.stringify(message) }); }
};
const told = [], changes = [];
const { Signalling } = await import("./signalling.js");
const signalling = new Signalling("ws://x", { told: (message) => told.push(message.type),
  changed: (connection) => changes.push(connection), failing: () => {} });
signalling.connect();
const [socket] = sockets;
socket.onopen();
"""


def test_a_socket_on_which_an_ask_is_followed_by_nothing_is_dead() -> None:
    script = """
    socket.tells({ type: "state" });
    signalling.ask({ type: "record" });
    const asked = [signalling.awaitsAnswer, waiting()];
    socket.tells({ type: "error" });
    const heard = [signalling.awaitsAnswer, waiting()];
    signalling.ask({ type: "record" });
    signalling.ask({ type: "relays" });
    const twice = waiting();
    due(8000);
    const lost = [signalling.connection, signalling.awaitsAnswer, signalling.ask({ type: "stop" }), socket.closed];
    due(250);
    sockets[1].onopen();
    sockets[1].tells({ type: "state" });
    const result = { asked, heard, twice, lost, changes, sent: sockets.map((one) => one.sent), left: waiting() };
    """
    assert run(PRETENDED_SOCKET + script) == {
        "asked": [True, [8000]],
        "heard": [False, []],
        "twice": [8000],
        "lost": ["reconnecting", False, False, True],
        "changes": ["open", "reconnecting", "open"],
        "sent": [["hello", "record", "record", "relays"], ["hello"]],
        "left": [],
    }


def test_a_socket_that_opens_and_then_tells_no_state_is_given_up() -> None:
    script = """
    const opened = waiting();
    due(10_000);
    const result = { opened, closed: socket.closed, connection: signalling.connection, left: waiting() };
    """
    assert run(PRETENDED_SOCKET + script) == {
        "opened": [10_000],
        "closed": True,
        "connection": "reconnecting",
        "left": [250],
    }


@pytest.mark.parametrize(("tells", "connection"), [("state", "open"), ("superseded", "superseded")])
def test_a_socket_that_told_its_state_or_that_another_page_counts_is_left_alone(tells: str, connection: str) -> None:
    script = """
    socket.tells({ type: TELLS });
    const result = [signalling.connection, waiting(), told];
    """
    found = run(PRETENDED_SOCKET + script.replace("TELLS", json.dumps(tells)))
    assert found == [connection, [], [tells]]
