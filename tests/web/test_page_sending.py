"""The candidate's live page from "Send answers" on: lost presses, forgotten checks, and time that runs out."""

from __future__ import annotations

import json

import pytest

from tests.web.page_modules import WHOLE_PAGE, run


@pytest.mark.parametrize("lost", ["send", "confirm"])
def test_a_send_or_confirm_that_was_lost_can_be_pressed_again(lost: str) -> None:
    script = """
    const first = await opened(state());
    element("do-send").click();
    if (LOST === "confirm") {
      first.tells(state({ sending: "ready", can_send: false }));
      element("send-yes").click();
    }
    await advance(9000);
    const said = [element("send-dialog").open, element("sending-problems").hidden];
    const second = connected(state({ sending: "ready", can_send: false }));
    element("do-send").click();
    const pressed = [element("send-dialog").open, element("sending-problems").hidden, element("send-yes").disabled];
    element("send-yes").click();
    const result = { asked: first.asks, said, pressed, again: second.asks };
    """
    assert run(WHOLE_PAGE + script.replace("LOST", json.dumps(lost))) == {
        "asked": ["send"] if lost == "send" else ["send", "confirm"],
        "said": [False, False],
        "pressed": [True, True, False],
        "again": ["confirm"],
    }


def test_a_socket_that_dies_while_the_answers_are_checked_is_noticed() -> None:
    script = """
    const first = await opened(state());
    element("do-send").click();
    first.tells(state({ sending: "checking", can_send: false }));
    await advance(13_000);
    const noticed = [sockets.length, element("banner").hidden];
    connected(state({ sending: "ready", can_send: false }));
    await advance(60_000);
    const result = { noticed, sockets: sockets.length, open: element("send-dialog").open,
      confirm: element("send-yes").disabled };
    """
    assert run(WHOLE_PAGE + script) == {"noticed": [2, False], "sockets": 2, "open": True, "confirm": False}


@pytest.mark.parametrize("restarts", [True, False])
def test_a_check_that_the_server_forgot_is_asked_for_once_more_and_then_left_to_a_press(restarts: bool) -> None:
    script = """
    let socket = await opened(state());
    const forgets = async () => {
      if (!RESTARTS) return socket.tells(state());
      socket.onclose({ code: 1012 });
      await advance(1000);
      socket = connected(state());
    };
    element("do-send").click();
    socket.tells(state());  // of before the ask
    const early = socket.asks.length;
    socket.tells(state({ sending: "ready", can_send: false }));
    await forgets();
    const once = [socket.asks.filter((ask) => ask === "send").length, element("send-dialog").open];
    socket.tells(state({ sending: "checking", can_send: false }));
    await forgets();
    const twice = [sockets.flatMap((one) => one.asks).length, element("send-dialog").open];
    const said = element("sending-problems-text").textContent;
    element("do-send").click();
    const result = { early, once, twice, said, pressed: [socket.asks.at(-1), element("send-dialog").open] };
    """
    found = run(WHOLE_PAGE + script.replace("RESTARTS", json.dumps(restarts)))
    assert isinstance(found, dict)
    assert "Nothing is sent yet" in found.pop("said")
    assert found == {
        "early": 1,
        "once": [1 if restarts else 2, True],
        "twice": [2, False],
        "pressed": ["send", True],
    }


@pytest.mark.parametrize("question", ["question()", "seen()"])
def test_the_time_left_to_send_runs_down_in_the_review_and_at_a_question(question: str) -> None:
    script = """
    await opened(state({ closing_ms: 600_000 }, QUESTION));
    const words = () => /for (\\d+) min/.exec(element("deadline-text").textContent)[1];
    const before = words();
    await advance(541_000);
    const result = [before, words(), element("review").hidden, element("deadline").getAttribute("role")];
    """
    found = run(WHOLE_PAGE + script.replace("QUESTION", question))
    assert found == ["10", "1", question == "seen()", "status"]
