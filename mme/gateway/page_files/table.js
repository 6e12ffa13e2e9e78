// A table of any length: only the rows that are seen exist. Moved through by keys or by scrolling.

import { byId, make, setAttribute, setText, show } from "./dom.js";
import { ORDERS } from "./models.js";
import { ago, bytes, clock, milliseconds, number, stateOf } from "./words.js";

const BEYOND = 6; // rows above and below those that are seen
const COLUMNS = Object.keys(ORDERS);

export class Table {
  #names = [];
  #rows = new Map(); // by name: the elements that exist now
  #active = null; // the name of the row that keys move from
  #isPointed = false; // by a mouse: fingers leave without saying so
  #get;
  #open;

  // `get(name)` is a model, `open(name)` shows one, `order(key)` orders by a column.
  constructor({ get, open, order }) {
    this.#get = get;
    this.#open = open;
    this.scroller = byId("scroller");
    this.heads = new Map(COLUMNS.map((key) => [key, head(key, order)]));
    byId("heads").append(...this.heads.values());
    this.scroller.addEventListener("scroll", () => this.#later(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.#key(event));
    byId("rows").addEventListener("click", (event) => this.#click(event));
    byId("rows").addEventListener("focusin", (event) => this.#focused(event));
    byId("rows").addEventListener("pointermove", (event) => {
      this.#isPointed = event.pointerType === "mouse";
    }, { passive: true });
    byId("rows").addEventListener("pointerleave", () => { this.#isPointed = false; });
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  // Whether somebody points into it or moves in it: its rows should stay where they are.
  get isHeld() {
    return this.#isPointed || byId("rows").contains(document.activeElement);
  }

  show(names, { order, isDown }, nothing) {
    this.#names = names;
    for (const [key, cell] of this.heads) {
      const sort = key === order ? (isDown ? "descending" : "ascending") : "none";
      setAttribute(cell, "aria-sort", sort);
    }
    show(byId("nothing"), names.length === 0);
    setText(byId("nothing"), nothing);
    setAttribute(byId("table"), "aria-rowcount", names.length + 1);
    this.draw();
  }

  // Draws what is in sight.
  draw() {
    const height = this.#height();
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / height) - BEYOND);
    const last = Math.min(this.#names.length, Math.ceil((scrollTop + clientHeight) / height) + BEYOND);
    const names = this.#names.slice(first, last);
    if (this.#active === null || !this.#names.includes(this.#active)) {
      this.#active = this.#names[0] ?? null;
    }
    const hadFocus = this.#drop(new Set(names));
    const body = byId("rows");
    names.forEach((name, place) => {
      const row = this.#rows.get(name) || this.#made(name);
      if (body.children[place] !== row) body.insertBefore(row, body.children[place] || null);
      fill(row, this.#get(name), first + place, name === this.#active);
    });
    setHeight("above", first * height);
    setHeight("below", (this.#names.length - last) * height);
    if (!names.includes(this.#active) && names.length) setTab(body.children[0], true);
    // Last, since it measures: were the table shorter by then, it would be scrolled back.
    if (hadFocus) this.scroller.focus({ preventScroll: true }); // keys go on from there
  }

  // Back to the row that was opened, when what it opened is closed.
  focus(name = this.#active) {
    if (name !== null && this.#names.includes(name)) this.#go(this.#names.indexOf(name));
  }

  toTop() {
    this.scroller.scrollTop = 0;
  }

  #height() {
    return parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row-px"));
  }

  // Whether one of those that go had the focus.
  #drop(kept) {
    let hadFocus = false;
    for (const [name, row] of this.#rows) {
      if (kept.has(name)) continue;
      hadFocus ||= row.contains(document.activeElement);
      row.remove();
      this.#rows.delete(name);
    }
    return hadFocus;
  }

  #made(name) {
    const row = make("tr", { role: "row" });
    const opener = make("button", { type: "button", class: "opener" });
    row.append(make("th", { role: "rowheader", scope: "row", class: "name" }, opener));
    for (const key of COLUMNS.slice(1)) {
      row.append(make("td", { role: "gridcell", class: key, "data-title": ORDERS[key].title }));
    }
    row.dataset.name = name;
    this.#rows.set(name, row);
    return row;
  }

  #later() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
    });
  }

  #click(event) {
    const row = event.target.closest("tr");
    if (!row) return;
    this.#active = row.dataset.name;
    this.#open(row.dataset.name);
  }

  #focused(event) {
    const name = event.target.closest("tr").dataset.name;
    if (name === this.#active) return;
    this.#active = name;
    for (const [each, row] of this.#rows) setTab(row, each === name);
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest("thead")) return;
    const at = this.#names.indexOf(this.#active);
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.#height()) - 2);
    const moves = {
      ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page,
      Home: 0, End: this.#names.length - 1,
    };
    if (!(event.key in moves) || !this.#names.length) return;
    event.preventDefault();
    this.#go(Math.min(this.#names.length - 1, Math.max(0, moves[event.key])));
  }

  #go(place) {
    const height = this.#height();
    const headPx = byId("heads").getBoundingClientRect().height;
    const { scrollTop, clientHeight } = this.scroller;
    this.#active = this.#names[place];
    const top = place * height;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + height + headPx > scrollTop + clientHeight) {
      this.scroller.scrollTop = top + height + headPx - clientHeight;
    }
    this.draw();
    this.#rows.get(this.#active)?.querySelector("button").focus({ preventScroll: true });
  }
}

function head(key, order) {
  const button = make("button", { type: "button" }, ORDERS[key].title);
  button.addEventListener("click", () => order(key));
  return make("th", { role: "columnheader", scope: "col", class: key, "aria-sort": "none" }, button);
}

function fill(row, model, place, isActive) {
  if (!model) return;
  const now = Date.now() + Table.aheadMs;
  const error = model.last_error;
  const texts = {
    state: stateOf(model), used: ago(model.last_used_at, now), requests: number(model.invocations || undefined),
    p50: milliseconds(model.p50_ms), p99: milliseconds(model.p99_ms),
    memory: bytes(model.memory_bytes), error: error ? `${clock(error.at)} ${error.message}` : "",
  };
  setAttribute(row, "aria-rowindex", place + 2);
  setAttribute(row, "data-state", model.state);
  setAttribute(row, "data-parity", place % 2);
  const [name, ...cells] = row.children;
  setText(name.firstElementChild, model.pinned ? `${model.target_model} (pinned)` : model.target_model);
  setAttribute(name.firstElementChild, "title", model.target_model);
  for (const cell of cells) setText(cell, texts[cell.className]);
  setAttribute(row.lastElementChild, "title", texts.error);
  setTab(row, isActive);
}

function setTab(row, isActive) {
  setAttribute(row.querySelector("button"), "tabindex", isActive ? 0 : -1);
}

function setHeight(id, px) {
  const height = `${px}px`;
  if (byId(id).style.height !== height) byId(id).style.height = height;
}

Table.aheadMs = 0; // how far the endpoint's clock is ahead of this browser's
