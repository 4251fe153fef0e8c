// The candidate's live page without a browser: a document made of its own template, and a clock, a socket, devices and
// a connection that are pretended. The real page.js runs in it. Knows no layout: what is not hidden is seen.

import { readFileSync } from "node:fs";

const VOID = new Set(["input", "link", "br"]);
const KINDS = { button: "Button", dialog: "Dialog", template: "Template", video: "Video", select: "Select" };

class Target {
  listeners = {};
  addEventListener(type, then) {
    (this.listeners[type] ??= []).push(then);
  }
  fire(type, event = {}) {
    for (const then of this.listeners[type] ?? []) then(event);
  }
}

globalThis.Element = class Element extends Target {
  constructor(tag, attributes = {}) {
    super();
    Object.assign(this, { tag, attributes, children: [], parent: null, text: "", style: {}, value: "", paused: true });
    this.id = attributes.id ?? "";
    this.hidden = "hidden" in attributes;
    this.disabled = "disabled" in attributes;
    this.className = attributes.class ?? "";
    this.dataset = Object.fromEntries(
      Object.entries(attributes)
        .filter(([name]) => name.startsWith("data-"))
        .map(([name, value]) => [name.slice(5).replace(/-(.)/g, (_, letter) => letter.toUpperCase()), value]),
    );
    this.classList = {
      toggle: (name, on) => {
        const rest = this.className.split(" ").filter((one) => one && one !== name);
        this.className = (on ? [...rest, name] : rest).join(" ");
      },
      remove: (name) => this.classList.toggle(name, false),
    };
    this.made = 0; // how often its children were made anew
  }
  get textContent() {
    return this.text + this.children.map((child) => child.textContent ?? child).join("");
  }
  set textContent(text) {
    this.children = [];
    this.text = text;
  }
  append(...children) {
    for (const child of children) if (child instanceof Element) child.parent = this;
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.textContent = "";
    this.made += 1;
    this.append(...children);
  }
  *all() {
    yield this;
    for (const child of this.children) if (child instanceof Element) yield* child.all();
  }
  matches(selector) {
    const [, attribute, value] = /^\[data-(.+)="(.+)"\]$/.exec(selector) ?? [];
    if (attribute) return this.dataset[attribute] === value;
    return selector.startsWith(".") ? this.className.split(" ").includes(selector.slice(1)) : this.tag === selector;
  }
  querySelectorAll(selector) {
    return [...this.all()].filter((element) => element !== this && element.matches(selector));
  }
  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }
  cloneNode() {
    const copy = make(this.tag, this.attributes);
    copy.append(...this.children.map((child) => child.cloneNode?.() ?? child));
    return copy;
  }
  getAttribute(name) {
    return this.attributes[name] ?? null;
  }
  setAttribute(name, value) {
    this.attributes = { ...this.attributes, [name]: value };
  }
  removeAttribute(name) {
    delete this.attributes[name];
  }
  get seen() {
    return !this.hidden && (this.parent?.seen ?? true);
  }
  getClientRects() {
    return this.seen ? [{}] : [];
  }
  focus() {
    if (this.seen && !this.disabled) document.activeElement = this;
  }
  click() {
    if (!this.seen || this.disabled) throw new Error(`#${this.id} cannot be pressed`);
    this.focus();
    this.fire("click");
  }
};
globalThis.HTMLElement = class HTMLElement extends Element {};
for (const kind of Object.values(KINDS)) {
  const name = `HTML${kind}Element`;
  globalThis[name] = { [name]: class extends HTMLElement {} }[name];
}
Object.assign(HTMLDialogElement.prototype, {
  open: false,
  showModal() {
    this.open = true;
  },
  close() {
    this.open = false;
    this.fire("close");
  },
});
Object.assign(HTMLVideoElement.prototype, { play: async () => undefined, pause() {} });
Object.defineProperty(HTMLTemplateElement.prototype, "content", {
  get() {
    return this;
  },
});
globalThis.Option = class extends HTMLElement {};

function make(tag, attributes = {}) {
  return new globalThis[`HTML${KINDS[tag] ?? ""}Element`](tag, attributes);
}

/** The elements of the page's own template, as a tree. */
function template() {
  const html = readFileSync(new URL("../../web/templates/candidate/interview.html", import.meta.url), "utf8");
  const body = make("body");
  const open = [body];
  for (const [, closing, tag, rest] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:[^<>"]|"[^"]*")*)>/g)) {
    if (closing) {
      if (open.pop().tag !== tag) throw new Error(`</${tag}> closes something else`);
      continue;
    }
    const attributes = [...rest.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)].map(([, name, value]) => [name, value ?? ""]);
    const element = make(tag, Object.fromEntries(attributes));
    open.at(-1).append(element);
    if (!VOID.has(tag)) open.push(element);
  }
  return body;
}

const body = template();
const byId = new Map([...body.all()].map((one) => [one.id, one]));
export const element = (id) => byId.get(id) ?? null;
globalThis.document = {
  body,
  activeElement: body,
  getElementById: element,
  createElement: (tag) => make(tag),
  querySelectorAll: () => [],
  querySelector: (selector) => (selector === "dialog[open]" && body.querySelectorAll("dialog").find((one) => one.open)) || null,
};
Object.assign(element("interview").dataset, {
  link: "/i/x", livePath: "/i/x/live", takeBase: "/i/x/", receiptPath: "/i/x/receipt", company: "Nordlicht", relays: "no",
});

