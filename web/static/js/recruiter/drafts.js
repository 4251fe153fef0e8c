// @ts-check
/**
 * Keeps comments while they are typed. One form is saved at a time and at most every PAUSE_MS; what could not be
 * saved is tried again, with growing pauses, and once more when the page is left. The form says how it stands.
 */

const PAUSE_MS = 700;
const RETRY_MS = [2000, 5000, 15_000];
const TIMEOUT_MS = 10_000;

/** @typedef {"typing" | "saving" | "saved" | "failed" | "refused" | "posted"} Standing */

const WORDS = {
  typing: "",
  saving: "Saving…",
  saved: "Draft kept",
  failed: "Not kept yet. Trying again",
  refused: "Not kept: too long",
  posted: "Not kept: a comment of this form was posted elsewhere. “Post comment” posts this one too.",
};

/** One form's draft: what is typed becomes what is kept. */
export class Draft {
  /** @type {ReturnType<typeof setTimeout> | 0} */
  #timer = 0;
  #dirty = false;
  #busy = false;
  #failures = 0;

  /**
   * @param {() => Promise<Response>} send posts the form as it is then
   * @param {(standing: Standing) => void} tell
   */
  constructor(send, tell) {
    this.send = send;
    this.tell = tell;
  }

  get unsaved() {
    return this.#dirty || this.#busy;
  }

  typed() {
    this.#dirty = true;
    this.#failures = 0;
    this.tell("typing");
    this.#later(PAUSE_MS);
  }

  /** Nothing more is to be kept: the comment is being posted. */
  stop() {
    clearTimeout(this.#timer);
    this.#dirty = false;
  }

  /** @param {number} pauseMs */
  #later(pauseMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save(), pauseMs);
  }

  async save() {
    if (this.#busy || !this.#dirty) return;
    this.#busy = true;
    this.#dirty = false;
    this.tell("saving");
    const status = await this.send().then(
      (response) => (response.redirected ? 0 : response.status),
      () => 0,
    );
    this.#busy = false;
    if (status === 204) {
      this.#failures = 0;
      if (this.#dirty) this.#later(PAUSE_MS);
      else this.tell("saved");
    } else if (status === 422) {
      this.tell("refused");
    } else if (status === 409) {
      this.tell("posted");
    } else {
      this.#dirty = true;
      this.tell("failed");
      this.#later(RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] ?? PAUSE_MS);
      this.#failures += 1;
    }
  }
}

/** @param {HTMLFormElement} form */
function fieldsOf(form) {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (typeof value === "string") fields.append(name, value);
  return fields;
}

/** @param {HTMLFormElement} form @param {Standing} standing */
function show(form, standing) {
  const place = form.querySelector("[data-draft-state]");
  if (!place) return;
  const words = form.querySelector("textarea")?.value.trim();
  place.textContent = standing === "saved" && !words ? "" : WORDS[standing];
  place.classList.toggle("warned", ["failed", "refused", "posted"].includes(standing));
}

/** Keeps the draft of every form with `data-draft` in here, also of those that come later. @param {HTMLElement} root */
export function keepDrafts(root) {
  /** @type {Map<HTMLFormElement, Draft>} */
  const drafts = new Map();

  /** @param {EventTarget | null} target */
  const formOf = (target) =>
    target instanceof Element ? /** @type {HTMLFormElement | null} */ (target.closest("form[data-draft]")) : null;

  root.addEventListener("input", (event) => {
    const form = formOf(event.target);
    if (!form) return;
    let draft = drafts.get(form);
    if (!draft) {
      for (const each of drafts.keys()) if (!each.isConnected) drafts.delete(each);
      draft = new Draft(
        () =>
          fetch(form.dataset["draft"] ?? "", {
            method: "POST",
            body: fieldsOf(form),
            signal: AbortSignal.timeout(TIMEOUT_MS),
          }),
        (standing) => show(form, standing),
      );
      drafts.set(form, draft);
    }
    draft.typed();
  });
  // While it is posted nothing is kept; if posting failed, what is in the form is a draft again.
  root.addEventListener("htmx:before:request", (event) => {
    const form = formOf(event.target);
    if (form) drafts.get(form)?.stop();
  });
  root.addEventListener("htmx:finally:request", (event) => {
    const form = formOf(event.target);
    if (form) drafts.get(form)?.typed();
  });
  addEventListener("pagehide", () => {
    for (const [form, draft] of drafts) {
      if (form.isConnected && draft.unsaved) navigator.sendBeacon(form.dataset["draft"] ?? "", fieldsOf(form));
    }
  });
}
