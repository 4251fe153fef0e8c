// @ts-check
/**
 * The template editor: questions are added, moved and removed in place, and the draft saves itself.
 * Without this module every button is a form's own, and the server does the same.
 */

import { Saving } from "./draft_saving.js";
import { reorderable, shift } from "./reordering.js";

const SEND_TIMEOUT_MS = 15_000;

/** @type {Record<import("./draft_saving.js").Standing, string>} */
const WORDS = {
  saved: "Saved",
  changed: "Not saved yet",
  saving: "Saving…",
  mistakes: "Not saved: something needs another look",
  conflict: "Not saved: this draft was changed elsewhere. Press “Save draft” to see how.",
  "signed-out": "Not saved: you are signed out. Sign in in another tab, then save here.",
  away: "Not saved: the server cannot be reached. Trying again.",
};

const form = /** @type {HTMLFormElement} */ (document.getElementById("draft"));
const questions = /** @type {HTMLElement} */ (form.querySelector(".questions"));
const details = /** @type {HTMLElement} */ (form.querySelector(".details-fields"));
const state = /** @type {HTMLElement} */ (document.querySelector("[data-save-state]"));
const announcer = /** @type {HTMLElement} */ (document.querySelector("[data-announce]"));
const removedBox = /** @type {HTMLElement} */ (document.querySelector("[data-removed]"));
const removedWords = /** @type {HTMLElement} */ (document.querySelector("[data-removed-words]"));
const minutes = /** @type {HTMLElement | null} */ (document.querySelector("[data-minutes]"));
const byItself = form.dataset["autosave"] === "yes";

/** @type {{item: Element, list: Element, before: Element | null} | null} */
let removed = null;
let leaving = false;
let nextKey = 1;

/** @param {string} name of a <template data-blank> @returns {Element} */
function blank(name) {
  const found = /** @type {HTMLTemplateElement} */ (document.querySelector(`template[data-blank="${name}"]`));
  return /** @type {Element} */ (found.content.firstElementChild);
}

/** @param {string} words */
function say(words) {
  announcer.textContent = words;
}

/** Numbers, labels of buttons, and what follows from how many there are. */
function renumber() {
  for (const [list, noun] of /** @type {[Element, string][]} */ ([[questions, "question"], [details, "detail"]])) {
    [...list.children].forEach((item, index) => {
      for (const place of item.querySelectorAll("[data-number]")) place.textContent = String(index + 1);
      for (const button of item.querySelectorAll("button.tool")) {
        const verb = (button.getAttribute("aria-label") ?? "").split(` ${noun}`)[0];
        const rest = /** @type {HTMLButtonElement} */ (button).value.startsWith("up:")
          ? " up"
          : /** @type {HTMLButtonElement} */ (button).value.startsWith("down:")
            ? " down"
            : "";
        button.setAttribute("aria-label", `${verb} ${noun} ${index + 1}${rest}`);
      }
    });
  }
  limit("add-question", questions.children.length >= Number(form.dataset["mostQuestions"]));
  limit("add-field", details.children.length >= Number(form.dataset["mostFields"]));
}

/**
 * @param {string} action
 * @param {boolean} full
 */
function limit(action, full) {
  const button = /** @type {HTMLButtonElement} */ (form.querySelector(`button[value="${action}"]`));
  button.disabled = full;
}

/** @param {import("./draft_saving.js").Standing} standing */
function show(standing) {
  const wrong = ["mistakes", "conflict", "signed-out", "away"].includes(standing);
  const sign = standing === "saved" ? "saved" : standing === "saving" || standing === "changed" ? "saving" : "unsaved";
  const words = document.createElement("span");
  words.textContent = WORDS[standing];
  state.classList.toggle("not-saved", wrong);
  // What changes at every pause of typing is not read out; what is wrong is.
  state.setAttribute("aria-live", wrong ? "polite" : "off");
  state.replaceChildren(blank(sign).cloneNode(true), words);
}

/** @returns {Promise<import("./draft_saving.js").Outcome>} */
async function send() {
  // Not form.action: the buttons have that name.
  const body = new URLSearchParams();
  for (const [name, value] of new FormData(form)) body.append(name, String(value));
  body.set("action", "autosave");
  try {
    const response = await fetch(form.getAttribute("action") ?? "", {
      method: "POST",
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
    });
    if (response.type === "opaqueredirect") return "signed-out";
    if (response.status === 409) return "conflict";
    if (response.status === 422) {
      mark((await response.json()).mistakes);
      return "mistakes";
    }
    if (!response.ok) return "away";
    const saved = await response.json();
    for (const field of document.querySelectorAll('input[name="version"]')) set(field, saved.version);
    for (const field of document.querySelectorAll('input[name="revision"]')) set(field, String(saved.revision));
    if (minutes) minutes.textContent = String(saved.minutes);
    mark({}, saved.missing);
    return "saved";
  } catch {
    return "away";
  }
}

