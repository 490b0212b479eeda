import { openConnect } from "./connect/connect_page.js";
import { setTranslations } from "./page/translate.js";

const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
setTranslations(boot.messages ?? {});
if (boot.may_use) openConnect(boot);
