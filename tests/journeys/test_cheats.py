"""A page that cheats: the server keeps the clocks, counts the attempts, and refuses the rest."""

from __future__ import annotations

import time

from playwright.sync_api import Browser, expect

from tests.journeys.candidate import Candidate
from tests.journeys.house import Ask, House, until

OPEN = Ask("Tell us about your garden.", limit_s=4, retakes=0)
TIMED = Ask("Which plant would you be?", think_s=3, limit_s=4, retakes=1)


def kept(house: House) -> list[int]:
    return [row["duration_ms"] for row in house.rows("SELECT duration_ms FROM takes WHERE state = 'kept'")]


def test_the_server_ends_a_take_at_its_limit_and_refuses_an_attempt_too_many(house: House, browser: Browser) -> None:
    invited = house.furnish(OPEN)
    house.start()
    cheat = Candidate(browser, house, invited)
    cheat.accept_and_start()
    cheat.show(timed=False)
    cheat.camera_on()
    cheat.record()
    question = cheat.question(1)["id"]
    cheat.page.evaluate("window.stopTheClocks()")
    (duration_ms,) = until(lambda: kept(house), 15, "the server ends the take by itself")
    assert abs(duration_ms - 4000) <= 150
    cheat.until_state(1, "draft")
    assert cheat.question(1)["attempts_left"] == 0

    for _ in range(3):
        refused = cheat.forge("record", question=question)
        assert refused["type"] == "error" and refused["about"] == "record", refused
    refused = cheat.forge("remove", question=question)
    assert refused["type"] == "error", "a required question's last take stays when no attempt is left"
    assert cheat.forge("stop", question=question)["type"] == "error"
    assert cheat.forge("confirm")["type"] == "error", "nothing was sent yet"
    assert cheat.forge("give_me_more_time", seconds=60)["type"] == "error"
    assert cheat.forge("record", question="0" * 32)["type"] == "error"
    assert cheat.question(1)["state"] == "draft"
    assert len(house.rows("SELECT id FROM takes")) == 1
    cheat.close()


def test_nothing_about_the_questions_is_told_before_start(house: House, browser: Browser) -> None:
    invited = house.furnish(OPEN, TIMED)
    house.start()
    cheat = Candidate(browser, house, invited)
    cheat.open()
    cheat.page.get_by_role("checkbox").check()
    cheat.press("Accept and go on")
    expect(cheat.button("Start")).to_be_visible()
    tried = cheat.page.evaluate(
        """(path) => new Promise((done) => {
          const told = [];
          let opened = false;
          const socket = new WebSocket(location.origin.replace("http", "ws") + path + "/live");
          socket.addEventListener("open", () => {
            opened = true;
            socket.send(JSON.stringify({ type: "hello", tab: "0123456789abcdef" }));
            socket.send(JSON.stringify({ type: "reveal", question: "1" }));
          });
          socket.addEventListener("message", (event) => told.push(event.data));
          socket.addEventListener("close", (event) => done({ opened, told, code: event.code }));
        })""",
        invited.path,
    )
    assert tried == {"opened": False, "told": [], "code": 1006}, "the socket is refused before it opens"
    asked = cheat.page.request.get(
        f"{house.url}{invited.path}/live", headers={"Origin": house.url}, max_redirects=0, fail_on_status_code=False
    )
    assert asked.status == 403, asked.status
    page = cheat.page.request.get(house.url + invited.path + "/interview")
    for word in (asked.text(), cheat.page.content(), page.text()):
        assert OPEN.text not in word and TIMED.text not in word
    assert house.rows("SELECT status FROM invitations")[0]["status"] == "pending"
    cheat.close()


def test_another_candidates_recording_is_not_served_and_their_question_not_answered(
    house: House, browser: Browser
) -> None:
    first, second = house.furnish(OPEN), house.furnish(OPEN)
    house.start()
    honest = Candidate(browser, house, first)
    honest.accept_and_start()
    honest.show(timed=False)
    honest.camera_on()
    honest.record()
    honest.phase("answered")
    take = honest.question(1)["take"]["id"]
    theirs = honest.question(1)["id"]
    assert honest.page.request.get(f"{house.url}{first.path}/takes/{take}").status == 200

    cheat = Candidate(browser, house, second)
    cheat.accept_and_start()
    assert cheat.page.request.get(f"{house.url}{second.path}/takes/{take}").status == 404
    assert cheat.page.request.get(f"{house.url}{second.path}/takes/{take}/poster").status == 404
    own = cheat.question(1)["id"]
    assert own != theirs
    assert cheat.forge("reveal", question=theirs)["type"] == "error"
    stranger = browser.new_context()
    assert stranger.request.get(f"{house.url}{first.path}/takes/{take}", max_redirects=0).status != 200
    assert stranger.request.get(f"{house.url}/interviews", max_redirects=0).status in (302, 303)
    stranger.close()
    honest.close()
    cheat.close()


