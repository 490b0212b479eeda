/** The page for a user who does not have the role AI Assistant User. */
import { byId } from "./dom.js";
import { logOut } from "./session.js";
import { storageOf } from "./storage.js";

/** @param {{ site: string, user: string, csrf_token: string | null }} boot */
export function openRefusal(boot) {
	const storages = Object.values(storageOf(boot));
	// Removes the values of a previous user.
	for (const storage of storages) storage.load();
	byId("other-login").addEventListener("click", (/** @type {Event} */ event) => {
		// The login page sends a user back who is logged in.
		event.preventDefault();
		logOut(boot.csrf_token, storages);
	});
}
