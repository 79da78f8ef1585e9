// A handler for the Node.js runtime.
export const handler = async (event, context) => {
  console.log("node says", event.n);
  if (event.raise) throw new TypeError(event.raise);
  return { n: event.n, requestId: context.awsRequestId, runtime: process.env.AWS_EXECUTION_ENV };
};
