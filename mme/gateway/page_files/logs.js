// The log lines of a model or of one request, newest first, followed while they are looked at.

import { ask } from "./client.js";
import { byId, make, setText, show } from "./dom.js";
import { follow } from "./stream.js";
import { clock } from "./words.js";

const FIRST = 200;
const SHOWN = 500;
const SETTLE_MS = 300;

export class Logs {
  #target = null;
  #following = null;
  #soon = 0;

  constructor() {
    byId("logs-fold").addEventListener("toggle", () => this.#begin());
    byId("logs-level").addEventListener("change", () => this.#begin());
    byId("logs-request").addEventListener("input", () => {
      clearTimeout(this.#soon);
      this.#soon = setTimeout(() => this.#begin(), SETTLE_MS);
    });
    byId("logs-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  open(target) {
    this.#target = target;
    byId("logs-request").value = "";
    this.#begin();
  }

  ofRequest(requestId) {
    byId("logs-request").value = requestId;
    byId("logs-fold").open = true;
    this.#begin();
    byId("logs").focus();
  }

  stop() {
    this.#following?.abort();
    this.#following = null;
  }

  async #begin() {
    this.stop();
    byId("logs").replaceChildren();
    show(byId("logs"), false);
    if (!byId("logs-fold").open || !this.#target) return;
    const following = new AbortController();
    this.#following = following;
    const { signal } = following;
    const requestId = byId("logs-request").value.trim();
    const query = { target: requestId ? "" : this.#target, request_id: requestId, level: byId("logs-level").value };
    setText(byId("logs-said"), "");
    try {
      const { lines } = await ask("logs", { query: { ...query, limit: FIRST }, signal });
      if (signal.aborted) return;
      this.#put(lines);
    } catch (error) {
      if (!signal.aborted) setText(byId("logs-said"), `No log: ${error.message}`);
      return;
    }
    await follow("logs", {
      query, signal,
      before: async () => null,
      on: (event, lines) => { if (event === "lines" && !signal.aborted) this.#put(lines); },
      tell: (isLive, words) => setText(byId("logs-said"), isLive ? "" : `Not live: ${words}`),
    });
  }

  #put(lines) {
    const list = byId("logs");
    for (const line of lines) list.prepend(item(line));
    while (list.children.length > SHOWN) list.lastElementChild.remove();
    show(list, list.children.length > 0);
    if (!list.children.length) setText(byId("logs-said"), "Nothing was logged of it.");
    else if (byId("logs-said").textContent.startsWith("Nothing")) setText(byId("logs-said"), "");
  }
}

function item(line) {
  const isBad = line.level === "ERROR" || line.level === "CRITICAL";
  return make(
    "li", { class: isBad ? "bad" : line.level === "WARNING" ? "warn" : null },
    make("time", { datetime: line.at, title: line.at }, clock(line.at)),
    make("span", { class: "kind" }, line.level || ""),
    make("span", { class: "message" }, line.message || ""),
  );
}
