/**
 * Draws the strip of questions, the review step, and the two dialogs (remove, send). Told what to draw; decides nothing.
 */

import { settled } from "./phase.js";
import { part, say, sayEach } from "./view_question.js";
import { duration, notice, sendingProblem, standing, verdict } from "./words.js";

/** @typedef {import("./messages.js").Question} Question */
/** @typedef {import("./messages.js").State} State */

/** A fresh copy of the sign for a standing. @param {string} shape */
function sign(shape) {
  const original = part("shapes", HTMLTemplateElement).content.querySelector(`[data-shape="${shape}"]`);
  const copy = /** @type {HTMLElement} */ (original?.cloneNode(true) ?? document.createElement("span"));
  copy.className = "sign";
  return copy;
}

export class StripView {
  /** @param {(id: string | "review") => void} chosen */
  constructor(chosen) {
    this.chosen = chosen;
    this.list = part("strip-list", HTMLElement);
    this.saved = part("saved", HTMLElement);
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
  }

  /**
   * @param {State} state
   * @param {string} current a question's id, or "review"
   * @param {boolean} locked one question cannot be left now
   */
  draw(state, current, locked) {
    const names = [...state.questions.map((question) => question.id), "review"];
    if (names.join() !== [...this.buttons.keys()].join()) this.#build(names);
    this.list.classList.toggle("few", state.questions.length <= 4);
    for (const question of state.questions) {
      const { text, shape } = standing(question);
      const button = this.#mark(question.id, current, locked);
      button.setAttribute("aria-label", `Question ${question.number}, ${text.toLowerCase()}`);
      if (button.dataset["drawn"] === `${question.number}${text}`) continue;
      button.dataset["drawn"] = `${question.number}${text}`;
      button.dataset["shape"] = shape;
      const number = Object.assign(document.createElement("span"), {
        className: "strip-number",
        textContent: String(question.number),
      });
      const words = Object.assign(document.createElement("span"), { className: "strip-words", textContent: text });
      button.replaceChildren(number, sign(shape), words);
    }
    const review = this.#mark("review", current, locked);
    say(review, "Review");
    const answered = state.questions.filter((question) => question.take).length;
    say(this.saved, `${answered} of ${state.questions.length} answers safe on the server`);
  }

  /** @param {string} name @param {string} current @param {boolean} locked */
  #mark(name, current, locked) {
    const button = this.buttons.get(name);
    if (!button) throw new Error(`the strip has no ${name}`);
    if (name === current) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
    button.disabled = locked && name !== current;
    return button;
  }

  /** @param {string[]} names */
  #build(names) {
    this.buttons.clear();
    const items = names.map((name) => {
      const item = document.createElement("li");
      if (name === "review") item.className = "strip-review";
      const button = Object.assign(document.createElement("button"), { type: "button", className: "strip-item" });
      button.dataset["question"] = name;
      button.addEventListener("click", () => this.chosen(name));
      this.buttons.set(name, button);
      item.append(button);
      return item;
    });
    this.list.replaceChildren(...items);
  }
}

export class ReviewView {
  /**
   * @param {string} takeBase
   * @param {string} company
   * @param {{ open: (id: string) => void, send: () => void, confirm: () => void, remove: (id: string) => void }} pressed
   */
  constructor(takeBase, company, pressed) {
    this.takeBase = takeBase;
    this.company = company;
    this.pressed = pressed;
    this.root = part("review", HTMLElement);
    this.title = part("review-title", HTMLElement);
    this.list = part("review-list", HTMLElement);
    this.send = part("do-send", HTMLButtonElement);
    this.next = part("review-next", HTMLElement);
    this.problems = part("sending-problems", HTMLElement);
    this.sendDialog = part("send-dialog", HTMLDialogElement);
    this.removeDialog = part("remove-dialog", HTMLDialogElement);
    this.confirm = part("send-yes", HTMLButtonElement);
    this.status = part("send-status", HTMLElement);
    /** @type {Map<string, HTMLElement>} */
    this.items = new Map();
    this.removing = "";
    this.send.addEventListener("click", () => pressed.send());
    this.confirm.addEventListener("click", () => pressed.confirm());
    part("send-no", HTMLButtonElement).addEventListener("click", () => this.sendDialog.close());
    part("remove-no", HTMLButtonElement).addEventListener("click", () => this.removeDialog.close());
    part("remove-yes", HTMLButtonElement).addEventListener("click", () => {
      this.removeDialog.close();
      pressed.remove(this.removing);
    });
    this.sendDialog.addEventListener("close", () => this.send.focus());
  }

