// @ts-check
/**
 * Moving the items of a list: by a handle with mouse, pen or finger, and by Alt with an arrow key.
 * The list itself is all that changes; who owns it is told.
 */

const EDGE_PX = 80;
const SCROLL_PX = 14;

/**
 * @param {HTMLElement} list whose children are the items
 * @param {(item: HTMLElement) => void} moved after an item found its new place
 */
export function reorderable(list, moved) {
  list.addEventListener("pointerdown", (event) => {
    const grip = event.target instanceof Element ? event.target.closest("[data-grip]") : null;
    const item = grip?.closest("li");
    if (!(grip instanceof HTMLElement) || !(item instanceof HTMLElement) || event.button !== 0) return;
    event.preventDefault();
    drag(list, item, grip, event, moved);
  });
  list.addEventListener("keydown", (event) => {
    const item = event.target instanceof Element ? event.target.closest("li") : null;
    if (!event.altKey || event.ctrlKey || event.metaKey || !(item instanceof HTMLElement)) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    if (shift(item, step)) moved(item);
  });
}

/**
 * One place up or down; focus and what is marked in a field stay.
 * @param {HTMLElement} item
 * @param {number} step -1 or 1
 * @returns {boolean} whether there was such a place
 */
export function shift(item, step) {
  const other = step < 0 ? item.previousElementSibling : item.nextElementSibling;
  if (!other) return false;
  // The other one moves: an element that is moved loses the focus.
  if (step < 0) item.after(other);
  else item.before(other);
  item.scrollIntoView({ block: "nearest" });
  return true;
}

/**
 * @param {HTMLElement} list
 * @param {HTMLElement} item
 * @param {HTMLElement} grip
 * @param {PointerEvent} start
 * @param {(item: HTMLElement) => void} moved
 */
function drag(list, item, grip, start, moved) {
  const before = [...list.children].indexOf(item);
  const done = new AbortController();
  let y = start.clientY;
  let frame = 0;

  /** Where the pointer is decides the place: past the middle of a neighbour, the two change places. */
  const follow = () => {
    frame = 0;
    if (y < EDGE_PX) scrollBy(0, -SCROLL_PX);
    else if (y > innerHeight - EDGE_PX) scrollBy(0, SCROLL_PX);
    for (;;) {
      const above = item.previousElementSibling;
      const below = item.nextElementSibling;
      if (above && y < middle(above)) item.after(above);
      else if (below && y > middle(below)) item.before(below);
      else break;
    }
    if (y < EDGE_PX || y > innerHeight - EDGE_PX) frame = requestAnimationFrame(follow);
  };
  const end = () => {
    done.abort();
    cancelAnimationFrame(frame);
    item.classList.remove("dragged");
    if ([...list.children].indexOf(item) !== before) moved(item);
  };

  item.classList.add("dragged");
  grip.setPointerCapture(start.pointerId);
  const options = { signal: done.signal };
  grip.addEventListener(
    "pointermove",
    (event) => {
      y = event.clientY;
      frame ||= requestAnimationFrame(follow);
    },
    options,
  );
  grip.addEventListener("pointerup", end, options);
  grip.addEventListener("pointercancel", end, options);
  grip.addEventListener("lostpointercapture", end, options);
}

/** @param {Element} element */
function middle(element) {
  const { top, height } = element.getBoundingClientRect();
  return top + height / 2;
}
