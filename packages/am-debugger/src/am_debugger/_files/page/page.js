"use strict";

// Steps through the moments around, folds, and filters the log. Texts become text, never HTML.
const byId = (id) => document.getElementById(id);
const WORDS = { c: "called", "+": "added", "-": "removed", "*": "touched" };
const data = JSON.parse(byId("data").textContent);
const frames = data.frames;
let at = data.at;

// A frame has of clocks and labels what differs from the one before.
for (const part of ["ticks", "labels"]) {
  let before = [];
  for (const frame of frames) {
    const whole = before.slice();
    for (const [i, one] of frame[part]) whole[i] = one;
    before = frame[part] = whole;
  }
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function tree(nodes, closed) {
  const list = element("ul", "", "tree");
  for (const [text, children] of nodes) {
    const item = element("li");
    if (children) {
      const details = element("details");
      details.open = !closed.has(text);
      details.append(element("summary", text), tree(children, closed));
      item.append(details);
    } else {
      item.textContent = text;
    }
    list.append(item);
  }
  return list;
}

function showHead(frame) {
  byId("number").textContent = frame.number || "start";
  byId("time").textContent = frame.time;
  byId("address").hidden = at !== data.at;
  byId("head").replaceChildren(...frame.head.map(([name, text]) => {
    const row = element("div");
    row.append(element("dt", name), element("dd", text));
    return row;
  }));
}

function showFacts(frame) {
  const place = byId("facts");
  const closed = new Set();
  for (const details of place.querySelectorAll("details:not([open])")) {
    closed.add(details.firstElementChild.textContent);
  }
  place.replaceChildren(tree(frame.facts, closed));
}

function showMachines(frame) {
  const rows = byId("machines").rows;
  for (let i = 0; i < rows.length; i += 1) {
    const label = frame.labels[i];
    const cell = rows[i].cells[1];
    cell.textContent = label;
    const isBad = label.split("|")[0].includes("E");
    cell.className = isBad ? "bad" : { "×": "gone", "!": "was-bad" }[label[0]] || "";
  }
}

function showStates(frame) {
  const marks = new Map(frame.marks);
  const rows = byId("states").children;
  for (let i = 0; i < rows.length; i += 1) {
    const tick = frame.ticks[i] || 0;
    const mark = marks.get(i) || "";
    const name = rows[i].querySelector(".name").textContent;
    const isBad = tick % 2 === 1 && (name === "Exception" || name.startsWith("Err"));
    rows[i].className = [
      tick % 2 ? "on" : "off", isBad ? "bad" : "", mark.includes("c") ? "called" : "",
    ].join(" ").trim();
    rows[i].querySelector(".dot").textContent = tick % 2 ? "●" : "○";
    rows[i].querySelector(".tick").textContent = tick;
    const told = element("abbr", mark);
    told.title = [...mark].map((one) => WORDS[one]).join(" ");
    rows[i].querySelector(".marks").replaceChildren(...(mark ? [told] : []));
  }
  for (const node of document.querySelectorAll(".relations .node")) {
    const i = Number(node.dataset.state);
    const isCalled = (marks.get(i) || "").includes("c");
    const state = (frame.ticks[i] || 0) % 2 ? "on" : "off";
    node.setAttribute("class", `node ${state}${isCalled ? " called" : ""}`);
  }
}

function showLog() {
  for (const item of byId("log").children) {
    if (Number(item.dataset.frame) === at) {
      item.setAttribute("aria-current", "true");
      const list = byId("log");
      list.scrollTop = item.offsetTop - list.clientHeight / 2;
    } else {
      item.removeAttribute("aria-current");
    }
  }
}

function go(k) {
  at = Math.max(0, Math.min(k, frames.length - 1));
  const frame = frames[at];
  showHead(frame);
  showFacts(frame);
  showMachines(frame);
  showStates(frame);
  showLog();
  byId("slider").value = at;
  byId("back").disabled = at === 0;
  byId("forward").disabled = at === frames.length - 1;
  byId("home").disabled = at === data.at;
  byId("place").textContent = `${at + 1} / ${frames.length}`;
  const why = byId("why-part");
  if (why) why.hidden = at !== data.at;
}

function filter() {
  const words = byId("words").value.toLowerCase();
  let count = 0;
  for (const item of byId("log").children) {
    let shown = 0;
    for (const line of item.querySelectorAll("p")) {
      line.hidden = !line.lastElementChild.textContent.toLowerCase().includes(words);
      shown += line.hidden ? 0 : 1;
    }
    item.hidden = words !== "" && shown === 0;
    count += shown;
  }
  byId("found").textContent = words ? `${count} lines` : "";
}

function openAll(isOpen) {
  for (const details of document.querySelectorAll("main details")) details.open = isOpen;
}

byId("bar").hidden = false;
byId("filter").hidden = false;
byId("slider").max = frames.length - 1;
byId("slider").addEventListener("input", (event) => go(Number(event.target.value)));
byId("back").addEventListener("click", () => go(at - 1));
byId("forward").addEventListener("click", () => go(at + 1));
byId("home").addEventListener("click", () => go(data.at));
byId("open").addEventListener("click", () => openAll(true));
byId("close").addEventListener("click", () => openAll(false));
byId("words").addEventListener("input", filter);
for (const item of byId("log").children) {
  item.classList.add("live");
  item.addEventListener("click", () => go(Number(item.dataset.frame)));
}
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, .wide") || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowLeft") go(at - 1);
  if (event.key === "ArrowRight") go(at + 1);
});
go(at);
