/** How the live page says times, rules, states, verdicts and notices. Pure: values in, sentences out. */

/** @typedef {import("./messages.js").Question} Question */
/** @typedef {import("./messages.js").Take} Take */

/** Said of a press while the socket is away, and of one that it took along. */
export const AWAY = "The server cannot be reached now. Try again when the page has reconnected.";
export const UNANSWERED =
  "The connection broke before the server answered. The page reconnects by itself: if nothing has changed then, press again.";
/** Said when the check before sending was begun twice, and forgotten twice. */
export const UNCHECKED = "The server was interrupted while it checked your answers. Nothing is sent yet: press “Send answers and close interview” again.";

/** @type {Record<import("./capture.js").Kind, string>} */
export const MUTED = {
  camera: "Your system muted the camera. A switch or another app may be why.",
  microphone: "Your system muted the microphone. A switch or another app may be why.",
};

/** A length people are given: "60 s", "2 min", "2 min 30 s". As templates/candidate/times.html says it. @param {number} seconds */
export function span(seconds) {
  if (seconds < 120) return `${seconds} s`;
  const rest = seconds % 60;
  return rest ? `${Math.floor(seconds / 60)} min ${rest} s` : `${seconds / 60} min`;
}

/** A running clock: "1:42", counted in whole seconds still to come. @param {number} leftMs */
export function figure(leftMs) {
  const seconds = Math.ceil(leftMs / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** A recorded length: "42 s", "1 min 42 s". @param {number} durationMs */
export function duration(durationMs) {
  const seconds = Math.round(durationMs / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** "60 s to think · up to 2 min to answer · 1 retake" @param {Question} question */
export function rules(question) {
  const think = question.think_s ? `${span(question.think_s)} to think` : "no think clock";
  return `${think} · up to ${span(question.limit_s)} to answer · ${retakes(question.retakes)}`;
}

/** @param {number | null} count */
function retakes(count) {
  if (count === null) return "unlimited retakes";
  return count === 0 ? "no retakes" : count === 1 ? "1 retake" : `${count} retakes`;
}

/** @param {number | null} count */
export function attemptsLeft(count) {
  if (count === null) return "Unlimited attempts";
  return count === 0 ? "No attempt left" : count === 1 ? "1 attempt left" : `${count} attempts left`;
}

/** "Retake (1 left)" @param {number | null} attempts */
export function retakeLabel(attempts) {
  return attempts === null ? "Retake" : `Retake (${attempts} left)`;
}

/** The standing of a question in a word or two, with the shape that goes with it. @param {Question} question */
export function standing(question) {
  /** @type {Record<string, [string, string]>} */
  const words = {
    hidden: ["Not shown yet", "empty"],
    thinking: ["Think time runs", "running"],
    seen: ["Not answered", "empty"],
    countdown: ["Starting", "running"],
    recording: ["Recording", "running"],
    saving: ["Saving", "running"],
    draft: ["Answered", "done"],
    failed: ["Not recorded", "problem"],
    missed: ["Missed", "problem"],
    submitted: ["Sent", "done"],
  };
  const [text, shape] = words[question.state] ?? [question.state, "empty"];
  return { text, shape };
}

/** @type {Record<string, string>} */
const REASONS = {
  no_key_frame: "no whole picture arrived",
  unreadable: "it cannot be read",
  short: "it is shorter than a second",
  gap: "a gap of over a second",
  loss: "some picture or sound was lost on the way",
  timestamps: "picture and sound may be slightly apart",
  no_sound: "no sound arrived",
  incomplete: "a part of it is missing",
  not_seekable: "it plays, but cannot be skipped through",
  silent: "nothing is to be heard",
  clipped: "the sound is distorted",
  black: "the picture is black",
  identical: "the picture stands still",
};

/** The server's verdict in words. @param {Take} take */
export function verdict(take) {
  const recovered = take.recovered ? " It was recovered after a fault on our side." : "";
  if (take.verdict === "good") {
    return { title: "Your answer is safe", text: `Picture and sound arrived complete.${recovered}`, good: true };
  }
  const flaws = take.reasons.filter((reason) => reason !== "recovered");
  const reasons = flaws.map((reason) => REASONS[reason] ?? reason.replaceAll("_", " "));
  const why = reasons.length ? `, with a flaw: ${reasons.join("; ")}` : ", with a flaw";
  return {
    title: "Your answer is safe, with a flaw",
    text: `It can be used${why}. Watch it to decide whether to keep it.${recovered}`,
    good: false,
  };
}

/** @typedef {{ tone: "info" | "warn", text: string }} Sentence */

/** @type {Record<string, Sentence>} */
const NOTICES = {
  no_picture: warn(
    "The recording did not begin: no picture reached the server within 10 s. No attempt was used. Check the camera and try again.",
  ),
  no_sound: warn(
    "The recording did not begin: no sound reached the server within 10 s. No attempt was used. Check the microphone and try again.",
  ),
  connection_lost: warn(
    "The recording did not begin: the connection to your camera was lost. No attempt was used. Try again.",
  ),
  disk_full: warn(
    "The server has no room for a new recording. No attempt was used, and answers so far are safe. Tell the contact below, and come back later with the same link.",
  ),
  start_failed: warn("The recording did not begin, by a fault on our side. No attempt was used. Try again."),
  waiting_for_media: warn(
    "Think time is over, and the server does not receive your camera. Turn it on now: the recording starts by itself.",
  ),
  wait_charged: warn(
    "Think time was over and no camera arrived in time, so one attempt was used. Record now when you are ready.",
  ),
  wait_missed: warn(
    "Think time was over and no camera arrived in time. That was the last attempt, so this question has no answer. You can still send the others.",
  ),
  deadline_passed: warn(
    "The interview's deadline passed, so nothing new can be recorded. You can still send the answers you have.",
  ),
  time_up: info("The time limit ended the recording. All of it is kept."),
  ended_outage: warn("The connection was away too long, so the recording ended. Everything that arrived is kept."),
  ended_too_large: warn("The recording became too large and was ended. Everything up to then is kept."),
  ended_disk_full: warn(
    "The server ran out of room and ended the recording. Everything up to then is kept, and the attempt was given back.",
  ),
  ended_server: warn(
    "A fault on our side ended the recording. Everything up to then is kept, and the attempt was given back.",
  ),
  ended_charged: warn(
    "A fault on our side ended the recording. Everything up to then is kept. Attempts were given back for this several times already, so this one counts.",
  ),
  recovered: warn(
    "A fault on our side ended the recording. It was recovered and is kept, and the attempt was given back. Watch it, then keep it or record again.",
  ),
  failed_server: warn(
    "The recording was lost by a fault on our side. The attempt was given back. Record again when you are ready.",
  ),
  failed_credited: warn(
    "No playable recording arrived. The attempt was given back, once for this question. Check camera and connection, then record again.",
  ),
  failed_charged: warn(
    "No playable recording arrived, and the attempt was used. Check camera and connection, then record again.",
  ),
  failed_missed: warn(
    "No playable recording arrived, and no attempt is left. This question has no answer; you can still send the others.",
  ),
  take_removed: info("The recording was removed. Its attempt stays used."),
  take_damaged: warn(
    "The check before sending found this recording damaged on our disk. The attempt was given back. Record it again.",
  ),
};

/** @param {string} text @returns {Sentence} */
function warn(text) {
  return { tone: "warn", text };
}

/** @param {string} text @returns {Sentence} */
function info(text) {
  return { tone: "info", text };
}

/** The last thing that happened to a question. @param {Question} question @returns {Sentence | null} */
export function notice(question) {
  if (!question.notice) return null;
  const sentence =
    NOTICES[question.notice] ??
    warn("Something happened to this recording that this page has no words for. Reload it.");
  const failed = question.notice.startsWith("failed_");
  if (failed && question.state === "draft")
    return { ...sentence, text: `${sentence.text} Your earlier recording is still the answer.` };
  return sentence;
}

/** @param {string} problem @param {Question[]} questions */
export function sendingProblem(problem, questions) {
  const [code, id] = problem.split(":");
  const question = questions.find((one) => one.id === id);
  if (code === "damaged" && question) {
    return `The recording of question ${question.number} is damaged on our disk. Its attempt was given back: record it again.`;
  }
  return "The server could not read its disk in time. Nothing is lost. Try again in a moment.";
}

/** "the interview closes in 8 min" @param {number} leftMs */
export function closing(leftMs) {
  const minutes = Math.ceil(leftMs / 60000);
  return `The deadline has passed: nothing new can be recorded. You can still watch and send your answers for ${minutes} min.`;
}
