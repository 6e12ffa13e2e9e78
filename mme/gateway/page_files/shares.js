// What each model takes of the memory that models take: a bar, and the largest by name.

import { bars } from "./health.js";
import { byId, make, setText, show } from "./dom.js";
import { bytes, number, share } from "./words.js";

const NAMED = 12;

export function showShares(models) {
  const taking = [...models].filter((model) => model.memory_bytes);
  taking.sort((one, other) => other.memory_bytes - one.memory_bytes);
  const whole = taking.reduce((sum, model) => sum + model.memory_bytes, 0);
  const named = taking.slice(0, NAMED);
  show(byId("shares-none"), !taking.length);
  show(byId("shares-bar"), taking.length > 0);
  bars(byId("shares-bar"), named.map((model, place) => [
    place % 2 ? "models other" : "models", model.memory_bytes / whole, model.target_model,
  ]));
  const rest = taking.slice(NAMED);
  const rows = named.map((model) => [model.target_model, model.memory_bytes]);
  if (rest.length) {
    const left = rest.reduce((sum, model) => sum + model.memory_bytes, 0);
    rows.push([`${number(rest.length)} others together`, left]);
  }
  fill(byId("shares"), rows, whole, named.length);
}

function fill(list, rows, whole, links) {
  while (list.children.length > rows.length) list.lastElementChild.remove();
  rows.forEach(([name, taken], place) => {
    let row = list.children[place];
    if (!row || Boolean(row.querySelector("a")) !== place < links) {
      const made = make("li", {}, make(place < links ? "a" : "span"), make("span", { class: "number" }));
      if (row) row.replaceWith(made);
      else list.append(made);
      row = made;
    }
    const [label, number_] = row.children;
    setText(label, name);
    if (place < links) label.href = `#model=${encodeURIComponent(name)}`;
    setText(number_, `${bytes(taken)}, ${share(taken, whole)}`);
  });
}
