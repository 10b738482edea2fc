"use strict";

// Tabs: a diagram has a picture, or at least its text; the others are text alone.
const TABS = [
  ["graph", "Graph"], ["machine", "Machine"], ["state", "State"], ["steps", "Steps"],
  ["tx.md", "Transition"], ["log.md", "Log"], ["clients.txt", "Machines"],
];
const DELAYS = [500, 1000, 2000, 5000];  // milliseconds before the next attempt to connect
const byId = (id) => document.getElementById(id);
let told = { revision: -1, files: [] };
let chosen = location.hash.slice(1) || "machine";
let attempts = 0;

// The files of a tab that there are: its picture first.
function sources(tab) {
  const names = tab.includes(".") ? [tab] : [`diagrams/${tab}.svg`, `diagrams/${tab}.mmd`];
  return names.filter((name) => told.files.includes(name));
}

function hint(text) {
  byId("hint").textContent = text;
  byId("hint").hidden = !text;
}

async function show() {
  const revision = told.revision;
  for (const button of byId("tabs").children) {
    button.setAttribute("aria-selected", String(button.dataset.tab === chosen));
    button.disabled = sources(button.dataset.tab).length === 0;
  }
  const [name] = sources(chosen);
  const picture = byId("picture"), text = byId("text");
  if (!name) {
    picture.hidden = text.hidden = true;
    hint(told.machine ? "There is nothing of this kind here." : "No machine is selected in the debugger.");
    return;
  }
  const url = `/files/${name}?revision=${revision}`;
  if (name.endsWith(".svg")) {
    // The old picture stays until the new one is there.
    const next = new Image();
    next.src = url;
    try { await next.decode(); } catch { return; }
    if (revision !== told.revision || sources(chosen)[0] !== name) return;
    picture.src = url;
    picture.alt = `${chosen} of ${told.machine}`;
    picture.hidden = false;
    text.hidden = true;
    hint("");
  } else {
    const answer = await fetch(url);
    if (!answer.ok) return;
    const body = await answer.text();
    if (revision !== told.revision || sources(chosen)[0] !== name) return;
    text.textContent = body;
    text.hidden = false;
    picture.hidden = true;
    hint(name.endsWith(".mmd") ? missing() : "");
  }
  document.body.dataset.shown = `${chosen} ${revision}`;
}

function missing() {
  const program = chosen === "steps" ? "mmdc or d2" : "Graphviz (dot)";
  return `Pictures need ${program} on the debugger's host; this is the Mermaid text.`;
}

function update(news) {
  told = news;
  byId("machine").textContent = told.machine || "–";
  const parts = told.machine ? [`transition ${told.number} / ${told.last}`, told.outcome, told.time] : [];
  byId("place").textContent = parts.filter(Boolean).join(" · ");
  byId("address").textContent = told.address;
  document.title = told.machine ? `${told.machine} ${told.number} – am-dbg` : "am-dbg: diagrams";
  show();
}

function connect() {
  const socket = new WebSocket(`ws://${location.host}/follow`);
  socket.onopen = () => { attempts = 0; link(true); };
  socket.onmessage = (event) => update(JSON.parse(event.data));
  socket.onclose = () => {
    link(false);
    setTimeout(connect, DELAYS[Math.min(attempts++, DELAYS.length - 1)]);
  };
}

function link(isOn) {
  byId("link").dataset.on = isOn ? "yes" : "no";
  byId("link").textContent = isOn ? "follows the cursor" : "not connected";
}

function choose(tab) {
  chosen = tab;
  history.replaceState(null, "", `#${tab}`);
  show();
}

for (const [tab, label] of TABS) {
  const button = document.createElement("button");
  button.textContent = label;
  button.dataset.tab = tab;
  button.setAttribute("role", "tab");
  button.onclick = () => choose(tab);
  byId("tabs").append(button);
}
byId("picture").onclick = () => byId("picture").classList.toggle("full");
document.onkeydown = (event) => {
  const tab = TABS[Number(event.key) - 1];
  if (tab && !event.ctrlKey && !event.altKey && !event.metaKey) choose(tab[0]);
};
connect();
