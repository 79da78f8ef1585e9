// A runtime of its own for Node.js functions: it asks Lambda's Runtime API for an event, calls the handler, answers, and
// asks again. Argument: the file that exports `handler`, or a module of node_modules.
//
// Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".

import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const options = { host, port, agent, method, path: `/2018-06-01/runtime/${path}` };
    const request = http.request(options, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve({ headers: answer.headers, body: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const described = (error) => ({ errorType: error.name, errorMessage: error.message, stackTrace: [] });

let handler;
try {
  ({ handler } = await import(process.argv[2]));
} catch (error) {
  console.error(error);
  await ask("POST", "init/error", described(error));
  process.exit(1);
}
for (;;) {
  const event = await ask("GET", "invocation/next");
  const id = event.headers["lambda-runtime-aws-request-id"];
  const context = {
    awsRequestId: id,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    invokedFunctionArn: event.headers["lambda-runtime-invoked-function-arn"],
    getRemainingTimeInMillis: () => Number(event.headers["lambda-runtime-deadline-ms"]) - Date.now(),
  };
  try {
    const answer = await handler(JSON.parse(event.body), context);
    await ask("POST", `invocation/${id}/response`, answer ?? null);
  } catch (error) {
    await ask("POST", `invocation/${id}/error`, described(error));
  }
}
