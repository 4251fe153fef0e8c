"""When the candidate's live page connects anew, and when it stops trying."""

from __future__ import annotations

import json

import pytest

from tests.web.page_modules import RECORDED_PAGE, WHOLE_PAGE, run


def test_after_a_sleep_the_socket_is_made_anew_for_its_clocks_stood_still() -> None:
    script = """
    const thinks = question({ state: "thinking", think_left_ms: 60_000, take: null, actions: [] });
    await opened(state({ active: "q1" }, thinks));
    sleep(1500);
    await advance(200);
    const dozed = sockets.length;
    sleep(30_000);
    await advance(500);
    const result = { dozed, slept: sockets.length };
    """
    assert run(WHOLE_PAGE + script) == {"dozed": 1, "slept": 2}


@pytest.mark.parametrize(
    ("found", "leaves"),
    [
        ({"status": 404, "redirected": False}, "/i/x"),
        ({"status": 200, "redirected": True}, "/i/x"),
        ({"status": 200, "redirected": False}, None),
        ({"status": 503, "redirected": False}, None),
        (None, None),
    ],
)
def test_a_page_whose_socket_is_refused_time_and_again_looks_where_its_link_leads(
    found: dict[str, object] | None, leaves: str | None
) -> None:
    script = """
    const asked = [];
    globalThis.fetch = async (address) => {
      asked.push(address);
      if (!FOUND) throw new TypeError("away");
      return FOUND;
    };
    for (let attempt = 0; attempt < 5; attempt++) {
      socket.onclose({ code: 1006 });
      if (attempt < 4) await advance(5000);
      socket = sockets.at(-1);
    }
    await settle();
    const result = { asked, leaves: location.replaced, lit: lit() };
    """
    assert run(RECORDED_PAGE + script.replace("FOUND", f"({json.dumps(found)})")) == {
        "asked": ["http://x/i/x/interview"],
        "leaves": leaves,
        "lit": leaves is None,
    }


def test_a_stop_that_the_server_still_works_at_is_shown_until_it_is_done_refused_or_lost() -> None:
    script = """
    const shown = () => [...buttons().filter((name) => name.startsWith("stop")),
      element("next").textContent.split(".")[0] === "Stopping", element("chip").textContent === "Stopping…"];
    const stalled = state({ active: "q1", media: "live" }, recording({ stalled: true }));
    const result = [];
    const press = () => { element("do-stop").click(); result.push(shown()); };
    press();
    socket.tells(stalled);
    result.push(shown());
    socket.tells({ type: "error", about: "stop", code: "server_fault", message: "Press again." });
    result.push(shown());
    press();
    await restarts(stalled);
    result.push(shown());
    press();
    socket.tells(state({ active: "q1", media: "live" }, recording({ state: "saving", actions: [] })));
    result.push(shown());
    socket.tells(records());
    result.push(shown(), socket.asks);
    """
    pressed, again = ["stop!", True, True], ["stop", False, False]
    assert run(RECORDED_PAGE + script) == [
        pressed,
        pressed,
        again,
        pressed,
        again,
        pressed,
        [False, False],
        again,
        ["stop"],
    ]
