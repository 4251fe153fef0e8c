// @ts-check
/**
 * The sound of one recording as a picture below its player: what was played is filled, a press seeks.
 * For the eye and the pointer only; for everyone else the player's own controls do the same.
 */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 48;
const BAR = 3;
const GAP = 1;
const MOST_BARS = 180;
/** Levels are 0 to 127; this is about a room's own noise, and below it there is nothing to see. */
const QUIET = 60;
const LOUDEST = 127;
const LEAST = 2;

/** @typedef {{ step_ms: number, levels: number[] }} Sound the loudest sound of each step, 0 (silent) to 127 */

/**
 * At most `most` bars from 0 to 1: each the loudest of the levels it stands for.
 * @param {number[]} levels
 * @param {number} [most]
 */
export function bars(levels, most = MOST_BARS) {
  const count = Math.min(most, levels.length);
  return Array.from({ length: count }, (_, place) => {
    const from = Math.floor((place * levels.length) / count);
    const to = Math.max(from + 1, Math.floor(((place + 1) * levels.length) / count));
    const loudest = Math.max(...levels.slice(from, to));
    return Math.min(1, Math.max(0, (loudest - QUIET) / (LOUDEST - QUIET)));
  });
}

/** One path for all bars, around the middle line. @param {number[]} heights from 0 to 1 */
function outline(heights) {
  return heights
    .map((height, place) => {
      const half = Math.max(LEAST, height * HEIGHT) / 2;
      return `M${place * (BAR + GAP)} ${(HEIGHT / 2 - half).toFixed(1)}h${BAR}v${(2 * half).toFixed(1)}h-${BAR}z`;
    })
    .join("");
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/**
 * Draws the waveform of this player into its place, once.
 * @param {HTMLElement} place with `data-waveform`, the address of the levels
 * @param {HTMLVideoElement} player
 */
export async function draw(place, player) {
  const address = place.dataset["waveform"];
  if (!address || place.dataset["drawn"]) return;
  place.dataset["drawn"] = "yes";
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) {
    place.hidden = true;
    return;
  }
  /** @type {Sound} */
  const sound = await response.json();
  if (sound.levels.length === 0) {
    place.hidden = true;
    return;
  }
  const heights = bars(sound.levels);
  const width = heights.length * (BAR + GAP) - GAP;
  const path = outline(heights);
  const played = shape("rect", { x: "0", y: "0", width: "0", height: String(HEIGHT) });
  const clip = shape("clipPath", { id: `played-${player.id}` });
  clip.append(played);
  const head = shape("line", { class: "playhead", x1: "0", x2: "0", y1: "0", y2: String(HEIGHT) });
  const picture = shape("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none" });
  picture.append(
    clip,
    shape("path", { class: "sound", d: path }),
    shape("path", { class: "sound-played", d: path, "clip-path": `url(#${clip.id})` }),
    head,
  );
  place.replaceChildren(picture);

  const lengthS = () =>
    Number.isFinite(player.duration) ? player.duration : (sound.levels.length * sound.step_ms) / 1000;
  let running = 0;
  const follow = () => {
    const x = String(width * Math.min(1, player.currentTime / lengthS()));
    played.setAttribute("width", x);
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
  };
  const everyFrame = () => {
    follow();
    running = player.paused ? 0 : requestAnimationFrame(everyFrame);
  };
  player.addEventListener("play", () => {
    if (!running) everyFrame();
  });
  for (const event of ["timeupdate", "seeking", "loadedmetadata"]) player.addEventListener(event, follow);

  /** @param {PointerEvent} event */
  const seek = (event) => {
    const box = place.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    player.currentTime = part * lengthS();
    follow();
  };
  place.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    place.setPointerCapture(event.pointerId);
    seek(event);
  });
  place.addEventListener("pointermove", (event) => {
    if (place.hasPointerCapture(event.pointerId)) seek(event);
  });
  follow();
}
