// The page /ai-assistant/connect in a real Chromium.
import assert from "node:assert/strict";
import { test } from "node:test";

import { site } from "../js/support.mjs";
import { context, logIn, says } from "./support.mjs";

const CONNECT = "/ai-assistant/connect";

async function open(t, user, password) {
	const own = await context(t);
	await logIn(own, site.url, user, password);
	const page = await own.newPage();
	page.errors = [];
	page.on("pageerror", (error) => page.errors.push(String(error)));
	page.on("console", (line) => /Content Security Policy|Refused/.test(line.text()) && page.errors.push(line.text()));
	const response = await page.goto(site.url + CONNECT);
	return { page, status: response.status() };
}

test("a guest is sent to the login", async (t) => {
	const page = await (await context(t)).newPage();
	await page.goto(site.url + CONNECT);
	assert.match(page.url(), /\/login\?redirect-to=\/ai-assistant\/connect(#login)?$/);
});

test("a user without the role is told which one is needed", async (t) => {
	const { page, status } = await open(t, process.env.THIRD_LOGIN, process.env.THIRD_PASSWORD);
	assert.equal(status, 403);
	await says(page, "#refusal", "it needs the role AI Assistant User");
});

test("the page shows each configuration with this site's address, a model and the key", async (t) => {
	const { page, status } = await open(t, site.user, site.password);
	assert.equal(status, 200);
	await page.waitForSelector("#model option", { state: "attached" });
	if (await page.locator("#make").count()) {
		await page.click("#make button");
		await page.waitForSelector("#made:visible");
		assert.match(await page.inputValue("#key"), /^aik-[\w-]{43}$/);
	} else {
		await page.fill("#key", process.env.AI_KEY);
	}
	const key = await page.inputValue("#key");
	const model = await page.inputValue("#model");
	const base = `${site.url}/api/method/ai_assistant.v1`;
	const texts = await page.locator("[data-client] pre").allTextContents();
	assert.ok(texts.length >= 12);
	for (const text of texts) for (const part of [base, key, model]) assert.ok(text.includes(part), text);

	for (const name of ["vscode", "codex", "claude"]) {
		const client = page.locator(`[data-client="${name}"]`);
		await client.locator("button.test").click();
		await client.locator("output.good, output.bad").waitFor();
		assert.match(await client.locator("output").textContent(), /^HTTP 200, .* s: \S/, name);
	}
	await page.fill("#key", "aik-unknown");
	const client = page.locator('[data-client="aider"]');
	await client.locator("button.test").click();
	await client.locator("output.bad").waitFor();
	// Frappe 16 runs `after_request` for this refusal too, which gives it the API's own sentence.
	assert.match(await client.locator("output").textContent(), /^HTTP 401, .* s: (This AI Key is not known|The API key is not valid)/);
	assert.deepEqual(page.errors, []);
});
