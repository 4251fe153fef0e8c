/**
 * The live page: joins the socket, the camera and the view. What may happen is the server's word;
 * this module asks, remembers what was told, and has it drawn again after every change.
 */

import { Camera } from "./camera.js";
import { Clocks, Sleep } from "./clock.js";
import { after, countsDown, goesOnWith, held, settled, silence, takeRuns } from "./phase.js";
import { Relays } from "./relays.js";
import { Sending } from "./sending.js";
import { leadsElsewhere, Signalling } from "./signalling.js";
import { Tab } from "./tab.js";
import { PageView } from "./view_page.js";
import { part } from "./view_question.js";
import { AWAY, MUTED, UNANSWERED, UNCHECKED } from "./words.js";

/** @typedef {import("./messages.js").State} State */
/** @typedef {import("./messages.js").Progress} Progress */
/** @typedef {import("./messages.js").Told} Told */
/** @typedef {import("./messages.js").Ask} Ask */
/** @typedef {import("./view_frame.js").Shown} Shown */
/** @typedef {"ask" | "offer" | import("./capture.js").Kind} Cause what was refused, or which device is muted */

const TICK_MS = 100;
/** Refusals that the page settles by itself. */
const UNSAID = new Set(["take_running", "offer_replaced", "connection_gone", "nothing_to_take_over"]);

