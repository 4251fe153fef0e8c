/**
 * Draws the stage: the preview, the 3-2-1 over it, the recording's clock, the sound bar, what is safe on the server,
 * and the device pickers. Told what to draw; decides nothing.
 */

import { fill, part, say } from "./view_question.js";
import { figure, span } from "./words.js";

/** @typedef {import("./capture.js").Devices} Devices */
/** @typedef {import("./capture.js").Kind} Kind */
/** @typedef {import("./messages.js").Progress} Progress */
/** @typedef {import("./phase.js").Phase} Phase */
/** @typedef {"connecting" | "ready" | "starting" | "recording" | "stalled" | "stopping" | "off"} Chip */

/** @type {Record<Chip, string>} */
const CHIPS = {
  connecting: "Connecting…",
  ready: "Camera on",
  starting: "Get ready",
  recording: "Recording",
  stalled: "Paused: no connection",
  stopping: "Stopping…",
  off: "Camera off",
};

/** The server hears 0 to 127; below this a voice is not heard. */
const HEARD = 75;

export class StageView {
  /** @param {(kind: Kind, deviceId: string) => void} chosen */
  constructor(chosen) {
    this.root = part("stage", HTMLElement);
    this.preview = part("preview", HTMLVideoElement);
    this.soundOnly = part("sound-only", HTMLElement);
    this.chip = part("chip", HTMLElement);
    this.time = part("stage-time", HTMLElement);
    this.count = part("countdown", HTMLElement);
    this.meter = part("meter", HTMLElement);
    this.level = part("level", HTMLElement);
    this.safe = part("safe", HTMLElement);
    this.limit = part("limit", HTMLElement);
    this.limitBar = part("limit-bar", HTMLElement);
    this.devices = part("devices", HTMLElement);
    /** @type {Record<Kind, HTMLSelectElement>} */
    this.choices = {
      camera: part("camera-choice", HTMLSelectElement),
      microphone: part("microphone-choice", HTMLSelectElement),
    };
    for (const kind of /** @type {Kind[]} */ (["camera", "microphone"])) {
      const select = this.choices[kind];
      select.addEventListener("change", () => chosen(kind, select.value));
    }
    this.preview.addEventListener("resize", () => {
      this.root.classList.toggle("portrait", this.preview.videoHeight > this.preview.videoWidth);
    });
  }

  /**
   * @param {Phase} phase
   * @param {{ shown: boolean, devices: boolean, sound: boolean, chip: Chip }} what
   */
  draw(phase, what) {
    this.root.hidden = !what.shown;
    this.devices.hidden = !what.devices;
    this.meter.hidden = !what.sound;
    this.root.dataset["chip"] = what.chip;
    say(this.chip, CHIPS[what.chip]);
    this.count.hidden = phase !== "countdown";
    const runs = phase === "recording" && what.chip !== "stopping";
    this.time.hidden = !runs;
    this.safe.hidden = !runs;
    this.limit.hidden = !runs;
  }

  /** @param {MediaStream | null} stream */
  show(stream) {
    if (this.preview.srcObject === stream) return;
    this.preview.srcObject = stream;
    const picture = (stream?.getVideoTracks().length ?? 0) > 0;
    this.preview.hidden = !picture;
    this.soundOnly.hidden = picture || stream === null;
    // Autoplay of a muted preview is allowed everywhere; a browser that still refuses shows its first frame.
    if (picture) this.preview.play().catch(() => undefined);
  }

  /** @param {number} leftMs */
  tickCount(leftMs) {
    say(this.count, leftMs > 0 ? String(Math.ceil(leftMs / 1000)) : "…");
  }

  /** @param {number} leftMs @param {number} limitMs */
  tickRecording(leftMs, limitMs) {
    say(this.time, `${figure(leftMs)} left`);
    fill(this.limitBar, 1 - leftMs / limitMs);
  }

  /** @param {number | null} level from 0 to 1; null is not measured, which looks unlike silence */
  tickLevel(level) {
    this.meter.classList.toggle("unmeasured", level === null);
    fill(this.level, level ?? 0);
  }

  /**
   * @param {Progress | null} progress
   * @param {number | null} waitsMs in an outage: how much longer the recording waits
   */
  drawSafe(progress, waitsMs) {
    if (waitsMs !== null) {
      say(this.safe, `what arrived is safe on the server · it waits for you for ${figure(waitsMs)}`);
      this.safe.classList.remove("quiet");
      return;
    }
    const heard = progress !== null && progress.level >= HEARD;
    const safeS = Math.floor((progress?.safe_ms ?? 0) / 1000);
    const words = `safe on the server: ${span(safeS)} · ${heard ? "sound heard" : "no sound heard"}`;
    say(this.safe, progress === null ? "what arrives is saved on the server" : words);
    this.safe.classList.toggle("quiet", !heard);
  }

  /**
   * @param {Devices} devices
   * @param {Record<Kind, string>} inUse
   */
  drawDevices(devices, inUse) {
    for (const kind of /** @type {Kind[]} */ (["camera", "microphone"])) {
      const options = devices[kind].map((device, place) => {
        const name = device.label || `${kind === "camera" ? "Camera" : "Microphone"} ${place + 1}`;
        return new Option(name, device.deviceId, false, device.deviceId === inUse[kind]);
      });
      this.choices[kind].replaceChildren(...options);
      this.choices[kind].disabled = options.length < 2;
    }
    part("camera-field", HTMLElement).hidden = inUse.camera === "";
  }
}
