"""Networks that let no UDP through, or nobody but a TURN server: a real browser records all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.coturn import SECRET, Coturn
from tests.journeys.candidate import DETOUR, Candidate
from tests.journeys.house import Ask, House, until
from tests.journeys.test_staying import plays_through, recording, the_take
from tests.journeys.test_whole_way import whole_frames
from tests.recorder.tcp_relay import TcpRelay

QUESTION = Ask("What do you do when it rains?", limit_s=60, retakes=1)
# As where no UDP passes: the page is told of none.
NO_UDP = """
{
  const accept = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (given) {
    const kept = given.sdp.split("\\r\\n").filter((line) => !/^a=candidate:\\S+ 1 udp /.test(line));
    return accept.call(this, { type: given.type, sdp: kept.join("\\r\\n") });
  };
}
"""
# As where nothing but the TURN server can be reached.
RELAY_ALONE = """
{
  const Plain = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Plain {
    constructor(settings) { super({ ...settings, iceTransportPolicy: "relay" }); }
  };
}
"""
PAIR = """
async () => {
  const stats = await window.peers.at(-1).getStats();
  const transport = [...stats.values()].find((each) => each.type === "transport");
  const pair = stats.get(transport.selectedCandidatePairId);
  return { local: stats.get(pair.localCandidateId), remote: stats.get(pair.remoteCandidateId) };
}
"""


@pytest.mark.parametrize("house", [("vp8",)], indirect=True)
def test_over_tcp_alone_every_frame_the_browser_sent_is_in_the_file(house: House, browser: Browser) -> None:
    invited = house.furnish(QUESTION)
    house.start()
    candidate = Candidate(browser, house, invited)
    candidate.context.add_init_script(NO_UDP)
    recording(candidate)
    candidate.until_safe(2)
    pair = candidate.page.evaluate(PAIR)
    assert (pair["local"]["protocol"], pair["remote"]["protocol"]) == ("tcp", "tcp")
    assert pair["remote"]["port"] == house.udp_port
    candidate.until_safe(3)
    candidate.press("Stop")
    candidate.phase("answered")
    candidate.plays(candidate.at("playback").locator("video"))
    everything_arrived(candidate, house)
    candidate.close()


def everything_arrived(candidate: Candidate, house: House) -> None:
    """One segment without a gap that plays, and as many whole pictures at the recorder as the browser sent."""
    _, sidecar, path = the_take(house)
    plays_through(path, sidecar)
    assert sidecar["gaps"] == [] and len(sidecar["segments"]) == 1
    assert sidecar["video_frames"] >= 60
    candidate.press("Keep")  # the last question: the camera goes off
    sent = until(candidate.frames_sent, 5, "the browser's last figures")
    whole = until(lambda: whole_frames(house), 10, "the worker says what it counted")
    assert abs(whole - sent) <= 2


@pytest.mark.long
@pytest.mark.parametrize("house", [("vp8",)], indirect=True)
def test_over_tcp_alone_an_answer_outlives_its_connection_without_a_press(house: House, browser: Browser) -> None:
    invited = house.furnish(QUESTION)
    house.start()
    with TcpRelay(house.udp_port) as way:
        candidate = Candidate(browser, house, invited)
        candidate.context.add_init_script(NO_UDP)
        candidate.context.add_init_script(DETOUR.replace("FROM", str(house.udp_port)).replace("TO", str(way.port)))
        recording(candidate)
        candidate.until_safe(2)
        assert way.passed_bytes > 10_000
        way.cut()
        until(lambda: candidate.question(1)["stalled"], 10, "the outage is seen")
        until(lambda: candidate.page.evaluate("window.restarts") > 0, 15, "the page restarts by itself")
        way.mend()
        until(lambda: not candidate.question(1)["stalled"], 15, "the answer goes on")
        candidate.until_safe(5)
        candidate.press("Stop")
        candidate.phase("answered")
        _, sidecar, path = the_take(house)
        plays_through(path, sidecar)
        assert len(sidecar["segments"]) == 1 and sidecar["detail"]["outages"] == 1
        assert candidate.page.evaluate("window.peers.length") == 1 and way.connections >= 2
        candidate.close()


@pytest.mark.long
@pytest.mark.parametrize("house", [("vp8",)], indirect=True)
def test_through_a_turn_server_alone_with_credentials_that_expire(
    house: House, browser: Browser, tmp_path: Path
) -> None:
    invited = house.furnish(QUESTION)
    with Coturn(tmp_path / "coturn") as coturn:
        house.settings["ice_servers"] = f'[{{ urls = ["turn:127.0.0.1:{coturn.port}"], secret = "{SECRET}" }}]'
        house.start()
        candidate = Candidate(browser, house, invited)
        candidate.context.add_init_script(RELAY_ALONE)
        recording(candidate)
        candidate.until_safe(2)
        pair = candidate.page.evaluate(PAIR)
        assert pair["local"]["candidateType"] == "relay", pair
        assert SECRET not in candidate.page.content()
        given = candidate.page.evaluate("window.peers.at(-1).getConfiguration().iceServers[0]")

        candidate.until_safe(3)
        candidate.press("Stop")
        candidate.phase("answered")
        candidate.plays(candidate.at("playback").locator("video"))
        everything_arrived(candidate, house)
        assert given["username"] in coturn.said
        for kept in (SECRET, given["credential"], given["username"]):
            assert kept not in house.log.read_text()
        candidate.close()
