/**
 * `💡 Thinking 3s`: counts the seconds since event 1 and shows the reasoning as it arrives. When the answer begins or the
 * chat ends, it is folded and shows how long the model thought.
 */
import { h, seconds } from "./dom.js";
import { __ } from "./translate.js";

export class ThinkingIndicator {
	/**
	 * @param {number} startedAt `Date.now()` of event 1, also after a reload
	 * @param {(sentence: string) => void} announce tells screen readers
	 */
	constructor(startedAt, announce) {
		this.#startedAt = startedAt;
		this.#label = h("span", { className: "label" });
		this.#note = h("span", { className: "note" });
		this.#words = h("div", { className: "words", tabIndex: 0, role: "region", "aria-label": __("Reasoning") });
		// A screen reader would read every second aloud.
		const visible = h("span", { "aria-hidden": "true" }, this.#label, this.#note);
		this.#name = h("span", { className: "sr-only", textContent: __("Thinking") });
		this.element = h(
			"details",
			{ className: "thinking live", open: true },
			h("summary", {}, visible, this.#name),
			this.#words,
		);
		announce(__("Thinking."));
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

	/** @param {string} text the new part of the reasoning */
	reason(text) {
		if (!text) return;
		this.element.hidden = false;
		const below = this.#words.scrollHeight - this.#words.scrollTop - this.#words.clientHeight;
		this.#words.append(text);
		if (below < 24) this.#words.scrollTop = this.#words.scrollHeight;
	}

	/** Shows a note beside the seconds. @param {string} text */
	note(text) {
		this.#note.textContent = text;
	}

	/**
	 * Ends the thinking phase.
	 *
	 * @param {number | null} [duration] in milliseconds, if the site has measured it
	 */
	stop(duration) {
		if (this.#live) {
			this.#live = false;
			clearTimeout(this.#timer);
			this.element.classList.remove("live");
			this.element.open = false;
			this.#note.textContent = "";
			duration ??= Date.now() - this.#startedAt;
			if (!this.#words.textContent) this.element.hidden = true;
		}
		if (duration == null) return;
		// An answer that arrives whole has no measured duration.
		this.#label.textContent = duration < 50 ? __("Thought") : __("Thought for {0}", [seconds(duration)]);
		this.#name.textContent = this.#label.textContent;
	}

	#tick() {
		const elapsed = Math.max(0, Date.now() - this.#startedAt);
		this.#label.textContent = `💡 ${__("Thinking {0}s", [Math.floor(elapsed / 1000)])}`;
		this.#timer = setTimeout(() => this.#tick(), 1000 - (elapsed % 1000));
	}
}
