/** What the page keeps in the browser: of one user of one site, and nobody else's is ever read. */
export class Kept {
	/**
	 * @param {"sessionStorage" | "localStorage"} area of the tab, or of the browser
	 * @param {string} key
	 * @param {{ user: string, site: string }} owner
	 */
	constructor(area, key, { user, site }) {
		this.#area = area;
		this.#key = key;
		this.#owner = { user, site };
	}

	#area;
	#key;
	#owner;
	#forgotten = false;

	/** What was kept, null for nothing; what somebody else has left is removed. @returns {any} */
	recall() {
		try {
			const { user, site, ...found } = JSON.parse(window[this.#area].getItem(this.#key) ?? "{}");
			if (user === this.#owner.user && site === this.#owner.site) return found;
			window[this.#area].removeItem(this.#key);
		} catch {
			// None is given, or what is there is none of ours.
		}
		return null;
	}

	/** @param {object} value */
	remember(value) {
		if (this.#forgotten) return;
		try {
			window[this.#area].setItem(this.#key, JSON.stringify({ ...value, ...this.#owner }));
		} catch {
			// No room, or none is given: the page works, a reload begins anew.
		}
	}

	/** For good: what is told later is not kept. */
	forget() {
		this.#forgotten = true;
		try {
			window[this.#area].removeItem(this.#key);
		} catch {
			// None is given.
		}
	}
}

/**
 * All that the page keeps.
 *
 * @param {{ user: string, site: string }} owner
 */
export function keptFor(owner) {
	return {
		/** Of this tab: two tabs are two conversations, a reload goes on. */
		conversation: new Kept("sessionStorage", "ai-assistant-conversation", owner),
		/** Of this browser. */
		choice: new Kept("localStorage", "ai-assistant-chosen", owner),
	};
}
