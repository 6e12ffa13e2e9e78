// Log lines, of a model, of one request or all, newest first, followed while they are looked at.

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

  // `name` is the list's id; what belongs to it has ids that begin so.
  constructor(name) {
    this.list = byId(name);
    this.fold = byId(`${name}-fold`);
    this.level = byId(`${name}-level`);
    this.request = byId(`${name}-request`);
    this.said = byId(`${name}-said`);
    this.fold.addEventListener("toggle", () => this.begin());
    this.level.addEventListener("change", () => this.begin());
    this.request.addEventListener("input", () => {
      clearTimeout(this.#soon);
      this.#soon = setTimeout(() => this.begin(), SETTLE_MS);
    });
    byId(`${name}-filter`).addEventListener("submit", (event) => event.preventDefault());
  }

  // Of a model; "": of all of them, and what is of none.
  open(target) {
    this.#target = target;
    this.request.value = "";
    this.begin();
  }

  ofRequest(requestId) {
    this.request.value = requestId;
    this.fold.open = true;
    this.begin();
    this.list.focus();
  }

  close() {
    this.#target = null;
    this.stop();
  }

  stop() {
    this.#following?.abort();
    this.#following = null;
  }

  async begin() {
    this.stop();
    this.list.replaceChildren();
    show(this.list, false);
    if (!this.fold.open || this.#target === null) return;
    const following = new AbortController();
    this.#following = following;
    const { signal } = following;
    const requestId = this.request.value.trim();
    const query = { target: requestId ? "" : this.#target, request_id: requestId, level: this.level.value };
    let last = null;
    setText(this.said, "");
    try {
      const said = await ask("logs", { query: { ...query, limit: FIRST }, signal });
      if (signal.aborted) return;
      last = said.last_id;
      this.#put(said.lines);
    } catch (error) {
      if (!signal.aborted) setText(this.said, `No log: ${error.message}`);
      return;
    }
    await follow("logs", {
      query, signal,
      before: async () => last,
      on: (event, lines, id) => {
        if (event !== "lines" || signal.aborted) return;
        last = id;
        this.#put(lines);
      },
      tell: (isLive, words) => setText(this.said, isLive ? "" : `Not live: ${words}`),
    });
  }

  #put(lines) {
    const { list } = this;
    for (const line of lines) list.prepend(item(line));
    while (list.children.length > SHOWN) list.lastElementChild.remove();
    show(list, list.children.length > 0);
    if (!list.children.length) setText(this.said, "Nothing like that was logged.");
    else if (this.said.textContent.startsWith("Nothing")) setText(this.said, "");
  }
}

function item(line) {
  const isBad = line.level === "ERROR" || line.level === "CRITICAL";
  return make(
    "li", { class: isBad ? "bad" : line.level === "WARNING" ? "warn" : null },
    make("time", { datetime: line.at, title: line.at }, clock(line.at)),
    make("span", { class: "kind" }, line.level || ""),
    make("span", { class: "message" }, [line.message, line.trace].filter(Boolean).join("\n")),
  );
}
