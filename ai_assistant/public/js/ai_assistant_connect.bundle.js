import { openConnect } from "./connect/connect_page.js";

const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
if (boot.may_use) openConnect(boot);
