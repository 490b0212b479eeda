/** The session of the browser. */
import { byId } from "./dom.js";
import { __ } from "./translate.js";

/**
 * Ends the session, clears what the page has stored, and opens the login page. Shows a notice if the session could not be
 * ended.
 *
 * @param {string | null} csrfToken
 * @param {import("./storage.js").UserStorage[]} storages
 */
export async function logOut(csrfToken, storages) {
	const headers = { Accept: "application/json", ...(csrfToken && { "X-Frappe-CSRF-Token": csrfToken }) };
	let status = null;
	try {
		const response = await fetch("/api/method/logout", { method: "POST", headers });
		status = response.status;
		// The page of a proxy is not JSON. It did not end the session.
		await response.json();
	} catch {
		status = null;
	}
	// 401 and 403: the session had ended before.
	const ended = status !== null && (status < 400 || status === 401 || status === 403);
	if (!ended) {
		notice(
			__("You are still logged in, because the site did not end the session. Reload the page and try again."),
		);
		return;
	}
	for (const storage of storages) storage.clear();
	location.assign("/login?redirect-to=/ai-assistant");
}

/** Returns the user in Frappe's cookie `user_id`. It proves nothing, but it changes when another user logs in. */
export function userInCookie() {
	return /(?:^|; )user_id=([^;]*)/.exec(document.cookie)?.[1] ?? null;
}

/** @param {string} sentence an empty one hides the notice */
export function notice(sentence) {
	byId("notice").textContent = sentence;
	byId("notice").hidden = !sentence;
}