  /** @param {State} state @param {boolean} connected @param {string} refusal why the last ask was refused, or "" */
  draw(state, connected, refusal) {
    for (const question of state.questions) this.#item(question);
    const left = state.questions.filter((question) => question.required && !settled(question));
    const missing = left.map((question) => question.number).join(", ");
    this.send.disabled = !connected || !(state.can_send || state.sending === "ready" || state.sending === "checking");
    say(
      this.next,
      left.length
        ? `Before sending: ${left.length === 1 ? "question" : "questions"} ${missing} ${left.length === 1 ? "needs" : "need"} an answer.`
        : `Next: the server checks every answer once more, you confirm, and ${this.company} can watch.`,
    );
    const refused = state.sending === "refused";
    this.problems.hidden = !refused && refusal === "";
    if (!this.problems.hidden) {
      const problems = refused ? state.sending_problems : [];
      const lines = [
        ...problems.map((problem) => sendingProblem(problem, state.questions)),
        ...(refusal ? [refusal] : []),
      ];
      sayEach(part("sending-problems-text", HTMLElement), "p", lines);
      if (this.sendDialog.open) this.sendDialog.close();
    }
    this.#dialog(state, connected);
  }

  /** Plays no sound while another view is shown. */
  pause() {
    for (const player of this.list.querySelectorAll("video")) player.pause();
  }

  openSendDialog() {
    if (!this.sendDialog.open) this.sendDialog.showModal();
  }

  closeDialogs() {
    if (this.sendDialog.open) this.sendDialog.close();
    if (this.removeDialog.open) this.removeDialog.close();
  }

  /** @param {Question} question */
  openRemoveDialog(question) {
    this.removing = question.id;
    const left = question.attempts_left;
    const again =
      left === 0
        ? "No attempt is left to record another."
        : left === null
          ? "You can record another."
          : `You can record another: ${left} ${left === 1 ? "attempt" : "attempts"} left.`;
    say(
      part("remove-text", HTMLElement),
      `Question ${question.number} is unanswered then. ${again} Removing gives no attempt back.`,
    );
    this.removeDialog.showModal();
    part("remove-no", HTMLButtonElement).focus();
  }

  /** @param {State} state @param {boolean} connected */
  #dialog(state, connected) {
    const answered = state.questions.filter((question) => question.take).length;
    say(
      part("send-text", HTMLElement),
      `${answered} ${answered === 1 ? "answer goes" : "answers go"} to ${this.company}. After this nothing can be changed, and this link shows a receipt.`,
    );
    this.confirm.disabled = state.sending !== "ready" || !connected;
    this.status.dataset["sending"] = state.sending;
    say(
      this.status,
      state.sending === "ready"
        ? "Checked: every answer is whole on the server's disk."
        : "Checking every answer on the server's disk…",
    );
  }

  /** @param {Question} question */
  #item(question) {
    const item = this.items.get(question.id) ?? this.#addItem(question.id);
    const { text, shape } = standing(question);
    const heading = find(item, "h2", HTMLElement);
    say(heading, `Question ${question.number}`);
    const pill = find(item, ".pill", HTMLElement);
    if (pill.dataset["drawn"] !== text) {
      pill.dataset["drawn"] = text;
      pill.className = shape === "done" ? "pill pill-good" : shape === "problem" ? "pill pill-warn" : "pill";
      pill.replaceChildren(sign(shape), text);
    }
    say(find(item, ".review-text", HTMLElement), question.text ?? "Hidden until you show it.");
    const player = find(item, "video", HTMLVideoElement);
    find(item, ".player", HTMLElement).hidden = question.take === null;
    const words = find(item, ".review-verdict", HTMLElement);
    const button = find(item, "button", HTMLButtonElement);
    button.hidden = question.state === "missed";
    if (question.take) {
      const source = this.takeBase + question.take.url;
      if (player.getAttribute("src") !== source) {
        player.src = source;
        player.poster = question.take.poster_url ? this.takeBase + question.take.poster_url : "";
        player.setAttribute("aria-label", `Your answer to question ${question.number}`);
      }
      const said = verdict(question.take);
      say(words, `${duration(question.take.duration_ms)} · ${said.title}. ${said.text}`);
      say(button, `Open question ${question.number}`);
    } else {
      player.removeAttribute("src");
      const optional = question.required ? "" : " It is optional.";
      say(
        words,
        question.state === "missed"
          ? (notice(question)?.text ?? "No attempt is left.")
          : `Nothing is recorded.${optional}`,
      );
      say(button, `Answer question ${question.number}`);
    }
  }

  /** @param {string} id */
  #addItem(id) {
    const copy = /** @type {DocumentFragment} */ (part("review-item", HTMLTemplateElement).content.cloneNode(true));
    const item = find(copy, "li", HTMLElement);
    item.dataset["question"] = id;
    find(item, "button", HTMLButtonElement).addEventListener("click", () => this.pressed.open(id));
    this.items.set(id, item);
    this.list.append(item);
    return item;
  }
}

/** @template {HTMLElement} T @param {ParentNode} root @param {string} selector @param {new () => T} kind @returns {T} */
function find(root, selector, kind) {
  const element = root.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`there is no ${selector} here`);
  return element;
}
