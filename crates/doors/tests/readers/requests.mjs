// How Node's HTTP server reads connections: one in base64 a line in; a line out holds a JSON array of the requests it saw,
// each [method, target, host, body bytes], and "refused" where it stopped.
import http from "node:http";
import { createInterface } from "node:readline";
import { Duplex } from "node:stream";

class Wire extends Duplex {
  log = [];
  _read() {}
  _write(_chunk, _encoding, done) {
    done();
  }
  setTimeout() {}
  setNoDelay() {}
  setKeepAlive() {}
  ref() {}
  unref() {}
}

const options = { maxHeaderSize: 1 << 20, requireHostHeader: false, keepAliveTimeout: 0 };
const server = http.createServer(options, (request, response) => {
  let bytes = 0;
  request.on("data", (chunk) => (bytes += chunk.length));
  request.on("end", () => {
    request.socket.log.push([request.method, request.url, request.headers.host ?? "", bytes]);
    response.end();
  });
});
server.on("clientError", (_error, wire) => {
  wire.log.push("refused");
  wire.destroy();
});

for await (const line of createInterface({ input: process.stdin })) {
  const wire = new Wire();
  const closed = new Promise((done) => wire.on("close", done));
  server.emit("connection", wire);
  wire.push(Buffer.from(line, "base64"));
  wire.push(null);
  await Promise.race([closed, new Promise((done) => setTimeout(done, 20))]);
  console.log(JSON.stringify(wire.log));
}
process.exit(0);
