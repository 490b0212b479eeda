// RealtimeManager before sites that fail: what each of their answers is taken for. No site stands; `fetch` is played.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { ApiError, RealtimeManager } from "../../ai_assistant/public/js/realtime_manager.js";

const ID = "request-1";
const page = (status = 200, headers = {}) => new Response("<html>no</html>", { status, headers });
const reply = (message, status = 200) => Response.json({ message }, { status });
const away = () => Promise.reject(new TypeError("fetch failed"));
const event = (seq, type, text, more = {}) => ({ seq, type, text, request_id: ID, task_id: "t", ...more });
const EVENTS = [event(1, "reasoning", ""), event(2, "text", "whole"), event(3, "completion", "", { status: "completed" })];
const journal = (...events) => reply({ status: events.length === 3 ? "completed" : "running", events });
const ANSWER = { success: true, status: "completed", request_id: ID, response: "whole", realtime: { last_seq: 3 } };

/** Time passes as fast as the manager waits. `play` answers each call; it gets the method and how often it was called. */
async function chat(t, play, { tick = () => {} } = {}) {
	t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
	const requests = [];
	t.mock.method(globalThis, "fetch", async (url) => {
		const { pathname, searchParams } = new URL(url);
		const method = pathname.split(".").at(-1);
		requests.push({ method, wait: Number(searchParams.get("wait")) });
		return play(method, requests.filter((request) => request.method === method).length);
	});
	const manager = new RealtimeManager({ url: "http://site.test", token: "key:secret" });
	const texts = [];
	manager.on("text", ({ text }) => texts.push(text));
	let outcome;
	manager.chat("hello", { request_id: ID }).then(
		(answer) => (outcome = { answer }),
		(error) => (outcome = { error }),
	);
	const began = Date.now();
	while (!outcome) {
		for (let n = 0; n < 5; n++) await setImmediate();
		tick(requests);
		t.mock.timers.tick(50);
	}
	return { ...outcome, requests, texts, took: Date.now() - began };
}

for (const [fault, answer] of Object.entries({ 403: () => page(403), 404: () => page(404), 429: () => page(429), unreachable: away })) {
	test(`the answer of the POST is given where its events cannot be read: ${fault}`, async (t) => {
		const result = await chat(t, (method) => (method === "chat_completion" ? reply(ANSWER) : answer()));
		assert.equal(result.answer?.response, "whole", result.error);
	});
}

test("an answer of the POST that comes while it is read back in vain is given", async (t) => {
	let answered;
	const post = new Promise((resolve) => (answered = resolve));
	const result = await chat(t, (method, times) => {
		if (method === "chat_completion") return post;
		if (method === "get_events") return journal(...EVENTS);
		if (times === 2) answered(reply(ANSWER));
		return page(403);
	});
	assert.equal(result.answer?.response, "whole", result.error);
});

test("a page of a proxy's among the answers is passed over", async (t) => {
	const result = await chat(t, (method, times) => {
		if (method === "get_events") return times === 1 ? page() : journal(...EVENTS);
		return method === "get_request" ? reply(ANSWER) : page();
	});
	assert.equal(result.answer?.response, "whole", result.error);
	assert.deepEqual(result.texts, ["whole"]);
});

for (const [name, answer] of Object.entries({ "HTML with 200": page, "JSON of another's with 200": () => Response.json({ login: true }) })) {
	test(`nothing but ${name} is asked again, and in the end told as a sentence`, async (t) => {
		const { error, requests } = await chat(t, () => answer());
		assert.ok(error instanceof ApiError);
		assert.match(error.message, /^The response is not from the site but from a proxy.*\(HTTP 200\)\.$/);
		assert.equal(error.retryable, true);
		assert.ok(requests.length > 3);
	});
}

test("what the site refuses while it is followed is told, not the connection that broke before", async (t) => {
	const { error } = await chat(t, (method, times) => {
		if (method === "chat_completion") return away();
		return times === 1 ? journal(EVENTS[0]) : Response.json({ exc_type: "AuthenticationError" }, { status: 401 });
	});
	assert.deepEqual([error.status, error.message], [401, "The site does not accept the login (HTTP 401)."]);
});

test("the journal is not asked before the time that the site names", async (t) => {
	let answered;
	const post = new Promise((resolve) => (answered = resolve));
	const began = [];
	const result = await chat(
		t,
		(method) => {
			if (method === "chat_completion") return post;
			began.push(Date.now());
			return began.length === 1 ? page(429, { "Retry-After": "30" }) : journal(...EVENTS);
		},
		{ tick: () => began.length > 1 && answered(reply(ANSWER)) },
	);
	assert.equal(result.answer?.response, "whole");
	assert.ok(began[1] - began[0] >= 30_000);
});

test("a refusal's Retry-After is understood as a date, and one that is neither is none", () => {
	const inAMinute = new Date(Date.now() + 60_000).toUTCString();
	assert.ok(Math.abs(new ApiError(429, null, inAMinute).retryAfter - 60) <= 1);
	assert.equal(new ApiError(503, null, "7").retryAfter, 7);
	assert.equal(new ApiError(503, null, "soon").retryAfter, null);
	assert.match(new ApiError(429, null).message, /Too many requests/);
});

test("the time that the machine sleeps is not counted: the request is followed after it", async (t) => {
	let slept = false;
	const result = await chat(
		t,
		(method, times) => {
			if (method === "chat_completion") return away();
			if (method === "get_request") return reply(ANSWER);
			return times === 1 ? journal(...EVENTS.slice(0, 2)) : times < 8 ? away() : journal(EVENTS[2]);
		},
		{
			tick: (requests) => {
				if (slept || requests.length < 4) return;
				slept = true;
				t.mock.timers.setTime(Date.now() + 600_000);
			},
		},
	);
	assert.equal(result.answer?.response, "whole", result.error);
});

test("without a socket no question is held for longer than a Stop may wait for its connection", async (t) => {
	const result = await chat(t, (method, times) => {
		if (method === "get_events") return times < 5 ? journal() : journal(...EVENTS);
		return reply(ANSWER);
	});
	assert.ok(result.requests.every(({ wait }) => wait <= 1));
});
