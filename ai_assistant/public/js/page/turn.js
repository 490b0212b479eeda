/** One question and its answer, as they stand on the page. */
import { copyButton, h, seconds } from "./dom.js";
import { MarkdownStream } from "./markdown.js";
import { ThinkingIndicator } from "./thinking_indicator.js";

export class Turn {
	/**
	 * @param {string} prompt
	 * @param {(sentence: string) => void} announce for those who do not see the page
	 */
	constructor(prompt, announce) {
		this.#announce = announce;
		this.#waiting = h("p", { className: "waiting", textContent: "Sending…" });
		this.#words = h("div", { className: "words" });
		this.#calls = h("div", { className: "calls" });
		this.#foot = h("footer", { hidden: true });
		this.#answer = h("div", { className: "answer", "aria-busy": "true" }, this.#waiting, this.#words, this.#calls, this.#foot);
		this.element = h(
			"article",
			{ className: "turn" },
			h("h2", { className: "sr-only", textContent: "You asked" }),
			h("div", { className: "question", dir: "auto", textContent: prompt }),
			h("h2", { className: "sr-only", textContent: "Answer" }),
			this.#answer,
		);
		this.#markdown = new MarkdownStream(this.#words, announce);
	}

	#announce;
	#waiting;
	#words;
	#calls;
	#foot;
	#answer;
	#markdown;
	/** @type {ThinkingIndicator | null} */
	#thinking = null;
	/** @type {HTMLElement | null} */
	#complaint = null;
	/** How much of the answer and of its reasoning has been given to this turn. */
	#written = 0;
	#reasoned = 0;
	/** The last event that it has been given. */
	seq = 0;

	/** @param {string} text @param {number} startedAt `Date.now()` of event 1 */
	reason(text, startedAt) {
		this.#waiting.remove();
		if (!this.#thinking) {
			this.#thinking = new ThinkingIndicator(startedAt, this.#announce);
			this.#answer.prepend(this.#thinking.element);
		}
		this.#reasoned += text.length;
		this.#thinking.reason(text);
	}

