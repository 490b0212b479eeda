// RealtimeManager in Node, as an extension host runs it, against a site that stands: every scenario of the contract.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, RealtimeManager, assistantMessage } from "../../ai_assistant/public/js/realtime_manager.js";
import { CLOCK, assertWhole, callOf, count, logIn, manager, next, openGate, script, site, unique } from "./support.mjs";

for (const way of ["an API key", "a login"]) {
	test(`with ${way} a chat gives its events in order and then the answer`, async (t) => {
		const by = way === "a login" ? { token: undefined, sid: await logIn() } : {};
		const { manager: client, events, heard } = manager(t, by);
		assert.equal(await client.connect(), true);
		const fields = { task_id: "my task", temperature: 0.5 };
		const answer = await client.chat(script({ reasoning: "Let me see." }, { text: "Grüße 💡" }), fields);
		assert.deepEqual([answer.status, answer.task_id], ["completed", "my task"]);
		assert.deepEqual([answer.reasoning, answer.response], ["Let me see.", "Grüße 💡"]);
		assertWhole(events(), answer);
		assert.deepEqual(heard.filter(([name]) => name === "gap"), []);
	});
}

test("a session that has opened a page sends its CSRF token", async (t) => {
	const sid = await logIn();
	const page = await fetch(`${site.url}/ai-assistant`, { headers: { Cookie: `sid=${sid}` } });
	const { csrf_token: csrfToken } = JSON.parse(/id="boot"[^>]*>(.*?)<\/script>/s.exec(await page.text())[1]);
	const without = manager(t, { token: undefined, sid }).manager.chat("hello");
	await assert.rejects(without, (error) => error.status === 400 && error.message.includes("Reload the page"));
	const answer = await manager(t, { token: undefined, sid, csrfToken }).manager.chat("hello");
	assert.equal(answer.response, "Hello there.");
});

test("a page in the browser needs neither: the cookie is the browser's", async (t) => {
	const client = new RealtimeManager({ url: site.url, site: site.name });
	await assert.rejects(client.chat("hello"), (error) => error instanceof ApiError && error.status === 403);
});

test("each piece arrives while the provider still writes", async (t) => {
	const { manager: client } = manager(t);
	await client.connect();
	const [thought, wrote] = [unique("gate"), unique("gate")];
	const reasoning = next(client, "reasoning", (event) => event.text === "Hm.");
	const text = next(client, "text", (event) => event.text === "So");
	const answer = client.chat(script({ reasoning: "Hm." }, { gate: thought }, { text: "So" }, { gate: wrote }, { text: " it is." }));
	await reasoning;
	await openGate(thought);
	await text;
	await openGate(wrote);
	assert.equal((await answer).response, "So it is.");
});

test("a silent provider is told by status, and so is the next one that is asked", async (t) => {
	const { manager: client, heard } = manager(t);
	await client.connect();
	const gate = unique("gate");
	const thinking = next(client, "status", (status) => status.phase === "thinking");
	const steps = [{ status: 429, for: "scripted" }, { gate }, { text: "from the next" }];
	const answer = client.chat(script(...steps));
	await thinking;
	await openGate(gate);
	assert.equal((await answer).response, "from the next");
	const fallback = heard.map(([, event]) => event).find((event) => event.phase === "fallback");
	assert.deepEqual([fallback.failed, fallback.provider], ["scripted", "claude"]);
});

for (const socket of ["with", "without"]) {
	test(`in the background, ${socket} a socket, the chat resolves once it has ended`, async (t) => {
		const { manager: client, events } = manager(t);
		if (socket === "with") await client.connect();
		const gate = unique("gate");
		const text = next(client, "text");
		const chat = client.chat(script({ reasoning: "Hm." }, { text: "one" }, { gate }, { text: "two" }), { background: true });
		await text;
		await openGate(gate);
		const answer = await chat;
		assert.deepEqual([answer.status, answer.response], ["completed", "onetwo"]);
		assertWhole(events(), answer);

		const failing = client.chat(script({ text: "half" }, { error: "x" }), { background: true });
		await assert.rejects(failing, (error) => error.code === "provider_unavailable" && error.answer.response === "half");

		const id = unique("request");
		const hanging = client.chat(script({ text: "So" }, { hang: true }), { background: true, request_id: id });
		await next(client, "text", (event) => event.request_id === id);
		await client.cancel(id);
		assert.equal((await hanging).status, "cancelled");
	});
}

