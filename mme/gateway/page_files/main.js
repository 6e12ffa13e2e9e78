// The page as a whole: asks once for what there is, then follows what changes, and draws it.

import { ask, modelPath, wantToken } from "./client.js";
import { Detail } from "./detail.js";
import { byId, make, setAttribute, setText, show } from "./dom.js";
import { Events, kindsOf, listEvents } from "./events.js";
import { showStatus, showStoreError } from "./health.js";
import { Logs } from "./logs.js";
import { Models, ORDERS } from "./models.js";
import { showPipelines } from "./pipelines.js";
import { showShares } from "./shares.js";
import { follow } from "./stream.js";
import { Table } from "./table.js";
import { offerToken } from "./token.js";
import { clock, counted, number } from "./words.js";

const PAGE = 1000; // models asked for at a time
const FIRST_EVENTS = 200;
const MOST_UNSURE = 20; // asked for one by one, each second
const TICK_MS = 1000;
const UNSEEN_MS = 30000; // a page nobody looks at asks for nothing

const models = new Models();
const events = new Events();
let status = null;
let storeError = null;
let pipelines = []; // the operator's, as the list told them
let hasAll = false;
let listing = null; // the reading of the whole list that is under way
let following = null;
let isStale = true;
const unsure = new Map(); // models that something happened to, and when: they may not be told of

const table = new Table({ get: (name) => models.get(name), open: goTo, order: orderBy });
const detail = new Detail({
  known: (name) => models.get(name),
  changed: (model) => take([model]),
  closed: () => {
    if (wantedModel()) history.replaceState(null, "", location.pathname + location.search);
    table.focus();
  },
});

const logs = new Logs("all-logs");

function goTo(target) {
  location.hash = `model=${encodeURIComponent(target)}`;
}

function wantedModel() {
  const found = /^#model=(.+)$/.exec(location.hash);
  if (!found) return null;
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return null; // somebody typed it
  }
}

function showWanted() {
  const target = wantedModel();
  if (target) detail.open(target);
  else detail.close();
}

function orderBy(order) {
  models.orderBy(order, models.order === order ? !models.isDown : undefined);
  byId("order").value = order;
  table.toTop();
  draw();
}

function look() {
  models.look({ search: byId("search").value, state: byId("state").value });
  table.toTop();
  draw();
}

function take(changed) {
  models.put(changed);
  for (const model of changed) detail.changed(model);
  isStale = true;
}

function draw({ isHeld = false } = {}) {
  const names = models.shown({ isHeld });
  table.show(names, models, nothingWords());
  showPipelines(pipelines, (target) => models.get(target));
  const all = counted(models.size, "model");
  const found = names.length === models.size ? all : `${number(names.length)} of ${all}`;
  setText(byId("count"), hasAll ? found : `${found}, reading on …`);
}

function nothingWords() {
  if (!hasAll && !models.size) return "Reading which models there are …";
  if (models.size) return "No model is like that.";
  if (storeError) return "The store does not answer, and no model is on this disk.";
  const uri = status?.store?.uri;
  return `There are no models. Put NAME.tar.gz into the store${uri ? ` (${uri})` : ""}; it appears here when the store is looked at next.`;
}

function drawEvents() {
  listEvents(byId("events"), byId("events-none"), events.newest(byId("kinds").value));
}

async function askForKinds() {
  const kinds = kindsOf(byId("kinds").value);
  drawEvents();
  if (!kinds.length) return;
  const query = { kind: kinds.join(","), limit: FIRST_EVENTS };
  const said = await ask("events", { query }).catch(() => null);
  if (said) events.put(said.events);
  drawEvents();
}

// Ahead of each connection: how it is, and from which event on.
async function before() {
  const said = await ask("status");
  if (status && said.started_at !== status.started_at) events.forget(); // another one by now
  onStatus(said);
  const past = await ask("events", { query: { after: events.lastId ?? undefined, limit: FIRST_EVENTS } });
  onEvents(past.events);
  events.lastId = past.last_id;
  return events.lastId;
}

function onStatus(said) {
  status = said;
  Table.aheadMs = Date.parse(said.started_at) + said.uptime_s * 1000 - Date.now() || 0;
  showStatus(said);
  if (storeError && !said.store?.error) showStoreError(storeError);
}

function onEvents(list) {
  events.put(list);
  if (detail.target && list.some((event) => event.target_model === detail.target)) detail.ask();
  drawEvents();
}

