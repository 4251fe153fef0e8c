/**
 * Camera and microphone on their way to the recorder: one RTCPeerConnection at a time, offers out, answers in.
 * A connection that is lost is restarted (ICE, with the same keys: the recording is not touched); when that does not
 * help it is replaced by a new one, when the server allows an offer. Offers are numbered, and an answer or a refusal
 * counts only for the newest: a late one belongs to a connection that is gone. Never touches the document.
 */

import { describe } from "./offer.js";

/** @typedef {"off" | "connecting" | "connected" | "lost"} Publishing */

const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];
/** "disconnected" often heals by itself; longer than this it does not. */
const HEALING_MS = 1000;
/** The server hears nothing for so long although the browser believes in the connection: a restart. */
const DOUBT_MS = 2000;
/** From a restart's offer to packets again. */
const RESTART_TIMEOUT_MS = 5000;
/** After so many that did not help, a new connection. */
const MOST_RESTARTS = 2;
/** No answer and no error to an offer for so long: the socket lost one of them. */
const ANSWER_TIMEOUT_MS = 8000;
/** From an answer to "connected"; a browser itself may try for half a minute. */
const CONNECTING_TIMEOUT_MS = 12000;
/** While no offer is allowed, look again this often. */
const ASK_AGAIN_MS = 500;

export class Publisher {
  /**
   * @param {number} maxBitrateBps
   * @param {{
   *   iceServers: () => Promise<RTCIceServer[]>,
   *   mayOffer: () => boolean, offer: (sdp: string, number: number) => void,
   *   mayRestart: () => boolean, restart: (sdp: string, number: number) => void,
   *   changed: (publishing: Publishing) => void,
   * }} to `mayOffer` is false while the server takes none: the socket is away, or a countdown runs. `mayRestart` is
   *   false while the socket is away.
   */
  constructor(maxBitrateBps, to) {
    this.maxBitrateBps = maxBitrateBps;
    this.to = to;
    /** @type {Publishing} */
    this.publishing = "off";
    /** @type {RTCPeerConnection | null} */
    this.peer = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** The newest offer's; the first is 1. */
    this.number = 0;
    this.awaitsAnswer = false;
    /** The server takes no offer of this stream: another press, another stream. */
    this.hopeless = false;
    /** The present connection was answered once, so that it can be restarted. */
    this.answered = false;
    this.restarts = 0;
    this.failures = 0;
    this.timer = 0;
    /** `timer` is the pause before a new connection. */
    this.pausing = false;
    /** The server hears nothing of us, by its last word. */
    this.doubt = false;
    this.doubtTimer = 0;
  }

