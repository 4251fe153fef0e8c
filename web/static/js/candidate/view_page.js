/**
 * Draws the whole live page from one picture of the facts: the frame, the strip, one question or the review.
 * Composes the other views; asks nothing and decides nothing.
 */

import { after, held, plan } from "./phase.js";
import { family } from "./remedies.js";
import { CardView } from "./view_card.js";
import { FrameView } from "./view_frame.js";
import { ReviewView, StripView } from "./view_review.js";

/** @typedef {import("./messages.js").State} State */
/** @typedef {import("./messages.js").Question} Question */
/** @typedef {import("./messages.js").Progress} Progress */
/**
 * @typedef {{
 *   state: State | null, connection: import("./signalling.js").Connection, shown: import("./view_frame.js").Shown,
 *   question: Question | null, chosen: string, retaking: string, stopping: string, media: import("./messages.js").Media,
 *   progress: Progress | null, refusal: import("./words.js").Sentence | null,
 * }} Facts `question` is the chosen one; null in the review, and before the first state.
 */

export class PageView {
  /**
   * @param {DOMStringMap} settings what the server wrote into the page
   * @param {import("./camera.js").Camera} camera
   * @param {import("./clock.js").Clocks} clocks
   * @param {{
   *   pressed: (press: import("./view_question.js").Press) => void, open: (id: string) => void, send: () => void,
   *   confirm: () => void, remove: (id: string) => void,
   * }} to
   */
  constructor(settings, camera, clocks, to) {
    const takeBase = settings["takeBase"] ?? "";
    this.camera = camera;
    this.clocks = clocks;
    this.frame = new FrameView();
    this.card = new CardView(
      {
        takeBase,
        browser: family(navigator.userAgent, navigator.maxTouchPoints),
        audioOnlyAllowed: settings["audioOnlyAllowed"] === "yes",
      },
      { pressed: to.pressed, chosen: (kind, id) => void camera.choose(kind, id) },
    );
    this.strip = new StripView(to.open);
    this.review = new ReviewView(takeBase, settings["company"] ?? "", to);
  }

  /** @param {Facts} facts */
  draw(facts) {
    const { state, shown, question } = facts;
    this.card.question.root.hidden = shown !== "question";
    this.review.root.hidden = shown !== "review";
    this.frame.draw(shown, {
      reconnecting: facts.connection === "reconnecting",
      closingMs: this.#closingMs(state),
    });
    this.card.stage.show(this.camera.stream);
    if (shown !== "review") this.review.pause();
    if (shown !== "question") this.card.left(shown);
    if (!state || (shown !== "question" && shown !== "review")) {
      this.frame.stamp(shown, false);
      return;
    }
    this.strip.draw(state, facts.chosen, held(state.questions) !== null);
    if (shown === "review") {
      this.review.draw(state, facts.connection === "open", facts.refusal?.text ?? "");
      this.frame.stamp("review", false);
    } else if (question) {
      this.#drawQuestion(state, question, facts);
    }
  }

  /** What moves by itself. @param {State | null} state @param {Question | null} question @param {Progress | null} progress */
  tick(state, question, progress) {
    this.frame.tickDeadline(this.#closingMs(state));
    if (question) this.card.tick(question, this.clocks, progress, this.camera);
  }

  async listDevices() {
    const capture = this.camera.capture;
    if (!capture.stream) return;
    const devices = await capture.devices();
    this.card.stage.drawDevices(devices, {
      camera: capture.deviceId("camera"),
      microphone: capture.deviceId("microphone"),
    });
  }

  /** Another question, or the review, was opened: the page is read from its heading. @param {boolean} review */
  toTop(review) {
    (review ? this.review.title : this.card.question.title).focus();
    window.scrollTo({ top: 0 });
  }

  /** How long answers can be sent still; null before the deadline. @param {State | null} state */
  #closingMs(state) {
    return state && state.closing_ms !== null ? this.clocks.closing.leftMs() : null;
  }

  /** @param {State} state @param {Question} question @param {Facts} facts */
  #drawQuestion(state, question, facts) {
    const next = after(state, question);
    const following = state.questions.find((one) => one.id === next);
    const drawn = plan(question, {
      camera: this.camera.standing,
      media: facts.media,
      retaking: facts.retaking === question.id,
      stopping: facts.stopping === question.id,
      next: following ? `Next: question ${following.number}.` : "Next: watch your answers once more, and send them.",
    });
    this.frame.stamp(drawn.phase, drawn.stage);
    this.card.draw(
      {
        question,
        count: state.questions.length,
        plan: drawn,
        live: facts.media === "live",
        refusal: facts.refusal,
        nextLabel: following ? `Go to question ${following.number}` : "Go to review",
      },
      this.camera,
    );
    this.card.tick(question, this.clocks, facts.progress, this.camera);
    this.frame.announce(question, drawn.phase, this.clocks.think.leftMs());
  }
}
