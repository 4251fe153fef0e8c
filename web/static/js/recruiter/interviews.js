// The list of interviews stays live: what can change by itself is read again from the same page now and then.
// Rows are neither added nor moved, and menus stay as they are: nothing moves under the pointer.

const EVERY_MS = 15_000;
const TIMEOUT_MS = 10_000;

/** @param {ParentNode} where @returns {Map<string, Element>} the live cells by interview and name */
function liveCells(where) {
  const found = new Map();
  for (const row of where.querySelectorAll("tr[data-interview]")) {
    for (const cell of row.querySelectorAll("[data-live]")) {
      found.set(`${row.getAttribute("data-interview")} ${cell.getAttribute("data-live")}`, cell);
    }
  }
  return found;
}

async function refresh() {
  const response = await fetch(location.href, {
    headers: { Accept: "text/html" },
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) return;
  const fresh = liveCells(new DOMParser().parseFromString(await response.text(), "text/html"));
  for (const [key, cell] of liveCells(document)) {
    const newer = fresh.get(key);
    if (!newer || newer.innerHTML === cell.innerHTML || cell.contains(document.activeElement)) continue;
    cell.className = newer.className;
    cell.replaceChildren(...newer.childNodes);
  }
}

async function keepLive() {
  for (;;) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    if (document.hidden) continue;
    try {
      await refresh();
    } catch {
      // The server is away, or the sign-in has ended: the list stays as it was, and the next turn tries again.
    }
  }
}

void keepLive();