  /**
   * Publishes this stream; the one before it is replaced without a new connection where that is possible.
   * @param {MediaStream} stream
   */
  async publish(stream) {
    this.stream = stream;
    this.hopeless = false;
    if (this.peer && this.publishing !== "lost" && (await this.#replaceTracks(stream))) return;
    if (stream !== this.stream) return;
    this.failures = 0;
    this.#calm();
    if (this.to.mayOffer()) await this.connect();
    else this.#again();
  }

  /** Makes a new connection and offers it. */
  async connect() {
    const stream = this.stream;
    if (!stream) return;
    this.#drop();
    const number = ++this.number;
    this.#change("connecting");
    const iceServers = await this.to.iceServers();
    if (number !== this.number || stream !== this.stream) return;
    const peer = newConnection(iceServers);
    this.peer = peer;
    peer.onconnectionstatechange = () => this.#watch(peer);
    for (const track of stream.getTracks()) {
      track.contentHint = track.kind === "video" ? "motion" : "speech";
      peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    }
    this.awaitsAnswer = true;
    try {
      await describe(peer);
    } catch {
      if (peer === this.peer) this.#again();
      return;
    }
    if (peer !== this.peer) return;
    this.to.offer(peer.localDescription?.sdp ?? "", number);
    this.#later(ANSWER_TIMEOUT_MS, peer);
  }

  /**
   * The server's answer to the offer of this number.
   * @param {string} sdp
   * @param {number} number
   */
  async accept(sdp, number) {
    const peer = this.peer;
    if (!peer || !this.#awaits(number)) return;
    this.awaitsAnswer = false;
    this.#calm();
    try {
      await peer.setRemoteDescription({ type: "answer", sdp });
      if (peer !== this.peer) return;
      this.answered = true;
      if (this.restarts > 0) this.#restartWithin(peer);
      else if (peer.connectionState !== "connected") this.#later(CONNECTING_TIMEOUT_MS, peer, () => this.#recover());
      await this.#shapeVideo(peer);
    } catch {
      if (peer === this.peer) this.#again();
    }
  }

  /**
   * The server refused the offer of this number; `retry` when a later one may be accepted.
   * @param {number | null} number
   * @param {boolean} retry
   * @returns {boolean} whether that matters still
   */
  refused(number, retry) {
    if (!this.#awaits(number)) return false;
    this.awaitsAnswer = false;
    this.#calm();
    this.hopeless = !retry;
    if (retry) this.#again();
    else this.#change("lost");
    return true;
  }

  /**
   * Whether the server hears nothing of a connection that this side may believe in. True for a while, it is restarted.
   * @param {boolean} doubt
   */
  doubted(doubt) {
    this.doubt = doubt;
    if (!doubt) {
      clearTimeout(this.doubtTimer);
      this.doubtTimer = 0;
      if (this.publishing === "connected") this.restarts = this.failures = 0;
    } else if (!this.doubtTimer && this.publishing === "connected" && !this.awaitsAnswer && this.restarts === 0) {
      this.doubtTimer = setTimeout(() => {
        this.doubtTimer = 0;
        if (this.publishing === "connected") this.#recover();
      }, DOUBT_MS);
    }
  }

  /** The network is known to be back: try now instead of at the end of the pause. */
  retryNow() {
    if (this.publishing === "lost" && !this.awaitsAnswer && this.stream) this.#recover();
  }

  /** The server holds no connection of ours, whatever this side believes. */
  forgotten() {
    const offering = this.awaitsAnswer || (this.publishing === "connecting" && !this.answered);
    if (this.stream && !this.hopeless && !offering && !this.pausing) this.#again();
  }

  /** Stops sending; the camera itself belongs to capture.js. */
  stop() {
    this.stream = null;
    this.doubt = false;
    this.#drop();
    this.#change("off");
  }

  /** @param {number | null} number */
  #awaits(number) {
    return this.awaitsAnswer && number === this.number;
  }

  /** Sharpness over smoothness, and no more than the operator allows. @param {RTCPeerConnection} peer */
  async #shapeVideo(peer) {
    for (const sender of peer.getSenders()) {
      if (sender.track?.kind !== "video") continue;
      /** @type {RTCRtpSendParameters & { degradationPreference?: string }} */
      const parameters = sender.getParameters();
      parameters.degradationPreference = "maintain-resolution";
      for (const encoding of parameters.encodings ?? []) {
        encoding.maxBitrate = this.maxBitrateBps;
        encoding.maxFramerate = 30;
      }
      // Firefox before 110 has no encodings here; its defaults are close enough.
      await sender.setParameters(parameters).catch(() => undefined);
    }
  }

  /** False when that takes a new connection. @param {MediaStream} stream */
  async #replaceTracks(stream) {
    const senders = this.peer?.getSenders() ?? [];
    const tracks = stream.getTracks();
    if (senders.length !== tracks.length) return false;
    for (const track of tracks) {
      const sender = senders.find((candidate) => candidate.track?.kind === track.kind);
      if (!sender) return false;
      track.contentHint = track.kind === "video" ? "motion" : "speech";
      try {
        await sender.replaceTrack(track);
      } catch {
        return false;
      }
    }
    return true;
  }

  /** @param {RTCPeerConnection} peer */
  #watch(peer) {
    if (peer !== this.peer) return;
    if (peer.connectionState === "connected") {
      if (this.doubt && this.restarts > 0) this.#restartWithin(peer);
      else if (!this.awaitsAnswer) this.#calm();
      this.#change("connected");
      this.doubted(this.doubt);
    } else if (peer.connectionState === "disconnected") {
      this.#change("lost");
      if (!this.awaitsAnswer) this.#later(HEALING_MS, peer, () => this.#recover());
    } else if (peer.connectionState === "failed" && !this.awaitsAnswer) {
      this.#change("lost");
      this.#recover();
    }
  }

