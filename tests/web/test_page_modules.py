"""What the candidate page offers and holds, run in Node with a camera and a connection that are pretended."""

from __future__ import annotations

import json

import pytest

from tests.web.page_modules import PRETENDED, WITH_RESTART, run


def test_a_running_recording_offers_to_continue_or_to_keep_when_the_camera_is_off() -> None:
    script = """
    const { plan } = await import("./phase.js");
    const question = { state: "recording", actions: ["stop"], think_s: 0 };
    const drawn = (camera, stalled = true) => {
      const { buttons, next } = plan({ ...question, stalled }, { camera, media: "none", retaking: false, next: "" });
      return [[...buttons], /safe/.test(next), /clock stands still/.test(next)];
    };
    const result = [drawn("off"), drawn("asking"), drawn("on"), drawn("off", false)];
    """
    assert run(script) == [
        [[["go-on", True], ["stop", True]], True, True],
        [[["go-on", False], ["stop", True]], True, True],
        [[["stop", True]], True, True],
        [[["go-on", True], ["stop", True]], True, False],
    ]


@pytest.mark.parametrize("camera", ["on", "off"])
def test_a_recording_that_was_asked_to_stop_says_so_and_offers_nothing_more(camera: str) -> None:
    script = f"""
    const {{ plan }} = await import("./phase.js");
    const question = {{ state: "recording", actions: ["stop"], think_s: 0, stalled: true }};
    const page = {{ camera: "{camera}", media: "none", retaking: false, stopping: true, next: "" }};
    const {{ phase, buttons, next, stopping }} = plan(question, page);
    const result = [phase, [...buttons], next.split(".")[0], stopping];
    """
    assert run(script) == ["recording", [["stop", False]], "Stopping", True]


def test_a_running_answer_goes_on_as_it_began() -> None:
    script = """
    const { goesOnWith } = await import("./phase.js");
    const result = [goesOnWith({ audio_only: true }), goesOnWith({ audio_only: false }), goesOnWith(null)];
    """
    assert run(script) == [{"soundOnly": True}, {"soundOnly": False}, {"soundOnly": False}]


WITH_CAMERA = """
globalThis.window = globalThis;
window.isSecureContext = true;
globalThis.AudioContext = class {
  resume() {} close() {} createAnalyser() { return {}; } createMediaStreamSource() { return { connect() {} }; }
};
const track = { kind: "audio", stopped: false, getSettings: () => ({}), stop() { this.stopped = true; } };
Object.defineProperty(navigator, "mediaDevices", { value: { getUserMedia: async () => ({
  getTracks: () => [track], getVideoTracks: () => [], getAudioTracks: () => [track],
}) } });
const { Camera } = await import("./camera.js");
const to = { iceServers: async () => [], mayOffer: () => true, mayRestart: () => true,
  offer: (sdp, number) => offers.push([sdp, number]), restart: (sdp, number) => restarts.push(number),
  takeRuns: () => true, changed: () => {}, devices: () => {} };
"""


def test_a_microphone_that_the_browser_does_not_measure_is_not_called_silent() -> None:
    script = """
    const { Capture } = await import("./capture.js");
    const capture = new Capture({ lost: () => {}, muted: () => {}, devices: () => {} });
    const levels = [capture.level()];
    await capture.open({ soundOnly: true });
    capture.analyser.getFloatTimeDomainData = (samples) => samples.fill(0.5);
    for (const state of ["suspended", "running", "interrupted"]) {
      capture.sound.state = state;
      levels.push(capture.level());
    }
    const result = levels.map((level) => level === null ? null : level > 0.9);
    """
    assert run(PRETENDED + WITH_CAMERA + script) == [None, None, True, None]


@pytest.mark.parametrize("granted", [True, False])
def test_a_page_that_waits_for_another_has_no_camera_on_though_it_is_granted_then(granted: bool) -> None:
    script = """
    const prompts = [];
    navigator.mediaDevices.getUserMedia = () => new Promise((...ends) => prompts.push(ends));
    const answers = (prompt) => GRANTED
      ? prompt[0]({ getTracks: () => [track], getVideoTracks: () => [], getAudioTracks: () => [track] })
      : prompt[1](new DOMException("", "AbortError"));
    const camera = new Camera(1000, to);
    const opening = camera.open();
    camera.told("live", false, true);
    const asked = camera.standing;
    answers(prompts[0]);
    await opening;
    const before = { asked, standing: camera.standing, stopped: track.stopped, problem: camera.problem };
    track.stopped = false;
    navigator.mediaDevices.getUserMedia = async () => (
      { getTracks: () => [track], getVideoTracks: () => [], getAudioTracks: () => [track] });
    await camera.open();
    const pressed = [camera.standing, track.stopped];
    camera.told("live", false, true);
    const after = [camera.standing, track.stopped];
    const result = { before, pressed, after, publishing: camera.publisher.publishing };
    """
    found = run(PRETENDED + WITH_CAMERA + script.replace("GRANTED", json.dumps(granted)))
    assert found == {
        "before": {"asked": "off", "standing": "off", "stopped": granted, "problem": None},
        "pressed": ["on", False],
        "after": ["off", True],
        "publishing": "off",
    }


@pytest.mark.parametrize("about", ["restart", "offer"])
def test_a_refused_restart_makes_way_for_a_new_connection_and_the_camera_stays_on(about: str) -> None:
    script = """
    const camera = new Camera(1000, to);
    await camera.open();
    await due(0);
    const mine = peers.at(-1), before = peers.length;
    await camera.publisher.accept("answer", 1);
    becomes(mine, "connected");
    if (ABOUT === "restart") {
      becomes(mine, "failed");
      await due(0);
      camera.restartRefused(2);
      await due(500);
    } else {
      await camera.publisher.connect();
      camera.offerRefused("offer_malformed", 2);
      await due(500);
    }
    const result = { standing: camera.standing, stopped: track.stopped, more: peers.length - before };
    """
    found = run(PRETENDED + WITH_RESTART + WITH_CAMERA + script.replace("ABOUT", json.dumps(about)))
    if about == "restart":
        assert found == {"standing": "on", "stopped": False, "more": 1}
    else:  # nothing would be different a second time: in a recording that is for a press to decide
        assert found == {"standing": "off", "stopped": True, "more": 1}
