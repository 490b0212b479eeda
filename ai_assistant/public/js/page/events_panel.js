/** The panel Events, for debugging: the events of a request as they arrive, and a timeline of them. */
import { h, seconds } from "./dom.js";
import { __ } from "./translate.js";

/** The panel shows at most this many events and removes the oldest. */
const MAX_EVENTS = 500;

export class EventsPanel {
	/** @param {HTMLElement} element */
	constructor(element) {
		this.#timeline = h("div", { className: "track", role: "img", "aria-label": __("Timeline of the events") });
		this.#scale = h("div", { className: "scale", "aria-hidden": "true" });
		this.#state = h("p", { className: "state" });
		this.#list = h("ol", { className: "events" });
		element.append(this.#state, this.#timeline, this.#scale, this.#list);
	}

	#timeline;
	#scale;
	#state;
	#list;
	/** @type {{ at: number, tick: HTMLElement }[]} */
	#ticks = [];
	#scheduled = false;

	/** Shows the state of the connection. @param {string} sentence @param {boolean} live */
	connection(sentence, live) {
		this.#state.textContent = sentence;
		this.#state.classList.toggle("live", live);
	}

	/** Removes all events, because another request begins. */
	clear() {
		this.#ticks = [];
		this.#timeline.replaceChildren();
		this.#list.replaceChildren();
		this.#scale.textContent = "";
	}

	/**
	 * @param {string} kind
	 * @param {any} event
	 */
	add(kind, event) {
		this.#list.append(h("li", { className: kind }, this.#row(kind, event)));
		if (this.#list.children.length > MAX_EVENTS) this.#list.firstElementChild.remove();
		if (event.elapsed_ms === undefined) return;
		const tick = h("i", { className: kind, title: __("{0} at {1} ms", [kind, event.elapsed_ms]) });
		this.#timeline.append(tick);
		this.#ticks.push({ at: event.elapsed_ms, tick });
		if (this.#ticks.length > MAX_EVENTS) this.#ticks.shift()?.tick.remove();
		if (this.#scheduled) return;
		this.#scheduled = true;
		requestAnimationFrame(() => this.#draw());
	}

	/** @param {string} kind @param {any} event */
	#row(kind, event) {
		const content = event.text || event.arguments;
		const length = content ? __("{0} characters", [[...content].length]) : undefined;
		const size = event.name ?? length ?? event.phase ?? event.status ?? "";
		const details = h(
			"details",
			{},
			h(
				"summary",
				{},
				h("span", { className: "seq" }, event.seq ? `#${event.seq}` : "·"),
				h("span", { className: "kind" }, kind),
				h("span", { className: "size" }, size),
				h("span", { className: "at" }, event.elapsed_ms === undefined ? "" : __("+{0} ms", [event.elapsed_ms])),
			),
		);
		// The JSON is written when the user opens the row.
		details.addEventListener(
			"toggle",
			() => details.append(h("pre", { tabIndex: 0, dir: "ltr" }, JSON.stringify(event, null, 2))),
			{ once: true },
		);
		return details;
	}

	#draw() {
		this.#scheduled = false;
		const last = Math.max(1, ...this.#ticks.map(({ at }) => at));
		for (const { at, tick } of this.#ticks) tick.style.insetInlineStart = `${(at / last) * 100}%`;
		this.#scale.textContent = seconds(last);
	}
}