globalThis.window = globalThis;
const windowTarget = new Target();
window.addEventListener = (type, then) => windowTarget.addEventListener(type, then);
window.scrollTo = () => undefined;
window.isSecureContext = true;
/** Whether the browser asks before it closes this tab. */
export const asksBeforeLeaving = () => {
  let asks = false;
  windowTarget.fire("beforeunload", { preventDefault: () => (asks = true) });
  return asks;
};
globalThis.location = { protocol: "http:", host: "x", href: "http://x/i/x/interview", replaced: null,
  replace(path) { this.replaced = path; } };

// Time: the monotonic one and the wall's. A machine that sleeps has the second alone.
let nowMs = 0;
let wallMs = 1_000_000;
const timers = [];
const later = (then, ms, everyMs = 0) => timers.push({ then, atMs: nowMs + ms, everyMs });
Object.defineProperty(performance, "now", { value: () => nowMs });
Date.now = () => wallMs;
globalThis.setTimeout = later;
globalThis.setInterval = (then, ms) => later(then, ms, ms);
globalThis.clearTimeout = (timer) => timer && (timers[timer - 1].then = null);
/** Lets whatever waits for nothing but its turn have it. */
export const settle = () => new Promise((done) => setImmediate(done));
export async function advance(ms) {
  for (const endMs = nowMs + ms; nowMs < endMs; ) {
    nowMs += 50;
    wallMs += 50;
    for (const timer of [...timers]) {
      if (!timer.then || timer.atMs > nowMs) continue;
      const { then } = timer;
      if (timer.everyMs) timer.atMs += timer.everyMs;
      else timer.then = null;
      then();
    }
    if (nowMs % 1000 === 0) await settle();
  }
  await settle();
}
export const sleep = (ms) => (wallMs += ms);
Math.random = () => 0.5;

/** Those that the page opened; the server's half is the test's. */
export const sockets = [];
globalThis.WebSocket = class {
  static OPEN = 1;
  readyState = 1;
  sent = [];
  constructor() {
    sockets.push(this);
  }
  send(frame) {
    this.sent.push(JSON.parse(frame));
  }
  close() {}
  tells(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  /** The names of what was asked since hello. */
  get asks() {
    return this.sent.map(({ type }) => type).filter((type) => type !== "hello" && type !== "relays");
  }
};

/** Devices and a connection that work, until a test says otherwise. */
export const peers = [];
export const devices = { stream: null, refused: "" };
const track = (kind) => ({ kind, readyState: "live", stop() { this.readyState = "ended"; }, getSettings: () => ({ deviceId: kind }) });
const grant = async () => {
  if (devices.refused) throw new DOMException("", devices.refused);
  const [video, audio] = [track("video"), track("audio")];
  devices.stream = { getTracks: () => [video, audio], getVideoTracks: () => [video], getAudioTracks: () => [audio] };
  return devices.stream;
};
Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Chrome/1", maxTouchPoints: 0,
  mediaDevices: { getUserMedia: grant, enumerateDevices: async () => [], addEventListener() {} } } });
globalThis.AudioContext = class {
  async resume() {}
  async close() {}
  createAnalyser() { return { getFloatTimeDomainData() {} }; }
  createMediaStreamSource() { return { connect() {} }; }
};
globalThis.RTCPeerConnection = class {
  connectionState = "new";
  senders = [];
  constructor() { peers.push(this); }
  addTransceiver(given) {
    this.senders.push({ track: given, getParameters: () => ({}), async setParameters() {},
      async replaceTrack(other) { this.track = other; } });
  }
  getSenders() { return this.senders; }
  close() { this.connectionState = "closed"; }
  async createOffer() { return { type: "offer", sdp: "offer" }; }
  async setLocalDescription(offer) { this.localDescription = offer; }
  async setRemoteDescription() {}
  becomes(state) { this.connectionState = state; this.onconnectionstatechange?.(); }
};

// What the server tells, and what a candidate does.
export const question = (given = {}) => ({
  id: "q1", number: 1, state: "draft", required: true, think_s: 0, limit_s: 60, retakes: 1, attempts_left: 1, text: "Why?",
  take: { id: "t1", duration_ms: 5000, media_type: "video/mp4", verdict: "good", reasons: [], recovered: false,
    url: "takes/t1", poster_url: null },
  actions: ["record", "remove"], think_left_ms: null, wait_left_ms: null, countdown_left_ms: null, remaining_ms: null,
  stalled: false, outage_left_ms: null, notice: null, ...given,
});
export const seen = (given = {}) => question({ state: "seen", take: null, actions: ["record"], ...given });
export const recording = (given = {}) =>
  question({ state: "recording", take: null, actions: ["stop"], remaining_ms: 50_000, ...given });
export const state = (given = {}, ...questions) => ({
  type: "state", status: "in_progress", media: "none", audio_only: false, elsewhere: false, active: null, closing_ms: null,
  sending: "idle", sending_problems: [], can_send: true, questions: questions.length ? questions : [question()], ...given,
});

/** The page on a socket that told this first. */
export async function opened(first) {
  await import("../../web/static/js/candidate/page.js");
  return connected(first);
}
/** The page's newest socket, on which the server tells this first. */
export function connected(first) {
  const socket = sockets.at(-1);
  socket.onopen();
  socket.tells(first);
  return socket;
}
/** The camera is turned on by that button, and its connection comes about. */
export async function cameraOn(socket, button = "do-respond") {
  element(button).click();
  await settle();
  socket.tells({ type: "answer", sdp: "answer", number: socket.sent.findLast(({ type }) => type === "offer").number });
  await settle();
  peers.at(-1).becomes("connected");
}
/** The buttons that are seen, with "!" behind those that cannot be pressed. */
export const buttons = () =>
  [...body.all()]
    .filter((one) => one.id.startsWith("do-") && one.seen)
    .map((one) => one.id.slice(3) + (one.disabled ? "!" : ""));
