"""What every candidate page owes its reader: light, quiet, accessible, and one tab at a time."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.candidate import Candidate
from tests.journeys.house import EMAIL, PASSWORD, ROOT, Ask, House, until

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FIRST_VISIT_BYTES = 150_000
OPEN = Ask("What do you grow?", limit_s=120, retakes=1)
TIMED = Ask("Why?", think_s=20, limit_s=5, retakes=1)


# All but the recording's red dot, which breathes as long as the recording lasts.
ANIMATIONS_DONE = """
Promise.allSettled(document.getAnimations()
  .filter((animation) => animation.effect.getComputedTiming().endTime !== Infinity)
  .map((animation) => animation.finished))
"""


def complaints(page: Page) -> list[str]:
    """What axe-core finds wrong by WCAG 2.2 A and AA."""
    page.evaluate(ANIMATIONS_DONE)
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate(
        "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })"
    )
    return [f"{item['id']}: {node['html'][:120]}" for item in found["violations"] for node in item["nodes"]]


def fits(page: Page) -> str:
    """The phase, and whether the page is within the window at this very moment."""
    fit, phase = page.evaluate(
        "[document.documentElement.scrollHeight <= innerHeight + 1, document.body.dataset.phase]"
    )
    return f"{phase} {'fits' if fit else 'scrolls'}"


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_every_step_passes_the_accessibility_rules_and_scrolls_one_way_only(
    house: House, browser: Browser, width: int, scheme: str
) -> None:
    invited = house.furnish(OPEN, TIMED, details=True)
    house.start()
    candidate = Candidate(browser, house, invited, color_scheme=scheme, viewport={"width": width, "height": 844})
    page = candidate.page
    seen: list[str] = []

    def look(step: str) -> None:
        seen.append(step)
        assert complaints(page) == [], step
        assert page.locator("h1:visible").count() == 1, step
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{step} scrolls sideways"

    candidate.open()
    look("notice")
    page.get_by_role("checkbox").check()
    candidate.press("Accept and go on")
    look("details")
    page.get_by_label("Full name").fill("")
    candidate.press("Save and go on")
    look("details with a mistake")
    page.get_by_label("Full name").fill("Robin")
    candidate.press("Save and go on")
    look("introduction")
    candidate.press("Start")
    candidate.phase("before")
    look("question")
    candidate.show(timed=False)
    candidate.camera_on()
    expect(candidate.button("Record")).to_be_enabled()
    look("camera on")
    candidate.record()
    assert fits(page) == "recording fits", "from its first moment on"
    look("recording")
    candidate.until_safe(2)
    assert fits(page) == "recording fits", "later, too"
    candidate.press("Stop")
    candidate.phase("answered")
    look("answered")
    candidate.press("Keep")
    candidate.show(timed=True)
    candidate.phase("thinking")
    look("thinking")
    candidate.record()
    candidate.phase("answered")
    candidate.press("Keep")
    expect(candidate.at("review")).to_be_visible()
    look("review")
    candidate.press("Send answers and close interview")
    expect(candidate.button("Confirm")).to_be_enabled()
    look("confirm")
    candidate.press("Confirm")
    expect(page).to_have_url(f"{house.url}{invited.path}/receipt")
    look("receipt")
    assert len(candidate.problems) == 1 and "422" in candidate.problems[0], "the form's mistake, and nothing else"
    candidate.close()

    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 844})
    page = context.new_page()
    page.goto(house.url + "/interviews")
    look("sign in")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(house.url + "/interviews")
    look("interviews")
    page.get_by_role("link", name=invited.name).first.click()
    expect(page.locator("video").first).to_be_visible()
    waveform = page.locator(".waveform").first
    expect(waveform.locator("svg")).to_be_visible()
    look("review page")
    player = page.locator("video").first
    player.evaluate("async (video) => { while (!video.duration) await new Promise((on) => setTimeout(on, 20)); }")
    waveform.click()
    until(lambda: player.evaluate("(video) => Math.abs(video.currentTime / video.duration - 0.5) < 0.02"), 5, "a seek")
    part = "(svg) => svg.querySelector('.playhead').x1.baseVal.value / svg.viewBox.baseVal.width"
    until(lambda: 0.4 < waveform.locator("svg").evaluate(part) < 0.6, 5, "the playhead is in the middle")
    context.close()
    assert len(seen) == 15


LONG = "Tell us about a time when a customer was unhappy with what your team had built. What did you do first? " * 5


def test_recording_never_scrolls_in_whatever_window_and_however_long_the_question(
    house: House, browser: Browser
) -> None:
    invited = house.furnish(Ask(LONG, limit_s=120, retakes=1))
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()
    for width, height in ((1280, 844), (1280, 720), (1280, 600), (390, 844), (390, 600), (360, 560), (844, 390)):
        candidate.page.set_viewport_size({"width": width, "height": height})
        assert fits(candidate.page) == "recording fits", f"{width} × {height}"
        stop = candidate.button("Stop").bounding_box()
        assert stop is not None and stop["y"] + stop["height"] <= height, f"Stop is in sight at {width} × {height}"
        stage = candidate.at("stage").bounding_box()
        assert stage is not None and stage["height"] >= 90, f"so is the picture at {width} × {height}"
    candidate.close()


def test_a_first_visit_is_light_and_does_not_move(house: House, browser: Browser) -> None:
    invited = house.furnish(OPEN)
    house.start()
    candidate = Candidate(browser, house, invited)
    session = candidate.context.new_cdp_session(candidate.page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    candidate.page.add_init_script(
        "window.shifts = [];"
        "new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))"
        ".observe({ type: 'layout-shift', buffered: true });"
    )
    candidate.accept_and_start()
    assert 0 < sum(sizes) <= FIRST_VISIT_BYTES, sum(sizes)
    assert candidate.page.evaluate("window.shifts.reduce((sum, shift) => sum + shift, 0)") < 0.01
    candidate.close()


def test_the_newest_tab_wins_and_a_live_recording_is_taken_over_only_by_a_press(house: House, browser: Browser) -> None:
    invited = house.furnish(Ask("What do you grow?", limit_s=60, retakes=1))
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.accept_and_start()
    first = candidate.page
    second = candidate.new_page()
    second.goto(house.url + invited.path)
    expect(second.get_by_test_id("question")).to_be_visible()
    expect(first.get_by_test_id("elsewhere")).to_be_visible()
    first.get_by_role("button", name="Use this tab").click()
    expect(first.get_by_test_id("question")).to_be_visible()
    expect(second.get_by_test_id("elsewhere")).to_be_visible()

    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()
    candidate.until_safe(2)
    second.reload()
    expect(second.get_by_test_id("elsewhere")).to_be_visible()
    candidate.phase("recording")
    second.get_by_role("button", name="Use this tab").click()
    expect(first.get_by_test_id("elsewhere")).to_be_visible()
    candidate.page = second
    candidate.phase("recording")
    candidate.press("Stop and keep")
    candidate.phase("answered")
    candidate.close()


def test_a_reload_in_an_answer_loses_nothing_that_was_recorded(house: House, browser: Browser) -> None:
    invited = house.furnish(Ask("What do you grow?", limit_s=60, retakes=1))
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.camera_on()
    candidate.record()
    candidate.until_safe(2)
    candidate.page.reload()
    candidate.phase("recording")
    candidate.press("Stop and keep")
    candidate.phase("answered")
    (take,) = house.rows("SELECT * FROM takes WHERE state = 'kept'")
    assert take["duration_ms"] >= 2000
    candidate.plays(candidate.at("playback").locator("video"))
    candidate.close()


@pytest.mark.parametrize("house", [("vp8",)], indirect=True)
def test_a_browser_that_offers_no_codec_we_record_is_told_so(house: House, browser: Browser) -> None:
    invited = house.furnish(OPEN)
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.context.add_init_script(
        """
        const make = RTCPeerConnection.prototype.createOffer;
        const without = (sdp) => sdp.replaceAll("VP8/90000", "XP8/90000");
        RTCPeerConnection.prototype.createOffer = async function (...given) {
          const offer = await make.apply(this, given);
          return { type: offer.type, sdp: offer.sdp };
        };
        const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (text) { send.call(this, without(text)); };
        """
    )
    candidate.accept_and_start()
    candidate.show(timed=False)
    candidate.press("Record your response")
    expect(candidate.at("problem").or_(candidate.at("notice")).first).to_be_visible()
    refusal = next(word for word in candidate.page.evaluate("window.heard") if word["type"] == "error")
    assert refusal["code"] == "no_video_codec" and len(refusal["message"]) > 20
    candidate.close()


def test_links_that_lead_nowhere_say_so(house: House, browser: Browser) -> None:
    invited = house.furnish(OPEN)
    house.start()
    page = browser.new_page()
    response = page.goto(house.url + "/i/" + "A" * 43)
    assert response is not None and response.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing at this address")
    assert complaints(page) == []
    for path in (invited.path, "/sign-in"):
        page.goto(house.url + path)
        shadow = "getComputedStyle(document.querySelector('.skip')).boxShadow"
        assert page.evaluate(shadow) == "none", "the skip link casts no shadow from where it hides"
        page.locator(".skip").focus()
        assert page.evaluate(shadow) != "none"
        box = page.locator(".skip").bounding_box()
        assert box is not None and box["y"] >= 0
    assert invited.token not in house.log.read_text(), "no link in the log"
    page.close()
