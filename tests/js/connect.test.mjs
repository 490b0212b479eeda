// The configurations of the page /ai-assistant/connect, and its test request.
import assert from "node:assert/strict";
import { test } from "node:test";

import { configurations } from "../../ai_assistant/public/js/connect/configurations.js";
import { testRequest } from "../../ai_assistant/public/js/connect/test_request.js";
import { site } from "./support.mjs";

const base = "https://site.example/api/method/ai_assistant.v1";
const key = "aik-secret";
const known = { context_window: 200000, max_output_tokens: 8000, vision: false, tools: false, efforts: ["none"] };
const models = [{ id: "fast", ...known }, { id: "it's \"odd\"" }];
const texts = configurations({ base, key, model: "fast", models });

test("each configuration has the address, the key and the model", () => {
	for (const [client, text] of Object.entries(texts)) {
		for (const part of [base, key, "fast"]) assert.ok(text.includes(part), `${client}: ${part}`);
	}
});

test("VS Code gets all models with their limits, and the key as a header", () => {
	const [{ vendor, models: listed }] = JSON.parse(texts.vscode);
	assert.equal(vendor, "customendpoint");
	assert.deepEqual(
		listed.map(({ id, url, maxInputTokens, maxOutputTokens }) => [id, url, maxInputTokens, maxOutputTokens]),
		[
			["fast", `${base}/chat/completions`, 200000, 8000],
			["it's \"odd\"", `${base}/chat/completions`, 128000, 16000],
		],
	);
	const abilities = listed.map(({ toolCalling, vision, thinking }) => [toolCalling, vision, thinking]);
	assert.deepEqual(abilities, [[false, false, false], [true, true, true]]);
	assert.equal(listed[0].requestHeaders.Authorization, `Bearer ${key}`);
});

test("Continue gets what each model can do", () => {
	const abilities = [...texts.continue.matchAll(/capabilities: (\[.*\])/g)].map(([, list]) => list);
	assert.deepEqual(abilities, ["[]", "[tool_use]"]);
});

test("opencode gets an object that it can parse", () => {
	const { provider, model } = JSON.parse(texts.opencode);
	assert.equal(model, "frappe/fast");
	assert.equal(provider.frappe.options.baseURL, base);
	assert.deepEqual(Object.keys(provider.frappe.models), models.map(({ id }) => id));
	assert.equal(provider.frappe.models.fast.limit.context, 200000);
});

test("names that are odd are quoted", () => {
	const odd = configurations({ base, key, model: "it's \"odd\"", models });
	assert.ok(odd.aider.endsWith(`aider --model 'openai/it'\\''s "odd"'`), odd.aider);
	assert.ok(odd.codex.startsWith('model = "it\'s \\"odd\\""'), odd.codex);
	assert.ok(odd.continue.includes('model: "it\'s \\"odd\\""'), odd.continue);
});

test("without a list of models the chosen one is in the configuration", () => {
	const [{ models: listed }] = JSON.parse(configurations({ base, key, model: "m", models: [] }).vscode);
	assert.deepEqual(listed.map(({ id }) => id), ["m"]);
});

test("a test without a valid key says what the site answers, for each API", async () => {
	for (const api of ["chat", "responses", "messages"]) {
		const url = `${site.url}/api/method/ai_assistant.v1`;
		const result = await testRequest({ api, base: url, key: "aik-unknown", model: "scripted" });
		assert.equal(result.status, 401, JSON.stringify(result));
		assert.equal(result.ok, false);
		assert.ok(result.text.length > 10, result.text);
	}
});

test("a test reads the answer of each API, and sends the key as its clients do", async (t) => {
	const answers = {
		chat: { choices: [{ message: { content: "hello" } }] },
		responses: { output: [{ type: "reasoning" }, { type: "message", content: [{ text: "hello" }] }] },
		messages: { content: [{ type: "thinking" }, { type: "text", text: "hello" }] },
	};
	const sent = [];
	for (const [api, answer] of Object.entries(answers)) {
		const fetched = t.mock.method(globalThis, "fetch", async (url, options) => {
			sent.push([url, options]);
			return Response.json(answer);
		});
		assert.deepEqual(await testRequest({ api, base, key, model: "fast" }), { ok: true, status: 200, text: "hello" });
		fetched.mock.restore();
	}
	assert.deepEqual(sent.map(([url]) => url.replace(base, "")), ["/chat/completions", "/responses", "/messages"]);
	assert.deepEqual(
		sent.map(([, { headers }]) => headers.Authorization ?? headers["x-api-key"]),
		[`Bearer ${key}`, `Bearer ${key}`, key],
	);
	for (const [, { credentials, body }] of sent) {
		assert.equal(credentials, "omit");
		assert.equal(JSON.parse(body).model, "fast");
	}
});

test("a test of a site that is away says so", async () => {
	const result = await testRequest({ api: "chat", base: "http://127.0.0.1:9", key, model: "fast" });
	assert.deepEqual([result.ok, result.status], [false, 0]);
	assert.ok(result.text);
});