MUTE = """
async () => {
  for (const peer of window.peers) {
    for (const sender of peer.getSenders()) if (sender.track?.kind === "video") await sender.replaceTrack(null);
  }
}
"""
STOP_AT_ONCE = """
() => window.sockets.at(-1).addEventListener("message", (event) => {
  const word = JSON.parse(event.data);
  const recording = word.type === "state" && word.questions.find((question) => question.state === "recording");
  if (recording) window.forge({ type: "stop", question: recording.id });
})
"""


def test_a_muted_camera_ends_the_countdown_uncharged_and_earns_nothing(house: House, browser: Browser) -> None:
    invited = house.furnish(Ask(OPEN.text, limit_s=20, retakes=0))
    house.start()
    cheat = Candidate(browser, house, invited)
    cheat.accept_and_start()
    cheat.show(timed=False)
    cheat.camera_on()
    expect(cheat.button("Record")).to_be_enabled()
    began = time.monotonic()
    cheat.page.evaluate(MUTE)
    assert cheat.forge("record", question=cheat.question(1)["id"])["type"] == "state"
    cheat.until_state(1, "countdown")
    cheat.until_state(1, "seen")
    assert 10 <= time.monotonic() - began <= 16, "3 s of countdown, and 10 s for a key frame"
    assert cheat.question(1)["notice"] == "no_picture"
    assert cheat.question(1)["attempts_left"] == 1
    (answer,) = house.rows("SELECT attempts_used, credits_candidate FROM answers")
    assert (answer["attempts_used"], answer["credits_candidate"]) == (0, 0)
    assert house.rows("SELECT kind FROM ledger WHERE kind IN ('recording', 'credit')") == []
    cheat.close()


def test_a_take_stopped_at_once_is_an_attempt_like_any_other(house: House, browser: Browser) -> None:
    invited = house.furnish(Ask(OPEN.text, limit_s=20, retakes=1))
    house.start()
    cheat = Candidate(browser, house, invited)
    cheat.accept_and_start()
    cheat.show(timed=False)
    cheat.camera_on()
    expect(cheat.button("Record")).to_be_enabled()
    cheat.page.evaluate(STOP_AT_ONCE)
    question = cheat.question(1)["id"]
    assert cheat.forge("record", question=question)["type"] == "state"
    until(lambda: cheat.question(1)["attempts_left"] == 1, 20, "the first is charged")
    cheat.until_state(1, "seen")
    assert cheat.forge("record", question=question)["type"] == "state"
    cheat.until_state(1, "missed")
    assert cheat.question(1)["attempts_left"] == 0
    refused = cheat.forge("record", question=question)
    assert refused["type"] == "error" and refused["code"] == "no_attempts_left"
    assert house.rows("SELECT kind FROM ledger WHERE kind = 'credit'") == []
    cheat.close()


def test_closing_the_tab_does_not_stop_the_think_clock(house: House, browser: Browser) -> None:
    invited = house.furnish(TIMED)
    house.start()
    cheat = Candidate(browser, house, invited)
    cheat.accept_and_start()
    cheat.show(timed=True)
    cheat.phase("thinking")
    cheat.page.close()
    row = house.rows("SELECT think_ends_at_ms FROM answers")[0]
    cheat.page = cheat.new_page()
    cheat.open()
    expect(cheat.at("question")).to_be_visible()
    assert house.rows("SELECT think_ends_at_ms FROM answers")[0]["think_ends_at_ms"] == row["think_ends_at_ms"]
    cheat.phase("waiting")
    assert cheat.forge("reveal", question=cheat.question(1)["id"])["type"] == "error"
    cheat.press("Record your response")
    cheat.phase("recording")
    cheat.phase("answered")
    assert house.rows("SELECT think_ends_at_ms FROM answers")[0]["think_ends_at_ms"] == row["think_ends_at_ms"]
    cheat.close()
