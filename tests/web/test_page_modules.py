"""The candidate page's modules that know no document, run by themselves in Node with a connection that is pretended."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

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


RELAYED = """
globalThis.given = [];
const { Relays } = await import("./relays.js");
let asked = 0;
const relays = new Relays(true, () => { asked += 1; return true; });
const servers = (name) => [{ urls: ["turn:t"], username: name, credential: "c" }, { urls: ["stun:s"], username: null,
  credential: null }];
"""


def test_each_connection_and_each_restart_has_ice_servers_asked_for_it() -> None:
    script = """
    const Plain = RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Plain {
      constructor(settings) { super(); given.push(settings.iceServers); }
      getConfiguration() { return { bundlePolicy: "max-bundle" }; }
      setConfiguration(settings) { given.push(settings); }
      restartIce() { given.push("restart"); }
    };
    const relayed = new Publisher(1000, {
      iceServers: () => relays.fresh(), mayOffer: () => true, mayRestart: () => true,
      offer: (sdp, number) => offers.push([sdp, number]), restart: () => {}, changed: () => {},
    });
    const publishing = relayed.publish(stream);
    const before = given.length;
    relays.told(servers("1"));
    await publishing;
    await relayed.accept("answer", 1);
    peers[0].connectionState = "failed";
    peers[0].onconnectionstatechange();
    relays.told(servers("2"));
    await new Promise((done) => setTimeout(done));
    const result = { before, given, asked };
    """
    first, second = ([{"urls": ["turn:t"], "username": name, "credential": "c"}, {"urls": ["stun:s"]}] for name in "12")
    assert run(PRETENDED + RELAYED + script) == {
        "before": 0,
        "given": [first, {"bundlePolicy": "max-bundle", "iceServers": second}, "restart"],
        "asked": 2,
    }


def test_without_an_answer_about_ice_servers_a_connection_is_made_all_the_same() -> None:
    script = """
    globalThis.setTimeout = (act) => setImmediate(act);
    const known = servers("1");
    relays.told(known);
    const silent = await relays.fresh();
    const away = await new Relays(true, () => false).fresh();
    const unwanted = await new Relays(false, () => { throw new Error("asked"); }).fresh();
    const result = { silent: silent.length, away, unwanted };
    """
    assert run(PRETENDED + RELAYED + script) == {"silent": 2, "away": [], "unwanted": []}


def test_servers_that_the_browser_refuses_are_done_without() -> None:
    script = """
    const Plain = RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Plain {
      constructor(settings) { if (settings.iceServers) throw new SyntaxError("bad url"); super(); }
    };
    await publisher.publish(stream);
    const result = offers;
    """
    assert run(PRETENDED + script) == [["offer of peer 1", 1]]


def test_a_waveform_has_at_most_so_many_bars_and_loses_no_peak() -> None:
    script = """
    const { bars } = await import("./waveform.js");
    const levels = Array.from({ length: 1000 }, (_, place) => (place === 777 ? 127 : 20));
    const many = bars(levels);
    const result = { many: many.length, peaks: many.filter((bar) => bar === 1).length, few: bars([0, 127, 61]).length };
    """
    assert run(script, RECRUITER) == {"many": 180, "peaks": 1, "few": 3}


def test_marks_stand_where_their_moments_are_and_never_beside_the_sound() -> None:
    script = """
    const { place, initials } = await import("./marks.js");
    const result = {
      places: [place(0, 90_000), place(45, 90_000), place(200, 90_000), place(-1, 90_000), place(3, 0)],
      initials: ["Maya Lind", "Åsa", "  ", "Jonas van der Berg", "👩 Kim"].map(initials),
    };
    """
    assert run(script, RECRUITER) == {"places": [0, 0.5, 1, 0, 0], "initials": ["ML", "Å", "?", "JB", "👩K"]}


DRAFT = """
const { Draft } = await import("./drafts.js");
const standings = [], sent = [], answers = [];
let text = "";
globalThis.setTimeout = (act) => { later = act; return 1; };
let later = null;
const draft = new Draft(
  () => { sent.push(text); return new Promise((done, fail) => answers.push((it) => (it ? done(it) : fail()))); },
  (standing) => standings.push(standing),
);
const turn = () => new Promise((done) => setImmediate(done));
"""


def test_what_is_typed_while_a_draft_is_being_saved_is_saved_after_it() -> None:
    script = """
    text = "a"; draft.typed(); later(); await turn();
    text = "ab"; draft.typed(); later(); await turn();
    const during = sent.length;
    answers[0]({ status: 204 }); await turn();
    later(); await turn();
    answers[1]({ status: 204 }); await turn();
    const result = { during, sent, last: standings.at(-1), unsaved: draft.unsaved };
    """
    assert run(DRAFT + script, RECRUITER) == {"during": 1, "sent": ["a", "ab"], "last": "saved", "unsaved": False}


def test_a_draft_that_could_not_be_saved_is_tried_again_and_says_so() -> None:
    script = """
    text = "a"; draft.typed(); later(); await turn();
    answers[0](null); await turn();
    const afterFailure = [standings.at(-1), draft.unsaved];
    later(); await turn();
    answers[1]({ status: 200, redirected: true }); await turn();
    const signedOut = [standings.at(-1), draft.unsaved];
    later(); await turn();
    answers[2]({ status: 204 }); await turn();
    const result = { afterFailure, signedOut, sent: sent.length, last: standings.at(-1) };
    """
    assert run(DRAFT + script, RECRUITER) == {
        "afterFailure": ["failed", True],
        "signedOut": ["failed", True],
        "sent": 3,
        "last": "saved",
    }


def test_a_draft_whose_comment_was_posted_elsewhere_does_not_say_that_it_is_kept() -> None:
    script = """
    text = "a"; draft.typed(); later(); await turn();
    answers[0]({ status: 409 }); await turn();
    const result = { last: standings.at(-1), unsaved: draft.unsaved };
    """
    assert run(DRAFT + script, RECRUITER) == {"last": "posted", "unsaved": False}


def test_a_draft_whose_comment_is_being_posted_is_not_saved_any_more() -> None:
    script = """
    text = "a"; draft.typed(); draft.stop(); later(); await turn();
    const result = { sent, unsaved: draft.unsaved };
    """
    assert run(DRAFT + script, RECRUITER) == {"sent": [], "unsaved": False}


def test_only_a_part_or_a_form_with_its_mistake_lands_in_the_page() -> None:
    script = """
    const { trouble } = await import("./saving.js");
    const of = (status, redirected = false) => trouble({ status, redirected }).slice(0, 9);
    const result = [of(200), of(204), of(422), of(200, true), of(404), of(413), of(500), of(503)];
    """
    assert run(script, RECRUITER) == ["", "", "", *["Not saved"] * 5]


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


def test_a_connection_that_drops_is_restarted_and_only_then_replaced() -> None:
    script = """
    becomes(peers[0], "disconnected");
    const lost = publisher.publishing;
    await due(1000);
    await publisher.accept("answer to the restart", 2);
    const first = { restarts: [...restarts], peers: peers.length, accepted: peers[0].accepted };
    await due(5000);
    await due(5000);
    await due(500);
    const result = { lost, first, restarts, peers: peers.length, offers: offers.map(([, number]) => number) };
    """
    assert run(PRETENDED + WITH_RESTART + script) == {
        "lost": "lost",
        "first": {"restarts": [2], "peers": 1, "accepted": ["answer", "answer to the restart"]},
        "restarts": [2, 3],
        "peers": 2,
        "offers": [1, 4],
    }


def test_a_connection_that_heals_by_itself_is_left_alone() -> None:
    script = """
    becomes(peers[0], "disconnected");
    becomes(peers[0], "connected");
    await due(1000);
    const result = { restarts, publishing: publisher.publishing, peers: peers.length };
    """
    assert run(PRETENDED + WITH_RESTART + script) == {"restarts": [], "publishing": "connected", "peers": 1}


def test_a_connection_that_the_server_doubts_is_restarted_and_a_forgotten_one_replaced() -> None:
    script = """
    publisher.doubted(true);
    publisher.doubted(false);
    await due(2000);
    const none = restarts.length;
    publisher.doubted(true);
    publisher.doubted(true);
    await due(2000);
    const one = [...restarts];
    const ours = publisher.refused(2, true);
    await due(500);
    const result = { none, one, ours, peers: peers.length, offers: offers.map(([, number]) => number) };
    """
    assert run(PRETENDED + WITH_RESTART + script) == {
        "none": 0,
        "one": [2],
        "ours": True,
        "peers": 2,
        "offers": [1, 3],
    }


@pytest.mark.parametrize("believes", ["all along", "again after each restart"])
def test_a_doubt_that_outlives_restarts_leads_to_a_new_connection(believes: str) -> None:
    script = """
    const restarted = async (number) => {
      await publisher.accept("answer to the restart", number);
      if (BELIEVES !== "all along") {
        becomes(peers[0], "disconnected");
        becomes(peers[0], "connected");
      }
    };
    publisher.doubted(true);
    await due(2000);
    await restarted(2);
    await due(5000);
    const second = [...restarts];
    await restarted(3);
    await due(5000);
    await due(500);
    await publisher.accept("answer", 4);
    becomes(peers[1], "connected");
    await due(2000);
    const result = { second, restarts, offers: offers.map(([, number]) => number), peers: peers.length };
    """
    found = run(PRETENDED + WITH_RESTART + script.replace("BELIEVES", json.dumps(believes)))
    assert found == {"second": [2, 3], "restarts": [2, 3, 5], "offers": [1, 4], "peers": 2}


def test_a_restart_has_its_time_and_one_that_helped_is_the_last() -> None:
    script = """
    publisher.doubted(true);
    await due(2000);
    await publisher.accept("answer to the restart", 2);
    publisher.doubted(true);  // another state, and the outage lasts
    await due(2000);
    const early = [...restarts];
    publisher.doubted(false);
    await due(5000);
    publisher.doubted(true);
    await due(2000);
    const result = { early, restarts, peers: peers.length, publishing: publisher.publishing };
    """
    found = run(PRETENDED + WITH_RESTART + script)
    assert found == {"early": [2], "restarts": [2, 3], "peers": 1, "publishing": "connected"}


def test_a_restart_that_the_browser_did_not_need_is_not_counted_for_ever() -> None:
    script = """
    publisher.forgotten();
    publisher.retryNow();
    await due(0);
    await publisher.accept("answer to the restart", 2);
    await due(5000);
    const believed = publisher.publishing;
    publisher.doubted(true);
    await due(2000);
    const result = { believed, restarts, peers: peers.length };
    """
    assert run(PRETENDED + WITH_RESTART + script) == {"believed": "connected", "restarts": [2, 3], "peers": 1}


def test_an_answered_connection_that_does_not_come_about_is_not_waited_for_without_end() -> None:
    script = """
    const again = publisher.connect();
    publisher.forgotten();  // its offer is being made
    await again;
    publisher.forgotten();  // it is not answered yet
    const early = [offers.length, publisher.publishing];
    await publisher.accept("answer", 2);
    if (FORGOTTEN) publisher.forgotten();
    else await due(12_000);
    await due(500);
    const result = { early, restarts, offers: offers.map(([, number]) => number) };
    """
    told, silent = (
        run(PRETENDED + WITH_RESTART + script.replace("FORGOTTEN", forgotten)) for forgotten in ("true", "false")
    )
    assert told == {"early": [2, "connecting"], "restarts": [], "offers": [1, 2, 3]}
    assert silent == {"early": [2, "connecting"], "restarts": [3], "offers": [1, 2]}


def test_a_connection_that_came_about_is_not_restarted_for_having_taken_time() -> None:
    script = """
    await publisher.connect();
    await publisher.accept("answer", 2);
    becomes(peers[1], "connected");
    await due(12_000);
    const result = { restarts, publishing: publisher.publishing };
    """
    assert run(PRETENDED + WITH_RESTART + script) == {"restarts": [], "publishing": "connected"}


def test_a_refusal_and_the_state_after_it_are_one_failure() -> None:
    script = """
    const pauses = [];
    for (const number of [2, 3, 4]) {
      await (number === 2 ? publisher.connect() : due(pauses.at(-1)));
      publisher.refused(number, true);
      publisher.forgotten();
      pauses.push(timers.at(-1).ms);
    }
    const result = { pauses, offers: offers.map(([, number]) => number) };
    """
    assert run(PRETENDED + WITH_RESTART + script) == {"pauses": [500, 1000, 2000], "offers": [1, 2, 3, 4]}


def test_a_restart_waits_for_the_socket_and_a_network_that_is_back_is_tried_at_once() -> None:
    script = """
    mayRestart = false;
    becomes(peers[0], "failed");
    const away = restarts.length;
    await due(500);
    mayRestart = true;
    publisher.retryNow();
    await due(0);
    const result = { away, restarts, peers: peers.length };
    """
    assert run(PRETENDED + WITH_RESTART + script) == {"away": 0, "restarts": [2], "peers": 1}


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


def test_a_socket_that_fell_silent_in_a_recording_is_dead_in_an_outage_too() -> None:
    script = """
    const { silence } = await import("./phase.js");
    const silent = (state, ms, stalled = false, elsewhere = false) =>
      silence({ elsewhere, questions: [{ state: "seen" }, { state, stalled }] }, ms);
    const result = {
      recording: [silent("recording", 6001), silent("recording", 6001, true), silent("recording", 5999, true)],
      due: ["thinking", "countdown", "saving"].map((state) => [silent(state, 3999), silent(state, 4001)]),
      idle: ["seen", "hidden", "draft"].map((state) => silent(state, 60_000)),
      elsewhere: [silent("recording", 60_000, false, true), silent("countdown", 60_000, false, true)],
      before: silence(null, 60_000),
    };
    """
    assert run(script) == {
        "recording": ["dead", "dead", "well"],
        "due": [["well", "doubtful"]] * 3,
        "idle": ["well"] * 3,
        "elsewhere": ["well", "well"],
        "before": "well",
    }


PRETENDED_SOCKET = """
globalThis.timers = [];
globalThis.setTimeout = (then, ms) => { timers.push({ then, ms }); return timers.length; };
globalThis.clearTimeout = (timer) => { if (timer) timers[timer - 1].then = null; };
const waiting = () => timers.filter((one) => one.then).map((one) => Math.round(one.ms));
const due = (least) => timers.filter((one) => one.then && one.ms >= least).forEach((one) => {
  const { then } = one;
  one.then = null;
  then();
});
Math.random = () => 0.5;
globalThis.sockets = [];
globalThis.WebSocket = class {
  static OPEN = 1; readyState = 1; sent = [];
  constructor() { sockets.push(this); }
  send(frame) { this.sent.push(JSON.parse(frame).type); }
  close() { this.closed = true; }
  tells(message) { this.onmessage({ data: JSON.stringify(message) }); }
};
const told = [], changes = [];
const { Signalling } = await import("./signalling.js");
const signalling = new Signalling("ws://x", { told: (message) => told.push(message.type),
  changed: (connection) => changes.push(connection) });