	/** @param {string} text */
	write(text) {
		if (!text) return;
		this.#waiting.remove();
		this.#thinking?.stop();
		if (!this.#written) this.#announce("The answer begins.");
		this.#written += text.length;
		this.#markdown.append(text);
	}

	/** Shows a tool call that the model begins to write. @param {{ id: string, name: string }} call */
	beginCall({ id, name }) {
		this.#waiting.remove();
		this.#thinking?.stop();
		this.#announce(`The model calls ${name}.`);
		const json = h("pre", { tabIndex: 0 });
		const element = h("details", { className: "call", open: true }, h("summary", {}, "🔧 ", h("code", {}, name)), json);
		this.#calls.append(element);
		const call = { element, json };
		this.#growing.set(id, call);
		return call;
	}

	/** @param {{ id: string, text: string }} delta the next part of the arguments of a call */
	growCall({ id, text }) {
		this.#growing.get(id)?.json.append(text);
	}

	/**
	 * Shows a whole tool call. The page itself offers no tools.
	 *
	 * @param {{ id: string, name: string, arguments: string, arguments_error?: string }} call
	 */
	call({ id, name, arguments: given, arguments_error }) {
		const { element, json } = this.#growing.get(id) ?? this.beginCall({ id, name });
		this.#growing.delete(id);
		json.textContent = indented(given);
		element.open = false;
		if (arguments_error) element.append(h("p", {}, arguments_error));
	}

	/** The calls that are being written, by id. @type {Map<string, { element: HTMLDetailsElement, json: HTMLElement }>} */
	#growing = new Map();

	/** @param {import("../realtime_manager.js").Phase} status */
	phase({ phase, position, failed, provider, name, characters }) {
		const words = {
			queued: position ? `Waiting in the queue, number ${position}` : "Waiting in the queue",
			fallback: `${failed} failed, asking ${provider}`,
			thinking: "",
			answering: "",
			calling: `Writing a call of ${name}, ${characters} characters`,
		}[phase];
		// A call is announced once, when it is whole or begins to grow.
		if (words && phase !== "calling") this.#announce(`${words}.`);
		// A queue is left when something else is told; which provider answers instead stays true.
		if (words || phase === "thinking") this.#thinking?.note(words || this.#fallback);
		if (phase === "fallback") this.#fallback = words ?? "";
	}

	#fallback = "";
	/** @type {HTMLElement | undefined} */
	#sources;
	/** @type {HTMLElement | undefined} */
	#images;

	/**
	 * The chat has ended, however.
	 *
	 * @param {import("../realtime_manager.js").Answer | null} answer what had arrived, where it was accepted
	 * @param {{ sentence: string, again?: () => void, login?: boolean } | null} error
	 */
	end(answer, error) {
		this.#waiting.remove();
		// Where nothing is published the answer comes whole; where the journal could not be read, more than was told.
		const reasoning = answer?.reasoning.slice(this.#reasoned);
		if (reasoning) this.reason(reasoning, Date.now());
		this.#thinking?.stop(answer?.timing?.thinking_ms);
		this.#markdown.append(answer?.response.slice(this.#written) ?? "");
		this.#written = Math.max(this.#written, answer?.response.length ?? 0);
		if (!this.#calls.children.length) {
			for (const { id, function: called, arguments_error } of answer?.tool_calls ?? []) this.call({ id, ...called, arguments_error });
		}
		this.#markdown.finish();
		this.#answer.removeAttribute("aria-busy");
		const cancelled = answer?.status === "cancelled";
		if (error) this.#foot.before((this.#complaint = this.#boxOf(error)));
		else if (cancelled) this.#foot.before(h("p", { className: "stopped" }, "Stopped."));
		if (answer?.sources?.length) this.#foot.before((this.#sources = sourcesOf(answer.sources)));
		if (answer?.images?.length) this.#foot.before((this.#images = imagesOf(answer.images)));
		this.#foot.hidden = false;
		if (this.#markdown.text) this.#foot.append(copyButton(() => this.#markdown.text, this.#announce));
		this.#foot.append(h("span", { className: "figures" }, answer ? figures(answer) : ""));
		if (!error) this.#announce(cancelled ? "Stopped." : "The answer is complete.");
	}

	/** It is followed again: what stands there stays, but for the complaint. */
	goOn() {
		for (const part of [this.#complaint, this.#sources, this.#images]) part?.remove();
		this.#foot.hidden = true;
		this.#foot.replaceChildren();
		this.#answer.setAttribute("aria-busy", "true");
		if (!this.seq) this.#answer.prepend(this.#waiting);
	}

	/** @param {{ sentence: string, again?: () => void, login?: boolean }} error */
	#boxOf({ sentence, again, login }) {
		const box = h("div", { className: "error", role: "alert" }, h("p", {}, sentence));
		if (login) box.append(h("a", { href: "/login?redirect-to=/ai-assistant", className: "button" }, "Log in"));
		if (again) {
			const button = h("button", { type: "button" }, "Try again");
			button.addEventListener("click", () => {
				button.remove();
				again();
			});
			box.append(button);
		}
		return box;
	}
}

/** @param {string} json as the model wrote it, which may be none */
function indented(json) {
	try {
		return JSON.stringify(JSON.parse(json), null, 2);
	} catch {
		return json;
	}
}

/** @param {import("../realtime_manager.js").Answer} answer */
function figures({ provider, model, usage, timing }) {
	const cost = usage?.cost_usd;
	return [
		model && `${model} of ${provider}`,
		usage?.total_tokens != null && tokens(usage),
		// Half a cent at least is said in cents, less to one digit.
		cost && `$${cost < 0.005 ? cost.toPrecision(1) : cost.toFixed(2)}`,
		timing?.first_text_ms != null && `first word ${seconds(timing.first_text_ms)}`,
		timing?.duration_ms != null && `${seconds(timing.duration_ms)} in all`,
	]
		.filter(Boolean)
		.join(" · ");
}

/** @param {import("../realtime_manager.js").Usage} usage */
function tokens({ total_tokens, cached_tokens, estimated }) {
	const count = `${estimated ? "about " : ""}${total_tokens} tokens`;
	return cached_tokens ? `${count} (${cached_tokens} from the cache)` : count;
}

/**
 * The pages that an answer cites, each once.
 *
 * @param {import("../realtime_manager.js").Source[]} sources
 */
function sourcesOf(sources) {
	const titles = new Map();
	for (const { url, title } of sources) if (!titles.get(url)) titles.set(url, title);
	const links = [...titles].map(([url, title]) =>
		h("li", {}, h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, title || url)),
	);
	return h("div", { className: "sources" }, h("p", {}, "Sources"), h("ol", {}, ...links));
}

/** @param {{ type: string, bytes: number }[]} images what the model drew, which is not kept */
function imagesOf(images) {
	const types = [...new Set(images.map(({ type }) => type))].join(", ");
	const count = images.length === 1 ? "an image" : `${images.length} images`;
	return h("p", { className: "images" }, `The model made ${count} (${types}), which cannot be shown here.`);
}
