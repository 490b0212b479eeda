/**
 * @typedef {import("../realtime_manager.js").Answer} Answer
 *
 * @typedef {object} Exchange a question and its outcome, as stored in the tab; without `answer` and `failure` the outcome
 *   is not known yet
 * @property {string} prompt
 * @property {string} request_id
 * @property {number} [started] `Date.now()` of event 1
 * @property {Answer | null} [answer]
 * @property {import("./errors.js").Failure} [failure]
 */

/** Returns the messages of an exchange, none if it has no answer. @param {Exchange} exchange */
export function messagesOf({ prompt, answer }) {
	if (!answer?.response) return [];
	return [
		{ role: "user", content: prompt },
		{ role: "assistant", content: answer.response },
	];
}

/**
 * Returns the exchange of a turn that the site has kept.
 *
 * @param {{ messages: { role: string, content: any }[], answer: Answer }} turn
 * @returns {Exchange}
 */
export function exchangeOf({ messages, answer }) {
	const { request_id } = answer;
	const texts = messages.filter(({ role }) => role === "user").map(({ content }) => textOf(content));
	const exchange = { prompt: texts.join("\n\n"), request_id };
	if (answer.status === "queued" || answer.status === "running") return exchange;
	if (!answer.error) return { ...exchange, answer };
	return { ...exchange, answer, failure: { sentence: answer.error.message, retryable: false } };
}

/** @param {string | { text?: string }[]} content */
function textOf(content) {
	return typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("\n");
}

export function newId() {
	const bytes = crypto.getRandomValues(new Uint8Array(12));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
