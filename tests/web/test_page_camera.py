"""The candidate's live page and its camera: lost in an answer, not measured, not taken by its connection."""

from __future__ import annotations

import pytest

from tests.web.page_modules import RECORDED_PAGE, WHOLE_PAGE, run


def test_a_camera_that_was_lost_in_an_answer_is_turned_on_anew_by_retake() -> None:
    script = """
    const [video, audio] = devices.stream.getTracks();
    video.stop();
    video.onended();
    socket.tells(records());
    const during = audio.readyState;
    socket.tells(state({ media: "live" }, question()));
    const over = audio.readyState;
    const said = element("problem-title").textContent;
    element("do-retake").click();
    await settle();
    const result = { during, over, said, lit: lit(), again: buttons(), offers: socket.asks.length };
    """
    assert run(RECORDED_PAGE + script) == {
        "during": "live",
        "over": "ended",
        "said": "Your camera went away",
        "lit": True,
        "again": ["camera-off", "record!", "keep-old"],
        "offers": 2,
    }


@pytest.mark.parametrize(
    ("fault", "camera", "shown"),
    [
        ("AudioContext.prototype.createMediaStreamSource = fails", True, ["camera-off", "record!"]),
        ("globalThis.AudioContext = class { constructor() { fails(); } }", True, ["camera-off", "record!"]),
        ("devices.refused = 'NotFoundError'; navigator.mediaDevices.enumerateDevices = fails", False, ["respond"]),
    ],
)
def test_whatever_fails_beside_the_camera_leaves_a_way_on(fault: str, camera: bool, shown: list[str]) -> None:
    script = """
    const fails = () => { throw new DOMException("different sample-rate", "NotSupportedError"); };
    const socket = await opened(state({}, seen()));
    FAULT;
    element("do-respond").click();
    await settle();
    const result = [element("problem").hidden, element("asking").hidden, buttons()];
    """
    assert run(WHOLE_PAGE + script.replace("FAULT", fault)) == [camera, True, shown]


def test_a_camera_that_the_connection_does_not_take_gets_a_new_connection() -> None:
    script = """
    const socket = await opened(state({}, seen()));
    await cameraOn(socket);
    for (const sender of peers[0].senders) {
      sender.replaceTrack = async () => { throw new DOMException("", "InvalidModificationError"); };
    }
    element("camera-choice").value = "other";
    element("camera-choice").fire("change");
    await settle();
    const result = { offers: socket.asks, peers: peers.length };
    """
    assert run(WHOLE_PAGE + script) == {"offers": ["offer", "offer"], "peers": 2}
