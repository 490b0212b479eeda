import { openPage } from "./page/chat_page.js";

const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
if (boot.may_use) openPage(boot);
