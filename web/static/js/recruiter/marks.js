// @ts-check
/**
 * Comments as marks on the waveform: each at its moment, a press plays from there and shows the comment.
 * For the eye and the pointer only; for everyone else the comment's own link does the same.
 */

/** @typedef {{ id: string, seconds: number, author: string, text: string }} Mark */

/**
 * Where on the picture a moment is, from 0 to 1.
 * @param {number} seconds
 * @param {number} lengthMs
 */
export function place(seconds, lengthMs) {
  return lengthMs > 0 ? Math.min(1, Math.max(0, (seconds * 1000) / lengthMs)) : 0;
}

/** The letters that stand for a person. @param {string} name */
export function initials(name) {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const first = [...(words[0] ?? "?")][0] ?? "?";
  const last = words.length > 1 ? ([...(words[words.length - 1] ?? "")][0] ?? "") : "";
  return (first + last).toLocaleUpperCase();
}

/** @param {ParentNode} section @returns {Mark[]} the comments of a section that have a moment */
export function marksOf(section) {
  const lines = /** @type {NodeListOf<HTMLElement>} */ (section.querySelectorAll(".comment[data-moment]"));
  return [...lines].map((line) => ({
    id: line.id,
    seconds: Number(line.dataset["moment"]),
    author: line.dataset["author"] ?? "",
    text: line.querySelector(".comment-text")?.textContent ?? "",
  }));
}

/**
 * Draws them anew over the waveform.
 * @param {HTMLElement} waveform
 * @param {Mark[]} marks
 * @param {number} lengthMs of the recording
 * @param {(mark: Mark) => void} chosen
 */
export function drawMarks(waveform, marks, lengthMs, chosen) {
  const layer = document.createElement("div");
  layer.className = "marks";
  for (const mark of marks) {
    const pin = document.createElement("span");
    pin.className = "mark";
    pin.textContent = initials(mark.author);
    pin.title = `${mark.author}: ${mark.text.slice(0, 200)}`;
    pin.style.insetInlineStart = `${(place(mark.seconds, lengthMs) * 100).toFixed(2)}%`;
    pin.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation();
      chosen(mark);
    });
    layer.append(pin);
  }
  waveform.querySelector(".marks")?.remove();
  if (marks.length > 0) waveform.append(layer);
}
