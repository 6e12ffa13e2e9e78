// The models as the endpoint told them last: kept by name, searched, put into an order. No element.

import { stateOf } from "./words.js";

const STATES = ["ready", "loading", "downloading", "on-disk", "in-store"];
const time = (iso) => (iso ? Date.parse(iso) : undefined);

// What the table can be ordered by: its title, the value of a model, which way first.
export const ORDERS = {
  name: { title: "Model", value: (model) => model.target_model, isDown: false },
  state: { title: "State", value: (model) => rank(model.state), isDown: false },
  used: { title: "Last use", value: (model) => time(model.last_used_at), isDown: true },
  requests: { title: "Requests", value: (model) => model.invocations || undefined, isDown: true },
  p50: { title: "p50", value: (model) => model.p50_ms, isDown: true },
  p99: { title: "p99", value: (model) => model.p99_ms, isDown: true },
  memory: { title: "Memory", value: (model) => model.memory_bytes, isDown: true },
  error: { title: "Last error", value: (model) => time(model.last_error?.at), isDown: true },
};

function rank(state) {
  const place = STATES.indexOf(state);
  return place < 0 ? STATES.length : place;
}

export class Models {
  #byName = new Map();
  #texts = new Map();
  #ordered = [];
  #isStale = true;
  words = [];
  state = "";
  order = "name";
  isDown = false;

  get size() {
    return this.#byName.size;
  }

  get(target) {
    return this.#byName.get(target);
  }

  values() {
    return this.#byName.values();
  }

  put(models) {
    for (const model of models) {
      const name = model.target_model;
      if (model.state) this.#byName.set(name, model);
      else this.#byName.delete(name); // neither here nor in the store any more
      this.#texts.delete(name);
    }
    this.#isStale = true;
  }

  // Keeps these alone: what a list that was read as a whole does not have is gone.
  keepOnly(names) {
    for (const name of this.#byName.keys()) if (!names.has(name)) this.#byName.delete(name);
    this.#isStale = true;
  }

  look({ search = "", state = "" }) {
    this.words = search.toLowerCase().split(/\s+/).filter(Boolean);
    this.state = state;
    this.#isStale = true;
  }

  orderBy(order, isDown = ORDERS[order].isDown) {
    this.order = order;
    this.isDown = isDown;
    this.#isStale = true;
  }

  // Those that are looked for, in order. With `isHeld` the order of before stays where it can, so
  // that rows do not move under somebody's hand.
  shown({ isHeld = false } = {}) {
    if (this.#isStale && !isHeld) {
      this.#ordered = this.#inOrder();
      this.#isStale = false;
    }
    return this.#ordered;
  }

  #inOrder() {
    const { value } = ORDERS[this.order];
    const sign = this.isDown ? -1 : 1;
    const found = [];
    for (const [name, model] of this.#byName) {
      if (this.#isLookedFor(name, model)) found.push([value(model), name]);
    }
    found.sort(([one, oneName], [other, otherName]) => {
      if (one === other) return oneName < otherName ? -1 : 1;
      if (one === undefined) return 1; // what is not known comes last either way
      if (other === undefined) return -1;
      return one < other ? -sign : sign;
    });
    return found.map(([, name]) => name);
  }

  #isLookedFor(name, model) {
    if (this.state === "failed" && !model.last_error) return false;
    if (this.state === "pinned" && !model.pinned) return false;
    if (STATES.includes(this.state) && model.state !== this.state) return false;
    if (!this.words.length) return true;
    let text = this.#texts.get(name);
    if (text === undefined) {
      text = textOf(model);
      this.#texts.set(name, text);
    }
    return this.words.every((word) => text.includes(word));
  }
}

function textOf(model) {
  const parts = [
    model.target_model, stateOf(model), model.model?.family, model.model?.language,
    ...(model.aliases || []), model.last_error?.message,
  ];
  return parts.filter(Boolean).join(" ").toLowerCase();
}
