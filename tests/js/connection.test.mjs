// RealtimeManager in Node, whose socket or POST breaks, loses events or is refused.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { RealtimeManager } from "../../ai_assistant/public/js/realtime_manager.js";
import { STEPS, Wire, assertWhole, manager, next, openGate, progressIn, script, site, unique } from "./support.mjs";

// Each of these waits for something that does not come.
describe("a socket", { concurrency: 3 }, () => {
	for (const [fault, onFrame] of Object.entries({
		"loses every second event": (event, pass) => event?.seq % 2 === 0 || pass(),
		"loses the first event": (event, pass) => event?.seq === 1 || pass(),
		"loses the completion": (event, pass) => event?.type === "completion" || pass(),
		"loses all": (event, pass) => event || pass(),
		"repeats all": (event, pass) => (pass(), event && pass()),
		"brings them in threes, the last one first": (() => {
			const held = [];
			return (event, pass) => {
				held.unshift(pass);
				if (event?.seq % 3 && event.type !== "completion") return;
				for (const release of held.splice(0)) release();
			};
		})(),
	})) {
		test(`that ${fault} is made good`, async (t) => {
			const wire = await Wire.over(t);
			wire.onFrame = (text, pass) => onFrame(progressIn(text), pass);
			const { manager: client, events, heard } = manager(t, wire.options);
			assert.equal(await client.connect(), true);
			const answer = await client.chat(script(...STEPS));
			assert.equal(answer.response, "word ".repeat(10));
			assertWhole(events(), answer);
			assert.equal(heard.some(([name]) => name === "gap"), fault.startsWith("loses"));
		});
	}

	test("with a gap is filled from the journal while the provider still writes", async (t) => {
		const wire = await Wire.over(t);
		wire.onFrame = (text, pass) => progressIn(text)?.seq === 2 || pass();
		const { manager: client, heard } = manager(t, wire.options);
		await client.connect();
		const gate = unique("gate");
		const text = next(client, "text", (event) => event.text === "two");
		const chat = client.chat(script({ reasoning: "one" }, { text: "two" }, { gate }, { text: "three" }));
		await text;
		assert.deepEqual(heard.map(([name, event]) => [name, event.from ?? event.seq]).slice(0, 4), [
			["reasoning", 1],
			["gap", 2],
			["reasoning", 2],
			["text", 3],
		]);
		await openGate(gate);
		assert.equal((await chat).response, "twothree");
	});

	test("that loses an event without a gap is made good by the next status", async (t) => {
		const wire = await Wire.over(t);
		wire.onFrame = (text, pass) => progressIn(text)?.seq === 2 || pass();
		const { manager: client } = manager(t, wire.options);
		await client.connect();
		const [gate, id] = [unique("gate"), unique("request")];
		const first = next(client, "reasoning", (event) => event.seq === 1);
		const lost = next(client, "reasoning", (event) => event.seq === 2);
		const chat = client.chat(script({ reasoning: "one" }, { gate }, { text: "two" }), { request_id: id });
		await first;
		// As the site sends it every three seconds.
		for (const listener of client.socket.listeners("ai_status")) listener({ request_id: id, last_seq: 2 });
		assert.equal((await lost).text, "one");
		await openGate(gate);
		assert.equal((await chat).response, "two");
	});

	test("that falls silent is not waited for", async (t) => {
		const wire = await Wire.over(t);
		const { manager: client } = manager(t, wire.options);
		await client.connect();
		wire.onFrame = () => {};
		const id = unique("request");
		// The pieces keep coming, and none of them gets here.
		const chat = client.chat(script({ repeat: 70, reasoning: "so ", every: 0.1 }), { request_id: id });
		assert.equal((await next(client, "reasoning", (event) => event.seq > 1)).text.slice(0, 3), "so ");
		await client.cancel(id);
		assert.equal((await chat).status, "cancelled");
	});

	test("that drops in the middle loses nothing, and comes back", async (t) => {
		const wire = await Wire.over(t);
		const { manager: client, events, heard } = manager(t, wire.options);
		await client.connect();
		const [away, back] = [unique("gate"), unique("gate")];
		const first = next(client, "text", (event) => event.text === "one");
		const chat = client.chat(script({ text: "one" }, { gate: away }, { text: "two" }, { gate: back }, { text: "three" }));
		await first;
		wire.refuse = true;
		const gone = next(client, "disconnect");
		const second = next(client, "text", (event) => event.text === "two");
		wire.cut();
		await gone;
		await openGate(away);
		// By the journal: there is no socket.
		await second;
		assert.equal(client.connected, false);
		const returned = next(client, "reconnect");
		wire.refuse = false;
		await returned;
		await openGate(back);
		const answer = await chat;
		assert.equal(answer.response, "onetwothree");
		assertWhole(events(), answer);
		assert.equal(heard.filter(([name]) => name === "reconnect").length, 1);
	});
});

