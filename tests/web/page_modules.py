"""Runs the pages' modules in Node: by themselves, or the whole live page; what they talk to is pretended."""

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
  async createOffer() { return { type: "offer", sdp: `offer of peer ${peers.indexOf(this) + 1}` }; }
  async setLocalDescription(offer) { this.localDescription = offer ?? (await this.createOffer()); }
  async setRemoteDescription(answer) { this.accepted.push(answer.sdp); }
};
const stream = { getTracks: () => [{ kind: "video" }] };
const offers = [];
const { Publisher } = await import("./publish.js");
const publisher = new Publisher(1000, {
  iceServers: async () => [], changed: () => {},
  mayOffer: () => true, offer: (sdp, number) => offers.push([sdp, number]),
});
"""
PRETENDED_PAGE = Path(__file__).with_name("pretended_page.mjs")
WHOLE_PAGE = f"""
const {{ advance, asksBeforeLeaving, buttons, cameraOn, connected, devices, element, opened, peers, question, recording,
  seen, settle, sleep, sockets, state }} = await import("{PRETENDED_PAGE.as_uri()}");
"""
# A page that records; `restarts` is the server's.
RECORDED_PAGE = (
    WHOLE_PAGE
    + """
let socket = await opened(state({}, seen()));
await cameraOn(socket);
const records = (given = {}) => state({ active: "q1", media: "live", ...given }, recording());
socket.tells(records());
const restarts = async (told) => {
  socket.onclose({ code: 1012 });
  await advance(1000);
  socket = connected(told);
};
const lit = () => devices.stream.getTracks().every((track) => track.readyState === "live");
"""
)
WITH_RESTART = """
globalThis.setTimeout = (then, ms) => { timers.push({ then, ms }); return timers.length; };
globalThis.clearTimeout = (timer) => { if (timer) timers[timer - 1].then = () => {}; };
globalThis.timers = [];
const due = async (ms) => {
  for (const timer of timers.filter((one) => one.ms === ms)) {
    const { then } = timer;
    timer.then = () => {};
    await then();
  }
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};
RTCPeerConnection.prototype.restartIce = function () { this.restarted = (this.restarted ?? 0) + 1; };
const restarts = [];
let mayRestart = true;
Object.assign(publisher.to, { mayRestart: () => mayRestart, restart: (sdp, number) => restarts.push(number) });
const becomes = (peer, state) => { peer.connectionState = state; peer.onconnectionstatechange(); };
await publisher.publish(stream);
await publisher.accept("answer", 1);
becomes(peers[0], "connected");
"""


def run(script: str, folder: Path = CANDIDATE) -> object:
    """What the script's `result` is, as JSON; imports are relative to the modules' folder."""
    whole = f"{script}\nconsole.log(JSON.stringify(result));\nprocess.exit(0);"
    command = [ROOT / ".venv" / "bin" / "node", "--no-warnings", "--input-type=module", "--eval", whole]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
