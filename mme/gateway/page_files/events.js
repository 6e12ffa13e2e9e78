// What happened: kept by kind, so that many loads do not push out a rare eviction; newest first.

import { make, setText, show } from "./dom.js";
import { clock } from "./words.js";

const KEPT_OF_A_KIND = 200;
const SHOWN = 100;
const KINDS = {
  evictions: ["evicted", "unloaded", "rested"],
  failures: ["load_failed", "update_failed", "worker_died", "isolated", "alias_refused", "gone"],
  loads: ["loaded", "arrived", "load_failed", "woke"],
  versions: ["update_found", "updated", "update_failed", "alias_switched", "alias_refused", "gone"],
};
const BAD = new Set(KINDS.failures);

export class Events {
  #byKind = new Map();
  lastId = null;

  forget() {
    this.#byKind.clear();
    this.lastId = null;
  }

  put(events) {
    for (const event of events) {
      const kept = this.#byKind.get(event.kind) || [];
      this.#byKind.set(event.kind, kept);
      if (kept.some((other) => other.id === event.id)) continue;
      kept.push(event);
      if (kept.length > KEPT_OF_A_KIND) kept.shift();
    }
  }

  // The newest of a group, or of all kinds; of one model if it is named.
  newest(group = "", target = "") {
    const kinds = group ? KINDS[group] : [...this.#byKind.keys()];
    const found = kinds.flatMap((kind) => this.#byKind.get(kind) || []);
    const own = target ? found.filter((event) => event.target_model === target) : found;
    return own.sort((one, other) => other.id - one.id).slice(0, SHOWN);
  }
}

export const kindsOf = (group) => KINDS[group] || [];

// Brings a list up to date; what is there already stays the same element.
export function listEvents(list, none, events, { named = true } = {}) {
  const there = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const items = events.map((event) => there.get(String(event.id)) || item(event, named));
  const kept = new Set(items);
  for (const each of there.values()) if (!kept.has(each)) each.remove();
  items.forEach((each, place) => {
    if (list.children[place] !== each) list.insertBefore(each, list.children[place] || null);
  });
  show(none, !events.length);
  show(list, events.length > 0);
}

function item(event, named) {
  const made = make(
    "li", { "data-id": event.id, "data-kind": event.kind, class: BAD.has(event.kind) ? "bad" : null },
    make("time", { datetime: event.at, title: event.at }, clock(event.at)),
    make("span", { class: "kind" }, event.kind.replaceAll("_", " ")),
  );
  if (named && event.target_model) {
    made.append(make("a", { href: `#model=${encodeURIComponent(event.target_model)}` }, event.target_model));
  }
  const message = make("span", { class: "message" });
  setText(message, event.message);
  made.append(message);
  return made;
}
