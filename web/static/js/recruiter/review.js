// @ts-check
/**
 * The review page: choosing a question, playback speed, the keyboard, and what ties comments to the recording.
 * Without this module the page works by its links (?answer=n), its forms and the player's own controls.
 */

import { keepDrafts } from "./drafts.js";
import { drawMarks, marksOf } from "./marks.js";
import { tellOfFailures } from "./saving.js";
import { draw } from "./waveform.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

const root = /** @type {HTMLElement} */ (document.getElementById("review"));
const announcer = /** @type {HTMLElement} */ (document.getElementById("announce"));
const sections = /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".shown")]);
const picks = /** @type {HTMLAnchorElement[]} */ ([...root.querySelectorAll(".pick")]);
const rates = /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".rated")]);
const keyList = /** @type {HTMLDetailsElement} */ (document.getElementById("keys"));

let current = sections.findIndex((section) => !section.hidden);
let speed = 1;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * @param {number} index
 * @returns {HTMLVideoElement | null} the player of that question; null where nothing was recorded
 */
function playerAt(index) {
  return sections[index]?.querySelector("video") ?? null;
}

/** The picture of the current answer's sound, with the comments on it. */
function drawSound() {
  const place = /** @type {HTMLElement | null} */ (sections[current]?.querySelector(".waveform") ?? null);
  const player = playerAt(current);
  if (!place || !player) return;
  place.hidden = false;
  void draw(place, player).then(() => markComments(place, player));
}

/**
 * @param {HTMLElement} place
 * @param {HTMLVideoElement} player
 */
function markComments(place, player) {
  const section = place.closest(".shown");
  if (!section) return;
  drawMarks(place, marksOf(section), Number(player.dataset["length"]), (mark) => {
    seekTo(mark.seconds);
    const line = document.getElementById(mark.id);
    line?.scrollIntoView({ block: "nearest" });
    line?.animate?.([{ opacity: 0.3 }, { opacity: 1 }], { duration: calm.matches ? 0 : 600 });
  });
}

/** Plays the current answer from there. @param {number} seconds */
function seekTo(seconds) {
  const player = playerAt(current);
  if (!player) return;
  player.currentTime = seconds;
  player.playbackRate = speed;
  void player.play().catch(() => undefined);
  const box = player.getBoundingClientRect();
  if (box.bottom < 0 || box.top > innerHeight) player.scrollIntoView({ block: "nearest" });
}

/** @param {number} seconds @returns {string} like "0:42" */
function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** The button beside a comment's moment says which moment it would take. */
function showNow() {
  const button = sections[current]?.querySelector("[data-now]");
  const words = button?.querySelector("span");
  const player = playerAt(current);
  if (!(button instanceof HTMLElement) || !words || !player) return;
  button.hidden = false;
  words.textContent = `Now, ${clock(player.currentTime)}`;
}

/** Ties the current answer's next comment to the moment the player is at. */
function takeMoment() {
  const player = playerAt(current);
  const field = sections[current]?.querySelector("[name=moment]");
  if (!player || !(field instanceof HTMLInputElement)) return;
  field.value = clock(player.currentTime);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** A comment at this moment: the player stops, and the field is ready. */
function comment() {
  playerAt(current)?.pause();
  takeMoment();
  const words = /** @type {HTMLElement | null} */ (sections[current]?.querySelector(".say textarea") ?? null);
  words?.focus();
  words?.scrollIntoView({ block: "nearest" });
}

/** @param {number} value of the current answer's score */
function score(value) {
  const number = sections[current]?.dataset["number"];
  document.getElementById(`rate-${number}-${value}`)?.click();
  announcer.textContent = `Score ${value}`;
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
  for (const [place, rated] of rates.entries()) rated.hidden = place !== current;
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
  showNow();
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
  c: comment,
  ...Object.fromEntries([1, 2, 3, 4, 5].map((value) => [String(value), () => score(value)])),
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
  if (target.closest("input:not([type=radio]), select, textarea, [contenteditable], dialog")) return true;
  if (target.closest("[type=radio]") && !/^[1-5a-z?]$/.test(event.key)) return true;
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
  player.addEventListener("timeupdate", showNow);
  // The browser's own menu changes the speed too: the buttons follow.
  player.addEventListener("ratechange", () => {
    if (player === playerAt(current) && SPEEDS.includes(player.playbackRate) && player.playbackRate !== speed) {
      setSpeed(player.playbackRate);
    }
  });
}

root.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest("[data-now]")) takeMoment();
  const link = /** @type {HTMLElement | null} */ (target?.closest("a[data-seek]") ?? null);
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  seekTo(Number(link.dataset["seek"]));
});

// Comments that came or went are marks that come or go; a new form has its button again.
root.addEventListener("htmx:after:swap", () => {
  drawSound();
  showNow();
});

keepDrafts(root);
tellOfFailures(root);
root.dataset["live"] = "yes";
drawSound();
showNow();
keyList.hidden = false;
