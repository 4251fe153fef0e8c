/**
 * The candidate's WebSocket: says hello, hands on what the server tells, connects again when it is lost.
 * Knows the protocol's order and close codes (signaling/PROTOCOL.md), nothing of questions or of the document.
 */

/** @typedef {import("./messages.js").Told} Told */
/** @typedef {import("./messages.js").Ask} Ask */
/** @typedef {"connecting" | "open" | "reconnecting" | "superseded" | "ended" | "refused"} Connection */

const CLOSE_FLOOD = 4008;
const CLOSE_SUPERSEDED = 4009;
const CLOSE_ENDED = 4010;
const CLOSE_RESTARTING = 1012;

const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
const FLOOD_PAUSE_MS = 6000;
const RESTART_PAUSE_MS = 700;
/** A server that takes this long to tell its first state is as good as gone, as is one behind a proxy that keeps it. */
const OPEN_TIMEOUT_MS = 10000;
/**
 * Something is told after every ask: after an offer at once, and after a restart of a connection in 5 s and the wire's
 * time, should the recorder hang. Nothing at all for so long, and the socket is dead.
 */
const ANSWER_TIMEOUT_MS = 8000;
/** A socket that never opened in so many tries will not: the link may have ended, or a proxy refuses sockets. */
const TRIES_BEFORE_REFUSED = 12;
/** After so many failures, and again so many, it is worth a look why. */
const TRIES_BEFORE_LOOKING = 5;
/** What a link says that has ended, or that was replaced by a newer one. */
const GONE = new Set([403, 404, 410]);

export class Signalling {
  /**
   * @param {string} url
   * @param {{ told: (message: Told) => void, changed: (connection: Connection) => void, failing: () => void }} to
   *   `failing`: no socket opened in several tries
   */
  constructor(url, to) {
    this.url = url;
    this.to = to;
    this.tab = randomName();
    /** @type {Connection} */
    this.connection = "connecting";
    /** @type {WebSocket | null} */
    this.socket = null;
    this.failures = 0;
    this.everOpen = false;
    this.retryTimer = 0;
    this.openTimer = 0;
    /** Runs from an ask until anything is heard. */
    this.answerTimer = 0;
  }

  /** An ask was sent, and nothing was heard since. */
  get awaitsAnswer() {
    return this.answerTimer !== 0;
  }

  /** Opens the socket; also "Use this tab" after another tab took over. */
  connect() {
    clearTimeout(this.retryTimer);
    this.#drop();
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.openTimer = setTimeout(() => {
      this.#drop();
      this.#retry(this.#pauseMs());
    }, OPEN_TIMEOUT_MS);
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", tab: this.tab }));
    socket.onmessage = (event) => this.#heard(event.data);
    socket.onclose = (event) => this.#closed(event.code);
    if (this.connection === "superseded") this.#change("connecting");
  }

  /**
   * True when the ask was handed to an open socket; the server answers with its next state, or an error.
   * @param {Ask} ask
   */
  ask(ask) {
    if (this.connection !== "open" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(ask));
    this.answerTimer ||= setTimeout(() => this.lost(), ANSWER_TIMEOUT_MS);
    return true;
  }

  /** The network is known to be back: try now instead of at the end of the pause. */
  retryNow() {
    if (this.connection === "reconnecting") this.connect();
  }

  /** The socket is known to be dead although nobody closed it (the network is gone, or it fell silent). */
  lost() {
    if (this.connection !== "open") return;
    this.#drop();
    this.#retry(BACKOFF_MS[0] ?? 250);
  }

  /** @param {unknown} frame */
  #heard(frame) {
    if (typeof frame !== "string") return;
    this.#answered();
    /** @type {Told} */
    const message = JSON.parse(frame);
    if (message.type === "superseded") {
      clearTimeout(this.openTimer);
      this.#change("superseded");
    } else if (this.connection !== "open" && message.type === "state") {
      clearTimeout(this.openTimer);
      this.failures = 0;
      this.everOpen = true;
      this.#change("open");
    }
    this.to.told(message);
  }

  /** @param {number} code */
  #closed(code) {
    clearTimeout(this.openTimer);
    this.#answered();
    this.socket = null;
    if (code === CLOSE_SUPERSEDED) this.#change("superseded");
    else if (code === CLOSE_ENDED) this.#change("ended");
    else if (code === CLOSE_FLOOD) this.#retry(FLOOD_PAUSE_MS);
    else if (code === CLOSE_RESTARTING) this.#retry(RESTART_PAUSE_MS);
    else this.#retry(this.#pauseMs());
  }

  #pauseMs() {
    return BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)] ?? FLOOD_PAUSE_MS;
  }

  #answered() {
    clearTimeout(this.answerTimer);
    this.answerTimer = 0;
  }

  /** @param {number} pauseMs */
  #retry(pauseMs) {
    this.failures += 1;
    if (!this.everOpen && this.failures > TRIES_BEFORE_REFUSED) {
      this.#change("refused");
      return;
    }
    this.#change("reconnecting");
    if (this.failures % TRIES_BEFORE_LOOKING === 0) this.to.failing();
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.connect(), pauseMs * (0.75 + Math.random() / 2));
  }

  #drop() {
    clearTimeout(this.openTimer);
    this.#answered();
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  /** @param {Connection} connection */
  #change(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.to.changed(connection);
  }
}

/**
 * Whether this page's address is another page's by now: the link has ended, or this device is not known any more, and a
 * browser does not say so of a socket. False while nothing is to be learnt.
 * @param {string} address
 */
export async function leadsElsewhere(address) {
  try {
    const { redirected, status } = await fetch(address, { cache: "no-store" });
    return redirected || GONE.has(status);
  } catch {
    return false;
  }
}

/** 32 hexadecimal digits, different for every page that loads. */
function randomName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
