"""The candidate's live page beside another: which has the camera on and the focus, and asks before it is closed."""

from __future__ import annotations

import json

import pytest

from tests.web.page_modules import RECORDED_PAGE, WHOLE_PAGE, run


def test_a_recorded_page_that_another_was_taken_for_asks_for_the_interview_back_once() -> None:
    script = """
    await restarts(records({ media: "none", elsewhere: true }));
    socket.tells(records({ media: "none", elsewhere: true }));  // of before the ask
    const asked = [socket.asks, lit(), element("question").hidden, buttons()];
    socket.tells(records({ media: "none" }));
    const back = [lit(), element("question").hidden];
    socket.tells(records({ media: "none", elsewhere: true }));  // and once more, without a restart
    const result = { asked, back };
    """
    assert run(RECORDED_PAGE + script) == {
        "asked": [["take_over"], True, False, ["stop"]],
        "back": [True, False],
    }


@pytest.mark.parametrize("answer", ["refused", "lost"])
def test_an_interview_that_is_not_given_back_is_not_asked_for_again(answer: str) -> None:
    script = """
    await restarts(records({ media: "none", elsewhere: true }));
    if (ANSWER === "refused") {
      socket.tells({ type: "error", code: "busy", message: "Busy.", about: "take_over", number: null });
    } else {
      await restarts(records({ media: "none", elsewhere: true }));
    }
    socket.tells(records({ media: "none", elsewhere: true }));
    const asks = sockets.flatMap((one) => one.asks).filter((ask) => ask === "take_over").length;
    const result = { asks, lit: lit(), waits: !element("elsewhere").hidden };
    """
    found = run(RECORDED_PAGE + script.replace("ANSWER", json.dumps(answer)))
    assert found == {"asks": 1, "lit": False, "waits": True}


@pytest.mark.parametrize(
    "why", ["another is connected", "its own connection is lost", "it waited before", "it is over"]
)
def test_a_page_that_is_not_the_recorded_one_closes_its_camera_and_waits(why: str) -> None:
    script = """
    if (WHY === "its own connection is lost") peers.at(-1).becomes("disconnected");
    if (WHY === "it waited before") {
      const waits = records({ elsewhere: true });
      socket.tells(waits);
      await restarts(records({ media: "none", elsewhere: true }));
    } else if (WHY === "it is over") {
      socket.tells(state({ media: "live" }, question()));
      await restarts(records({ media: "none", elsewhere: true }));
    } else {
      await restarts(records({ media: WHY === "another is connected" ? "connecting" : "none", elsewhere: true }));
    }
    const result = { asks: socket.asks, lit: lit(), waits: !element("elsewhere").hidden, leaves: !asksBeforeLeaving() };
    """
    found = run(RECORDED_PAGE + script.replace("WHY", json.dumps(why)))
    assert found == {"asks": [], "lit": False, "waits": True, "leaves": True}


def test_only_the_tab_that_records_asks_before_it_is_closed() -> None:
    script = """
    const recorded = asksBeforeLeaving();
    socket.onclose({ code: 1006 });
    const away = asksBeforeLeaving();
    await advance(1000);
    socket = connected(state({}, recording()));
    socket.tells({ type: "superseded" });
    const result = { recorded, away, superseded: asksBeforeLeaving() };
    """
    assert run(RECORDED_PAGE + script) == {"recorded": True, "away": True, "superseded": False}


@pytest.mark.parametrize("way", ["it moves up", "Use this tab"])
def test_a_page_that_counts_again_has_its_focus_on_the_first_thing_to_press(way: str) -> None:
    script = """
    const socket = await opened(state({ elsewhere: true, active: "q1" }, recording()));
    const before = document.activeElement.id;
    if (WAY === "Use this tab") element("use-this-tab").click();
    socket.tells(state({ active: "q1" }, recording({ stalled: true, outage_left_ms: 60_000 })));
    const result = [before, document.activeElement.id];
    """
    found = run(WHOLE_PAGE + script.replace("WAY", json.dumps(way)))
    assert found == ["elsewhere-title", "do-go-on"]