signalling.connect();
const [socket] = sockets;
socket.onopen();
"""


def test_a_socket_on_which_an_ask_is_followed_by_nothing_is_dead() -> None:
    script = """
    socket.tells({ type: "state" });
    signalling.ask({ type: "record" });
    const asked = [signalling.awaitsAnswer, waiting()];
    socket.tells({ type: "error" });
    const heard = [signalling.awaitsAnswer, waiting()];
    signalling.ask({ type: "record" });
    signalling.ask({ type: "relays" });
    const twice = waiting();
    due(6000);
    const lost = [signalling.connection, signalling.awaitsAnswer, signalling.ask({ type: "stop" }), socket.closed];
    due(250);
    sockets[1].onopen();
    sockets[1].tells({ type: "state" });
    const result = { asked, heard, twice, lost, changes, sent: sockets.map((one) => one.sent), left: waiting() };
    """
    assert run(PRETENDED_SOCKET + script) == {
        "asked": [True, [6000]],
        "heard": [False, []],
        "twice": [6000],
        "lost": ["reconnecting", False, False, True],
        "changes": ["open", "reconnecting", "open"],
        "sent": [["hello", "record", "record", "relays"], ["hello"]],
        "left": [],
    }


def test_a_socket_that_opens_and_then_tells_no_state_is_given_up() -> None:
    script = """
    const opened = waiting();
    due(10_000);
    const result = { opened, closed: socket.closed, connection: signalling.connection, left: waiting() };
    """
    assert run(PRETENDED_SOCKET + script) == {
        "opened": [10_000],
        "closed": True,
        "connection": "reconnecting",
        "left": [250],
    }


@pytest.mark.parametrize(("tells", "connection"), [("state", "open"), ("superseded", "superseded")])
def test_a_socket_that_told_its_state_or_that_another_page_counts_is_left_alone(tells: str, connection: str) -> None:
    script = """
    socket.tells({ type: TELLS });
    const result = [signalling.connection, waiting(), told];
    """
    found = run(PRETENDED_SOCKET + script.replace("TELLS", json.dumps(tells)))
    assert found == [connection, [], [tells]]


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


OFFER = "\r\n".join(
    [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 109", "a=rtpmap:111 opus/48000/2", "a=rtcp-fb:111 transport-cc",
        "a=rtpmap:63 red/48000/2", "a=rtpmap:109 opus/48000", "a=rtcp-fb:109 nack",
        "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "",
    ]
)  # fmt: skip


@pytest.mark.parametrize("strict", [False, True])
def test_an_offer_says_that_lost_sound_may_be_asked_for_again(strict: bool) -> None:
    script = """
    const { describe, repeatingSound } = await import("./offer.js");
    const peer = {
      async createOffer() { return { type: "offer", sdp: OFFER }; },
      async setLocalDescription(given) {
        if (STRICT && given && given.sdp !== OFFER) throw new DOMException("", "InvalidModificationError");
        this.sdp = given?.sdp ?? OFFER;
      },
    };
    await describe(peer);
    const result = { sdp: peer.sdp, again: repeatingSound(peer.sdp) };
    """
    script = script.replace("OFFER", json.dumps(OFFER)).replace("STRICT", json.dumps(strict))
    found = run(script)
    opus = "a=rtpmap:111 opus/48000/2\r\n"
    asked = OFFER.replace(opus, opus + "a=rtcp-fb:111 nack\r\n")
    assert found == {"sdp": OFFER if strict else asked, "again": asked}


def test_the_picture_stays_sharp_and_within_what_the_operator_allows() -> None:
    script = """
    const asked = [];
    const sender = (kind) => ({ track: { kind }, getParameters: () => ({ encodings: [{}] }),
      async setParameters(given) { asked.push([kind, given]); } });
    RTCPeerConnection.prototype.getSenders = () => [sender("audio"), sender("video")];
    await publisher.publish(stream);
    await publisher.accept("answer", 1);
    const result = asked;
    """
    shaped = {"encodings": [{"maxBitrate": 1000, "maxFramerate": 30}], "degradationPreference": "maintain-resolution"}
    assert run(PRETENDED + script) == [["video", shaped]]


@pytest.mark.parametrize(("retry", "offered"), [(False, [1, 2]), (True, [1, 2, 3])])
def test_an_offer_refused_for_good_is_not_made_again_without_a_press(retry: bool, offered: list[int]) -> None:
    script = """
    await publisher.connect();
    publisher.refused(2, RETRY);
    publisher.forgotten();  // the server says that it has no connection of ours: it refused it
    await due(500);
    await due(1000);
    const made = offers.map(([, number]) => number);
    if (!RETRY) await publisher.publish(stream);
    const result = { made, pressed: offers.length };
    """
    found = run(PRETENDED + WITH_RESTART + script.replace("RETRY", json.dumps(retry)))
    assert found == {"made": offered, "pressed": 3}
