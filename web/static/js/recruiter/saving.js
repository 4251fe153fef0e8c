// @ts-check
/**
 * What htmx could not save is said where it was typed, and nothing that was typed is replaced: a page about an error,
 * or the sign-in page, never lands in a part of this one.
 */

const LOST = "Not saved. Check your connection, then try again.";
const SIGNED_OUT = "Not saved: you are signed out. Sign in in another tab, then try again.";
const REFUSED = "Not saved. Reload the page, then try again.";

/**
 * Why an answer is not to be shown in the page; empty if it is.
 * @param {{ status: number, redirected: boolean }} response
 */
export function trouble(response) {
  if (response.redirected) return SIGNED_OUT;
  if (response.status === 422 || (response.status >= 200 && response.status < 300)) return "";
  return response.status >= 500 ? LOST : REFUSED;
}

/** @param {EventTarget | null} target @param {string} words */
function say(target, words) {
  const form = target instanceof Element ? target.closest("form") : null;
  if (!form) return;
  form.dataset["failed"] = "yes";
  let place = /** @type {HTMLElement | null} */ (form.querySelector("[data-save-state]"));
  if (!place) {
    place = document.createElement("p");
    place.setAttribute("role", "status");
    place.dataset["saveState"] = "";
    form.append(place);
  }
  place.classList.add("warned");
  place.textContent = words;
}

/** @param {HTMLElement} root */
export function tellOfFailures(root) {
  root.addEventListener("htmx:before:request", (event) => {
    const form = event.target instanceof Element ? event.target.closest("form") : null;
    const place = form?.querySelector("[data-save-state]");
    if (place) {
      place.classList.remove("warned");
      place.textContent = "Saving…";
    }
  });
  root.addEventListener("htmx:before:response", (event) => {
    const words = trouble(/** @type {CustomEvent} */ (event).detail.ctx.response.raw);
    if (!words) return;
    event.preventDefault();
    say(event.target, words);
  });
  root.addEventListener("htmx:error", (event) => say(event.target, LOST));
}
