// Elements: found by their id, made with their content, changed only where something differs.

export const byId = (id) => document.getElementById(id);

// An element with attributes and children; a child that is a string is text, never markup.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Screen readers tell each change of a live region, so what is the same is left alone.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

// Rows of a description list: name, value and kind each; without a value there is none.
export function fillList(list, pairs) {
  const keep = new Map([...list.children].map((row) => [row.dataset.name, row]));
  const wanted = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  wanted.forEach(([name, value, kind], place) => {
    let row = keep.get(name);
    keep.delete(name);
    if (!row) {
      row = make("div", { "data-name": name }, make("dt", {}, name), make("dd"));
    }
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] || null);
    setAttribute(row, "class", kind || "plain");
    setText(row.lastElementChild, value);
  });
  for (const row of keep.values()) row.remove();
}
