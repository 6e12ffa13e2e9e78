// Is it well and why, how much room is left, how much there is to do: what /status says.

import { byId, fillList, make, setAttribute, setText, show } from "./dom.js";
import { bytes, counted, milliseconds, number, seconds, share } from "./words.js";

const UNLIMITED = 1e9; // tasks; a machine has fewer, and this many where there is no limit

export function showStatus(status) {
  showHealth(status);
  showMemory(status.memory || {}, status.workers || {}, status.top || []);
  showTasks(status.tasks || {}, status.workers || {});
  showDisk(status.disk || {}, status.models || {});
  fillList(byId("figures"), figuresOf(status));
}

function showHealth(status) {
  const { ready, reason } = status.health || {};
  setAttribute(byId("health"), "data-state", ready ? "good" : "bad");
  setText(byId("health-title"), ready ? "Healthy" : "Not healthy");
  const answers = "Requests can be answered now.";
  setText(byId("health-reason"), reason || (ready ? answers : "Requests cannot be answered now."));
  const version = status.version ? `version ${status.version}, ` : "";
  setText(byId("identity"), `${status.mode || ""}, ${version}up for ${seconds(status.uptime_s)}`);
  setText(byId("store"), status.store?.uri ? `Store: ${status.store.uri}` : "");
  showStoreError(status.store?.error);
}

export function showStoreError(error) {
  const words = typeof error === "object" && error ? error.message : error;
  show(byId("store-error"), Boolean(words));
  setText(byId("store-error"), words ? `The store does not answer: ${words}` : "");
}

function showMemory(memory, workers, top) {
  const used = memory.used_bytes;
  const models = Math.min(memory.models_bytes || 0, used || 0);
  const named = top.reduce((sum, model) => sum + (model.memory_bytes || 0), 0);
  meter(byId("memory"), {
    title: "Memory",
    told: `${bytes(used)}${of(bytes(memory.limit_bytes), used, memory.limit_bytes)}`,
    whole: memory.limit_bytes || used,
    parts: [
      ...top.map((model, place) => [place % 2 ? "models other" : "models", model.memory_bytes || 0]),
      ["models", models - named, `models ${bytes(models)}`],
      ["rest", used - models, `server and ${counted(all(workers), "worker")} ${bytes(used - models)}`],
    ],
    marks: [[memory.high_bytes, "idle models leave above"], [memory.low_bytes, "until below"]],
    shown: bytes,
  });
}

function showTasks({ used, limit }, workers) {
  const isLimited = limit && limit < UNLIMITED;
  const own = workers.own || 0;
  const told = own
    ? `${counted(workers.pool, "worker")} shared by all models, ${counted(own, "worker")} of one model each`
    : `${counted(workers.pool, "worker")}, shared by all models`;
  meter(byId("tasks"), {
    title: "Tasks (processes and threads)",
    told: isLimited ? `${number(used)}${of(number(limit), used, limit)}` : "not limited here",
    whole: isLimited ? limit : 0,
    parts: [["rest", used, told]],
    marks: [],
    shown: number,
  });
}

function showDisk(disk, models) {
  meter(byId("disk"), {
    title: "Disk, for unpacked artifacts",
    told: `${bytes(disk.used_bytes)}${of(bytes(disk.limit_bytes), disk.used_bytes, disk.limit_bytes)}`,
    whole: disk.limit_bytes,
    parts: [["models", disk.used_bytes, `${counted(models.on_disk || 0, "model")} on this disk`]],
    marks: [],
    shown: bytes,
  });
}

function of(limit, used, limitCount) {
  return limitCount ? ` of ${limit} (${share(used, limitCount)})` : ", no limit set";
}

// A bar with its parts, the marks on it, and the same in words below.
function meter(place, { title, told, whole, parts, marks, shown }) {
  if (!place.firstElementChild) {
    place.append(
      make("p", { class: "meter-title" }, make("strong", {}, title), " ", make("span")),
      make("div", { class: "bar", "aria-hidden": "true" }),
      make("p", { class: "faint meter-parts" }),
    );
  }
  const [head, bar, below] = place.children;
  setText(head.lastElementChild, told);
  bars(bar, parts.map(([kind, count]) => [kind, whole ? count / whole : 0]));
  const set = marks.filter(([at]) => at && whole);
  for (const [at] of set) mark(bar, at / whole);
  const words = [
    ...parts.filter(([, , text]) => text).map(([, , text]) => text),
    ...set.map(([at, text]) => `${text} ${shown(at)}`),
  ];
  setText(below, words.join("; "));
}

export function bars(bar, parts) {
  bar.replaceChildren(...parts.map(([kind, portion, title]) => {
    const part = make("span", { class: `part ${kind}`, title });
    part.style.width = `${Math.max(0, Math.min(1, portion || 0)) * 100}%`;
    return part;
  }));
}

function mark(bar, portion) {
  const line = make("span", { class: "mark" });
  line.style.left = `${Math.min(1, portion) * 100}%`;
  bar.append(line);
}

function all(workers) {
  return (workers.pool || 0) + (workers.own || 0);
}

function figuresOf({ queue = {}, requests = {}, workers = {}, ...status }) {
  const answered = (requests.warm || 0) + (requests.cold || 0) + (requests.first || 0);
  const resting = workers.resting ? "resting; the next request starts them" : "";
  return [
    ["Requests a second", requests.per_s === undefined ? "" : String(Number(requests.per_s.toPrecision(3)))],
    ["p50, p99", requests.p50_ms === undefined || requests.p50_ms === null ? ""
      : `${milliseconds(requests.p50_ms)}, ${milliseconds(requests.p99_ms)}`],
    ["Requests so far", number(requests.total)],
    ["Errors", number(requests.errors), requests.errors ? "bad" : "plain"],
    ["Warm, cold, first", answered
      ? `${number(requests.warm)}, ${number(requests.cold)}, ${number(requests.first)}` : ""],
    ["Waiting in queues", number(queue.waiting), queue.waiting ? "warn" : "plain"],
    ["In flight", number(queue.in_flight)],
    ["Workers busy", resting || `${number(workers.busy)} of ${number(all(workers))}`],
    ["Loads", number(status.loads)],
    ["Evictions", number(status.evictions)],
    ["Workers died", number(status.worker_deaths), status.worker_deaths ? "warn" : "plain"],
  ];
}
