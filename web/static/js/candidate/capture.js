/**
 * Camera and microphone: opened on a press only, changed by choice, measured for the level meter.
 * Says what went wrong by a name; the sentences are remedies.js's. Never touches the document.
 */

/** @typedef {"camera" | "microphone"} Kind */
/** @typedef {{ camera: MediaDeviceInfo[], microphone: MediaDeviceInfo[] }} Devices */

/** What getUserMedia refused: its error name (or ours) and which device it was, as far as can be known. */
export class CaptureProblem extends Error {
  /**
   * @param {string} name a DOMException name, or InsecureContext, NoMediaDevices, Dismissed, DeniedBySystem, Lost
   * @param {Kind | "both"} what
   */
  constructor(name, what) {
    super(`${name}: ${what}`);
    this.name = name;
    this.what = what;
  }
}

export class Capture {
  /** @param {{ lost: (kind: Kind) => void, muted: (kind: Kind, muted: boolean) => void, devices: () => void }} to */
  constructor(to) {
    this.to = to;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {AudioContext | null} */
    this.sound = null;
    /** @type {AnalyserNode | null} */
    this.analyser = null;
    /** @type {Float32Array<ArrayBuffer>} */
    this.samples = new Float32Array(1024);
    /** The newest `open` or `close`: what was asked for before it is not wanted any more. */
    this.turn = 0;
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.to.devices());
  }

  /**
   * Asks for camera and microphone (or the microphone alone). Call it only from a press. Throws CaptureProblem.
   * Null when it was closed, or opened again, while the browser asked: their lights go out at once.
   * @param {{ camera?: string, microphone?: string, soundOnly?: boolean }} [choice] device ids
   */
  async open(choice = {}) {
    if (!window.isSecureContext) throw new CaptureProblem("InsecureContext", "both");
    if (!navigator.mediaDevices?.getUserMedia || !window.RTCPeerConnection) {
      throw new CaptureProblem("NoMediaDevices", "both");
    }
    const audio = {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...(choice.microphone ? { deviceId: { exact: choice.microphone } } : {}),
    };
    const video = {
      width: { ideal: 1280 },
      height: { ideal: 720 },
      frameRate: { ideal: 30 },
      ...(choice.camera ? { deviceId: { exact: choice.camera } } : { facingMode: "user" }),
    };
    // Some phones open a camera only once: let go of the present one before asking for another.
    if (choice.camera && this.deviceId("camera") !== choice.camera) {
      for (const track of this.stream?.getVideoTracks() ?? []) track.stop();
    }
    const turn = ++this.turn;
    /** @type {MediaStream} */
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(choice.soundOnly ? { audio } : { audio, video });
    } catch (error) {
      const problem = await explain(error, choice.soundOnly === true);
      if (turn !== this.turn) return null;
      throw problem;
    }
    if (turn !== this.turn) {
      for (const track of stream.getTracks()) track.stop();
      return null;
    }
    this.close();
    this.stream = stream;
    for (const track of stream.getTracks()) {
      const kind = track.kind === "video" ? "camera" : "microphone";
      track.onended = () => this.to.lost(kind);
      track.onmute = () => this.to.muted(kind, true);
      track.onunmute = () => this.to.muted(kind, false);
    }
    this.#listen(stream);
    return stream;
  }

  /** Lets go of camera and microphone: their lights go out. */
  close() {
    this.turn += 1;
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    this.stream = null;
    this.analyser = null;
    void this.sound?.close();
    this.sound = null;
  }

  /**
   * Every camera and microphone the browser shows; named only after permission.
   * @returns {Promise<Devices>}
   */
  async devices() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return {
      camera: all.filter((device) => device.kind === "videoinput" && device.deviceId),
      microphone: all.filter((device) => device.kind === "audioinput" && device.deviceId),
    };
  }

  /** The id of the device in use, or "". @param {Kind} kind */
  deviceId(kind) {
    const tracks = kind === "camera" ? this.stream?.getVideoTracks() : this.stream?.getAudioTracks();
    return tracks?.[0]?.getSettings().deviceId ?? "";
  }

  /** A device of the stream went away. */
  get broken() {
    return this.stream?.getTracks().some((track) => track.readyState === "ended") ?? false;
  }

  /** How loud the microphone is: 0 (silent, below -60 dB) to 1 (full scale). Null while the browser does not measure. */
  level() {
    if (!this.analyser || this.sound?.state !== "running") return null;
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    const decibel = 10 * Math.log10(sum / this.samples.length + 1e-10);
    return Math.min(1, Math.max(0, (decibel + 60) / 54));
  }

  /** Measures if it can: nobody's answer hangs on a meter. @param {MediaStream} stream */
  #listen(stream) {
    if (stream.getAudioTracks().length === 0) return;
    try {
      this.sound = new AudioContext();
      void this.sound.resume();
      const analyser = this.sound.createAnalyser();
      analyser.fftSize = this.samples.length;
      this.sound.createMediaStreamSource(stream).connect(analyser);
      this.analyser = analyser;
    } catch {
      // Firefox connects no microphone whose sample rate is another than its output's.
    }
  }
}

/**
 * getUserMedia's error, told apart further: closed without choosing, forbidden by the system, which device.
 * @param {unknown} error
 * @param {boolean} soundOnly
 */
async function explain(error, soundOnly) {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "UnknownError";
  const message = error instanceof Error || error instanceof DOMException ? error.message : "";
  if (soundOnly) return new CaptureProblem(name, "microphone");
  if (name === "NotFoundError" || name === "DevicesNotFoundError") {
    const devices = (await navigator.mediaDevices.enumerateDevices().catch(() => [])).map((device) => device.kind);
    const camera = devices.includes("videoinput");
    const microphone = devices.includes("audioinput");
    return new CaptureProblem("NotFoundError", camera === microphone ? "both" : camera ? "microphone" : "camera");
  }
  if (name === "NotAllowedError" || name === "PermissionDeniedError") {
    // Chromium says so in words alone.
    if (/system/i.test(message)) return new CaptureProblem("DeniedBySystem", "both");
    const [camera, microphone] = await Promise.all([permission("camera"), permission("microphone")]);
    if (/dismissed/i.test(message) || (camera === "prompt" && microphone === "prompt")) {
      return new CaptureProblem("Dismissed", "both");
    }
    const oneOnly = (camera === "denied") !== (microphone === "denied");
    return new CaptureProblem("NotAllowedError", oneOnly ? (camera === "denied" ? "camera" : "microphone") : "both");
  }
  if (name === "NotReadableError" || name === "TrackStartError") return new CaptureProblem("NotReadableError", "both");
  return new CaptureProblem(name, "both");
}

/**
 * "granted", "denied", "prompt", or "" where the browser does not say.
 * @param {"camera" | "microphone"} name
 */
async function permission(name) {
  try {
    return (await navigator.permissions.query({ name: /** @type {PermissionName} */ (name) })).state;
  } catch {
    return "";
  }
}
