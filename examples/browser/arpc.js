// A machine of another process, followed and changed from a web page: aRPC over a websocket.
//
//   const machine = await connect("ws://127.0.0.1:4000/");
//   machine.addEventListener("change", () => show(machine.active));
//   await machine.when("Ready");                        // costs no call: the clocks are here
//   const done = await machine.add(["Said"], {text});   // false if it was canceled
//
// One connection, no secret, no resuming: whoever is cut off connects anew. It needs nothing but
// what browsers have; so does Node.

import { Incomplete, Reader, pack } from "./msgpack.js";

const VERSION = 1;
const REMEMBERED = 1024; // payloads that may be told again

// Each tick is weighted by its index, so that an increment which lands on the wrong state shows.
const weighted = (index, ticks) => ((2 * index + 1) * (ticks % 65536)) % 65536;

export class Machine extends EventTarget {
  #socket;
  #rest = new Uint8Array(0);
  #calls = new Map();
  #last = 0;
  #waits = new Set();
  #ticks = [];
  #sum = 0;
  #isStale = false;
  #tokens = new Set();

  constructor(socket) {
    super();
    this.names = [];
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.onclose = () => {
        this.#end();
        resolve();
      };
    });
    socket.onmessage = ({ data }) => {
      try {
        this.#take(new Uint8Array(data));
      } catch {
        this.close(); // what it says cannot be read
      }
    };
  }

  // What is so, as far as is known here.

  tick = (state) => this.#ticks[this.#index(state)];
  is = (...states) => states.every((state) => this.tick(state) % 2 === 1);
  not = (...states) => states.every((state) => this.tick(state) % 2 === 0);
  any = (...states) => states.some((state) => this.is(state));
  get active() {
    return this.names.filter((name) => this.is(name));
  }

  // Waiting: for all states to be active, or inactive.

  when = (...states) => this.#when(() => this.is(...states));
  whenNot = (...states) => this.#when(() => this.not(...states));

  // Changing: true if executed, false if canceled; an error of the source is thrown.

  add = (states, args = {}) => this.#mutate("a", states, args);
  remove = (states, args = {}) => this.#mutate("r", states, args);
  set = (states, args = {}) => this.#mutate("s", states, args);

  close() {
    if (this.#socket.readyState === 1) this.#socket.send(pack([2, "bye", ["leave"]]));
    this.#socket.close();
  }

  async greet(id, nonce) {
    const welcome = await this.#call("hello", [{ v: VERSION, id, se: nonce }]);
    if (welcome.auth) throw new Error("the server asks for a secret");
    this.#reset(welcome.names, welcome.t, welcome.q + welcome.m);
    await this.#call("ready", []);
  }

  #index(state) {
    const index = this.names.indexOf(state);
    if (index < 0) throw new RangeError(`no state ${state}`);
    return index;
  }

  #when(test) {
    if (test()) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waits.add({ test, resolve, reject }));
  }

  #call(method, params) {
    this.#last += 1;
    const answered = new Promise((resolve, reject) => {
      this.#calls.set(this.#last, { resolve, reject });
    });
    this.#socket.send(pack([0, this.#last, method, params]));
    return answered;
  }

  async #mutate(method, states, args) {
    const [result, , failure] = await this.#call(method, [states.map((s) => this.#index(s)), args]);
    if (failure) throw new Error(failure.join(": "));
    return result === 1;
  }

  #take(bytes) {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const reader = new Reader(all);
    let read = 0; // messages end where they end, not where frames do
    try {
      while (read < all.length) {
        const message = reader.value();
        read = reader.at;
        this.#hear(message);
      }
    } catch (error) {
      if (!(error instanceof Incomplete)) throw error;
    }
    this.#rest = all.slice(read);
  }

  #hear([kind, first, ...rest]) {
    if (kind === 0) this.#serve(first, ...rest);
    else if (kind === 1) this.#answer(first, ...rest);
    else if (first === "u") this.#advance(rest[0]);
    else if (first === "schema") {
      const [grown] = rest[0];
      this.#reset(grown.names, grown.t, grown.q + grown.m);
    }
  }

  #serve(id, method, params) {
    const isKnown = method === "ping" || method === "p";
    this.#socket.send(pack([1, id, isKnown ? null : [4, "unknown method"], null]));
    if (method !== "p") return;
    const [token, name, data] = params;
    if (this.#tokens.has(token)) return;
    this.#tokens.add(token);
    if (this.#tokens.size > REMEMBERED) this.#tokens.delete(this.#tokens.values().next().value);
    this.dispatchEvent(new CustomEvent("payload", { detail: { name, data } }));
  }

  #answer(id, error, result) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(new Error(error[1]));
    else {
      // Its effects are seen before it settles.
      if (Array.isArray(result) && Array.isArray(result[1])) this.#advance(result[1]);
      call?.resolve(result);
    }
  }

  #advance([pairs, dq, dm, sum]) {
    if (this.#isStale) return;
    const ticks = [...this.#ticks];
    let total = this.#sum + dq + dm;
    for (let at = 0; at < pairs.length; at += 2) {
      ticks[pairs[at]] += pairs[at + 1];
      total += weighted(pairs[at], pairs[at + 1]);
    }
    if (total % 65536 === sum && ticks.length === this.names.length) {
      this.#ticks = ticks;
      this.#sum = sum;
      this.#changed();
    } else this.#sync().catch(() => this.close());
  }

  async #sync() {
    this.#isStale = true; // what comes until the answer counts from what is not known here
    const [ticks, queue, machine] = await this.#call("sync", []);
    this.#isStale = false;
    this.#reset(this.names, ticks, queue + machine);
  }

  #reset(names, ticks, counts) {
    this.names = names;
    this.#ticks = ticks;
    this.#sum = ticks.reduce((sum, tick, index) => sum + weighted(index, tick), counts) % 65536;
    this.#changed();
  }

  #changed() {
    for (const wait of this.#waits) {
      if (wait.test()) {
        this.#waits.delete(wait);
        wait.resolve();
      }
    }
    this.dispatchEvent(new Event("change"));
  }

  #end() {
    const left = [...this.#calls.values(), ...this.#waits];
    this.#calls.clear();
    this.#waits.clear();
    for (const one of left) one.reject(new Error("the connection is closed"));
    this.dispatchEvent(new Event("close"));
  }
}

// A machine that is ready to be used; an error if nobody answers. What is given besides the
// address is for tests.
export async function connect(addr, { Socket = WebSocket, id, nonce } = {}) {
  const random = crypto.getRandomValues(new Uint8Array(8));
  const socket = new Socket(addr);
  socket.binaryType = "arraybuffer";
  const machine = new Machine(socket);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error(`nobody answers at ${addr}`));
  });
  const name = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  await machine.greet(id ?? `rc-page-${name}`, nonce ?? random);
  return machine;
}