test("a second connect() leaves one socket, also where the first was about to come back", async (t) => {
	const { manager: client } = manager(t);
	const refused = client.connect();
	assert.deepEqual([await client.connect(), await refused], [true, false]);
	const first = client.socket;
	const real = globalThis.setTimeout;
	t.after(() => (globalThis.setTimeout = real));
	let comeBack;
	globalThis.setTimeout = (call, ms, ...args) => (ms === 5000 ? (comeBack = call) : real(call, ms, ...args));
	first.disconnect();
	first.emitReserved("connect_error", new Error("restarting"));
	assert.equal(await client.connect(), true);
	comeBack();
	assert.deepEqual([first.active, client.connected], [false, true]);

	client.close();
	assert.deepEqual([await client.connect(), client.connected], [true, true]);
});

test("without any socket the chat streams all the same", async (t) => {
	const wire = await Wire.over(t);
	wire.refuse = true;
	const { manager: client, events } = manager(t, wire.options);
	assert.equal(await client.connect(), false);
	const gate = unique("gate");
	const first = next(client, "text");
	const chat = client.chat(script({ reasoning: "Hm." }, { text: "one" }, { gate }, { text: "two" }));
	await first;
	await openGate(gate);
	const answer = await chat;
	assert.equal(answer.response, "onetwo");
	assertWhole(events(), answer);
});

test("a socket that the server refuses says why, and the chat streams without it", async (t) => {
	const { manager: client } = manager(t, { site: "no-such-site" });
	assert.equal(await client.connect(), false);
	assert.match(client.refusal, /Invalid namespace|Invalid origin/);
	assert.equal((await client.chat("hello")).response, "Hello there.");
});

test("a POST whose connection breaks is read back", async (t) => {
	const { manager: client, events } = manager(t);
	await client.connect();
	const real = globalThis.fetch;
	t.after(() => (globalThis.fetch = real));
	const hangUp = new AbortController();
	globalThis.fetch = (url, options) =>
		real(url, String(url).includes("chat_completion") ? { ...options, signal: hangUp.signal } : options);
	const gate = unique("gate");
	const first = next(client, "text");
	const chat = client.chat(script({ text: "So " }, { gate }, { text: "it is." }));
	await first;
	hangUp.abort();
	await openGate(gate);
	const answer = await chat;
	assert.equal(answer.response, "So it is.");
	assertWhole(events(), answer);
});

test("a site that nobody answers for is said by the one who asked", async (t) => {
	const client = new RealtimeManager({ url: "http://127.0.0.1:9", token: "a:b" });
	// The two minutes in which it might come back are not waited for here.
	const real = Date.now;
	let past = 0;
	t.mock.method(Date, "now", () => real() + past);
	const ask = globalThis.fetch;
	t.mock.method(globalThis, "fetch", (...args) => {
		past += 20_000;
		return ask(...args);
	});
	await assert.rejects(client.chat("hello"), { message: "fetch failed" });
});
