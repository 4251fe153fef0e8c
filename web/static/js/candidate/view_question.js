/**
 * Draws one question: its rules, text, notice, buttons, answer and saving bar. Told what to draw; decides nothing.
 * The stage (preview and recording) is view_stage.js's.
 */

import { attemptsLeft, figure, notice, retakeLabel, rules, span, verdict } from "./words.js";

/** @typedef {import("./messages.js").Question} Question */
/** @typedef {import("./messages.js").Take} Take */
/** @typedef {import("./phase.js").Plan} Plan */
/** @typedef {import("./phase.js").ButtonName} ButtonName */
/** @typedef {import("./remedies.js").Remedy} Remedy */
/** @typedef {import("./words.js").Sentence} Sentence */
/** @typedef {ButtonName | "sound-only"} Press */

/** @type {Press[]} the order in which focus looks for its next place */
const BUTTONS = [
  "go-on",
  "stop",
  "start",
  "record",
  "show",
  "get-ready",
  "respond",
  "keep",
  "next",
  "retake",
  "remove",
  "keep-old",
  "sound-only",
  "camera-off",
];

/** The element with this id. @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
export function part(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return element;
}

/** Sets text only when it differs, so that nothing is announced or laid out again. @param {HTMLElement} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** One such element for each text, made only when they differ. @param {HTMLElement} element @param {"li" | "p"} tag @param {string[]} texts */
export function sayEach(element, tag, texts) {
  const said = texts.join("\n");
  if (element.dataset["said"] === said) return;
  element.dataset["said"] = said;
  element.replaceChildren(...texts.map((text) => Object.assign(document.createElement(tag), { textContent: text })));
}

export class QuestionView {
  /**
   * @param {string} takeBase the candidate's link, with its slash
   * @param {(press: Press) => void} pressed
   */
  constructor(takeBase, pressed) {
    this.takeBase = takeBase;
    this.root = part("question", HTMLElement);
    this.title = part("question-title", HTMLElement);
    this.rules = part("question-rules", HTMLElement);
    this.attempts = part("attempts", HTMLElement);
    this.optional = part("optional", HTMLElement);
    this.status = part("question-status", HTMLElement);
    this.notice = part("notice", HTMLElement);
    this.noticeText = part("notice-text", HTMLElement);
    this.text = part("question-text", HTMLElement);
    this.think = part("think", HTMLElement);
    this.thinkBar = part("think-bar", HTMLElement);
    this.thinkFigure = part("think-figure", HTMLElement);
    this.thinkWords = part("think-words", HTMLElement);
    this.veil = part("veil", HTMLElement);
    this.problem = part("problem", HTMLElement);
    this.asking = part("asking", HTMLElement);
    this.saving = part("saving", HTMLElement);
    this.savingBar = part("saving-bar", HTMLElement);
    this.savingText = part("saving-text", HTMLElement);
    this.playback = part("playback", HTMLElement);
    this.player = part("player", HTMLVideoElement);
    this.verdict = part("verdict", HTMLElement);
    this.verdictTitle = part("verdict-title", HTMLElement);
    this.verdictText = part("verdict-text", HTMLElement);
    this.next = part("next", HTMLElement);
    /** @type {Map<Press, HTMLButtonElement>} */
    this.buttons = new Map();
    for (const name of BUTTONS) {
      const button = part(`do-${name}`, HTMLButtonElement);
      button.addEventListener("click", () => pressed(name));
      this.buttons.set(name, button);
    }
  }

  /**
   * @param {Question} question
   * @param {number} count
   * @param {Plan} plan
   * @param {{ refusal: Sentence | null, nextLabel: string, cameraOff: boolean }} page
   */
  draw(question, count, plan, page) {
    this.root.dataset["phase"] = plan.phase;
    say(this.title, `Question ${question.number} of ${count}`);
    say(this.rules, rules(question));
    say(this.attempts, attemptsLeft(question.attempts_left));
    this.attempts.className = question.attempts_left === 0 ? "pill pill-warn" : "pill";
    this.optional.hidden = question.required;

    const busy = plan.phase === "countdown" || plan.phase === "recording" || plan.phase === "saving";
    this.#sentence(page.refusal ?? (busy ? null : notice(question)));
    this.text.hidden = question.text === null;
    say(this.text, question.text ?? "");
    this.think.hidden = plan.phase !== "thinking" && plan.phase !== "waiting";
    say(this.thinkWords, plan.phase === "waiting" ? "left to turn your camera on" : "left to think");
    this.saving.hidden = plan.phase !== "saving";
    this.playback.hidden = !plan.playback;
    if (plan.playback && question.take) this.#play(question.take);
    else this.pause();

    say(this.next, plan.next);
    for (const [name, button] of this.buttons) {
      if (name === "sound-only") continue;
      const enabled = plan.buttons.get(name);
      button.hidden = enabled === undefined;
      button.disabled = enabled !== true;
    }
    say(part("retake-label", HTMLElement), retakeLabel(question.attempts_left));
    say(part("next-label", HTMLElement), page.nextLabel);
    say(part("stop-label", HTMLElement), plan.phase === "recording" && page.cameraOff ? "Stop and keep" : "Stop");
  }

