/**
 * Whether this page counts, or waits for another: the server's word, and what to do when that is wrong. Asks nothing
 * itself, and never touches the document.
 */

import { takeRuns } from "./phase.js";

/** @typedef {import("./messages.js").State} State */

export class Tab {
  constructor() {
    /** Another page counts. */
    this.waits = false;
    /** The server took another page for the recorded one, and was asked for the interview back. */
    this.reclaims = false;
  }

  /**
   * Whether to ask `take_over` without a press. Once for each recording that was this page's at the last word before.
   * @param {State | null} before
   * @param {State} state
   * @param {boolean} publishes this page's camera is connected
   */
  told(before, state, publishes) {
    const reclaim = publishes && recordedHere(before, state);
    this.reclaims = state.elsewhere && (this.reclaims || reclaim);
    this.waits = state.elsewhere && !this.reclaims;
    return reclaim;
  }

  /** What was asked is refused, or lost with its socket. */
  refused() {
    this.waits ||= this.reclaims;
    this.reclaims = false;
  }
}

/**
 * The server began anew and met another page first: the recording was this page's when the server was last heard, and
 * the server knows of no connection since. One that a person gave the recording to makes a connection.
 * @param {State | null} before
 * @param {State} state
 */
function recordedHere(before, state) {
  const ours = before !== null && !before.elsewhere && takeRuns(before) && before.active === state.active;
  return ours && state.elsewhere && takeRuns(state) && state.media === "none";
}
