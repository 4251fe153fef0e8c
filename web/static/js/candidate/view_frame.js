/**
 * Draws what stands around the question: step, banners, other tabs, a silent server, and the spoken announcements.
 * Told what to draw; decides nothing.
 */

import { part, say } from "./view_question.js";
import { closing, span } from "./words.js";

/** @typedef {import("./messages.js").Question} Question */
/** @typedef {import("./phase.js").Phase} Phase */
/** @typedef {"loading" | "stuck" | "superseded" | "elsewhere" | "question" | "review"} Shown */

const STEP = { question: 4, review: 5 };

export class FrameView {
  constructor() {
    this.root = part("interview", HTMLElement);
    this.announcement = part("announce", HTMLElement);
    this.where = document.getElementById("where");
    this.shown = "";
    this.announced = "";
  }

  /**
   * @param {Shown} shown
   * @param {{ reconnecting: boolean, closingMs: number | null }} connection
   */
  draw(shown, connection) {
    const away = shown === "superseded" || shown === "elsewhere";
    part("loading", HTMLElement).hidden = shown !== "loading";
    part("stuck", HTMLElement).hidden = shown !== "stuck";
    part("elsewhere", HTMLElement).hidden = !away;
    part("strip", HTMLElement).hidden = away || shown === "stuck";
    if (away) this.#elsewhere(shown === "superseded");
    if (shown !== this.shown && away) part("elsewhere-title", HTMLElement).focus();
    if (shown !== this.shown && shown === "stuck") part("stuck-title", HTMLElement).focus();
    this.shown = shown;

    part("banner", HTMLElement).hidden = !connection.reconnecting;
    if (connection.reconnecting) say(part("banner-text", HTMLElement), "Reconnecting… What was recorded is safe.");
    this.tickDeadline(connection.closingMs);
    this.#step(shown === "review" ? STEP.review : STEP.question);
  }

  /** @param {number | null} closingMs how long answers can be sent still; null before the deadline */
  tickDeadline(closingMs) {
    part("deadline", HTMLElement).hidden = closingMs === null;
    if (closingMs !== null) say(part("deadline-text", HTMLElement), closing(closingMs));
  }

  /** What the style sheets go by. @param {string} phase @param {boolean} live */
  stamp(phase, live) {
    for (const element of [this.root, document.body]) {
      element.dataset["phase"] = phase;
      element.dataset["live"] = live ? "yes" : "no";
    }
  }

  /**
   * Says a change once, for those who do not see it.
   * @param {Question} question
   * @param {Phase} phase
   * @param {number} thinkLeftMs
   */
  announce(question, phase, thinkLeftMs) {
    /** @type {Partial<Record<Phase, string>>} */
    const words = {
      ready: "Your camera is on. The question is still hidden.",
      thinking: `Think time: ${span(Math.ceil(thinkLeftMs / 1000))}.`,
      waiting: "Think time is over. Turn your camera on.",
      countdown: "Recording starts in 3 seconds.",
      recording: question.stalled ? "Recording paused: no connection. The clock stands still." : "Recording.",
      saving: "Recording ended. Saving.",
      answered: "Saved. Your answer can be played.",
    };
    const key = `${question.id} ${phase} ${question.stalled}`;
    if (key === this.announced) return;
    this.announced = key;
    say(this.announcement, words[phase] ?? "");
  }

  /** @param {boolean} superseded */
  #elsewhere(superseded) {
    say(
      part("elsewhere-title", HTMLElement),
      superseded ? "This interview is open in another tab" : "A recording is running in another tab",
    );
    say(
      part("elsewhere-text", HTMLElement),
      superseded
        ? "The newest tab is the one that counts. Everything so far is safe. Go on there, or bring it back here."
        : "Go on there, or use this tab instead: you continue the same answer here, or stop it, and nothing is lost.",
    );
  }

  /** @param {number} step */
  #step(step) {
    if (this.where) say(this.where, step === STEP.review ? "Step 5 of 5 · Send" : "Step 4 of 5 · Questions");
    document.querySelectorAll(".steps li").forEach((element, place) => {
      element.className = place + 1 < step ? "done" : place + 1 === step ? "now" : "";
    });
  }
}
