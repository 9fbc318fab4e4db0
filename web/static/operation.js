// One operation's page: its proof climbs while somebody looks.

import { follow } from "./ladder.js";

const proof = document.getElementById("proof");
const receipt = document.getElementById("receipt"); // a document in parts has none of its own
const blind = !receipt || (receipt.hidden && proof.dataset.state !== "recorded");
proof.addEventListener("rung", (event) => {
  if (blind || event.detail === "recorded") return;
  receipt.hidden = false;
  document.getElementById("no-receipt").hidden = true;
});
follow(proof.dataset.op, proof);
