import { openPage } from "./page/chat_page.js";
import { openRefusal } from "./page/refusal.js";
import { setTranslations } from "./page/translate.js";

const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
setTranslations(boot.messages ?? {});
if (boot.may_use) openPage(boot);
else if (boot.user) openRefusal(boot);
