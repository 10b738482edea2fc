// Values there and back: each line of stdin is one as hexadecimal bytes, written back as bytes.

import { createInterface } from "node:readline";
import { Reader, pack } from "./msgpack.js";

for await (const line of createInterface({ input: process.stdin })) {
  const value = new Reader(Uint8Array.from(Buffer.from(line, "hex"))).value();
  console.log(Buffer.from(pack(value)).toString("hex"));
}
