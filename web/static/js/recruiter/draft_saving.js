// @ts-check
/**
 * When a draft is saved by itself: a moment after the last change, one save at a time, again after a failure.
 * Knows nothing of the page: it is given how to send, and says how it stands.
 */

const QUIET_MS = 900;
const AGAIN_MS = [2_000, 5_000, 15_000, 30_000];

/**
 * @typedef {"saved" | "changed" | "saving" | "mistakes" | "conflict" | "signed-out" | "away"} Standing
 * "away": the server could not be reached, and is tried again. After "conflict" nothing is saved by itself.
 * @typedef {"saved" | "mistakes" | "conflict" | "signed-out" | "away"} Outcome
 */

export class Saving {
  /** @type {number | undefined} */
  #timer;
  /** @type {Promise<void> | null} */
  #running = null;
  #version = 0;
  #savedVersion = 0;
  #failures = 0;
  /** @type {Standing} */
  #standing = "saved";
  #send;
  #tell;

  /**
   * @param {() => Promise<Outcome>} send sends the draft as it is now
   * @param {(standing: Standing) => void} tell
   */
  constructor(send, tell) {
    this.#send = send;
    this.#tell = tell;
  }

  get standing() {
    return this.#standing;
  }

  /** Whether there is something that the server does not hold. */
  get unsaved() {
    return this.#version !== this.#savedVersion;
  }

  /** Something was changed. */
  changed() {
    this.#version += 1;
    if (this.#standing === "conflict") return;
    if (this.#standing !== "saving") this.#become("changed");
    this.#later(QUIET_MS);
  }

  /** Saves now what is not saved; how it stands after that. @returns {Promise<Standing>} */
  async flush() {
    clearTimeout(this.#timer);
    while (this.#running) await this.#running;
    if (this.unsaved && this.#standing !== "conflict") await this.#run();
    return this.#standing;
  }

  /** @param {number} ms */
  #later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), ms);
  }

  /** @param {Standing} standing */
  #become(standing) {
    this.#standing = standing;
    this.#tell(standing);
  }

  async #run() {
    const version = this.#version;
    this.#become("saving");
    this.#running = this.#send().then((outcome) => {
      if (outcome === "saved") this.#savedVersion = version;
      this.#failures = outcome === "away" ? this.#failures + 1 : 0;
      this.#become(outcome === "saved" && this.unsaved ? "changed" : outcome);
      if (outcome === "away") this.#later(AGAIN_MS[Math.min(this.#failures, AGAIN_MS.length) - 1] ?? 30_000);
      else if (outcome === "saved" && this.unsaved) this.#later(QUIET_MS);
    });
    try {
      await this.#running;
    } finally {
      this.#running = null;
    }
  }
}