for (const socket of ["with", "without"]) {
	test(`${socket} a socket the tools that the model calls are told, run here, and it thinks on`, async (t) => {
		const { manager: client, events } = manager(t);
		if (socket === "with") await client.connect();
		const turns = [
			{ turn: [{ reasoning: "What time?" }, { text: "Let me look." }, callOf('{"zone": '), { call: 0, arguments: '"UTC"}' }] },
			{ turn: [{ reasoning: "Noon, then." }, { text: "It is noon." }] },
		];
		const messages = [{ role: "user", content: script(...turns) }];
		const called = next(client, "tool_call");
		const first = await client.chat(messages, { tools: [CLOCK], tool_choice: "auto" });
		const { id, name, arguments: args, text, partial, seq } = await called;
		assert.deepEqual([id, name, args, text, partial], ["call_1", "clock", '{"zone": "UTC"}', "", true]);
		assertWhole(events(), first);
		assert.equal(events()[seq - 1].type, "tool_call");
		const call = { id, type: "function", function: { name, arguments: args } };
		assert.deepEqual([first.finish_reason, first.tool_calls], ["tool_calls", [call]]);
		assert.deepEqual(events().at(-1).tool_calls, first.tool_calls);

		messages.push(assistantMessage(first), { role: "tool", tool_call_id: id, content: "12:00" });
		const answer = await client.chat(messages, { tools: [CLOCK] });
		assert.deepEqual([answer.reasoning, answer.response, answer.tool_calls], ["Noon, then.", "It is noon.", []]);
	});
}

test("a call is told as the provider writes it", async (t) => {
	const { manager: client, events } = manager(t);
	await client.connect();
	const steps = [callOf('{"zone": '), { call: 0, arguments: '"UTC"}' }];
	const answer = await client.chat(script(...steps), { tools: [CLOCK], stream_tool_calls: true });
	assertWhole(events(), answer);
	const [start, ...deltas] = events().filter(({ type }) => type.startsWith("tool_call_"));
	assert.deepEqual([start.type, start.id, start.name], ["tool_call_start", "call_1", "clock"]);
	assert.equal(deltas.map(({ text }) => text).join(""), answer.tool_calls[0].function.arguments);
});

test("what an answer says of calls goes straight back, and nothing where it says none", () => {
	const plain = { response: "Hi.", reasoning: "Hm.", status: "completed" };
	assert.deepEqual(assistantMessage(plain), { role: "assistant", content: "Hi." });
	assert.deepEqual(assistantMessage({ ...plain, tool_calls: [], continuation: null }), assistantMessage(plain));
	const called = { tool_calls: [{ id: "c" }], continuation: "signed" };
	assert.deepEqual(assistantMessage({ ...plain, ...called }), { role: "assistant", content: "Hi.", ...called });
});

test("without tools nothing is told of calls", async (t) => {
	const { manager: client, events } = manager(t);
	await client.connect();
	const answer = await client.chat("hello");
	for (const message of [answer, ...events()]) assert.ok(!("tool_calls" in message) && !("continuation" in message));
});

test("a provider that fails rejects with a sentence and what had arrived", async (t) => {
	const { manager: client, events } = manager(t);
	await client.connect();
	const failed = client.chat(script({ reasoning: "Hm." }, { text: "half" }, { error: "boom" }));
	const error = await failed.then(assert.fail, (reason) => reason);
	assert.ok(error instanceof ApiError);
	assert.deepEqual([error.status, error.code, error.retryable], [502, "provider_unavailable", true]);
	assert.match(error.message, /scripted.*\.$/);
	assert.equal(error.answer.response, "half");
	assertWhole(events(), error.answer);
	const again = manager(t).manager.resume(error.answer.request_id);
	await assert.rejects(again, (reason) => reason.code === "provider_unavailable" && reason.answer.response === "half");
});

test("a provider's limit says when to come back", async (t) => {
	const { manager: client } = manager(t);
	const failed = client.chat(script({ status: 429, headers: { "retry-after": "7" } }));
	await assert.rejects(failed, (error) => error.code === "rate_limited" && error.retryAfter === 7 && error.retryable);
});

test("a refused field is named, and gives no event", async (t) => {
	const { manager: client, heard } = manager(t);
	await client.connect();
	const refused = client.chat("hello", { mode: "no such mode" });
	await assert.rejects(refused, (error) => error.status === 417 && error.code === "invalid_request" && error.answer === null);
	assert.deepEqual(heard, []);
});

