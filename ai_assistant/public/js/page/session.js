/** The session that the browser is logged in with. */
import { byId } from "./dom.js";

/**
 * Ends the session, forgets what the page has kept and goes to the login; where it cannot be ended, says so.
 *
 * @param {string | null} csrfToken
 * @param {import("./kept.js").Kept[]} kept
 */
export async function logOut(csrfToken, kept) {
	const headers = { Accept: "application/json", ...(csrfToken && { "X-Frappe-CSRF-Token": csrfToken }) };
	let status = null;
	try {
		const response = await fetch("/api/method/logout", { method: "POST", headers });
		status = response.status;
		// A page of a proxy's has ended nothing.
		await response.json();
	} catch {
		status = null;
	}
	// One that the site does not know any more has ended before.
	const ended = status !== null && (status < 400 || status === 401 || status === 403);
	if (!ended) {
		notice("You are still logged in: the site did not end the session. Load the page anew, and try again.");
		return;
	}
	for (const each of kept) each.forget();
	location.assign("/login?redirect-to=/ai-assistant");
}

/** The name that Frappe leaves for scripts beside the session; of no use as a proof, but it changes with the user. */
export function userInCookie() {
	return /(?:^|; )user_id=([^;]*)/.exec(document.cookie)?.[1] ?? null;
}

/** @param {string} sentence none takes it away */
export function notice(sentence) {
	byId("notice").textContent = sentence;
	byId("notice").hidden = !sentence;
}
