/**
 * Draws the whole of one question: its card, its stage, and where the focus goes. Composes view_question.js and
 * view_stage.js from one picture of the facts; decides nothing.
 */

import { guidance, remedy } from "./remedies.js";
import { QuestionView } from "./view_question.js";
import { StageView } from "./view_stage.js";

/** @typedef {import("./messages.js").Question} Question */
/** @typedef {import("./messages.js").Progress} Progress */
/** @typedef {import("./phase.js").Plan} Plan */
/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./clock.js").Clocks} Clocks */
/**
 * @typedef {{
 *   question: Question, count: number, plan: Plan, live: boolean,
 *   refusal: import("./words.js").Sentence | null, nextLabel: string,
 * }} Card
 */

/** The server waits this long for a camera when think time is over. */
const WAIT_MS = 60000;

export class CardView {
  /**
   * @param {{ takeBase: string, browser: import("./remedies.js").Family, audioOnlyAllowed: boolean }} settings
   * @param {{
   *   pressed: (press: import("./view_question.js").Press) => void,
   *   chosen: (kind: import("./capture.js").Kind, deviceId: string) => void,
   * }} to
   */
  constructor(settings, to) {
    this.settings = settings;
    this.question = new QuestionView(settings.takeBase, to.pressed);
    this.stage = new StageView(to.chosen);
    this.drawnFor = "";
    /** @type {Element | null} where the focus was put for want of a button */
    this.parked = null;
  }

  /** @param {Card} card @param {Camera} camera */
  draw(card, camera) {
    const { plan, question } = card;
    const { standing, problem } = camera;
    const focus = document.activeElement;
    this.question.draw(question, card.count, plan, {
      refusal: card.refusal,
      nextLabel: card.nextLabel,
      cameraOff: !camera.on,
    });
    this.question.drawVeil(plan, standing);
    this.question.drawProblem(
      problem && remedy(problem.name, problem.what, this.settings.browser),
      problem !== null && this.settings.audioOnlyAllowed && standing === "problem" && problem.what !== "microphone",
    );
    this.question.drawAsking(standing === "asking" ? guidance(this.settings.browser) : null);
    this.stage.draw(plan.phase, {
      shown: plan.stage,
      devices: plan.devices,
      sound: camera.on,
      chip: chip(card, camera.on),
    });
    this.#moveFocus(card, camera.on, focus);
  }

  /** @param {Question} question @param {Clocks} clocks @param {Progress | null} progress @param {Camera} camera */
  tick(question, clocks, progress, camera) {
    switch (question.state) {
      case "thinking":
        if (question.wait_left_ms !== null) this.question.tickThink(clocks.wait.leftMs(), WAIT_MS);
        else this.question.tickThink(clocks.think.leftMs(), question.think_s * 1000);
        break;
      case "countdown":
        this.stage.tickCount(clocks.count.leftMs());
        break;
      case "recording":
        this.stage.tickRecording(clocks.answer.leftMs(), question.limit_s * 1000);
        this.stage.drawSafe(progress, question.outage_left_ms === null ? null : clocks.outage.leftMs());
        break;
      case "saving":
        this.question.tickSaving(progress?.safe_ms ?? 0, progress?.elapsed_ms ?? 0);
        break;
    }
    if (camera.on) this.stage.tickLevel(camera.capture.level());
  }

  /** Another view takes the place of this one. @param {import("./view_frame.js").Shown} shown */
  left(shown) {
    this.question.pause();
    if (shown !== "loading") this.drawnFor = shown;
  }

  /**
   * When what had the focus is gone, the next thing gets it.
   * @param {Card} card @param {boolean} cameraOn @param {Element | null} before
   */
  #moveFocus(card, cameraOn, before) {
    const now = [card.question.id, card.plan.phase, cameraOn, ...card.plan.buttons.values()].join(" ");
    const changed = this.drawnFor !== "" && this.drawnFor !== now;
    this.drawnFor = now;
    const lost =
      !(before instanceof HTMLElement) ||
      before === document.body ||
      before === this.parked ||
      before.getClientRects().length === 0 ||
      (before instanceof HTMLButtonElement && before.disabled);
    if (!lost || !changed || document.querySelector("dialog[open]")) return;
    this.question.focusNext(card.plan);
    this.parked = document.activeElement instanceof HTMLButtonElement ? null : document.activeElement;
  }
}

/** @param {Card} card @param {boolean} cameraOn @returns {import("./view_stage.js").Chip} */
function chip(card, cameraOn) {
  if (card.plan.stopping) return "stopping";
  if (card.plan.phase === "recording") return card.question.stalled ? "stalled" : "recording";
  if (!cameraOn) return "off";
  if (card.plan.phase === "countdown") return "starting";
  return card.live ? "ready" : "connecting";
}
