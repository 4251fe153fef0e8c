/**
 * The camera as the interview sees it: off, asked for, on, or refused; when on, what it gives is published.
 * Joins capture.js and publish.js. Never touches the document.
 */

import { Capture, CaptureProblem } from "./capture.js";
import { Publisher } from "./publish.js";

/** @typedef {"off" | "asking" | "on" | "problem"} Standing */
/** @typedef {import("./capture.js").Kind} Kind */
/** @typedef {import("./messages.js").Media} Media */

/** Offers that a later try may see accepted. */
const RETRY_OFFER = new Set([
  "take_running",
  "connection_gone",
  "recorder_busy",
  "recorder_unavailable",
  "busy",
  "server_fault",
]);

export class Camera {
  /**
   * @param {number} maxBitrateBps
   * @param {{
   *   iceServers: () => Promise<RTCIceServer[]>,
   *   mayOffer: () => boolean, offer: (sdp: string, number: number) => void, takeRuns: () => boolean,
   *   mayRestart: () => boolean, restart: (sdp: string, number: number) => void,
   *   changed: () => void, devices: () => void, muted: (kind: Kind, muted: boolean) => void,
   * }} to
   */
  constructor(maxBitrateBps, to) {
    this.to = to;
    /** @type {Standing} */
    this.standing = "off";
    /** @type {CaptureProblem | null} */
    this.problem = null;
    this.capture = new Capture({ lost: (kind) => this.#lost(kind), muted: to.muted, devices: to.devices });
    this.publisher = new Publisher(maxBitrateBps, {
      iceServers: to.iceServers,
      mayOffer: to.mayOffer,
      offer: to.offer,
      mayRestart: to.mayRestart,
      restart: to.restart,
      changed: to.changed,
    });
  }

  get on() {
    return this.standing === "on";
  }

  /** What the camera gives arrives, by all that this side knows. */
  get publishes() {
    return this.on && this.publisher.publishing === "connected";
  }

  get stream() {
    return this.on ? this.capture.stream : null;
  }

  /**
   * Asks for the devices and publishes them. Call it only from a press.
   * @param {{ camera?: string, microphone?: string, soundOnly?: boolean }} [choice]
   */
  async open(choice = {}) {
    this.problem = null;
    this.standing = "asking";
    this.to.changed();
    try {
      const stream = await this.capture.open(choice);
      if (!stream) return;
      this.standing = "on";
      void this.publisher.publish(stream);
      this.to.devices();
    } catch (error) {
      this.problem = error instanceof CaptureProblem ? error : new CaptureProblem("UnknownError", "both");
      const alive = this.capture.stream?.getTracks().every((track) => track.readyState === "live") ?? false;
      if (alive) this.standing = "on";
      else this.close("problem");
    }
    this.to.changed();
  }

  /**
   * Another camera or microphone, beside the other device in use.
   * @param {Kind} kind
   * @param {string} id
   */
  async choose(kind, id) {
    const other = kind === "camera" ? "microphone" : "camera";
    const soundOnly = this.capture.deviceId("camera") === "";
    await this.open({ [kind]: id, [other]: this.capture.deviceId(other), soundOnly });
  }

  /** Lets go of everything; the lights go out. @param {"off" | "problem"} [standing] */
  close(standing = "off") {
    this.standing = standing;
    if (standing === "off") this.problem = null;
    this.publisher.stop();
    this.capture.close();
  }

  /**
   * What arrives at the server, as both sides see it: live only when neither doubts it.
   * @param {Media} told
   * @returns {Media}
   */
  media(told) {
    if (told !== "live" || this.publisher.publishing === "connected") return told;
    return this.publisher.publishing === "lost" ? "stalled" : "connecting";
  }

  /**
   * The server told which connection it has; none, although we publish, means a new one. A recording that goes on all
   * the same has ours: the server was away, and its recorder was not. A page that waits for another needs no camera, and
   * of a device that was lost in a take the rest is let go when that is over: a press opens it anew.
   * @param {Media} told
   * @param {boolean} outage a recording runs, and nothing arrives
   * @param {boolean} [elsewhere] another page counts
   */
  told(told, outage, elsewhere = false) {
    if (elsewhere) this.close();
    else if (this.on && !this.to.takeRuns() && this.capture.broken) this.close("problem");
    this.publisher.doubted(this.on && outage);
    const missed = told === "none" && (outage || !this.to.takeRuns());
    if (this.on && missed && this.to.mayOffer()) this.publisher.forgotten();
  }

  /**
   * The server refused a restart of ours: a new connection takes its place, and there is nothing to say.
   * @param {number | null} number
   */
  restartRefused(number) {
    this.publisher.refused(number, true);
  }

  /**
   * The server refused an offer of ours; false when that was not the newest, and so is nobody's concern.
   * @param {string} code
   * @param {number | null} number
   */
  offerRefused(code, number) {
    const retry = RETRY_OFFER.has(code);
    const ours = this.publisher.refused(number, retry);
    // In a recording that is for a press to decide: to go on in another way, or to keep what there is.
    if (ours && !retry && this.to.takeRuns()) this.close();
    return ours;
  }

  /** A device went away. A running recording goes on with the other. @param {Kind} kind */
  #lost(kind) {
    this.problem = new CaptureProblem("Lost", kind);
    if (!this.to.takeRuns()) this.close("problem");
    this.to.changed();
  }
}
