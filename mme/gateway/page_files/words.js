// Numbers and times in words: bytes, durations, counts, how long ago.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const STATES = {
  "ready": "ready", "loading": "loading", "downloading": "downloading",
  "on-disk": "on disk", "in-store": "in the store",
};
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86400;

export function bytes(count) {
  if (count === undefined || count === null) return "";
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : short(value)} ${UNITS[unit]}`;
}

export function number(count) {
  return count === undefined || count === null ? "" : count.toLocaleString("en");
}

export function counted(count, thing) {
  return `${number(count)} ${thing}${count === 1 ? "" : "s"}`;
}

export function milliseconds(value) {
  if (value === undefined || value === null) return "";
  if (value >= 10000) return `${short(value / 1000)} s`;
  return `${value >= 100 ? Math.round(value) : short(value)} ms`;
}

export function seconds(value) {
  if (value === undefined || value === null) return "";
  if (value < 1) return milliseconds(value * 1000);
  if (value < MINUTE_S) return `${short(value)} s`;
  if (value < HOUR_S) return `${Math.floor(value / MINUTE_S)} min`;
  if (value < DAY_S) return `${Math.floor(value / HOUR_S)} h ${Math.floor((value % HOUR_S) / MINUTE_S)} min`;
  return `${Math.floor(value / DAY_S)} d ${Math.floor((value % DAY_S) / HOUR_S)} h`;
}

export function share(part, whole) {
  if (!whole) return "";
  const percent = (100 * part) / whole;
  return percent > 0 && percent < 0.1 ? "below 0.1 %" : `${percent < 10 ? short(percent) : Math.round(percent)} %`;
}

// How long ago, coarser the longer: `nowMs` is this browser's clock put right by the endpoint's.
export function ago(iso, nowMs) {
  if (!iso) return "";
  const passed = Math.max(0, (nowMs - Date.parse(iso)) / 1000);
  if (passed < 2) return "now";
  if (passed < MINUTE_S) return `${Math.floor(passed)} s ago`;
  if (passed < HOUR_S) return `${Math.floor(passed / MINUTE_S)} min ago`;
  if (passed < DAY_S) return `${Math.floor(passed / HOUR_S)} h ago`;
  return `${Math.floor(passed / DAY_S)} d ago`;
}

export function clock(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  const time = at.toLocaleTimeString("en-GB");
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

export function stateOf(model) {
  if (model.gone_from_store && model.state === "in-store") return "gone";
  return STATES[model.state] || model.state || "unknown";
}

function short(value) {
  return String(Number(value.toPrecision(value >= 10 ? 3 : 2)));
}