  /** Another way to the server for the same connection; when that did not help, or cannot be, a new connection. */
  #recover() {
    const peer = this.peer;
    this.#calm();
    if (!peer || !this.answered || this.restarts >= MOST_RESTARTS) this.#again();
    else if (this.to.mayRestart()) void this.#restart(peer);
    else this.#later(ASK_AGAIN_MS, peer, () => this.#recover());
  }

  /** @param {RTCPeerConnection} peer */
  async #restart(peer) {
    this.restarts += 1;
    const number = ++this.number;
    this.awaitsAnswer = true;
    this.#restartWithin(peer);
    try {
      const iceServers = await this.to.iceServers();
      if (peer !== this.peer) return;
      renew(peer, iceServers);
      peer.restartIce();
      await describe(peer);
    } catch {
      if (peer === this.peer) this.#again();
      return;
    }
    if (peer === this.peer) this.to.restart(peer.localDescription?.sdp ?? "", number);
  }

  /** @param {RTCPeerConnection} peer */
  #restartWithin(peer) {
    this.#later(RESTART_TIMEOUT_MS, peer, () => {
      this.awaitsAnswer = false;
      // A browser that never doubted the connection says nothing when it is better; the server does.
      if (peer.connectionState !== "connected" || this.doubt) return this.#recover();
      this.#change("connected");
      this.doubted(false);
    });
  }

  /** @param {number} pauseMs @param {RTCPeerConnection} peer @param {() => void} [then] */
  #later(pauseMs, peer, then = () => this.#again()) {
    this.#calm();
    this.timer = setTimeout(() => {
      if (peer === this.peer) then();
    }, pauseMs);
  }

  /** A new connection after a pause that grows; the old one stays meanwhile, since it may heal. */
  #again() {
    this.awaitsAnswer = false;
    this.#calm();
    this.#change("lost");
    const pauseMs = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.#whenAllowed(), pauseMs);
    this.pausing = true;
  }

  #whenAllowed() {
    if (this.to.mayOffer()) void this.connect();
    else this.timer = setTimeout(() => this.#whenAllowed(), ASK_AGAIN_MS);
  }

  /** What was due is not any more. */
  #calm() {
    clearTimeout(this.timer);
    this.pausing = false;
  }

  #drop() {
    this.#calm();
    clearTimeout(this.doubtTimer);
    this.doubtTimer = this.restarts = 0;
    this.awaitsAnswer = this.answered = false;
    if (!this.peer) return;
    this.peer.onconnectionstatechange = null;
    this.peer.close();
    this.peer = null;
  }

  /** @param {Publishing} publishing */
  #change(publishing) {
    if (publishing === this.publishing) return;
    this.publishing = publishing;
    this.to.changed(publishing);
  }
}

/** Servers that the browser refuses are done without: most candidates need none. @param {RTCIceServer[]} iceServers */
function newConnection(iceServers) {
  try {
    return new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
  } catch {
    return new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  }
}

/** For the next gathering. @param {RTCPeerConnection} peer @param {RTCIceServer[]} iceServers */
function renew(peer, iceServers) {
  try {
    peer.setConfiguration({ ...peer.getConfiguration(), iceServers });
  } catch {
    // Those of before may serve still.
  }
}
