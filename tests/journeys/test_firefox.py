"""The whole way of a candidate in Debian's Firefox, which offers VP8 alone; and that it plays what is recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.candidate import PLAY, SPY
from tests.journeys.firefox import Firefox
from tests.journeys.house import Ask, House, Invited, until
from tests.journeys.test_whole_way import opens_and_counts, whole_frames

QUESTION = Ask("What would you plant first?", limit_s=120, retakes=1)
# Drawn by the processor: it has a picture to encode beside.
SLOWLY: dict[str, object] = {"layout.frame_rate": 15}
TEXT = "(id) => document.querySelector(`[data-testid=${id}]`)?.innerText ?? ''"
PHASE = "() => document.querySelector('[data-testid=question]')?.dataset.phase ?? ''"


class Visitor:
    """A candidate at a Firefox: what they press, and what they see."""

    def __init__(self, firefox: Firefox, house: House, invited: Invited) -> None:
        self.firefox, self.house, self.invited = firefox, house, invited
        self.press = firefox.press
        firefox.tell("before", script=SPY)

    def accept_and_start(self) -> None:
        self.firefox.open(self.house.url + self.invited.path)
        self.press("I have read the privacy notice.", "checkbox")
        self.press("Accept and go on")
        self.press("Start")
        self.phase("before", "seen")

    def phase(self, *names: str, seconds: float = 20) -> None:
        """Waits until the question shown is in one of these phases."""
        until(lambda: self.firefox.evaluate(PHASE) in names, seconds, f"the question is {' or '.join(names)}")

    def text(self, test_id: str) -> str:
        found: str = self.firefox.evaluate(TEXT, test_id)
        return found

    def record_for(self, seconds: float) -> None:
        """The recording runs, or is about to: stops it when so much of it is on the server's disk."""
        self.phase("recording")
        until(lambda: self._safe_s() >= seconds, seconds + 15, f"{seconds} s are safe")
        self.press("Stop")
        self.phase("answered")

    def _safe_s(self) -> int:
        found = re.search(r"(\d+) s", self.text("safe"))
        return int(found[1]) if found else 0

    def plays(self, selector: str) -> None:
        result = self.firefox.evaluate(f"(selector) => ({PLAY})(document.querySelector(selector))", selector)
        assert result["advanced"] > 0.2 and result["seeked"], result
        assert result["width"] == 1280, result  # the fake picture has but one colour: nothing to count

    def figures(self) -> list[dict[str, Any]]:
        """What the browser says it sent, one entry a connection."""
        found: list[dict[str, Any]] = self.firefox.evaluate("() => window.figures()")
        return found


@pytest.fixture
def visitor(house: House) -> Iterator[Visitor]:
    invited = house.furnish(QUESTION)
    house.start()
    with Firefox(width=390, height=844, **SLOWLY) as firefox:
        yield Visitor(firefox, house, invited)


def test_a_candidate_answers_in_firefox(visitor: Visitor) -> None:
    firefox, house = visitor.firefox, visitor.house
    visitor.accept_and_start()
    visitor.press("Show question")
    visitor.press("Record your response")
    visitor.press("Record")
    visitor.record_for(2)
    visitor.plays("[data-testid=playback] video")
    visitor.press("Retake (1 left)")
    visitor.record_for(3)
    assert "Your answer is safe" in visitor.text("verdict")
    visitor.press("Keep")
    until(lambda: visitor.text("review"), 10, "the review")
    visitor.plays("[data-testid=review] video")
    (sent,) = visitor.figures()
    assert (sent["width"], sent["height"]) == (1280, 720)
    visitor.press("Send answers and close interview")
    visitor.press("Confirm")
    until(lambda: firefox.tell("url") == f"{house.url}{visitor.invited.path}/receipt", 15, "the receipt")
    assert firefox.tell("problems") == []

    (take,) = house.rows("SELECT * FROM takes WHERE state = 'kept'")
    (path,) = house.files(take["file"])
    sidecar = json.loads(path.with_suffix(".json").read_text())
    opens_and_counts(path, "vp8", take["duration_ms"], sidecar)
    # On a full machine Firefox itself pauses its sound for half a second; what it sends is all there.
    assert [gap for gap in sidecar["gaps"] if gap["track"] == "video"] == []
    assert [sidecar["packets"][kind]["lost"] for kind in ("video", "audio")] == [0, 0]
    whole = until(lambda: whole_frames(house), 10, "the worker says what it counted")
    assert abs(whole - sent["frames"]) <= 2
    played = firefox.play(path)
    assert played.ended and not played.error
    assert played.sizes == ((1280, 720),) and played.frames >= sidecar["video_frames"] - 2, played