class Page {
  /** @param {HTMLElement} root */
  constructor(root) {
    const settings = root.dataset;
    this.link = settings["link"] ?? "";
    this.receiptPath = settings["receiptPath"] ?? this.link;

    /** @type {State | null} */
    this.state = null;
    /** @type {Progress | null} */
    this.progress = null;
    /** @type {(import("./words.js").Sentence & { cause: Cause }) | null} */
    this.refusal = null;
    /** @type {string} a question's id, "review", or "" until the first state */
    this.chosen = "";
    this.retaking = "";
    /** The question whose recording was asked to stop, until it does. */
    this.stopping = "";
    this.leaving = false;
    /** A press was asked of the server, and nothing was heard since. */
    this.unanswered = false;
    this.heardAtMs = 0;
    this.clocks = new Clocks();
    this.sleep = new Sleep();
    this.sending = new Sending();
    this.tab = new Tab();

    this.relays = new Relays(settings["relays"] === "yes", () => this.signalling.ask({ type: "relays" }));
    this.camera = new Camera(
      Number(settings["maxBitrateBps"]),
      {
        iceServers: () => this.relays.fresh(),
        mayOffer: () => this.#counts() && !countsDown(this.state),
        offer: (sdp, number) => void this.signalling.ask({ type: "offer", sdp, number }),
        mayRestart: () => this.#counts(),
        restart: (sdp, number) => void this.signalling.ask({ type: "restart", sdp, number }),
        takeRuns: () => takeRuns(this.state),
        changed: () => this.draw(),
        devices: () => void this.view.listDevices(),
        muted: (kind, muted) => (muted ? this.#refuse(MUTED[kind], kind) : this.#settle(kind)),
      },
    );
    this.view = new PageView(settings, this.camera, this.clocks, {
      pressed: (press) => this.#pressed(press),
      open: (id) => this.#open(id),
      send: () => this.#send(),
      confirm: () => this.#ask({ type: "confirm" }),
      remove: (id) => this.#ask({ type: "remove", question: id }),
    });
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.signalling = new Signalling(`${scheme}//${location.host}${settings["livePath"] ?? ""}`, {
      told: (message) => this.#told(message),
      changed: () => this.#connectionChanged(),
      failing: () => void this.#followLink(),
    });
  }

  start() {
    part("use-this-tab", HTMLButtonElement).addEventListener("click", () => this.#useThisTab());
    window.addEventListener("online", () => {
      this.signalling.retryNow();
      this.camera.publisher.retryNow();
    });
    window.addEventListener("offline", () => this.signalling.lost());
    // A page that comes back from the browser's memory has a dead socket and a stopped camera: begin anew.
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
    window.addEventListener("beforeunload", (event) => {
      if (takeRuns(this.state) && this.#shown() === "question") event.preventDefault();
    });
    setInterval(() => this.#tick(), TICK_MS);
    this.signalling.connect();
  }

  // What the server tells.

  /** @param {Told} message */
  #told(message) {
    this.heardAtMs = performance.now();
    this.unanswered = false;
    switch (message.type) {
      case "state":
        this.#stateTold(message);
        break;
      case "ice_servers":
        this.relays.told(message.servers);
        break;
      case "answer":
        this.#settle("offer");
        void this.camera.publisher.accept(message.sdp, message.number);
        break;
      case "progress":
        this.progress = message;
        this.clocks.answer.correct(message.remaining_ms, !this.#current()?.stalled);
        break;
      case "error":
        if (message.about === "restart") {
          this.camera.restartRefused(message.number);
          break;
        }
        if (message.about === "relays") break;
        if (message.about === "offer" && !this.camera.offerRefused(message.code, message.number)) break;
        if (message.about === "send" || message.about === "confirm") this.view.review.closeDialogs();
        if (message.about === "take_over") this.tab.refused();
        if (this.tab.waits) this.camera.close();
        if (UNSAID.has(message.code)) break;
        this.#refuse(message.message, message.about === "offer" ? "offer" : "ask");
        break;
      case "superseded":
        break;
    }
  }

  /** @param {State} state */
  #stateTold(state) {
    const before = this.state;
    this.state = state;
    if (state.status !== "in_progress") {
      this.#leave(state.status === "completed" ? this.receiptPath : this.link);
      return;
    }
    if (before && before.sending !== state.sending) this.refusal = null;
    for (const question of state.questions) {
      const was = before?.questions.find((one) => one.id === question.id);
      if (was?.state === question.state) continue;
      if (was) this.refusal = null;
      if (question.state === "countdown" || question.state === "recording") {
        this.progress = null;
        this.retaking = "";
      }
    }
    this.clocks.told(state);
    const busy = held(state.questions);
    if (busy?.state !== "recording") this.stopping = "";
    if (busy) {
      this.chosen = busy.id;
      this.view.review.closeDialogs();
    } else if (this.chosen !== "review" && !state.questions.some((question) => question.id === this.chosen)) {
      this.chosen = state.questions.find((question) => !settled(question))?.id ?? "review";
    }
    if (this.tab.told(before, state, this.camera.publishes)) this.signalling.ask({ type: "take_over" });
    this.camera.told(state.media, busy?.state === "recording" && busy.stalled, this.tab.waits);
    const check = this.sending.told(state, this.view.review.sendDialog.open);
    if (check === "ask") this.#ask({ type: "send" });
    else if (check === "stop") this.#refuse(UNCHECKED);
    this.draw();
  }

  #connectionChanged() {
    const connection = this.signalling.connection;
    if (connection !== "open") {
      this.stopping = "";
      this.sending.disconnected();
      this.tab.refused();
    }
    if (connection === "ended") this.#leave(this.state?.status === "completed" ? this.receiptPath : this.link);
    if (connection === "superseded" || connection === "refused") this.camera.close();
    if (connection === "reconnecting" && this.unanswered) this.#refuse(UNANSWERED);
    this.unanswered = false;
    this.draw();
  }

  // What the candidate presses.

  /** @param {import("./view_question.js").Press} press */
  #pressed(press) {
    const question = this.#current();
    if (!question) return;
    const id = question.id;
    this.refusal = null;
    switch (press) {
      case "get-ready":
      case "respond":
        void this.camera.open();
        break;
      case "go-on":
        void this.camera.open(goesOnWith(this.state));
        break;
      case "sound-only":
        void this.camera.open({ soundOnly: true });
        break;
      case "show":
        this.#ask({ type: "reveal", question: id });
        break;
      case "start":
      case "record":
        this.#ask({ type: "record", question: id });
        break;
      case "stop":
        this.#ask({ type: "stop", question: id });
        if (this.unanswered && question.state === "recording") this.stopping = id;
        break;
      case "retake":
        if (this.#media() === "live" && this.camera.on) {
          this.#ask({ type: "record", question: id });
        } else {
          this.retaking = id;
          if (!this.camera.on) void this.camera.open();
        }
        break;
      case "keep-old":
        this.retaking = "";
        break;
      case "remove":
        this.view.review.openRemoveDialog(question);
        break;
      case "keep":
      case "next":
        this.#open(after(this.state, question));
        break;
      case "camera-off":
        this.camera.close();
        break;
    }
    this.draw();
  }

  #send() {
    this.refusal = null;
    if (this.sending.pressed(this.state)) this.#ask({ type: "send" });
    this.draw();
    if (!this.refusal) this.view.review.openSendDialog();
  }

