// Draw diagrams with Mermaid in Chromium, for light and for dark pages:
//
//     node draw.mjs MERMAID CHROMIUM FOLDER
//
// Each FOLDER/NAME.mmd becomes NAME.svg and NAME-dark.svg, which begin with a hash of their source.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const [mermaid, chromium, folder] = process.argv.slice(2);
const shades = { "": "neutral", "-dark": "dark" };
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox"] });
const page = await browser.newPage();
await page.setContent("<!doctype html><body></body>");
await page.addScriptTag({ path: mermaid });
const sources = (await readdir(folder)).filter((name) => name.endsWith(".mmd")).sort();
for (const source of sources) {
  const name = source.replace(".mmd", "");
  const text = await readFile(join(folder, source), "utf8");
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  for (const [suffix, theme] of Object.entries(shades)) {
    const svg = await page.evaluate(
      async (id, text, theme) => {
        // Text as text, so that a picture needs nothing but itself.
        const options = { startOnLoad: false, theme, htmlLabels: false, deterministicIds: true };
        window.mermaid.initialize({
          ...options,
          flowchart: { htmlLabels: false, wrappingWidth: 420 },
          fontFamily: "system-ui, sans-serif",
          themeCSS: ".edgeLabel rect { opacity: 1; }", // no line goes through a label
        });
        const { svg } = await window.mermaid.render(id, text);
        // As a browser writes it: an image has to be well-formed.
        const parsed = new DOMParser().parseFromString(svg, "text/html").querySelector("svg");
        const [, , width, height] = parsed.getAttribute("viewBox").split(" ").map(Math.ceil);
        parsed.setAttribute("width", width);
        parsed.setAttribute("height", height);
        parsed.style.maxWidth = "";
        return new XMLSerializer().serializeToString(parsed);
      },
      `${name}${suffix}`, text, theme,
    );
    await writeFile(join(folder, `${name}${suffix}.svg`), `<!-- ${hash} -->\n${svg}\n`);
  }
}
await browser.close();
console.log(`${sources.length} diagrams drawn`);
