// Parses every golden diagram with the real Mermaid, and compiles every D2 one with the real D2.
// Exits with 1 if one of them is refused, and with 2 if there are none.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { D2 } from "@terrastruct/d2";
import { JSDOM } from "jsdom";

// D2 first: once there is a window, it takes this for a browser and waits for one forever.
const d2 = new D2();
await d2.compile("a -> b");

const { window } = new JSDOM("<!doctype html><body></body>");
globalThis.window = window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");
mermaid.initialize({ securityLevel: "strict" });
async function check(name, text) {
  if (name.endsWith(".mmd")) {
    const { diagramType } = await mermaid.parse(text);
    return diagramType;
  }
  const { diagram } = await d2.compile(text);
  return `${diagram.shapes.length} shapes, ${diagram.connections.length} connections`;
}

const folder = process.argv[2];
const names = readdirSync(folder).filter((name) => /\.(mmd|d2)$/.test(name)).sort();
let refused = 0;
for (const name of names) {
  try {
    console.log(`${name}: ${await check(name, readFileSync(join(folder, name), "utf8"))}`);
  } catch (error) {
    refused += 1;
    console.error(`${name}: ${error.message}`);
  }
}
console.log(`${names.length - refused} of ${names.length} diagrams parsed`);
process.exit(names.length === 0 ? 2 : refused ? 1 : 0);