/**
 * @param {Element} field
 * @param {string} value
 */
function set(field, value) {
  /** @type {HTMLInputElement} */ (field).value = value;
}

/**
 * Puts each mistake beside its control; those that are none any more go.
 * @param {Record<string, string>} mistakes
 * @param {string[]} [kept] what publishing asked for stays marked while it is missing
 */
function mark(mistakes, kept = []) {
  for (const place of document.querySelectorAll(".editor .mistake")) {
    const name = place.id.replace(/^mistake-/, "");
    if (name in mistakes || kept.includes(name)) continue;
    place.remove();
    const control = document.getElementById(name);
    control?.removeAttribute("aria-invalid");
    if (control?.getAttribute("aria-describedby") === place.id) control.removeAttribute("aria-describedby");
  }
  for (const [name, words] of Object.entries(mistakes)) {
    const control = document.getElementById(name);
    if (!control) continue;
    let place = document.getElementById(`mistake-${name}`);
    if (!place) {
      place = /** @type {HTMLElement} */ (blank("mistake").cloneNode(true));
      place.id = `mistake-${name}`;
      if (control.matches("section")) control.querySelector("h2")?.after(place);
      else (control.closest(".field") ?? control).append(place);
    }
    const written = place.querySelector("span");
    if (written && written.textContent !== words) written.textContent = words;
    if (control.matches("section")) continue;
    control.setAttribute("aria-invalid", "true");
    if (!control.hasAttribute("aria-describedby")) control.setAttribute("aria-describedby", place.id);
  }
}

const saving = new Saving(send, show);

function changed() {
  if (byItself) saving.changed();
}

/**
 * A new last item, with the times of the one before it.
 * @param {"question" | "field"} kind
 */
function add(kind) {
  const list = kind === "question" ? questions : details;
  while (document.getElementById(`${kind === "question" ? "text" : "label"}-n${nextKey}`)) nextKey += 1;
  const key = `n${nextKey}`;
  nextKey += 1;
  const item = /** @type {HTMLElement} */ (blank(kind).cloneNode(true));
  for (const element of [item, ...item.querySelectorAll("*")]) {
    for (const attribute of element.attributes) {
      if (attribute.value.includes("KEY")) attribute.value = attribute.value.replaceAll("KEY", key);
    }
  }
  const last = list.lastElementChild;
  if (kind === "question" && last instanceof HTMLElement) {
    for (const part of ["think", "think-other", "limit", "limit-other", "retakes"]) {
      const from = valued(last, `${part}-${last.dataset["key"]}`);
      const to = valued(item, `${part}-${key}`);
      if (from instanceof HTMLSelectElement) to.innerHTML = from.innerHTML;
      to.value = from.value;
    }
  }
  list.append(item);
  renumber();
  const first = /** @type {HTMLElement} */ (item.querySelector("textarea, input:not([type=hidden])"));
  first.focus();
  item.scrollIntoView({ block: "nearest" });
  changed();
}

/**
 * @param {Element} within
 * @param {string} name
 */
function valued(within, name) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (within.querySelector(`[name="${name}"]`));
}

/** Takes an item out; it can be put back until the next one goes. @param {Element} item */
function remove(item) {
  const list = /** @type {Element} */ (item.parentElement);
  const number = [...list.children].indexOf(item) + 1;
  const words = `${list === questions ? "Question" : "Detail"} ${number} removed.`;
  removed = { item, list, before: item.nextElementSibling };
  const neighbour = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  renumber();
  removedWords.textContent = words;
  if (list === questions) questions.parentElement?.insertBefore(removedBox, form.querySelector("button.add"));
  else list.after(removedBox);
  removedBox.hidden = false;
  const next = neighbour?.querySelector("textarea, input:not([type=hidden])");
  if (next instanceof HTMLElement) next.focus({ preventScroll: true });
  else /** @type {HTMLElement} */ (removedBox.querySelector("button")).focus();
  say(`${words} Undo is below the list.`);
  changed();
}

