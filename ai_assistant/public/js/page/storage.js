/** A value in the browser's storage that belongs to one user of one site. Values of other users are not read. */
export class UserStorage {
	/**
	 * @param {"sessionStorage" | "localStorage"} area `sessionStorage` for this tab, `localStorage` for the browser
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
	#disabled = false;

	/** Returns the stored value, or null if there is none. Removes the value of another user. @returns {any} */
	load() {
		try {
			const { user, site, ...value } = JSON.parse(window[this.#area].getItem(this.#key) ?? "{}");
			if (user === this.#owner.user && site === this.#owner.site) return value;
			window[this.#area].removeItem(this.#key);
		} catch {
			// The browser denies storage, or the value is not JSON.
		}
		return null;
	}

	/** @param {object} value */
	save(value) {
		if (this.#disabled) return;
		try {
			window[this.#area].setItem(this.#key, JSON.stringify({ ...value, ...this.#owner }));
		} catch {
			// The storage is full or denied. The page works without it, but a reload starts an empty conversation.
		}
	}

	/** Removes the value. Later calls of `save` do nothing, because a running chat may still call it. */
	clear() {
		this.#disabled = true;
		try {
			window[this.#area].removeItem(this.#key);
		} catch {
			// The browser denies storage.
		}
	}
}

/**
 * Returns everything that the page stores.
 *
 * @param {{ user: string, site: string }} owner
 */
export function storageOf(owner) {
	return {
		/** Per tab: two tabs have two conversations, and a reload continues one. */
		conversation: new UserStorage("sessionStorage", "ai-assistant-conversation", owner),
		/** Per browser. */
		choice: new UserStorage("localStorage", "ai-assistant-chosen", owner),
	};
}
