// A function under datadog-lambda-js, traced: it decides itself whether its trace is kept.

import tracer from "dd-trace";

export async function handler(event) {
  console.log(`[DEBUG] step ${event.number}`);
  await tracer.trace("shop.work", async (span) => {
    span.setTag(event.keep ? "manual.keep" : "manual.drop", true);
  });
  console.log(`[DEBUG] done ${event.number}`);
  return {};
}
