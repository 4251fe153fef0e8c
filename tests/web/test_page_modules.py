"""The candidate page's modules that know no document, run by themselves in Node with a connection that is pretended."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CANDIDATE = ROOT / "web" / "static" / "js" / "candidate"
RECRUITER = ROOT / "web" / "static" / "js" / "recruiter"
PRETENDED = """
globalThis.peers = [];
globalThis.RTCPeerConnection = class {
  connectionState = "new"; accepted = [];
  constructor() { peers.push(this); }
  addTransceiver() {} getSenders() { return []; } close() { this.connectionState = "closed"; }
  async setLocalDescription() { this.localDescription = { sdp: `offer of peer ${peers.indexOf(this) + 1}` }; }
  async setRemoteDescription(answer) { this.accepted.push(answer.sdp); }
};
const stream = { getTracks: () => [{ kind: "video" }] };
const offers = [];
const { Publisher } = await import("./publish.js");
const publisher = new Publisher([], 1000, {
  mayOffer: () => true, offer: (sdp, number) => offers.push([sdp, number]), changed: () => {},
});
"""


def run(script: str, folder: Path = CANDIDATE) -> object:
    """What the script's `result` is, as JSON; imports are relative to the modules' folder."""
    whole = f"{script}\nconsole.log(JSON.stringify(result));\nprocess.exit(0);"
    command = [ROOT / ".venv" / "bin" / "node", "--no-warnings", "--input-type=module", "--eval", whole]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_late_answer_to_an_earlier_offer_is_not_taken_for_the_present_ones() -> None:
    script = """
    await publisher.publish(stream);
    await publisher.connect();
    await publisher.accept("late answer", 1);
    await publisher.accept("answer", 2);
    const result = { offers, accepted: peers.map((peer) => peer.accepted) };
    """
    assert run(PRETENDED + script) == {
        "offers": [["offer of peer 1", 1], ["offer of peer 2", 2]],
        "accepted": [[], ["answer"]],
    }


def test_a_refusal_of_an_earlier_offer_does_not_end_the_present_one() -> None:
    script = """
    await publisher.publish(stream);
    await publisher.connect();
    const late = [publisher.refused(1, false), publisher.refused(null, false), publisher.publishing];
    await publisher.accept("answer", 2);
    const accepted = peers[1].accepted;
    await publisher.connect();
    const result = { late, accepted, refused: publisher.refused(3, false), publishing: publisher.publishing };
    """
    assert run(PRETENDED + script) == {
        "late": [False, False, "connecting"],
        "accepted": ["answer"],
        "refused": True,
        "publishing": "lost",
    }


def test_an_answer_that_overtakes_the_next_offer_is_of_no_connection() -> None:
    script = """
    await publisher.publish(stream);
    const again = publisher.connect();  // its offer is being made
    await publisher.accept("late answer", 1);
    await again;
    const result = peers.map((peer) => peer.accepted);
    """
    assert run(PRETENDED + script) == [[], []]


def test_a_waveform_has_at_most_so_many_bars_and_loses_no_peak() -> None:
    script = """
    const { bars } = await import("./waveform.js");
    const levels = Array.from({ length: 1000 }, (_, place) => (place === 777 ? 127 : 20));
    const many = bars(levels);
    const result = { many: many.length, peaks: many.filter((bar) => bar === 1).length, few: bars([0, 127, 61]).length };
    """
    assert run(script, RECRUITER) == {"many": 180, "peaks": 1, "few": 3}