  #useThisTab() {
    if (this.signalling.connection === "superseded") this.signalling.connect();
    else this.signalling.ask({ type: "take_over" });
  }

  /** @param {Ask} ask */
  #ask(ask) {
    this.refusal = null;
    this.unanswered = this.signalling.ask(ask);
    if (!this.unanswered) this.#refuse(AWAY);
  }

  /** Shows why something was not done. @param {string} text @param {Cause} [cause] */
  #refuse(text, cause = "ask") {
    if (cause === "ask") this.stopping = "";
    this.refusal = { tone: "warn", text, cause };
    this.draw();
  }

  /** Takes away what was shown of this cause, and nothing else. @param {Cause} cause */
  #settle(cause) {
    if (this.refusal?.cause !== cause) return;
    this.refusal = null;
    this.draw();
  }

  /** @param {string} id a question's id, or "review" */
  #open(id) {
    if (this.state && held(this.state.questions)) return;
    if (id === "review") this.camera.close();
    this.chosen = id;
    this.retaking = "";
    this.refusal = null;
    this.draw();
    this.view.toTop(id === "review");
  }

  // Drawing.

  draw() {
    this.view.draw({
      state: this.state,
      connection: this.signalling.connection,
      shown: this.#shown(),
      question: this.#current(),
      chosen: this.chosen,
      retaking: this.retaking,
      stopping: this.stopping,
      media: this.#media(),
      progress: this.progress,
      refusal: this.refusal,
    });
  }

  /** @returns {Shown} */
  #shown() {
    const connection = this.signalling.connection;
    if (connection === "refused") return "stuck";
    if (connection === "superseded") return "superseded";
    if (this.state === null || this.leaving) return "loading";
    if (this.tab.waits) return "elsewhere";
    return this.chosen === "review" ? "review" : "question";
  }

  #tick() {
    this.view.tick(this.state, this.#current(), this.progress);
    if (this.sleep.ended()) this.signalling.lost();
    const found = silence(this.state, performance.now() - this.heardAtMs);
    if (found === "dead") this.signalling.lost();
    else if (found === "doubtful" && !this.signalling.awaitsAnswer) this.signalling.ask({ type: "relays" });
  }

  // Small facts.

  #current() {
    return this.state?.questions.find((question) => question.id === this.chosen) ?? null;
  }

  /** Whether the server listens to this page. */
  #counts() {
    return this.signalling.connection === "open" && this.state?.elsewhere === false;
  }

  #media() {
    return this.camera.media(this.state?.media ?? "none");
  }

  /** The socket is refused time and again; where this address is another page's by now, the link says what happened. */
  async #followLink() {
    if (await leadsElsewhere(location.href)) this.#leave(this.link);
  }

  /** @param {string} path */
  #leave(path) {
    if (this.leaving) return;
    this.leaving = true;
    this.camera.close();
    location.replace(path);
  }
}

new Page(part("interview", HTMLElement)).start();
