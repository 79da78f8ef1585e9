// A function that sends every kind of metric that hot-shots has, just before it returns. The event names how the client
// sends (`direct`, `buffered` or `aggregated`) and the Unix time of stamped points.

import { StatsD } from "hot-shots";

const MODES = {
  direct: {},
  buffered: { maxBufferSize: 1432 },
  aggregated: { maxBufferSize: 1432, clientSideAggregation: true },
};

export async function handler(event) {
  if (event.nothing) return null;
  const problems = [];
  const client = new StatsD({
    host: "127.0.0.1",
    port: 8125,
    includeDatadogTelemetry: true,
    errorHandler: (error) => problems.push(String(error)),
    ...MODES[event.mode],
  });
  await sendEverything(client, event.stamp);
  sendSampled(client);
  await new Promise((resolve, reject) => client.close((error) => (error ? reject(error) : resolve())));
  return { problems };
}

// What the clients of all languages send.
async function sendEverything(client, stamp) {
  client.increment("shop.plain");
  client.increment("shop.orders", ["kind:book"]);
  client.increment("shop.orders", { kind: "book" });
  client.increment("shop.orders", 5, ["kind:book"]);
  client.decrement("shop.orders", 2, ["kind:book"]);
  client.increment("shop.orders", ["kind:pen", "new"]);
  client.gauge("shop.stock", 10, ["depot:north"]);
  client.gauge("shop.stock", 7.5, ["depot:north"]);
  for (const value of [1, 2.5, 40]) client.distribution("shop.size", value, ["city:Zürich"]);
  for (let value = 0; value < 1000; value++) client.distribution("shop.load", value);
  for (let number = 0; number < 300; number++) client.increment("shop.item", [`item:${number % 100}`]);
  client.increment("shop.late", 2, { timestamp: stamp });
  client.increment("shop.late", 3, { timestamp: new Date(stamp * 1000) });
  client.gauge("shop.level", 4.25, { timestamp: stamp });
  for (const value of [3, 4]) client.histogram("shop.latency", value);
  for (const value of [120, 80]) client.timing("shop.work", value);
  for (const visitor of ["anna", "ben"]) client.set("shop.visitors", visitor);
  client.event("Opened", "The shop is open.\nCome in.", {}, ["kind:book"]);
  client.check("shop.door", client.CHECKS.OK, { message: "open" });
  client.timer(() => 7, "shop.work", 1)();
  await client.asyncTimer(async () => 7, "shop.work", 1)();
  await client.asyncDistTimer(async () => 7, "shop.run", 1)();
}

// The client decides by its dice what it sends: here every fourth throw is below the rate.
function sendSampled(client) {
  let throws = 0;
  Math.random = () => (throws++ % 4) / 4;
  for (let number = 0; number < 400; number++) client.increment("shop.sampled", 1, 0.25);
  for (let number = 0; number < 400; number++) client.distribution("shop.sampled.size", 2.5, 0.25);
}
