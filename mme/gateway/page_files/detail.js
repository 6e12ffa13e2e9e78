// One model: why it is in its state, what is known of it, and what can be done to it.

import { ask, modelPath } from "./client.js";
import { byId, fillList, setAttribute, setText, show } from "./dom.js";
import { Events, listEvents } from "./events.js";
import { Invocation } from "./invoke.js";
import { Logs } from "./logs.js";
import { bytes, clock, milliseconds, number, seconds, stateOf } from "./words.js";

const HERE = new Set(["ready", "loading", "on-disk"]);
const AGAIN_MS = 1000; // between two questions why, while a busy model changes

export class Detail {
  #target = null;
  #model = null;
  #asking = null;
  #isWanted = false;
  #events = new Events();

  // `known(target)` is a model or undefined, `changed(model)` hears of one that was asked for
  // here, `closed()` is told at the end.
  constructor({ known, changed, closed }) {
    this.#known = known;
    this.#changed = changed;
    this.dialog = byId("detail");
    this.logs = new Logs("logs");
    this.invocation = new Invocation((requestId) => this.logs.ofRequest(requestId));
    byId("detail-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close(); // beside it
    });
    this.dialog.addEventListener("close", () => {
      this.#target = null;
      this.logs.close();
      closed();
    });
    byId("act-load").addEventListener("click", () => this.#load());
    byId("act-unload").addEventListener("click", () => this.#unload());
    byId("act-pin").addEventListener("click", () => this.#pin());
  }

  #known;
  #changed;

  get target() {
    return this.#target;
  }

  open(target) {
    if (this.#target === target) return;
    this.#target = target;
    this.#model = this.#known(target) || { target_model: target };
    this.#events.forget();
    setText(byId("detail-title"), target);
    setText(byId("detail-why"), "");
    this.#say("");
    this.invocation.open(target);
    this.#show();
    this.logs.open(target);
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    byId("detail-title").focus();
    this.ask();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  // Something about the model may have changed.
  changed(model) {
    if (model.target_model !== this.#target) return;
    this.#model = model;
    this.#show();
    this.ask();
  }

  // Asks why, now or soon.
  ask() {
    this.#isWanted = true;
    if (this.#asking) return;
    this.#asking = this.#answered().finally(() => {
      setTimeout(() => {
        this.#asking = null;
        if (this.#isWanted && this.#target) this.ask();
      }, AGAIN_MS);
    });
  }

  async #answered() {
    const target = this.#target;
    this.#isWanted = false;
    if (!target) return;
    let said;
    try {
      const [why, model] = await Promise.all([
        ask(modelPath(target, "/why")), ask(modelPath(target)).catch(() => null),
      ]);
      if (target !== this.#target) return;
      this.#events.put(why.events || []);
      said = why.why;
      if (model) {
        this.#model = model;
        this.#changed(model);
      }
    } catch (error) {
      if (target !== this.#target) return;
      said = `Why is not known: ${error.message}`;
    }
    setText(byId("detail-why"), said);
    this.#show();
  }

  #show() {
    const model = this.#model;
    if (HERE.has(model.state)) this.invocation.refill();
    setText(byId("detail-state"), stateOf(model));
    setAttribute(byId("detail-state"), "data-state", model.state || "");
    show(byId("detail-pinned"), Boolean(model.pinned));
    setText(byId("act-pin"), model.pinned ? "Unpin" : "Pin");
    const error = model.last_error;
    show(byId("detail-error"), Boolean(error));
    setText(byId("detail-error"), error ? `Last error, ${clock(error.at)}: ${error.message}` : "");
    fillList(byId("facts"), factsOf(model));
    const events = this.#events.newest();
    listEvents(byId("detail-events"), byId("detail-events-none"), events, { named: false });
  }

  #load() {
    return this.#act(byId("act-load"), "Loading; the first time it is fetched and checked", async (target) => {
      const model = await ask("models", {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ target_model: target }),
      });
      return `It is loaded${model.load_s ? `, in ${seconds(model.load_s)}` : ""}.`;
    });
  }

  #unload() {
    return this.#act(byId("act-unload"), "Leaving memory; running requests end first", async (target) => {
      await ask(modelPath(target), { method: "DELETE" });
      return "It has left memory. The next request brings it back.";
    });
  }

  #pin() {
    const isPinned = Boolean(this.#model.pinned);
    return this.#act(byId("act-pin"), isPinned ? "Unpinning" : "Pinning", async (target) => {
      await ask(modelPath(target, "/pin"), { method: isPinned ? "DELETE" : "PUT" });
      return isPinned
        ? "It may leave when memory runs short."
        : "It is pinned: it stays in memory when that runs short.";
    });
  }

  async #act(button, meanwhile, does) {
    const target = this.#target;
    setAttribute(button, "aria-disabled", true); // disabling it would lose the focus
    if (button.dataset.busy) return;
    button.dataset.busy = "yes";
    this.#say(`${meanwhile} …`);
    let said;
    let isBad = false;
    try {
      said = await does(target);
    } catch (error) {
      said = error.message;
      isBad = true;
    } finally {
      button.removeAttribute("aria-disabled");
      delete button.dataset.busy;
    }
    if (target !== this.#target) return;
    this.#say(said, isBad);
    await this.#answered();
  }

  #say(text, isBad = false) {
    setText(byId("act-said"), text);
    byId("act-said").classList.toggle("bad", isBad);
  }
}

function factsOf(model) {
  const at = (iso) => (iso ? clock(iso) : "");
  const latency = model.p50_ms === undefined ? "" : `${milliseconds(model.p50_ms)}, ${milliseconds(model.p99_ms)}`;
  const age = model.age_at_eviction_s === undefined ? "" : `, ${seconds(model.age_at_eviction_s)} after its last use`;
  const own = Object.entries(model.model || {}).map(([name, value]) => [
    name.replaceAll("_", " "), typeof value === "number" ? number(value)
      : typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return [
    ["In memory", bytes(model.memory_bytes)],
    ["Workers that have it", number(model.workers)],
    ["Loading takes", seconds(model.load_s)],
    ["Requests", number(model.invocations)],
    ["Errors", number(model.errors), model.errors ? "bad" : "plain"],
    ["In flight", model.in_flight ? number(model.in_flight) : ""],
    ["p50, p99", latency],
    ["Last used", at(model.last_used_at)],
    ["Loaded", at(model.loaded_at)],
    ["Came to this disk", at(model.fetched_at)],
    ["Left memory", model.evicted_at ? `${at(model.evicted_at)}${age}` : ""],
    ["Failed updates", model.failed_updates ? number(model.failed_updates) : "", "bad"],
    ["In the store", model.gone_from_store ? "no: it is gone from the store" : "", "bad"],
    ["Aliases", (model.aliases || []).join(", ")],
    ["Archive", bytes(model.archive_bytes)],
    ["Unpacked", bytes(model.unpacked_bytes)],
    ["Version", model.version],
    ...own,
  ];
}