  /** @param {number} leftMs @param {number} wholeMs */
  tickThink(leftMs, wholeMs) {
    say(this.thinkFigure, figure(leftMs));
    fill(this.thinkBar, wholeMs ? leftMs / wholeMs : 0);
  }

  /** Holds the picture's place while there is none. @param {Plan} plan @param {import("./phase.js").Camera} camera */
  drawVeil(plan, camera) {
    const hidden = plan.phase === "before";
    const free = !plan.stage && !plan.playback && (camera === "off" || (camera === "problem" && hidden));
    this.veil.hidden = !free || plan.phase === "saving" || plan.phase === "over";
    this.veil.dataset["veil"] = hidden ? "question" : "camera";
    say(part("veil-text", HTMLElement), hidden ? "The question is hidden until you show it." : "Your camera is off.");
  }

  /** What of the recording is on disk. @param {number} safeMs @param {number} elapsedMs zero when unknown */
  tickSaving(safeMs, elapsedMs) {
    const safeS = Math.round(safeMs / 1000);
    const elapsedS = Math.round(elapsedMs / 1000);
    fill(this.savingBar, elapsedMs ? Math.min(0.95, safeMs / elapsedMs) : 0.5);
    const first = elapsedMs ? `${span(Math.min(safeS, elapsedS))} of ${span(elapsedS)} are on the server's disk. ` : "";
    say(this.savingText, `${first}The file is closed and read back, to be sure that it plays.`);
  }

  /** @param {Remedy | null} remedy @param {boolean} soundOnly whether sound alone is offered */
  drawProblem(remedy, soundOnly) {
    this.problem.hidden = remedy === null;
    const button = this.buttons.get("sound-only");
    if (button) {
      button.hidden = !soundOnly;
      button.disabled = !soundOnly;
    }
    if (!remedy) return;
    say(part("problem-title", HTMLElement), remedy.title);
    say(part("problem-text", HTMLElement), remedy.text);
    const steps = part("problem-steps", HTMLElement);
    steps.hidden = remedy.steps.length === 0;
    sayEach(steps, "li", remedy.steps);
  }

  /** @param {string | null} text what to look for while the browser asks */
  drawAsking(text) {
    this.asking.hidden = text === null;
    say(part("asking-text", HTMLElement), text ?? "");
  }

  /** The first thing to press now, or the heading of what is shown. @param {Plan} plan */
  focusNext(plan) {
    if (plan.phase === "answered") {
      this.verdictTitle.focus({ preventScroll: true });
      return;
    }
    for (const name of BUTTONS) {
      const button = this.buttons.get(name);
      if (button && name !== "camera-off" && !button.hidden && !button.disabled) {
        button.focus({ preventScroll: true });
        return;
      }
    }
    this.title.focus({ preventScroll: true });
  }

  pause() {
    if (!this.player.paused) this.player.pause();
  }

  /** @param {Take} take */
  #play(take) {
    const source = this.takeBase + take.url;
    if (this.player.getAttribute("src") !== source) {
      this.player.src = source;
      if (take.poster_url) this.player.poster = this.takeBase + take.poster_url;
      else this.player.removeAttribute("poster");
    }
    const words = verdict(take);
    this.verdict.dataset["verdict"] = words.good ? "good" : "flaw";
    say(this.verdictTitle, words.title);
    say(this.verdictText, words.text);
  }

  /** What is said here is read out, too: its place is out of sight without it, and never `hidden`. @param {Sentence | null} sentence */
  #sentence(sentence) {
    this.status.classList.toggle("visually-hidden", sentence === null);
    this.notice.hidden = sentence === null;
    this.notice.className = sentence?.tone === "warn" ? "notice notice-warn" : "notice";
    say(this.noticeText, sentence?.text ?? "");
  }
}

/** Fills a bar from 0 to 1. @param {HTMLElement} bar @param {number} fraction */
export function fill(bar, fraction) {
  bar.style.transform = `scaleX(${Math.min(1, Math.max(0, fraction)).toFixed(4)})`;
}
