// Server-sent events by fetch, which can send a token: read, parsed, taken up again after a break.

import { Refused, refusal, send } from "./client.js";

const SILENCE_MS = 40000; // the endpoint says something every 15 s
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15000;

// Blocks of text, as they come, to frames {id, event, data}; keeps what is not complete.
export class Frames {
  #rest = "";

  take(text) {
    const parts = (this.#rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this.#rest = parts.pop();
    return parts.map(frameIn).filter((frame) => frame !== null);
  }
}

function frameIn(part) {
  const frame = { id: null, event: "message", data: "" };
  const lines = [];
  for (const line of part.split("\n")) {
    if (!line || line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") lines.push(value);
    else if (name === "event") frame.event = value;
    else if (name === "id") frame.id = value;
  }
  frame.data = lines.join("\n");
  return lines.length ? frame : null;
}

// Follows `path` until `signal` ends it. `before(isAgain)` runs ahead of each connection and says
// from where on (an id, or null); `on(event, data)` gets what comes; `tell(isLive, words)` hears
// how it stands.
export async function follow(path, { query, before, on, tell, signal }) {
  let waitMs = FIRST_WAIT_MS;
  for (let isAgain = false; !signal.aborted; isAgain = true) {
    let reason;
    try {
      const after = await before(isAgain);
      if (signal.aborted) return;
      await read(path, query, after, on, signal, () => {
        waitMs = FIRST_WAIT_MS;
        tell(true, "live");
      });
      reason = "the endpoint ended the connection";
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused)) console.warn(error);
      reason = error instanceof Refused ? error.message : "the connection broke off";
    }
    tell(false, `${reason}; trying again in ${Math.round(waitMs / 1000)} s`);
    await pause(waitMs, signal);
    waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
  }
}

async function read(path, query, after, on, signal, begun) {
  const connection = new AbortController();
  const stop = () => connection.abort();
  signal.addEventListener("abort", stop);
  const headers = { Accept: "text/event-stream" };
  if (after !== null && after !== undefined) headers["Last-Event-ID"] = String(after);
  let silence = setTimeout(stop, SILENCE_MS);
  try {
    const response = await send(path, { query, headers, signal: connection.signal });
    if (!response.ok) throw await refusal(response);
    begun();
    const frames = new Frames();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
      for (const frame of frames.take(value)) on(frame.event, JSON.parse(frame.data), frame.id);
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", stop);
    connection.abort();
  }
}

function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });
}
