// Shared by the JavaScript tests: the site of test_javascript.py, its provider, and a connection that can be cut.
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import net from "node:net";

import { RealtimeManager } from "../../ai_assistant/public/js/realtime_manager.js";

const named = (name) => process.env[name] ?? fail(`${name} is not set: run this by pytest`);
const fail = (sentence) => {
	throw new Error(sentence);
};

export const site = {
	url: named("URL"),
	socketUrl: named("SOCKETIO_URL"),
	name: named("SITE"),
	user: named("LOGIN"),
	password: named("PASSWORD"),
	token: named("TOKEN"),
};

/** A user message that makes the scripted provider play these steps. */
export const script = (...steps) => JSON.stringify(steps);
export const unique = (prefix = "id") => `${prefix}-${randomUUID()}`;
export const openGate = (name) => fetch(`${named("PROVIDER")}/open/${name}`);
export const count = async (marker) => (await fetch(`${named("PROVIDER")}/count/${marker}`)).json();

/** The sid of a new login. */
export async function logIn(url = site.url) {
	const body = new URLSearchParams({ usr: site.user, pwd: site.password });
	const response = await fetch(`${url}/api/method/login`, { method: "POST", body });
	return response.headers
		.getSetCookie()
		.map((cookie) => /^sid=([^;]+)/.exec(cookie)?.[1])
		.find(Boolean);
}

/** A manager that is closed with the test, and all that it told. */
export function manager(test, options = {}) {
	const made = new RealtimeManager({
		url: site.url,
		site: site.name,
		socketUrl: site.socketUrl,
		token: site.token,
		...options,
	});
	test.after(() => made.close());
	const heard = [];
	const numbered = ["reasoning", "text", "tool_call_start", "tool_call_delta", "tool_call", "completion"];
	for (const name of [...numbered, "status", "gap", "reconnect", "disconnect"]) {
		made.on(name, (event) => heard.push([name, event]));
	}
	const events = () => heard.filter(([name]) => numbered.includes(name)).map(([, event]) => event);
	return { manager: made, heard, events };
}

/** A tool as a client offers it, and the step by which the scripted model calls it. */
export const CLOCK = {
	type: "function",
	function: { name: "clock", parameters: { type: "object", properties: { zone: { type: "string" } } } },
};
export const callOf = (args, id = "call_1") => ({ call: 0, id, name: "clock", arguments: args });

/** Resolves with the first event of that name which passes. */
export const next = (manager, name, passes = () => true) =>
	new Promise((resolve) => {
		const off = manager.on(name, (event) => passes(event) && (off(), resolve(event)));
	});

/**
 * A wire between the clients and the site. `refuse` keeps new sockets out, `cut()` breaks the open ones, and
 * `onFrame(text, pass)` decides about each message of the realtime server. REST goes through as it is, until all is
 * `unplugged()`; where the realtime server has a port of its own, only what goes there.
 */
export class Wire {
	refuse = false;
	onFrame = (_text, pass) => pass();
	#sockets = new Set();
	#connections = new Set();
	#plugged = true;

	static async over(test) {
		const wire = new Wire();
		const oneServer = site.url === site.socketUrl;
		const target = new URL(site.socketUrl);
		const server = net.createServer((client) => wire.#join(client, target));
		await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
		test.after(() => {
			wire.cut();
			server.close();
		});
		wire.socketUrl = `http://${target.hostname}:${server.address().port}`;
		// The standalone site wants the Origin to be its own address, port included.
		wire.url = oneServer ? wire.socketUrl : site.url;
		return wire;
	}

	get options() {
		return { url: this.url, socketUrl: this.socketUrl };
	}

	unplugged() {
		this.#plugged = false;
		for (const connection of this.#connections) connection.destroy();
	}

	plugged() {
		this.#plugged = true;
	}

	cut() {
		for (const socket of this.#sockets) socket.destroy();
	}

	#join(client, target) {
		client.on("error", () => {});
		if (!this.#plugged) return void client.destroy();
		this.#connections.add(client);
		client.on("close", () => this.#connections.delete(client));
		client.once("data", (first) => {
			const realtime = first.includes("/socket.io/");
			if (realtime && this.refuse) return client.destroy();
			const server = net.connect(Number(target.port || 80), target.hostname);
			server.on("error", () => {});
			server.on("close", () => client.destroy());
			client.on("close", () => server.destroy());
			// A server that may compress its frames hides the text from `onFrame`.
			const plain = first.toString("latin1").replace(/^Sec-WebSocket-Extensions:.*\r\n/im, "");
			server.write(realtime ? Buffer.from(plain, "latin1") : first);
			client.pipe(server);
			if (!realtime) return void server.pipe(client);
			this.#sockets.add(client);
			client.on("close", () => this.#sockets.delete(client));
			this.#passFrames(server, client);
		});
	}

	// RFC 6455, section 5.2: what a server sends is not masked, and a short message is one frame.
	#passFrames(server, client) {
		let rest = Buffer.alloc(0);
		let upgraded = false;
		server.on("data", (data) => {
			rest = Buffer.concat([rest, data]);
			if (!upgraded) {
				const end = rest.indexOf("\r\n\r\n");
				if (end < 0) return;
				client.write(rest.subarray(0, end + 4));
				rest = rest.subarray(end + 4);
				upgraded = true;
			}
			for (let frame; (frame = frameOf(rest)); ) {
				rest = rest.subarray(frame.bytes.length);
				this.onFrame(frame.text, () => client.write(frame.bytes));
			}
		});
	}
}

function frameOf(data) {
	if (data.length < 2) return null;
	let length = data[1] & 127;
	let start = 2;
	if (length === 126) [length, start] = data.length < 4 ? [Infinity, 4] : [data.readUInt16BE(2), 4];
	else if (length === 127) [length, start] = data.length < 10 ? [Infinity, 10] : [Number(data.readBigUInt64BE(2)), 10];
	if (data.length < start + length) return null;
	const bytes = Buffer.from(data.subarray(0, start + length));
	return { bytes, text: bytes.subarray(start).toString() };
}

/** The `ai_progress` in a message of the realtime server, null where it is something else. */
export function progressIn(text) {
	const match = /^42[^,]*,(\["ai_progress".*)$/s.exec(text);
	return match && JSON.parse(match[1])[1];
}

export const STEPS = Array.from({ length: 10 }, () => [{ reasoning: "so " }, { text: "word " }]).flat();

/** What the contract promises of the events beside the answer. */
export function assertWhole(events, answer) {
	assert.deepEqual(
		events.map((event) => event.seq),
		events.map((_, index) => index + 1),
	);
	const joined = (type) => events.filter((event) => event.type === type).map((event) => event.text).join("");
	assert.equal(joined("reasoning"), answer.reasoning);
	assert.equal(joined("text"), answer.response);
	assert.deepEqual([events[0].type, events[0].text], ["reasoning", ""]);
	const end = events.at(-1);
	assert.equal(end.type, "completion");
	assert.equal(end.status, answer.status);
	assert.equal(end.text_length, [...answer.response].length);
	assert.equal(end.text_sha256, createHash("sha256").update(answer.response).digest("hex"));
	assert.equal(answer.realtime.last_seq, events.length);
}
