// The form that asks a model: filled with its sample request, and the answer as it came.

import { ask, modelPath, refusal, send } from "./client.js";
import { byId, make, setText, show } from "./dom.js";
import { bytes, milliseconds } from "./words.js";

const SHOWN_CHARS = 100000;
const NOT_HERE = "Its sample request is known once it has come to this disk; load it, or write one.";

export class Invocation {
  #target = null;
  #isBlank = true; // no sample was known
  #logsOf;

  // `logsOf(requestId)` shows what was logged of a request.
  constructor(logsOf) {
    this.#logsOf = logsOf;
    byId("invoke").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  open(target) {
    this.#target = target;
    this.#isBlank = true;
    for (const id of ["invoke-type", "invoke-accept", "invoke-body"]) byId(id).value = "";
    byId("invoke-type").value = "application/json";
    setText(byId("sample-said"), NOT_HERE);
    this.#say("");
    show(byId("answer"), false);
  }

  // The model is on this disk, so that its sample can be asked for.
  refill() {
    if (!this.#isBlank || byId("invoke-body").value) return;
    this.#isBlank = false;
    this.#fill(this.#target);
  }

  async #fill(target) {
    let said;
    try {
      const sample = await ask(modelPath(target, "/sample"));
      if (target !== this.#target || byId("invoke-body").value) return;
      byId("invoke-type").value = sample.content_type;
      byId("invoke-accept").value = sample.accept || "";
      byId("invoke-body").value = sample.body;
      said = sample.is_own ? "The artifact's own sample request." : "A request that models of this family answer.";
    } catch (error) {
      if (target !== this.#target) return;
      said = error.status === 404 ? NOT_HERE : `No sample request: ${error.message}`;
    }
    setText(byId("sample-said"), said);
  }

  async #send() {
    const target = this.#target;
    const button = byId("invoke-send");
    if (button.dataset.busy) return;
    button.dataset.busy = "yes";
    this.#say("Waiting for the answer …");
    const began = performance.now();
    try {
      const response = await send("invocations", {
        method: "POST", headers: headersFor(target), body: byId("invoke-body").value,
      });
      const failed = response.ok ? null : await refusal(response.clone());
      const body = await response.text();
      const took = performance.now() - began;
      if (target === this.#target) this.#show(response, failed, body, took);
    } catch (error) {
      if (target === this.#target) this.#say(error.message, true);
    } finally {
      delete button.dataset.busy;
    }
  }

  #show(response, failed, body, took) {
    const requestId = response.headers.get("x-amzn-RequestId");
    const words = failed ? `${response.status}: ${reason(failed, body)}` : `${response.status}`;
    this.#say(`${words}, after ${milliseconds(took)}, ${bytes(new Blob([body]).size)}`, Boolean(failed));
    if (requestId) {
      const link = make("button", { type: "button", class: "link" }, `request ${requestId}`);
      link.addEventListener("click", () => this.#logsOf(requestId));
      byId("answer-said").append(" ", link);
    }
    setText(byId("answer"), shown(body));
    show(byId("answer"), true);
  }

  #say(text, isBad = false) {
    setText(byId("answer-said"), text);
    byId("answer-said").classList.toggle("bad", isBad);
  }
}

function headersFor(target) {
  const headers = {
    "Content-Type": byId("invoke-type").value,
    "X-Amzn-SageMaker-Target-Model": inHeader(target),
  };
  const accept = byId("invoke-accept").value.trim();
  if (accept) headers.Accept = accept;
  return headers;
}

// What the model itself said, where it was the model that refused.
function reason(failed, body) {
  try {
    const said = JSON.parse(body);
    if (said.OriginalStatusCode === undefined) return failed.message;
    const own = JSON.parse(said.OriginalMessage).message;
    return own ? `the model answered ${said.OriginalStatusCode}: ${own}` : failed.message;
  } catch {
    return failed.message;
  }
}

// A header holds bytes: a name beyond ASCII goes as UTF-8.
function inHeader(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

function shown(body) {
  if (body.length > SHOWN_CHARS) {
    return `${body.slice(0, SHOWN_CHARS)}\n… (${body.length - SHOWN_CHARS} characters more)`;
  }
  try {
    return JSON.stringify(JSON.parse(body), null, 1);
  } catch {
    return body;
  }
}
