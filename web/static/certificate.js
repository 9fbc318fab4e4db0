// A zone's certificate: put on the chain as it stands, and printed.

import { act } from "./api.js";
import { attempt, byId } from "./page.js";

byId("print")?.addEventListener("click", () => print());

byId("certify")?.addEventListener("click", () => attempt(async () => {
  const { zone, since } = byId("dock").dataset;
  byId("certify").disabled = true;
  try {
    const { certificate } = await act("counts/certificate", { zone, since: Number(since) });
    location.assign(`/review/certificate?${new URLSearchParams({ zone, from: since, height: certificate.height })}`);
  } finally {
    byId("certify").disabled = false;
  }
}));
