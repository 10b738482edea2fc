// Open pages of the built site in Chromium, narrow and wide, light and dark: pictures to look at, and
// what axe finds; and search, on a server and from files alone. Fails on serious findings, on a page
// wider than the screen, on what a page fetches from elsewhere, on an error of its own, and where a
// search finds nothing or leads nowhere.
//
//     node look.mjs SITE PICTURES CHROMIUM PAGE...
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { mkdir, readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [site, pictures, chromium, ...names] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const kinds = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css",
  ".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json" };
const server = createServer(async (request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://here").pathname));
  try {
    const body = await readFile(join(site, path));
    response.setHeader("content-type", kinds[extname(path)] ?? "text/plain");
    response.end(body);
  } catch {
    response.statusCode = 404;
    response.end();
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const here = `http://127.0.0.1:${server.address().port}/`;
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox"] });
await mkdir(pictures, { recursive: true });
const faults = [];

// A page in a context of its own: what one remembers, of its colours say, is nothing to the next.
async function opened(where, home) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // a busy host draws large diagrams slowly
  page.on("pageerror", (error) => faults.push(`${where}: ${error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(home) && !/^(data|blob):/.test(url)) faults.push(`${where}: fetches ${url}`);
  });
  return { context, page };
}

// What a search for some words finds first, followed.
async function search(home, words) {
  const where = `search for "${words}" at ${home.startsWith("http") ? "a server" : "files"}`;
  const { context, page } = await opened(where, home);
  const found = () => {
    const host = [...document.querySelectorAll("*")].find((element) => element.shadowRoot);
    return host?.shadowRoot.querySelector("ol a[href], ul a[href]")?.href;
  };
  try {
    await page.setViewport({ width: 1440, height: 900 });
    await page.goto(`${home}index.html`, { waitUntil: "networkidle0" });
    await page.click(".md-search__button");
    await page.keyboard.type(words, { delay: 20 });
    await page.waitForFunction(found, { timeout: 60_000 });
    await page.screenshot({ path: join(pictures, `search-${new URL(home).protocol}.png`) });
    await page.goto(await page.evaluate(found));
    const text = (await page.evaluate(() => document.body.innerText)).toLowerCase();
    for (const word of words.split(" ")) {
      if (!text.includes(word)) faults.push(`${where}: ${page.url()} has no ${word}`);
    }
  } catch (error) {
    faults.push(`${where}: ${error.message}`);
  }
  await context.close();
}

for (const name of names) {
  for (const [width, scheme] of [[360, "light"], [360, "dark"], [1440, "light"], [1440, "dark"]]) {
    const where = `${name} at ${width} px, ${scheme}`;
    const { context, page } = await opened(where, here);
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.goto(here + name, { waitUntil: "networkidle0" });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > width) faults.push(`${where}: ${wide} px wide`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    for (const { impact, id, nodes } of violations) {
      if (["serious", "critical"].includes(impact)) {
        const some = nodes.slice(0, 3).map(({ html }) => html.replace(/\s+/g, " ").slice(0, 120));
        faults.push(`${where}: ${id} (${impact}): ${nodes.length} × ${some.join(" … ")}`);
      }
    }
    const file = `${name.replaceAll("/", "-").replace(".html", "")}-${width}-${scheme}.png`;
    await page.screenshot({ path: join(pictures, file) });
    await context.close();
  }
}
for (const home of [here, pathToFileURL(`${site}/`).href]) await search(home, "supervisor lease");
await browser.close();
server.close();
console.log(faults.join("\n") || `${names.length} pages looked at`);
process.exitCode = faults.length ? 1 : 0;
