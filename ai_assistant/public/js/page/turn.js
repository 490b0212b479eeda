/** One question and its answer on the page. */
import { copyButton, h, indented, seconds } from "./dom.js";
import { MarkdownStream } from "./markdown.js";
import { ThinkingIndicator } from "./thinking_indicator.js";
import { approvalBox, toolResult } from "./site_tools.js";
import { __ } from "./translate.js";

/** @typedef {{ sentence: string, retry?: () => void, login?: boolean }} Problem what an error box shows */

export class Turn {
	/**
	 * @param {string} prompt
	 * @param {(sentence: string) => void} announce tells screen readers
	 */
	constructor(prompt, announce) {
		this.#announce = announce;
		this.#waiting = h("p", { className: "waiting", textContent: __("Sending…") });
		this.#words = h("div", { className: "words" });
		this.#calls = h("div", { className: "calls" });
		this.#footer = h("footer", { hidden: true });
		this.#answer = h(
			"div",
			{ className: "answer", "aria-busy": "true" },
			this.#waiting,
			this.#words,
			this.#calls,
			this.#footer,
		);
		this.element = h(
			"article",
			{ className: "turn" },
			h("h2", { className: "sr-only", textContent: __("You asked") }),
			h("div", { className: "question", dir: "auto", textContent: prompt }),
			h("h2", { className: "sr-only", textContent: __("Answer") }),
			this.#answer,
		);
		this.#markdown = new MarkdownStream(this.#words, announce);
	}

	#announce;
	#waiting;
	#words;
	#calls;
	#footer;
	#answer;
	#markdown;
	/** @type {ThinkingIndicator | null} */
	#thinking = null;
	/** What `end` added and `reopen` removes. @type {HTMLElement[]} */
	#appended = [];
	/** The characters of the answer and of its reasoning that are shown. */
	#written = 0;
	#reasoned = 0;
	/** The calls that the model still writes, by id. @type {Map<string, { element: HTMLDetailsElement, json: HTMLElement }>} */
	#unfinishedCalls = new Map();
	/** What asks for approval, by the id of the call. @type {Map<string, HTMLElement>} */
	#approvals = new Map();
	/** The note about the provider that failed. */
	#fallback = "";
	/** The `seq` of the last event that is shown. */
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
		if (!this.#written) this.#announce(__("The answer begins."));
		this.#written += text.length;
		this.#markdown.append(text);
	}

	/** Shows a tool call that the model begins to write. @param {{ id: string, name: string }} call */
	beginCall({ id, name }) {
		this.#waiting.remove();
		this.#thinking?.stop();
		this.#announce(__("The model calls {0}.", [name]));
		const json = h("pre", { tabIndex: 0, dir: "ltr" });
		const summary = h("summary", {}, "🔧 ", h("code", {}, name));
		const element = h("details", { className: "call", open: true }, summary, json);
		this.#calls.append(element);
		const call = { element, json };
		this.#unfinishedCalls.set(id, call);
		return call;
	}

	/** @param {{ id: string, text: string }} delta the next part of the arguments of a call */
	growCall({ id, text }) {
		this.#unfinishedCalls.get(id)?.json.append(text);
	}

	/**
	 * Shows a complete tool call. The page offers no tools: another client of the user asked the question.
	 *
	 * @param {{ id: string, name: string, arguments: string, arguments_error?: string }} call
	 */
	showCall({ id, name, arguments: text, arguments_error }) {
		const { element, json } = this.#unfinishedCalls.get(id) ?? this.beginCall({ id, name });
		this.#unfinishedCalls.delete(id);
		json.textContent = indented(text);
		element.open = false;
		if (arguments_error) element.append(h("p", {}, arguments_error));
	}

	/**
	 * Asks the user to approve a call of a tool of the site.
	 *
	 * @param {import("../realtime_manager.js").Approval} call
	 * @param {import("../realtime_manager.js").RealtimeManager} manager
	 */
	askApproval(call, manager) {
		this.#waiting.remove();
		this.#thinking?.stop();
		this.#announce(__("{0} needs your approval.", [call.name]));
		const box = approvalBox(call, manager);
		this.#approvals.set(call.id, box);
		this.#calls.append(box);
	}

	/** Shows a call of a tool that the site ran. @param {import("../realtime_manager.js").ToolResult} call */
	showToolResult(call) {
		this.#waiting.remove();
		this.#thinking?.stop();
		this.#approvals.get(call.id)?.remove();
		this.#approvals.delete(call.id);
		this.#announce(__("The site has run {0}.", [call.name]));
		this.#calls.append(toolResult(call));
	}

	/** @param {import("../realtime_manager.js").Phase} status */
	showPhase({ phase, position, failed, provider, name, characters }) {
		let note = "";
		if (phase === "queued") {
			note = position ? __("Waiting in the queue, number {0}", [position]) : __("Waiting in the queue");
		} else if (phase === "fallback") {
			note = __("{0} failed, asking {1}", [failed ?? "", provider ?? ""]);
			this.#fallback = note;
		} else if (phase === "calling") {
			note = __("Writing a call of {0}, {1} characters", [name ?? "", characters ?? 0]);
		} else if (phase === "tool") {
			note = __("The site runs {0}", [name ?? ""]);
		}
		// `beginCall` announces a call.
		if (note && phase !== "calling") this.#announce(note);
		// Thinking ends the wait in the queue, but the note about the provider stays true.
		if (note || phase === "thinking") this.#thinking?.note(note || this.#fallback);
	}

	/**
	 * Shows the end of the chat.
	 *
	 * @param {import("../realtime_manager.js").Answer | null} answer the answer or the part of it that arrived; null if the
	 *   site refused the request or cannot be reached
	 * @param {Problem | null} problem
	 */
	end(answer, problem) {
		this.#waiting.remove();
		// The answer may have more than the events: if none are published, or if the journal could not be read.
		const reasoning = answer?.reasoning.slice(this.#reasoned);
		if (reasoning) this.reason(reasoning, Date.now());
		this.#thinking?.stop(answer?.timing?.thinking_ms);
		this.#markdown.append(answer?.response.slice(this.#written) ?? "");
		this.#written = Math.max(this.#written, answer?.response.length ?? 0);
		for (const box of this.#approvals.values()) box.remove();
		this.#approvals.clear();
		if (!this.#calls.querySelector(".call:not(.of-site)")) {
			for (const { id, function: call, arguments_error } of answer?.tool_calls ?? []) {
				this.showCall({ id, ...call, arguments_error });
			}
		}
		this.#markdown.finish();
		this.#answer.removeAttribute("aria-busy");
		const cancelled = answer?.status === "cancelled";
		if (problem) this.#append(errorBox(problem));
		else if (cancelled) this.#append(h("p", { className: "stopped" }, __("Stopped.")));
		if (answer?.sources?.length) this.#append(sourceList(answer.sources));
		if (answer?.images?.length) this.#append(imageNote(answer.images));
		if (answer?.trimmed) this.#append(trimNote(answer.trimmed));
		this.#footer.hidden = false;
		if (this.#markdown.text) this.#footer.append(copyButton(() => this.#markdown.text, this.#announce));
		this.#footer.append(h("span", { className: "figures" }, ...(answer ? figures(answer) : [])));
		if (!problem) this.#announce(cancelled ? __("Stopped.") : __("The answer is complete."));
	}

	/** Removes the end, because the chat is followed again. What was written stays. */
	reopen() {
		for (const element of this.#appended) element.remove();
		this.#appended = [];
		this.#footer.hidden = true;
		this.#footer.replaceChildren();
		this.#answer.setAttribute("aria-busy", "true");
		if (!this.seq) this.#answer.prepend(this.#waiting);
	}

	/** @param {HTMLElement} element */
	#append(element) {
		this.#footer.before(element);
		this.#appended.push(element);
	}
}

/** @param {Problem} problem */
function errorBox({ sentence, retry, login }) {
	const box = h("div", { className: "error", role: "alert" }, h("p", {}, sentence));
	if (login) box.append(h("a", { href: "/login?redirect-to=/ai-assistant", className: "button" }, __("Log in")));
	if (retry) {
		const button = h("button", { type: "button" }, __("Try again"));
		button.addEventListener("click", () => {
			button.remove();
			retry();
		});
		box.append(button);
	}
	return box;
}

/** Returns the figures of an answer, each with a direction of its own. @param {import("../realtime_manager.js").Answer} answer */
function figures({ provider, model, usage, timing }) {
	const cost = usage?.cost_usd;
	return [
		model && __("{0} of {1}", [model, provider ?? ""]),
		usage?.total_tokens != null && tokenCount(usage),
		// Costs below half a cent are shown with one digit.
		cost && `$${cost < 0.005 ? cost.toPrecision(1) : cost.toFixed(2)}`,
		timing?.first_text_ms != null && __("first word after {0}", [seconds(timing.first_text_ms)]),
		timing?.duration_ms != null && __("{0} in total", [seconds(timing.duration_ms)]),
	]
		.filter(Boolean)
		.flatMap((figure, n) => [n ? " · " : "", h("bdi", {}, String(figure))]);
}

/** @param {import("../realtime_manager.js").Usage} usage */
function tokenCount({ total_tokens, cached_tokens, estimated }) {
	const total = Number(total_tokens);
	const count = estimated ? __("about {0} tokens", [total]) : __("{0} tokens", [total]);
	return cached_tokens ? __("{0} ({1} from the cache)", [count, cached_tokens]) : count;
}

/**
 * Lists the pages that an answer cites, each once.
 *
 * @param {import("../realtime_manager.js").Source[]} sources
 */
function sourceList(sources) {
	const titles = new Map();
	for (const { url, title } of sources) if (!titles.get(url)) titles.set(url, title);
	const links = [...titles].map(([url, title]) =>
		h("li", {}, h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow", dir: "auto" }, title || url)),
	);
	return h("div", { className: "sources" }, h("p", {}, __("Sources")), h("ol", {}, ...links));
}

/** @param {{ type: string, bytes: number }[]} images what the model drew; the site does not keep images */
function imageNote(images) {
	const types = [...new Set(images.map(({ type }) => type))].join(", ");
	const sentence =
		images.length === 1
			? __("The model made an image ({0}), which cannot be shown here.", [types])
			: __("The model made {0} images ({1}), which cannot be shown here.", [images.length, types]);
	return h("p", { className: "images" }, sentence);
}

/** @param {{ tool_results: number, tokens: number }} trimmed what the provider did not get */
function trimNote({ tool_results, tokens }) {
	const sentence = __("The conversation is longer than the model's context window: {0} results of tools were left out (about {1} tokens).", [
		tool_results,
		tokens,
	]);
	return h("p", { className: "trimmed" }, sentence);
}
