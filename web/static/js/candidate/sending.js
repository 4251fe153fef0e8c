/**
 * From "Send answers" to "Confirm": when the check of the answers has to be asked for, and what becomes of a dialog that
 * waits for one that the server forgot, as after a restart. Asks nothing itself, and never touches the document.
 */

/** @typedef {import("./messages.js").State} State */

export class Sending {
  constructor() {
    /** Asked for on this socket, and no state has told of it yet. */
    this.asked = false;
    /** Asked for once more since the press. */
    this.repeated = false;
  }

  /** "Send answers" was pressed; whether the check is to be asked for. @param {State | null} state */
  pressed(state) {
    this.repeated = false;
    this.asked = state?.sending === "idle" || state?.sending === "refused";
    return this.asked;
  }

  /** The socket is another one, or none: what was asked on it may have been lost. */
  disconnected() {
    this.asked = false;
  }

  /**
   * What the dialog needs after this state. "ask": the server forgot the check, which is asked for once more.
   * "stop": and again; that is for a press now.
   * @param {State} state
   * @param {boolean} waiting the dialog is open
   * @returns {"nothing" | "ask" | "stop"}
   */
  told(state, waiting) {
    if (state.sending !== "idle") this.asked = false;
    if (state.sending !== "idle" || !waiting || this.asked) return "nothing";
    if (this.repeated || !state.can_send) return "stop";
    this.asked = this.repeated = true;
    return "ask";
  }
}