test("a cancel gives what had arrived, however early it comes", async (t) => {
	const { manager: client, events } = manager(t);
	await client.connect();
	const id = unique("request");
	const text = next(client, "text");
	const chat = client.chat(script({ text: "So" }, { hang: true }), { request_id: id });
	await text;
	await client.cancel(id);
	const answer = await chat;
	assert.deepEqual([answer.status, answer.finish_reason, answer.response], ["cancelled", "cancelled", "So"]);
	assertWhole(events(), answer);
	await client.cancel(id);

	const early = unique("request");
	const chats = [client.chat(script({ headers_after: "never" }), { request_id: early }), client.cancel(early)];
	assert.equal((await Promise.all(chats))[0].status, "cancelled");
});

test("a request goes on in another window, from the beginning or from where it was", async (t) => {
	const { manager: client } = manager(t);
	const gate = unique("gate");
	const id = unique("request");
	const first = next(client, "text");
	const chat = client.chat(script({ reasoning: "Hm." }, { text: "one" }, { gate }, { text: "two" }), { request_id: id });
	await first;
	const all = manager(t);
	await all.manager.connect();
	const some = manager(t);
	const [resumed, rest] = [all.manager.resume(id), some.manager.resume(id, 2)];
	await next(all.manager, "text");
	await openGate(gate);
	const answer = await chat;
	assert.deepEqual([await resumed, await rest], [answer, answer]);
	assertWhole(all.events(), answer);
	assert.deepEqual(some.events().map((event) => event.seq), [3, 4, 5]);
	assert.deepEqual(await some.manager.resume(id, answer.realtime.last_seq), answer);
});

test("what nobody asked cannot be resumed", async (t) => {
	const { manager: client } = manager(t);
	await assert.rejects(client.resume(unique("request")), (error) => error.status === 404 && error.code === "not_found");
});

test("the same request again gives the same answer and asks nobody", async (t) => {
	const { manager: client } = manager(t);
	const marker = unique("marker");
	const fields = { request_id: unique("request") };
	const first = await client.chat(script({ text: marker }), fields);
	assert.deepEqual(await client.chat(script({ text: marker }), fields), first);
	assert.equal(await count(marker), 1);
	await assert.rejects(client.chat("another", fields), (error) => error.status === 409 && error.code === "conflict");
});

test("two chats at once do not mix, and one listener's mistake costs the other nothing", async (t) => {
	const { manager: client, events } = manager(t);
	await client.connect();
	t.mock.method(console, "error", () => {});
	client.on("text", () => {
		throw new Error("a mistake");
	});
	const chats = [client.chat(script({ text: "one" })), client.chat(script({ text: "two" }))];
	for (const [answer, expected] of (await Promise.all(chats)).map((answer, n) => [answer, ["one", "two"][n]])) {
		assert.equal(answer.response, expected);
		assertWhole(events().filter((event) => event.request_id === answer.request_id), answer);
	}
	assert.equal(console.error.mock.callCount(), 2);
});

test("with debug the lines that operators look for are printed", async (t) => {
	const lines = [];
	t.mock.method(console, "log", (line) => lines.push(line));
	const { manager: client } = manager(t, { debug: true });
	await client.connect();
	await client.chat("hello");
	t.mock.restoreAll();
	assert.equal(lines[0], "✅ [RealtimeManager] Connected to realtime server");
	assert.equal(lines[1], `🆔 [RealtimeManager] Socket ID: ${client.socket.id}`);
	assert.equal(lines[2], "🔥🔥🔥 [RealtimeManager] ========== AI_PROGRESS EVENT RECEIVED ==========");
	assert.equal(lines[3], "📊 [RealtimeManager] Event type: reasoning");
	assert.match(lines[4], /^📊 \[RealtimeManager\] Full data: \{.*"seq":1.*\}$/);
	assert.ok(lines.includes("📊 [RealtimeManager] Event type: completion"));
});

test("a decision on a call that no request waits for is refused", async (t) => {
	const { manager: client } = manager(t);
	const decision = client.approve("no-such-request", "0".repeat(16), true);
	await assert.rejects(decision, (error) => error instanceof ApiError && error.code === "not_found");
	const { request_id } = await client.chat("hello");
	const late = client.approve(request_id, "0".repeat(16), true);
	await assert.rejects(late, (error) => error instanceof ApiError && error.code === "conflict");
});
