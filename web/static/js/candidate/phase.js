/**
 * What the page shows and offers for one question now: from the server's state and this page's camera.
 * Pure, and never more than the server's `actions` allow: the server decides, this only draws its decision.
 */

/** @typedef {import("./messages.js").Question} Question */
/** @typedef {import("./messages.js").State} State */
/** @typedef {import("./messages.js").Media} Media */
/** @typedef {import("./camera.js").Standing} Camera */
/**
 * @typedef {"before" | "ready" | "thinking" | "waiting" | "seen" | "retaking" | "countdown" | "recording" | "saving"
 *   | "answered" | "over"} Phase
 */
/** @typedef {"get-ready" | "show" | "respond" | "start" | "record" | "go-on" | "stop" | "keep" | "next" | "retake" | "remove" | "keep-old" | "camera-off"} ButtonName */

/**
 * @typedef {{
 *   phase: Phase, stage: boolean, devices: boolean, playback: boolean, stopping: boolean,
 *   buttons: Map<ButtonName, boolean>, next: string,
 * }} Plan `buttons` maps each shown button to whether it can be pressed.
 */

/** While recording the server tells something every second, in an outage too; after this long the socket is dead. */
const SILENCE_MS = 6000;
/** Nothing for so long while a clock of the server's runs, a take is saved or answers are checked: longer than 3-2-1. */
const QUIET_MS = 4000;

/** States in which the candidate stays with one question until it is done. */
const HELD = new Set(["thinking", "countdown", "recording", "saving"]);

/** The question that cannot be left now, or null. @param {Question[]} questions */
export function held(questions) {
  return questions.find((question) => HELD.has(question.state)) ?? null;
}

/** A question that has nothing left to do before sending. @param {Question} question */
export function settled(question) {
  return question.state === "draft" || question.state === "missed" || question.state === "submitted";
}

/** A countdown or a recording runs. @param {State | null} state */
export function takeRuns(state) {
  return state?.questions.some((question) => question.state === "countdown" || question.state === "recording") ?? false;
}

/**
 * What silence says of the socket. "dead", though nobody closed it: the server would have told of this recording again.
 * "doubtful": something was to come, or comes soon, and the server has to be asked whether it is there. A page that
 * waits for another is told nothing of a recording.
 * @param {State | null} state
 * @param {number} silentMs since the server told anything
 * @returns {"dead" | "doubtful" | "well"}
 */
export function silence(state, silentMs) {
  if (!state || state.elsewhere) return "well";
  const busy = held(state.questions);
  if (busy?.state === "recording") return silentMs > SILENCE_MS ? "dead" : "well";
  const due = busy !== null || state.sending === "checking";
  return due && silentMs > QUIET_MS ? "doubtful" : "well";
}

/** How a running answer goes on after "Continue": as it began, with a picture or without. @param {State | null} state */
export function goesOnWith(state) {
  return { soundOnly: state?.audio_only ?? false };
}

/** No other connection is taken now. @param {State | null} state */
export function countsDown(state) {
  return state?.questions.some((question) => question.state === "countdown") ?? false;
}

/**
 * Where the next thing to do is, after this question: a question's id, or "review".
 * @param {State | null} state
 * @param {Question} question
 */
export function after(state, question) {
  const questions = state?.questions ?? [];
  const order = [...questions.slice(question.number), ...questions.slice(0, question.number - 1)];
  const closed = state?.closing_ms !== null;
  return order.find((one) => !closed && !settled(one))?.id ?? "review";
}

/**
 * @param {Question} question
 * @param {{ camera: Camera, media: Media, retaking: boolean, stopping: boolean, next: string }} page `next`: where
 * "Keep" leads, in words; `stopping`: Stop was pressed, and the server still takes in what a bad network held back
 * @returns {Plan}
 */