function putBack() {
  if (!removed) return;
  const { item, list, before } = removed;
  list.insertBefore(item, before?.parentElement === list ? before : null);
  removed = null;
  removedBox.hidden = true;
  renumber();
  const first = item.querySelector("textarea, input:not([type=hidden])");
  if (first instanceof HTMLElement) first.focus();
  say("Put back.");
  changed();
}

/** @param {Element} item */
function moved(item) {
  renumber();
  say(`Now question ${[...questions.children].indexOf(item) + 1} of ${questions.children.length}.`);
  changed();
}

/**
 * Sends the form as a page, once what was typed is safe. What cannot be saved is sent too: the page that comes back says why.
 * @param {HTMLElement} button
 */
async function leaveBy(button) {
  const standing = byItself ? await saving.flush() : "saved";
  if (standing !== "signed-out" && standing !== "away") leaveNow(form, button);
}

/**
 * A form cannot be sent from within its own "submit" event, nor from what follows that before the next turn.
 * @param {HTMLFormElement} by
 * @param {HTMLElement | null} button
 */
function leaveNow(by, button) {
  setTimeout(() => {
    leaving = true;
    by.requestSubmit(button);
  });
}

form.addEventListener("input", changed);
// Controls beside the form belong to it too, but their events do not pass it.
document.querySelector(".editor-side")?.addEventListener("input", (event) => {
  const control = /** @type {HTMLInputElement} */ (event.target);
  if (control.form === form) changed();
});

form.addEventListener("submit", (event) => {
  if (leaving) return;
  const button = event.submitter;
  const [verb, key] = button instanceof HTMLButtonElement ? button.value.split(":") : ["save"];
  const list = verb?.endsWith("field") ? details : questions;
  const item = [...list.children].find((each) => /** @type {HTMLElement} */ (each).dataset["key"] === key);
  if (verb === "add-question" || verb === "add-field") {
    event.preventDefault();
    add(verb === "add-question" ? "question" : "field");
  } else if (verb?.startsWith("remove-") && item) {
    event.preventDefault();
    remove(item);
  } else if ((verb === "up" || verb === "down") && item instanceof HTMLElement) {
    event.preventDefault();
    if (shift(item, verb === "up" ? -1 : 1)) moved(item);
    button?.focus();
  } else if (byItself && verb === "save" && saving.standing !== "conflict") {
    event.preventDefault();
    void saving.flush().then((standing) => (standing === "conflict" ? leaveNow(form, button) : firstMistake()));
  } else if (byItself && button && saving.standing !== "conflict") {
    event.preventDefault();
    void leaveBy(button);
  } else {
    // The server's page tells what happened elsewhere, with all that was typed.
    leaving = true;
  }
});

function firstMistake() {
  const control = document.querySelector('.editor [aria-invalid="true"]');
  if (control instanceof HTMLElement) control.focus();
}

removedBox.querySelector("[data-undo]")?.addEventListener("click", putBack);

// What leads away waits until what was typed is safe.
document.addEventListener(
  "click",
  (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-flush]") : null;
    if (!(link instanceof HTMLElement) || !byItself || !saving.unsaved) return;
    event.preventDefault();
    event.stopPropagation();
    void saving.flush().then((standing) => {
      if (standing === "saved") link.click();
    });
  },
  true,
);
document.addEventListener(
  "submit",
  (event) => {
    const other = event.target;
    if (!(other instanceof HTMLFormElement) || other === form || leaving) return;
    if (other.method !== "post" || !other.closest("main") || !byItself) return;
    const drops = other.hasAttribute("data-drops");
    if (!saving.unsaved && saving.standing !== "saving") return;
    event.preventDefault();
    event.stopPropagation();
    void saving.flush().then((standing) => {
      if (standing === "saved" || drops) leaveNow(other, event.submitter);
    });
  },
  true,
);
addEventListener("beforeunload", (event) => {
  if (!leaving && (saving.unsaved || form.dataset["autosave"] === "no")) event.preventDefault();
});
addEventListener("pageshow", (event) => {
  leaving = false;
  // A page from the history holds an old revision.
  if (event.persisted && !saving.unsaved) location.reload();
});

document.getElementById("name")?.addEventListener("input", (event) => {
  const shown = document.querySelector("[data-name-shown]");
  const name = /** @type {HTMLInputElement} */ (event.target).value.trim();
  if (shown && name) shown.textContent = name;
});

reorderable(questions, moved);
renumber();
if (form.dataset["unsaved"] === "yes") changed();
