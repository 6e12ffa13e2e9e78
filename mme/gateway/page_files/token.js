// Asks the person at the screen for a token, when the endpoint wants one.

import { onTokenWanted } from "./client.js";
import { byId, setText } from "./dom.js";

export function offerToken() {
  onTokenWanted((message, wasRefused) => {
    const dialog = byId("token");
    const value = byId("token-value");
    setText(byId("token-said"), wasRefused ? `The token was not taken: ${message}` : message);
    value.value = "";
    return new Promise((done) => {
      let given = null;
      byId("token-form").onsubmit = () => { given = value.value.trim(); };
      byId("token-cancel").onclick = () => dialog.close();
      dialog.onclose = () => done(given || null);
      dialog.showModal();
      value.focus();
    });
  });
}
