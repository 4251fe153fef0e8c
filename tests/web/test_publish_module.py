"""The candidate page's connection: made, restarted, replaced. Run in Node with one that is pretended."""

from __future__ import annotations

import json

import pytest

from tests.web.page_modules import PRETENDED, WITH_RESTART, run


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


def test_an_answer_that_is_taken_when_its_connection_is_gone_is_not_the_next_ones() -> None:
    script = """
    let taken;
    RTCPeerConnection.prototype.setRemoteDescription = () => new Promise((done) => { taken = done; });
    await publisher.publish(stream);
    const accepting = publisher.accept("answer", 1);
    await publisher.connect();
    const before = publisher.timer;
    taken();
    await accepting;
    const result = { answered: publisher.answered, waits: publisher.timer === before };
    """
    assert run(PRETENDED + script) == {"answered": False, "waits": True}


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
