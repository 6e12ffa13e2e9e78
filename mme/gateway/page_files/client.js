// Requests to the endpoint: with the token, if one is needed, and with failures in words.

const TOKEN = "mme-token";

// What was answered instead of what was wanted; its message is for people.
export class Refused extends Error {
  constructor(status, message, requestId = "") {
    super(message);
    this.status = status;
    this.requestId = requestId;
  }
}

let token = sessionStorage.getItem(TOKEN);
let asking = null;
let askForToken = async () => null;
let isDeclined = false;

// `ask(message, wasRefused)` gets a token from the person at the screen, or null.
export function onTokenWanted(ask) {
  askForToken = ask;
}

// Whoever gave no token is not asked again until this is called.
export function wantToken() {
  isDeclined = false;
}

// A path below the endpoint; relative, so that a proxy may put the endpoint below a path of its own.
export function address(path, query = {}) {
  const url = new URL(path, document.baseURI);
  url.hash = "";
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

export function modelPath(target, rest = "") {
  return `models/${target.split("/").map(encodeURIComponent).join("/")}${rest}`;
}

// The response, whatever its status but 401. Raises Refused if nothing answers or no token is given.
export async function send(path, { query, method = "GET", headers = {}, body, signal } = {}) {
  for (;;) {
    const used = token;
    const all = new Headers(headers);
    if (used) all.set("Authorization", `Bearer ${used}`);
    let response;
    try {
      response = await fetch(address(path, query), {
        method, headers: all, body, signal, cache: "no-store", credentials: "same-origin",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refused(0, "The endpoint does not answer");
    }
    if (response.status !== 401) return response;
    const refused = await refusal(response);
    if (token === used && !(await renewed(refused.message, Boolean(used)))) throw refused;
  }
}

// An answer's JSON. Raises Refused for any status that is no success.
export async function ask(path, options = {}) {
  const response = await send(path, options);
  if (!response.ok) throw await refusal(response);
  return response.json();
}

export async function refusal(response) {
  let message = `${response.status} ${response.statusText}`;
  try {
    const said = await response.json();
    message = said.Message || said.message || message;
  } catch {
    // An answer of a proxy, perhaps: its status says enough.
  }
  const requestId = response.headers.get("x-amzn-RequestId") || "";
  return new Refused(response.status, message, requestId);
}

// Several requests that hear 401 ask the person once.
async function renewed(message, wasRefused) {
  if (isDeclined) return false;
  asking ||= askForToken(message, wasRefused).finally(() => { asking = null; });
  const given = await asking;
  isDeclined = !given;
  if (isDeclined) return false;
  token = given;
  sessionStorage.setItem(TOKEN, given);
  return true;
}
