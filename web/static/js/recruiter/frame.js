// What every page of the hiring team can do: "/" goes to the search, the account menu closes when left, a link
// marked data-dialog opens that page's [data-dialog-content] in place, and a button marked data-copy copies the field
// it names. Without this script such a link is a link, and the field can be copied by hand.

const search = /** @type {HTMLInputElement | null} */ (document.getElementById("search"));
const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));
const dialogBody = /** @type {HTMLElement} */ (document.getElementById("dialog-body"));

/** Where the focus goes when the dialog closes. @type {HTMLElement | null} */
let opener = null;

const FETCH_TIMEOUT_MS = 10_000;
const PRESSED_MS = 10_000;

/** @param {EventTarget | null} target */
function isTyping(target) {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Style sheets that the fetched page has and this one has not. @param {Document} page */
async function borrowStyles(page) {
  const waiting = [];
  for (const link of page.querySelectorAll('link[rel="stylesheet"]')) {
    const href = link.getAttribute("href");
    if (href === null || document.querySelector(`link[rel="stylesheet"][href="${CSS.escape(href)}"]`)) continue;
    const ours = document.createElement("link");
    ours.rel = "stylesheet";
    ours.href = href;
    waiting.push(new Promise((done) => ["load", "error"].forEach((name) => ours.addEventListener(name, done))));
    document.head.append(ours);
  }
  await Promise.all(waiting);
}

/** Opens the page's content in the dialog; follows the link where that cannot be done. @param {string} href */
async function open(href) {
  try {
    const response = await fetch(href, {
      headers: { Accept: "text/html" },
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    });
    if (!response.ok || response.redirected) throw new Error(`answered ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const content = page.querySelector("[data-dialog-content]");
    if (!content) throw new Error("has nothing for a dialog");
    await borrowStyles(page);
    const title = content.querySelector("h1, h2");
    if (title) title.id = "dialog-title";
    dialogBody.replaceChildren(document.adoptNode(content));
    showCopyButtons();
    if (!dialog.open) dialog.showModal();
    const first = dialogBody.querySelector("[autofocus]");
    if (first instanceof HTMLElement) first.focus();
  } catch {
    location.assign(href);
  }
}

// On a phone the entries of a section, and the ways to narrow a list, lie in one line: the chosen one is brought into it.
for (const row of document.querySelectorAll(".settings-nav, nav.choices")) {
  const chosen = row.querySelector("[aria-current]");
  if (!(chosen instanceof HTMLElement) || row.scrollWidth <= row.clientWidth) continue;
  const apart = chosen.getBoundingClientRect().left - row.getBoundingClientRect().left;
  row.scrollLeft += apart - (row.clientWidth - chosen.offsetWidth) / 2;
}

function showCopyButtons() {
  for (const button of document.querySelectorAll("button[data-copy]")) button.removeAttribute("hidden");
}
showCopyButtons();

/** @param {HTMLElement} button */
async function copy(button) {
  const field = document.getElementById(button.dataset.copy ?? "");
  if (!(field instanceof HTMLInputElement)) return;
  field.select();
  try {
    // Over plain HTTP on a LAN browsers have no clipboard object, but the old command.
    if (navigator.clipboard) await navigator.clipboard.writeText(field.value);
    else document.execCommand("copy");
  } catch {
    return; // it is selected: the keyboard copies it
  }
  const words = button.querySelector("span");
  if (words) words.textContent = button.dataset.copied ?? words.textContent;
}

document.addEventListener("click", (event) => {
  const copying = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
  if (copying instanceof HTMLElement) void copy(copying);
});

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const link = target?.closest("a[data-dialog]");
  if (link instanceof HTMLAnchorElement && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
    event.preventDefault();
    if (!dialog.contains(link)) {
      const menu = link.closest("details.row-menu");
      menu?.removeAttribute("open");
      opener = menu?.querySelector("summary") ?? link;
    }
    void open(link.href);
    return;
  }
  if (target === dialog || target?.closest("[data-dialog-close]")) {
    if (dialog.open) {
      event.preventDefault();
      dialog.close();
    }
  }
  // A menu closes when something else is pressed.
  for (const menu of document.querySelectorAll("details.topbar-account[open], details.row-menu[open]")) {
    if (!target || !menu.contains(target)) menu.removeAttribute("open");
  }
});

// A menu that opens below the window is brought into it.
document.addEventListener(
  "toggle",
  (event) => {
    const menu = event.target;
    if (menu instanceof HTMLDetailsElement && menu.open && menu.matches(".row-menu")) {
      menu.lastElementChild?.scrollIntoView({ block: "nearest" });
    }
  },
  true,
);

dialog.addEventListener("close", () => {
  dialogBody.replaceChildren();
  // By itself the focus would go back to a link in a menu that is closed by now: nowhere.
  opener?.focus();
  opener = null;
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && search && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
    event.preventDefault();
    search.focus();
    search.select();
  }
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.topbar-account[open], details.row-menu[open]")) {
    const within = menu.contains(document.activeElement);
    menu.removeAttribute("open");
    if (within) menu.querySelector("summary")?.focus();
  }
});

// Two presses of a button send its form once; a page that comes back from the history, or that got
// no answer for a while, may send again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent !== undefined) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
  setTimeout(() => form.removeAttribute("data-sent"), PRESSED_MS);
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) form.removeAttribute("data-sent");
});
