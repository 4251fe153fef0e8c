/**
 * The messages of signaling/PROTOCOL.md as types. Nothing runs here.
 *
 * @typedef {"reveal" | "record" | "stop" | "remove"} Action
 * @typedef {"hidden" | "thinking" | "seen" | "countdown" | "recording" | "saving" | "draft" | "failed" | "missed" | "submitted"} QuestionState
 * @typedef {"none" | "connecting" | "live" | "stalled"} Media
 * @typedef {"idle" | "checking" | "ready" | "refused"} Sending
 *
 * @typedef {{
 *   id: string, duration_ms: number, media_type: string, verdict: string, reasons: string[],
 *   recovered: boolean, url: string, poster_url: string | null,
 * }} Take A finished take; urls are below the candidate's link.
 *
 * @typedef {{
 *   id: string, number: number, state: QuestionState, required: boolean, think_s: number, limit_s: number,
 *   retakes: number | null, attempts_left: number | null, text: string | null, take: Take | null,
 *   actions: Action[], think_left_ms: number | null, wait_left_ms: number | null,
 *   countdown_left_ms: number | null, remaining_ms: number | null, stalled: boolean,
 *   outage_left_ms: number | null, notice: string | null,
 * }} Question One question as the candidate may know it now.
 *
 * @typedef {{
 *   type: "state", status: "pending" | "in_progress" | "completed" | "expired" | "cancelled", media: Media,
 *   audio_only: boolean, elsewhere: boolean, active: string | null, closing_ms: number | null, sending: Sending,
 *   sending_problems: string[], can_send: boolean, questions: Question[],
 * }} State The whole interview.
 *
 * @typedef {{ urls: string[], username: string | null, credential: string | null }} IceServer
 * @typedef {{ type: "ice_servers", servers: IceServer[] }} IceServers To `relays`.
 *
 * @typedef {{ type: "answer", sdp: string, number: number }} Answer To the offer or restart of this number.
 * @typedef {{
 *   type: "progress", question: string, elapsed_ms: number, remaining_ms: number, safe_ms: number,
 *   level: number, packets_lost: number,
 * }} Progress What the server's disk holds, once a second while recording.
 * @typedef {{ type: "superseded" }} Superseded
 * @typedef {{ type: "error", code: string, message: string, about: string | null, number: number | null }} Refusal
 * @typedef {State | IceServers | Answer | Progress | Superseded | Refusal} Told
 *
 * @typedef {{ type: "take_over" | "relays" } | { type: "send" } | { type: "confirm" }
 *   | { type: "offer" | "restart", sdp: string, number: number }
 *   | { type: "reveal" | "record" | "stop" | "remove", question: string }} Ask
 */

export {};
