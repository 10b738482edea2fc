// The page: what is seen follows from the states, what is done is a mutation.

import { connect } from "./arpc.js";

const AGAIN = 1000; // milliseconds before the page tries anew
const at = (id) => document.getElementById(id);

function show(machine) {
  at("states").value = machine.active.join(" ") || "none";
  const muted = machine.is("Muted");
  at("text").disabled = muted;
  at("mute").textContent = muted ? "Let all speak" : "Mute all";
}

function say(who, text) {
  const line = document.createElement("li");
  line.textContent = `${who}: ${text}`; // as text: nobody writes markup into this page
  at("lines").append(line);
}

async function follow() {
  const machine = await connect(document.querySelector("meta[name=machine]").content);
  machine.addEventListener("change", () => show(machine));
  machine.addEventListener("payload", ({ detail }) => say(...detail.data));
  at("text").oninput = () => machine.add(["Typing"]).catch(() => {});
  at("mute").onclick = () => {
    const change = machine.is("Muted") ? machine.remove : machine.add;
    change(["Muted"]).catch(() => {});
  };
  at("form").onsubmit = async (event) => {
    event.preventDefault();
    const line = { who: at("who").value, text: at("text").value };
    if (await machine.add(["Said"], line).catch(() => false)) at("text").value = "";
  };
  show(machine);
  await machine.closed;
}

for (;;) {
  await follow().catch(() => {});
  at("states").value = "not connected";
  await new Promise((resolve) => setTimeout(resolve, AGAIN));
}
