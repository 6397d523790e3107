// How Node reads URLs: one JSON string a line in, one JSON array or null a line out.
import { createInterface } from "node:readline";

const ports = { "http:": "80", "https:": "443" };
for await (const line of createInterface({ input: process.stdin })) {
  let read = null;
  try {
    const url = new URL(JSON.parse(line));
    read = [url.protocol.slice(0, -1), url.hostname, url.port || ports[url.protocol] || "", url.pathname + url.search];
  } catch {
    // no URL to Node
  }
  console.log(JSON.stringify(read));
}
