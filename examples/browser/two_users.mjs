// What two pages do, without a page: node --experimental-websocket two_users.mjs ADDR

import { connect } from "./arpc.js";

const [anna, ben] = await Promise.all([connect(process.argv[2]), connect(process.argv[2])]);
const heard = (machine) =>
  new Promise((resolve) => {
    machine.addEventListener("payload", ({ detail }) => resolve(detail.data.join(": ")), {
      once: true,
    });
  });
console.log("both see:", anna.active.join(" "));

const typing = ben.when("Typing");
await anna.add(["Typing"]);
await typing;
console.log("ben sees that somebody writes");

const lines = [heard(anna), heard(ben)];
console.log("anna speaks:", await anna.add(["Said"], { who: "anna", text: "hello, ben ☕" }));
console.log("both hear:", ...new Set(await Promise.all(lines)));
await ben.whenNot("Typing");

const muted = anna.when("Muted");
await ben.add(["Muted"]);
await muted;
console.log("ben mutes all, anna speaks:", await anna.add(["Said"], { who: "anna", text: "what?" }));

await anna.add(["Ready"]).catch((error) => console.log("a page may not:", error.message));
await anna.add(["Said"], { who: "anna" }).catch((error) => console.log("a fault:", error.message));
await anna.remove(["Muted"]);
anna.close();
ben.close();
await Promise.all([anna.closed, ben.closed]);
console.log("both have left, the last clock of Said:", ben.tick("Said"));