export function plan(question, page) {
  const on = page.camera === "on";
  const idle = page.camera !== "asking";
  const live = page.media === "live";
  const may = new Set(question.actions);
  const seconds = question.think_s;

  /** @type {(phase: Phase, buttons: [ButtonName, boolean][], next: string, shows?: string[]) => Plan} */
  const draw = (phase, buttons, next, shows = []) => ({
    phase,
    stage: shows.includes("stage"),
    devices: shows.includes("devices"),
    playback: shows.includes("playback"),
    stopping: shows.includes("stopping"),
    buttons: new Map(buttons),
    next,
  });
  const wait = "Connecting your camera to the server. This takes a moment.";

  switch (question.state) {
    case "hidden":
      if (!may.has("reveal")) return draw("over", [["next", true]], page.next);
      if (seconds === 0) return draw("before", [["show", true]], "Next: the question appears. No clock runs.");
      if (!on) {
        return draw(
          "before",
          [["get-ready", idle]],
          "Next: your camera turns on, and you check picture and sound. The question stays hidden until you show it.",
        );
      }
      return draw(
        "ready",
        [
          ["show", live],
          ["camera-off", true],
        ],
        live ? `Next: the question appears, and ${seconds} s of think time begin. They run once.` : wait,
        ["stage", "devices"],
      );

    case "thinking": {
      const waiting = question.wait_left_ms !== null;
      const phase = waiting ? "waiting" : "thinking";
      if (!on) {
        const why = waiting
          ? "Next: turn your camera on. Then 3-2-1, and the recording starts."
          : "Next: turn your camera on. At zero the recording starts by itself.";
        return draw(phase, [["respond", idle]], why);
      }
      if (!live) return draw(phase, [["start", false]], wait, ["stage"]);
      return draw(phase, [["start", may.has("record")]], "Next: 3-2-1, then recording. At zero it starts by itself.", [
        "stage",
      ]);
    }

    case "countdown":
      return draw(
        "countdown",
        [["stop", may.has("stop")]],
        may.has("stop")
          ? "Not charged: stopping now uses no attempt."
          : "Think time is over: the recording starts now.",
        ["stage"],
      );

    case "recording":
      if (page.stopping) {
        return draw(
          "recording",
          [["stop", false]],
          "Stopping. What is still on its way to the server is taken in, for a few seconds at most.",
          ["stage", "stopping"],
        );
      }
      if (!on) {
        return draw(
          "recording",
          [
            ["go-on", idle],
            ["stop", may.has("stop")],
          ],
          `Your answer so far is safe${question.stalled ? ", and its clock stands still" : ""}. Continue: your camera` +
            " turns on, and the same answer goes on. Or stop now, and keep what you have.",
          ["stage"],
        );
      }
      return draw(
        "recording",
        [["stop", may.has("stop")]],
        question.stalled
          ? "The connection is interrupted. Your answer so far is safe, and its clock stands still: this page reconnects by itself."
          : "Stop when you are done. At the limit it ends by itself.",
        ["stage"],
      );

    case "saving":
      return draw("saving", [], "Next: you watch your answer, and keep it or record again.");

    case "draft":
      if (page.retaking && may.has("record")) {
        return draw(
          "retaking",
          on
            ? [
                ["record", live],
                ["keep-old", true],
                ["camera-off", true],
              ]
            : [
                ["respond", idle],
                ["keep-old", true],
              ],
          on && !live ? wait : "Next: 3-2-1, then recording. The answer you have stays until the new one is safe.",
          on ? ["stage", "devices"] : [],
        );
      }
      return draw(
        "answered",
        [
          ["keep", true],
          .../** @type {[ButtonName, boolean][]} */ (may.has("record") ? [["retake", idle]] : []),
          .../** @type {[ButtonName, boolean][]} */ (may.has("remove") ? [["remove", true]] : []),
        ],
        page.next,
        ["playback"],
      );

    case "seen":
    case "failed":
      if (!may.has("record")) return draw("over", [["next", true]], page.next);
      if (!on) {
        return draw(
          "seen",
          [["respond", idle]],
          "Next: your camera turns on, and you check picture and sound. Nothing is recorded until you press Record.",
        );
      }
      return draw(
        "seen",
        [
          ["record", live],
          ["camera-off", true],
        ],
        live ? "Next: 3-2-1, then recording. The countdown is not part of your answer." : wait,
        ["stage", "devices"],
      );

    case "missed":
    case "submitted":
      return draw("over", [["next", true]], page.next);
  }
}
