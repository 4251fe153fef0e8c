"""The whole way: a candidate answers three questions, a recruiter watches them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.candidate import PLAY, Candidate
from tests.journeys.house import EMAIL, PASSWORD, Ask, House, until

QUESTIONS = (
    Ask("What would you plant first?", limit_s=30, retakes=2),
    Ask("A customer is unhappy. What do you do?", think_s=30, limit_s=30, retakes=1),
    Ask("What have you learned this year?", think_s=20, limit_s=4, retakes=1),
)


@pytest.mark.parametrize(
    "house",
    [("h264", "vp8"), pytest.param(("vp8",), marks=pytest.mark.long)],
    indirect=True,
    ids=["h264", "vp8"],
)
def test_a_candidate_answers_and_a_recruiter_watches(
    house: House, browser: Browser, request: pytest.FixtureRequest
) -> None:
    codec = "vp8" if "vp8" in request.node.name else "h264"
    invited = house.furnish(*QUESTIONS, details=True)
    house.start()
    candidate = Candidate(browser, house, invited)
    page = candidate.page
    candidate.open()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("checkbox").check()
    candidate.press("Accept and go on")
    expect(page.get_by_label("Full name")).to_have_value(invited.name)
    candidate.press("Save and go on")
    expect(page.get_by_text("3 questions")).to_be_visible()
    for question in QUESTIONS:
        assert question.text not in page.content(), "nothing about the questions before Start"
    candidate.press("Start")

    # The first question: answered, retaken, removed, recorded again.
    candidate.show(timed=False)
    expect(candidate.at("question-text")).to_have_text(QUESTIONS[0].text)
    candidate.camera_on()
    expect(candidate.button("Record")).to_be_enabled()
    until(
        lambda: any(entry["target"] > 1_000_000 and entry["width"] == 1280 for entry in candidate.figures()),
        3,
        "the browser aims at over 1 Mbit/s, 1280 wide",
    )
    candidate.record_for(3)
    candidate.plays(candidate.at("playback").locator("video"))
    candidate.press("Retake (2 left)")
    candidate.phase("recording")
    candidate.until_safe(3)
    candidate.press("Stop")
    candidate.phase("answered")
    candidate.press("Remove")
    candidate.press("Remove recording")
    candidate.phase("seen")
    candidate.record_for(3)
    candidate.press("Keep")

    # The second: timed.
    candidate.show(timed=True)
    expect(candidate.at("think")).to_be_visible()
    candidate.record_for(3)
    candidate.press("Keep")

    # The third: the server ends it at its limit of 4 s.
    candidate.show(timed=True)
    candidate.record()
    candidate.phase("answered")
    (target,) = {entry["target"] for entry in candidate.figures()[-1:]}
    assert target > 1_000_000
    assert (candidate.figures()[-1]["width"], candidate.figures()[-1]["height"]) == (1280, 720)
    candidate.press("Keep")

    # Review, send, confirm.
    review = candidate.at("review")
    expect(review.locator(".review-item")).to_have_count(3)
    for player in review.locator("video").all():
        candidate.plays(player)
    sent = candidate.frames_sent()
    candidate.press("Send answers and close interview")
    candidate.press("Confirm")
    expect(page).to_have_url(f"{house.url}{invited.path}/receipt")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Meadow Studio")
    assert candidate.problems == []

    # The files.
    takes = house.rows(
        "SELECT takes.*, answers.state AS answer_state FROM takes JOIN answers ON answers.id = takes.answer_id"
        " WHERE takes.state = 'kept'"
    )
    assert [row["answer_state"] for row in takes] == ["submitted"] * 3
    for row in takes:
        (path,) = house.files(row["file"])
        opens_and_counts(path, codec, row["duration_ms"], json.loads(path.with_suffix(".json").read_text()))
    assert house.files(".part") == []
    limited = max(takes, key=lambda row: row["ended_at_ms"])
    assert abs(limited["duration_ms"] - 4000) <= 150
    whole = until(lambda: whole_frames(house), 10, "the worker says what it counted")
    assert abs(whole - sent) <= 2
    candidate.close()

    # The recruiter.
    context = browser.new_context()
    page = context.new_page()
    page.goto(house.url + "/interviews")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(house.url + "/interviews")
    expect(page.get_by_text("Completed").first).to_be_visible()
    page.get_by_role("link", name=invited.name).first.click()
    expect(page.get_by_text(QUESTIONS[0].text).first).to_be_visible()
    player = page.locator("video").first
    result = player.evaluate(PLAY)
    assert result["advanced"] > 0.2 and result["seeked"] and result["drawn"] > 0, result
    context.close()


def opens_and_counts(path: Path, codec: str, duration_ms: int, sidecar: dict[str, object]) -> None:
    """Codec, frames, key frame first, rising timestamps, sound, and a duration that agrees with the server's clock."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == (codec, "opus")
        packets = [packet for packet in container.demux() if packet.size]
        pictures = [packet for packet in packets if packet.stream is video]
        sounds = [packet for packet in packets if packet.stream is audio]
        assert pictures[0].is_keyframe
        for track in (pictures, sounds):
            times = [packet.pts for packet in track]
            assert times == sorted(set(times))
        assert len(pictures) == sidecar["video_frames"]
        assert len(sounds) == sidecar["audio_packets"] and len(sounds) > 40 * duration_ms / 1000
        length_ms = (container.duration or 0) / 1000
        assert abs(length_ms - duration_ms) <= 50
        assert abs(length_ms - int(str(sidecar["elapsed_ms"]))) <= 150


def whole_frames(house: House) -> int:
    """Whole pictures that the worker counted before, during and after the takes; it logs them when a peer goes."""
    text = house.log.read_text()
    return sum(int(line.rsplit("frames=", 1)[1].split()[0]) for line in text.splitlines() if "frames=" in line)
