// MessagePack, as far as aRPC uses it: null, booleans, numbers, texts, bytes, arrays, plain objects.

const DEPTH = 32; // levels of a value

// More bytes have to come before the value is whole.
export class Incomplete extends Error {}

function header(out, size, [fix, most], codes) {
  if (size <= most) out.push(fix | size);
  else if (size < 256 && codes[0]) out.push(codes[0], size);
  else if (size < 65536) out.push(codes[1], size >> 8, size & 255);
  else out.push(codes[2], size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255);
}

function wide(out, code, write) {
  const bytes = new Uint8Array(8);
  write(new DataView(bytes.buffer));
  out.push(code, ...bytes);
}

function encode(out, value) {
  if (value === null || value === undefined) out.push(0xc0);
  else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
  else if (Number.isSafeInteger(value)) {
    if (value >= 0 && value < 2 ** 32) header(out, value, [0, 127], [0xcc, 0xcd, 0xce]);
    else if (value < 0 && value >= -32) out.push(value & 255);
    else wide(out, 0xd3, (view) => view.setBigInt64(0, BigInt(value)));
  } else if (typeof value === "number") wide(out, 0xcb, (view) => view.setFloat64(0, value));
  else if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    header(out, bytes.length, [0xa0, 31], [0xd9, 0xda, 0xdb]);
    for (const byte of bytes) out.push(byte);
  } else if (value instanceof Uint8Array) {
    header(out, value.length, [0, -1], [0xc4, 0xc5, 0xc6]);
    for (const byte of value) out.push(byte);
  } else if (Array.isArray(value)) {
    header(out, value.length, [0x90, 15], [0, 0xdc, 0xdd]);
    for (const item of value) encode(out, item);
  } else {
    const entries = Object.entries(value);
    header(out, entries.length, [0x80, 15], [0, 0xde, 0xdf]);
    for (const [key, item] of entries) {
      encode(out, key);
      encode(out, item);
    }
  }
}

export function pack(value) {
  const out = [];
  encode(out, value);
  return new Uint8Array(out);
}

export class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = 0;
  }

  take(size) {
    if (this.at + size > this.bytes.length) throw new Incomplete();
    this.at += size;
    return this.at - size;
  }

  uint(size) {
    const at = this.take(size);
    if (size === 8) return Number(this.view.getBigUint64(at));
    return this.view[`getUint${8 * size}`](at);
  }

  int(size) {
    const at = this.take(size);
    if (size === 8) return Number(this.view.getBigInt64(at));
    return this.view[`getInt${8 * size}`](at);
  }

  blob(size) {
    const at = this.take(size);
    return this.bytes.slice(at, at + size);
  }

  text(size) {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.blob(size));
  }

  array(size, depth) {
    return Array.from({ length: size }, () => this.value(depth + 1));
  }

  map(size, depth) {
    const pairs = this.array(2 * size, depth);
    const found = Object.create(null); // a key may be `__proto__`
    for (let at = 0; at < pairs.length; at += 2) found[pairs[at]] = pairs[at + 1];
    return found;
  }

  value(depth = 0) {
    if (depth > DEPTH) throw new Error("nested too deeply");
    const code = this.uint(1);
    if (code < 0x80) return code;
    if (code < 0x90) return this.map(code & 15, depth);
    if (code < 0xa0) return this.array(code & 15, depth);
    if (code < 0xc0) return this.text(code & 31);
    if (code >= 0xe0) return code - 256;
    if (code === 0xc0) return null;
    if (code === 0xc2 || code === 0xc3) return code === 0xc3;
    if (code >= 0xc4 && code <= 0xc6) return this.blob(this.uint(1 << (code - 0xc4)));
    if (code === 0xca) return this.view.getFloat32(this.take(4));
    if (code === 0xcb) return this.view.getFloat64(this.take(8));
    if (code >= 0xcc && code <= 0xcf) return this.uint(1 << (code - 0xcc));
    if (code >= 0xd0 && code <= 0xd3) return this.int(1 << (code - 0xd0));
    if (code >= 0xd9 && code <= 0xdb) return this.text(this.uint(1 << (code - 0xd9)));
    if (code === 0xdc || code === 0xdd) return this.array(this.uint(2 << (code - 0xdc)), depth);
    if (code === 0xde || code === 0xdf) return this.map(this.uint(2 << (code - 0xde)), depth);
    throw new Error(`no value begins with ${code}`);
  }
}
