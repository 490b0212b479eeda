/** What a user sees who may not use the page. */
import { byId } from "./dom.js";
import { keptFor } from "./kept.js";
import { logOut } from "./session.js";

/** @param {{ site: string, user: string, csrf_token: string | null }} boot */
export function openRefusal(boot) {
	const kept = Object.values(keptFor(boot));
	for (const each of kept) each.recall();
	byId("other-login").addEventListener("click", (/** @type {Event} */ event) => {
		// The login page sends back who is logged in.
		event.preventDefault();
		logOut(boot.csrf_token, kept);
	});
}
