// Plays the server's part of `frames.json` to `arpc.js`, a byte at a time where that is allowed.

import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { connect } from "./arpc.js";

const said = JSON.parse(readFileSync(new URL("frames.json", import.meta.url)));
const heard = [];

class Replay {
  readyState = 1;

  constructor() {
    setImmediate(() => this.onopen());
  }

  send(bytes) {
    const [who, text] = said.shift() ?? ["nobody", ""];
    assert.deepEqual([who, Buffer.from(bytes).toString("hex")], ["client", text]);
    setImmediate(() => this.play());
  }

  play() {
    while (said.length && said[0][0] === "server") {
      const bytes = Buffer.from(said.shift()[1], "hex");
      // Frames end anywhere: here after each byte.
      for (const byte of bytes) this.onmessage({ data: Uint8Array.of(byte).buffer });
    }
  }

  close() {
    this.readyState = 3;
    this.onclose();
  }
}

const nonce = Uint8Array.from({ length: 8 }, (_, index) => index);
const machine = await connect("ws://replayed/", { Socket: Replay, id: "rc-page", nonce });
machine.addEventListener("payload", ({ detail }) => heard.push(detail.data.join(": ")));
assert.deepEqual(machine.active, ["Ready"]);

const typing = machine.when("Typing");
assert.equal(await machine.add(["Typing"]), true);
await typing;
assert.equal(await machine.add(["Said"], { who: "anna", text: "good morning" }), true);
assert.deepEqual(heard, ["anna: good morning"]);
assert.equal(await machine.add(["Muted"]), true);
assert.equal(await machine.add(["Said"], { who: "anna", text: "anybody there?" }), false);
assert.equal(await machine.remove(["Muted"]), true);
await assert.rejects(machine.set(["Ready"]), /state SendPayload/); // which it would end
await assert.rejects(machine.add(["Said"], { who: "anna" }));
assert.ok(machine.is("Ready") && machine.not("Muted", "Typing") && !machine.any("Muted"));
assert.equal(machine.tick("Ready"), 1);
assert.deepEqual(said, []);

const never = machine.when("Muted");
const left = assert.rejects(never, /the connection is closed/);
said.push(["client", "9302a3627965" + "91a56c65617665"]); // [2, "bye", ["leave"]]
machine.close();
await Promise.all([left, machine.closed]);
console.log("replayed");
