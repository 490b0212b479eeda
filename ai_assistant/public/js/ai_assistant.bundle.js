import { openPage } from "./page/chat_page.js";
import { openRefusal } from "./page/refusal.js";

const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
if (boot.may_use) openPage(boot);
else if (boot.user) openRefusal(boot);
