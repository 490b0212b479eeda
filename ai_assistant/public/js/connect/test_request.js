/**
 * Asks the site as a client with an AI Key does, once for each of the three APIs.
 *
 * @typedef {"chat" | "responses" | "messages"} Api
 */

const QUESTION = "Answer with one word: hello.";
const MAX_TOKENS = 1000;

/** @type {Record<Api, { path: string, body: object, text: (answer: any) => string }>} */
const APIS = {
	chat: {
		path: "/chat/completions",
		body: { messages: [{ role: "user", content: QUESTION }], max_tokens: MAX_TOKENS },
		text: (answer) => answer.choices[0].message.content,
	},
	responses: {
		path: "/responses",
		body: { input: QUESTION, max_output_tokens: MAX_TOKENS, store: false },
		text: (answer) =>
			answer.output
				.filter((/** @type {any} */ item) => item.type === "message")
				.flatMap((/** @type {any} */ item) => item.content.map((/** @type {any} */ part) => part.text ?? ""))
				.join(""),
	},
	messages: {
		path: "/messages",
		body: { messages: [{ role: "user", content: QUESTION }], max_tokens: MAX_TOKENS },
		text: (answer) => answer.content.map((/** @type {any} */ part) => part.text ?? "").join(""),
	},
};

/**
 * @param {{ api: Api, base: string, key: string, model: string }} test
 * @returns {Promise<{ ok: boolean, status: number, text: string }>} `text` is the answer, or the sentence of the error;
 *   `status` is 0 if the site was not reached.
 */
export async function testRequest({ api, base, key, model }) {
	const { path, body, text } = APIS[api];
	/** @type {Record<string, string>} */
	const headers = { "Content-Type": "application/json" };
	if (api === "messages") Object.assign(headers, { "x-api-key": key, "anthropic-version": "2023-06-01" });
	else headers.Authorization = `Bearer ${key}`;
	let response;
	try {
		response = await fetch(base + path, {
			method: "POST",
			headers,
			// Without the session's cookie, which would answer for a key that does not work.
			credentials: "omit",
			body: JSON.stringify({ model, ...body }),
		});
	} catch (error) {
		return { ok: false, status: 0, text: String(error) };
	}
	const answer = await response.json().catch(() => null);
	try {
		if (response.ok) return { ok: true, status: response.status, text: text(answer) };
	} catch {
		// Not an answer of this API: what follows says so.
	}
	return { ok: false, status: response.status, text: answer?.error?.message ?? response.statusText };
}
