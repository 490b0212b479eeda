/** What arrived, when, and as what: the raw events of a request and a timeline of them, for debugging. */
import { h, seconds } from "./dom.js";

/** More than a usual answer has by far; the oldest ones go. */
const MOST = 500;

export class EventsPanel {
	/** @param {HTMLElement} element */
	constructor(element) {
		this.#track = h("div", { className: "track", role: "img", "aria-label": "Timeline of the events" });
		this.#scale = h("div", { className: "scale", "aria-hidden": "true" });
		this.#state = h("p", { className: "state" });
		this.#list = h("ol", { className: "events" });
		element.append(this.#state, this.#track, this.#scale, this.#list);
	}

	#track;
	#scale;
	#state;
	#list;
	/** @type {{ at: number, tick: HTMLElement }[]} */
	#ticks = [];
	#scheduled = false;

	/** @param {string} sentence @param {boolean} live */
	connection(sentence, live) {
		this.#state.textContent = sentence;
		this.#state.classList.toggle("live", live);
	}

	/** Another request begins. */
	clear() {
		this.#ticks = [];
		this.#track.replaceChildren();
		this.#list.replaceChildren();
		this.#scale.textContent = "";
	}

	/**
	 * @param {string} kind
	 * @param {any} event
	 */
	add(kind, event) {
		const row = h("li", { className: kind }, this.#row(kind, event));
		this.#list.append(row);
		if (this.#list.children.length > MOST) this.#list.firstElementChild.remove();
		if (event.elapsed_ms === undefined) return;
		const tick = h("i", { className: kind, title: `${kind} at ${event.elapsed_ms} ms` });
		this.#track.append(tick);
		this.#ticks.push({ at: event.elapsed_ms, tick });
		if (this.#ticks.length > MOST) this.#ticks.shift()?.tick.remove();
		if (this.#scheduled) return;
		this.#scheduled = true;
		requestAnimationFrame(() => this.#place());
	}

	/** @param {string} kind @param {any} event */
	#row(kind, event) {
		const said = event.text || event.arguments;
		const size = event.name ?? (said ? `${[...said].length} chars` : (event.phase ?? event.status ?? ""));
		const details = h(
			"details",
			{},
			h(
				"summary",
				{},
				h("span", { className: "seq" }, event.seq ? `#${event.seq}` : "·"),
				h("span", { className: "kind" }, kind),
				h("span", { className: "size" }, size),
				h("span", { className: "at" }, event.elapsed_ms === undefined ? "" : `+${event.elapsed_ms} ms`),
			),
		);
		// Written out when somebody looks.
		details.addEventListener(
			"toggle",
			() => details.append(h("pre", { tabIndex: 0 }, JSON.stringify(event, null, 2))),
			{ once: true },
		);
		return details;
	}

	#place() {
		this.#scheduled = false;
		const last = Math.max(1, ...this.#ticks.map(({ at }) => at));
		for (const { at, tick } of this.#ticks) tick.style.left = `${(at / last) * 100}%`;
		this.#scale.textContent = seconds(last);
	}
}
