/**
 * `💡 Thinking 3s`: counts once a second from event 1, shows the reasoning as it comes, and goes away when the answer
 * begins or the chat ends. What was thought stays there to be unfolded, with how long it took.
 */
import { h, seconds } from "./dom.js";

export class ThinkingIndicator {
	/**
	 * @param {number} startedAt `Date.now()` of event 1; an earlier one after a reload
	 * @param {(sentence: string) => void} announce
	 */
	constructor(startedAt, announce) {
		this.#startedAt = startedAt;
		this.#label = h("span", { className: "label" });
		this.#note = h("span", { className: "note" });
		this.#words = h("div", { className: "words", tabIndex: 0, role: "region", "aria-label": "Reasoning" });
		// The seconds are for the eye: a screen reader would read out every one of them.
		const face = h("span", { "aria-hidden": "true" }, this.#label, this.#note);
		this.#name = h("span", { className: "sr-only", textContent: "Thinking" });
		this.element = h("details", { className: "thinking live", open: true }, h("summary", {}, face, this.#name), this.#words);
		announce("Thinking.");
		this.#tick();
	}

	#startedAt;
	#label;
	#name;
	#note;
	#words;
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#timer;
	#live = true;

	/** @param {string} text what is new */
	reason(text) {
		if (!text) return;
		this.element.hidden = false;
		const below = this.#words.scrollHeight - this.#words.scrollTop - this.#words.clientHeight;
		this.#words.append(text);
		if (below < 24) this.#words.scrollTop = this.#words.scrollHeight;
	}

	/** @param {string} text what else is to be known while it thinks */
	note(text) {
		this.#note.textContent = text;
	}

	/** @param {number | null} [thought] milliseconds, where the site has measured them */
	stop(thought) {
		if (this.#live) {
			this.#live = false;
			clearTimeout(this.#timer);
			this.element.classList.remove("live");
			this.element.open = false;
			this.#note.textContent = "";
			thought ??= Date.now() - this.#startedAt;
			if (!this.#words.textContent) this.element.hidden = true;
		}
		if (thought == null) return;
		// Of what came whole nobody knows how long it took.
		this.#label.textContent = thought < 50 ? "Thought" : `Thought for ${seconds(thought)}`;
		this.#name.textContent = this.#label.textContent;
	}

	#tick() {
		const elapsed = Math.max(0, Date.now() - this.#startedAt);
		this.#label.textContent = `💡 Thinking ${Math.floor(elapsed / 1000)}s`;
		this.#timer = setTimeout(() => this.#tick(), 1000 - (elapsed % 1000));
	}
}
