// Node's own HTTP, as a client of our server or as a server for our client. Without packages.
//
//   node peer.mjs client http://127.0.0.1:PORT      prints one JSON object: what each request was answered
//   node peer.mjs server [KEY.pem CERTIFICATE.pem]  prints the port, serves until its input ends

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

const digest = (data) => createHash('sha256').update(data).digest('hex');

function collect(stream) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => resolve(Buffer.concat(pieces)));
    stream.on('error', reject);
  });
}

async function client(url) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  function ask(path, options, send) {
    return new Promise((resolve, reject) => {
      let continued = false;
      const request = http.request(url + path, { agent, ...options }, async (response) => {
        const body = await collect(response);
        resolve({ status: response.statusCode, size: body.length, digest: digest(body), continued });
      });
      request.on('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => ports.add(socket.localPort));
        else ports.add(socket.localPort);
      });
      request.on('error', reject);
      request.on('continue', () => { continued = true; send(request); });
      if (!options.headers?.expect) send(request);
      else request.flushHeaders();
    });
  }
  const big = Buffer.alloc(5_000_000, 'abcdefghij');
  const results = {
    get: await ask('/a', {}, (request) => request.end()),
    head: await ask('/a', { method: 'HEAD' }, (request) => request.end()),
    length: await ask('/a', { method: 'POST', headers: { 'content-length': 5 } }, (request) => request.end('hello')),
    chunked: await ask('/a', { method: 'POST' }, (request) => {
      for (let index = 0; index < 1000; index += 1) request.write(`piece ${index};`);
      request.end();
    }),
    expect: await ask('/a', { method: 'POST', headers: { expect: '100-continue', 'content-length': 5 } },
      (request) => request.end('hello')),
    big: await ask('/a', { method: 'PUT', headers: { 'content-length': big.length } }, (request) => request.end(big)),
    small: await ask('/small', { method: 'POST', headers: { 'content-length': big.length } }, (request) => request.end(big)),
    close: await ask('/close', {}, (request) => request.end()),
    after: await ask('/a', {}, (request) => request.end()),
  };
  agent.destroy();
  console.log(JSON.stringify({ results, connections: ports.size }));
}

async function answer(request, response) {
  const path = request.url.split('?')[0];
  const count = Number(new URL(request.url, 'http://x').searchParams.get('n') ?? 1);
  if (path === '/refuse') {
    response.writeHead(413, { connection: 'close', 'content-length': 9 });
    response.end('too large', () => request.socket.destroySoon());
    return;
  }
  if (path === '/drop') {
    request.socket.destroy();
    return;
  }
  const body = await collect(request);
  if (path === '/chunked') {
    for (let index = 0; index < count; index += 1) response.write('piece;');
    response.end();
  } else if (path === '/close') {
    response.writeHead(200, { connection: 'close' });
    response.useChunkedEncodingByDefault = false;
    response.end('the end');
  } else if (path === '/early') {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.writeProcessing();
    response.end('late');
  } else if (path === '/redirect') {
    response.writeHead(307, { location: '/elsewhere' });
    response.end('moved');
  } else if (path === '/slow') {
    setTimeout(() => response.end('slow'), count);
  } else if (path === '/big') {
    response.end(Buffer.alloc(count, 'b'));
  } else if (path === '/status') {
    response.writeHead(count);
    response.end(count === 204 || count === 304 ? undefined : `status ${count}`);
  } else if (path === '/trailer') {
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('body');
    response.addTrailers({ 'x-sum': '1' });
    response.end();
  } else if (path === '/port') {
    setTimeout(() => response.end(String(request.socket.remotePort)), count);
  } else {
    response.end(JSON.stringify({ method: request.method, url: request.url, digest: digest(body), headers: request.headers }));
  }
}

function server(key, certificate) {
  const made = key
    ? https.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, answer)
    : http.createServer(answer);
  made.listen(0, '127.0.0.1', () => console.log(made.address().port));
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
}

const [role, ...rest] = process.argv.slice(2);
if (role === 'client') await client(rest[0]);
else server(...rest);