function on(event, data, id) {
  if (id) events.lastId = id;
  if (event === "events") {
    for (const { target_model: target, kind } of data) {
      if (target && kind !== "loaded") unsure.set(target, Date.now());
    }
    onEvents(data);
  }
  else if (event === "status") onStatus(data);
  else if (event === "models") {
    for (const model of data) {
      listing?.touched.add(model.target_model);
      unsure.delete(model.target_model);
    }
    take(data);
  }
}

// The whole list, page by page, beside the stream, so that no change falls in between.
async function list(signal) {
  const mine = { touched: new Set() };
  listing = mine;
  try {
    for (let token = ""; ;) {
      const page = await ask("models", { query: { limit: PAGE, next_page_token: token }, signal });
      if (signal.aborted || listing !== mine) return;
      for (const model of page.models) mine.touched.add(model.target_model);
      take(page.models);
      storeError = page.store_error || null;
      if (!token) pipelines = page.pipelines || [];
      token = page.nextPageToken;
      if (!token) break;
      draw();
    }
    models.keepOnly(mine.touched);
    hasAll = true;
    if (storeError) showStoreError(storeError);
  } catch (error) {
    if (signal.aborted) return;
    setText(byId("count"), `The models cannot be listed: ${error.message}`);
    return;
  } finally {
    if (listing === mine) listing = null;
  }
  draw();
  if (byId("shares-fold").open) showShares(models.values());
}

// A model that is neither here nor coming is in no frame of the stream, though it failed just now.
async function askForUnsure() {
  const due = [...unsure].filter(([, since]) => Date.now() - since > TICK_MS).slice(0, MOST_UNSURE);
  for (const [target] of due) {
    unsure.delete(target);
    const model = await ask(modelPath(target)).catch(() => null);
    if (model) take([model]);
  }
}

function tell(isLive, words, signal) {
  setAttribute(byId("live"), "data-state", isLive ? "good" : "bad");
  if (isLive) {
    setText(byId("live"), "live");
    list(signal);
    return;
  }
  const since = byId("live").dataset.since || new Date().toISOString();
  byId("live").dataset.since = since;
  setText(byId("live"), `not live since ${clock(since)}: ${words}`);
  if (!status) {
    setText(byId("health-title"), "It is not known how it is");
    setText(byId("health-reason"), words);
  }
  const again = make("button", { type: "button", class: "link" }, "Try now");
  again.addEventListener("click", () => { wantToken(); begin(); });
  byId("live").append(" ", again);
}

function begin() {
  following?.abort();
  following = new AbortController();
  const { signal } = following;
  follow("events", {
    query: { status: 1, models: 1 }, signal, before, on,
    tell: (isLive, words) => {
      if (isLive) delete byId("live").dataset.since;
      tell(isLive, words, signal);
    },
  });
}

function rest() {
  following?.abort();
  following = null;
  logs.stop();
  detail.logs.stop();
}

function tick() {
  if (document.hidden) return;
  if (hasAll && byId("live").dataset.state === "good") askForUnsure();
  if (isStale && !listing) {
    const { isHeld } = table;
    isStale = isHeld; // what is held back is put in order later
    draw({ isHeld });
    if (byId("shares-fold").open) showShares(models.values());
  } else table.draw(); // for "12 s ago"
}

let unseen = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) {
    unseen = setTimeout(rest, UNSEEN_MS);
  } else if (!following) {
    begin();
    logs.begin();
    detail.logs.begin();
  }
});
for (const [key, { title }] of Object.entries(ORDERS)) {
  byId("order").append(make("option", { value: key }, title));
}
byId("order").addEventListener("change", () => {
  models.orderBy(byId("order").value);
  table.toTop();
  draw();
});
byId("search").addEventListener("input", look);
byId("state").addEventListener("change", look);
byId("filter").addEventListener("submit", (event) => { event.preventDefault(); table.focus(); });
byId("kinds").addEventListener("change", askForKinds);
byId("events-filter").addEventListener("submit", (event) => event.preventDefault());
byId("shares-fold").addEventListener("toggle", () => showShares(models.values()));
addEventListener("hashchange", showWanted);
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    byId("search").focus();
  }
});
offerToken();
logs.open("");
draw();
begin();
showWanted();
setInterval(tick, TICK_MS);
