// @ts-check
/**
 * The review page: choosing a question, playback speed, the keyboard.
 * Without this module the page works by its links (?answer=n) and the player's own controls.
 */

import { draw } from "./waveform.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

const root = /** @type {HTMLElement} */ (document.getElementById("review"));
const announcer = /** @type {HTMLElement} */ (document.getElementById("announce"));
const sections = /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".shown")]);
const picks = /** @type {HTMLAnchorElement[]} */ ([...root.querySelectorAll(".pick")]);
const keyList = /** @type {HTMLDetailsElement} */ (document.getElementById("keys"));

let current = sections.findIndex((section) => !section.hidden);
let speed = 1;

/**
 * @param {number} index
 * @returns {HTMLVideoElement | null} the player of that question; null where nothing was recorded
 */
function playerAt(index) {
  return sections[index]?.querySelector("video") ?? null;
}

/** The picture of the current answer's sound. */
function drawSound() {
  const place = /** @type {HTMLElement | null} */ (sections[current]?.querySelector(".waveform") ?? null);
  const player = playerAt(current);
  if (!place || !player) return;
  place.hidden = false;
  void draw(place, player);
}

/** Lets the browser fetch the head of the next recording, so that it starts at once. */
function openAhead() {
  for (let index = current + 1; index < sections.length; index += 1) {
    const next = playerAt(index);
    if (next) {
      if (next.preload === "none") next.preload = "metadata";
      return;
    }
  }
}

/**
 * Shows one question; the one before is paused, and keeps its place.
 * @param {number} index
 * @param {{play?: boolean, remember?: boolean}} [how]
 */
function choose(index, { play = false, remember = true } = {}) {
  if (index < 0 || index >= sections.length || index === current) return;
  playerAt(current)?.pause();
  sections[current].hidden = true;
  picks[current].removeAttribute("aria-current");
  current = index;
  sections[current].hidden = false;
  picks[current].setAttribute("aria-current", "true");
  picks[current].scrollIntoView({ block: "nearest" });
  const number = sections[current].dataset.number ?? "";
  if (remember) history.replaceState(null, "", `?answer=${number}`);
  const player = playerAt(current);
  if (player) {
    player.preload = "metadata";
    player.playbackRate = speed;
    if (play) void player.play().catch(() => undefined);
  }
  announcer.textContent = `Question ${number}`;
  drawSound();
  openAhead();
}

/** @param {number} wanted one of SPEEDS; holds for every answer */
function setSpeed(wanted) {
  speed = wanted;
  for (const player of root.querySelectorAll("video")) {
    player.defaultPlaybackRate = speed;
    player.playbackRate = speed;
  }
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (root.querySelectorAll("[data-speed]"))) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === speed));
  }
  announcer.textContent = `Speed ${speed}`;
}

/** @param {number} steps how many speeds up (or down, if negative) */
function changeSpeed(steps) {
  const place = SPEEDS.indexOf(speed) + steps;
  setSpeed(SPEEDS[Math.min(Math.max(place, 0), SPEEDS.length - 1)]);
}

/** @param {number} seconds */
function skip(seconds) {
  const player = playerAt(current);
  if (!player) return;
  const end = Number.isFinite(player.duration) ? player.duration : player.currentTime;
  player.currentTime = Math.min(Math.max(player.currentTime + seconds, 0), end);
}

function playOrPause() {
  const player = playerAt(current);
  if (!player) return;
  if (player.paused) void player.play().catch(() => undefined);
  else player.pause();
}

function showKeys() {
  keyList.open = !keyList.open;
  if (keyList.open) keyList.scrollIntoView({ block: "nearest" });
}

/** @type {Record<string, () => void>} */
const KEYS = {
  " ": playOrPause,
  k: playOrPause,
  j: () => skip(-10),
  l: () => skip(10),
  ArrowLeft: () => skip(-5),
  ArrowRight: () => skip(5),
  "<": () => changeSpeed(-1),
  ">": () => changeSpeed(1),
  n: () => choose(current + 1, { play: true }),
  p: () => choose(current - 1, { play: true }),
  "?": showKeys,
};

/**
 * @param {KeyboardEvent} event
 * @returns {boolean} whether the key belongs to what has the focus
 */
function isTaken(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.target;
  if (!(target instanceof Element)) return false;
  if (target.closest("input, select, textarea, [contenteditable]")) return true;
  if (event.key === " ") return target.closest("a, button, summary, video") !== null;
  return event.key.startsWith("Arrow") && target.closest("video") !== null;
}

document.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (!act || isTaken(event)) return;
  event.preventDefault();
  act();
});

for (const [index, pick] of picks.entries()) {
  pick.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    choose(index, { play: true });
  });
}

for (const group of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".speeds"))) {
  group.hidden = false;
  group.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.dataset.speed) setSpeed(Number(button.dataset.speed));
  });
}

for (const player of root.querySelectorAll("video")) {
  player.addEventListener("playing", openAhead);
  // The browser's own menu changes the speed too: the buttons follow.
  player.addEventListener("ratechange", () => {
    if (player === playerAt(current) && SPEEDS.includes(player.playbackRate) && player.playbackRate !== speed) {
      setSpeed(player.playbackRate);
    }
  });
}

drawSound();
keyList.hidden = false;
