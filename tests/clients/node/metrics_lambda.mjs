// A function under datadog-lambda-js: its own metrics, and an error on demand.

import dd from "datadog-lambda-js";

export async function handler(event) {
  for (const value of [1, 2.5, 40]) dd.sendDistributionMetric("shop.size", value, "kind:book & pen");
  dd.sendDistributionMetricWithDate("shop.late", 4, new Date(event.stamp * 1000));
  dd.sendDistributionMetricWithDate("shop.too_late", 1, new Date((event.stamp - 5 * 3600) * 1000));
  for (let number = 0; number < 200; number++) dd.sendDistributionMetric("shop.item", number, `item:${number % 100}`);
  if (event.fails) throw new Error("on purpose");
  return {};
}
