/**
 * Clocks that the server set: each counts down from the remaining milliseconds it told, by the page's monotonic
 * time. They only draw what was told; at zero nothing happens here. Knows no document, and the wall clock only to notice
 * that the machine slept.
 */

/** The server's clock and ours differ by the wire's delay: smaller corrections would only make the figure jump. */
const JITTER_MS = 300;

export class Clock {
  /** @param {() => number} [nowMs] monotonic milliseconds */
  constructor(nowMs = () => performance.now()) {
    this.nowMs = nowMs;
    this.leftAtSetMs = 0;
    this.setAtMs = 0;
    this.running = false;
  }

  /**
   * Counts down from here; standing still when `running` is false.
   * @param {number} leftMs
   * @param {boolean} [running]
   */
  set(leftMs, running = true) {
    this.leftAtSetMs = leftMs;
    this.setAtMs = this.nowMs();
    this.running = running;
  }

  /**
   * As `set`, unless the clock runs and is right already.
   * @param {number} leftMs
   * @param {boolean} running
   */
  correct(leftMs, running) {
    const right = running && this.running && Math.abs(this.leftMs() - leftMs) <= JITTER_MS;
    if (!right) this.set(leftMs, running);
  }

  /** Milliseconds left, never below zero. */
  leftMs() {
    const goneMs = this.running ? this.nowMs() - this.setAtMs : 0;
    return Math.max(0, this.leftAtSetMs - goneMs);
  }
}

/** The wall clock ran so much further: a sleep, not somebody who set it a little. */
const SLEPT_MS = 2000;

/** Browsers' monotonic time may stand still while the machine sleeps, and every clock here with it. */
export class Sleep {
  /** @param {() => number} [nowMs] monotonic milliseconds @param {() => number} [wallMs] */
  constructor(nowMs = () => performance.now(), wallMs = () => Date.now()) {
    this.nowMs = nowMs;
    this.wallMs = wallMs;
    this.aheadMs = wallMs() - nowMs();
  }

  /** Whether the machine slept since this was asked last: what was told before is not true any more. */
  ended() {
    const aheadMs = this.wallMs() - this.nowMs();
    const sleptMs = aheadMs - this.aheadMs;
    this.aheadMs = aheadMs;
    return sleptMs > SLEPT_MS;
  }
}

/** All clocks of one interview; one of each is enough, since one question is active at a time. */
export class Clocks {
  constructor() {
    this.think = new Clock();
    this.wait = new Clock();
    this.count = new Clock();
    this.answer = new Clock();
    this.outage = new Clock();
    this.closing = new Clock();
  }

  /** @param {import("./messages.js").State} state */
  told(state) {
    for (const question of state.questions) {
      if (question.think_left_ms !== null) this.think.set(question.think_left_ms);
      if (question.wait_left_ms !== null) this.wait.set(question.wait_left_ms);
      if (question.countdown_left_ms !== null) this.count.set(question.countdown_left_ms);
      if (question.outage_left_ms !== null) this.outage.set(question.outage_left_ms);
      if (question.remaining_ms !== null) this.answer.correct(question.remaining_ms, !question.stalled);
    }
    if (state.closing_ms !== null) this.closing.set(state.closing_ms);
  }
}
