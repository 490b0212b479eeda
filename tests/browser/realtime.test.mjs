// The page in a real Chromium, whose socket breaks, brings nothing or does not connect.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Wire, openGate, progressIn, unique } from "../js/support.mjs";
import { answer, ask, finished, open, openOverWire, says } from "./support.mjs";

test("a socket dropped in the middle costs nothing, and its events are in the panel", async (t) => {
	const { wire, page } = await openOverWire(t);
	await page.click("#events-toggle");
	await says(page, ".state", "Connected");
	const [away, back] = [unique("gate"), unique("gate")];
	await ask(page, { text: "one" }, { gate: away }, { text: " two" }, { gate: back }, { text: " three" });
	await says(page, ".turn .block", "one");
	wire.refuse = true;
	wire.cut();
	await says(page, ".state", "No socket");
	await openGate(away);
	await says(page, ".turn .block", "one two");
	wire.refuse = false;
	await says(page, ".state", "Connected");
	await openGate(back);
	await finished(page);
	assert.match(await page.locator(".answer > .words").textContent(), /^one two three/);
	const kinds = await page.locator(".events .kind").allTextContents();
	assert.deepEqual(kinds.filter((kind) => ["reasoning", "text", "completion"].includes(kind)), [
		"reasoning",
		"text",
		"text",
		"text",
		"completion",
	]);
	assert.equal(await page.locator(".track i.text").count(), 3);
	await page.click(".events li:first-child summary");
	assert.equal(JSON.parse(await page.textContent(".events li:first-child pre")).seq, 1);
});

test("where the realtime server brings nothing, as when its Redis is down, the page streams all the same", async (t) => {
	const { wire, page } = await openOverWire(t);
	wire.onFrame = (text, pass) => progressIn(text) || pass();
	const gate = unique("gate");
	await ask(page, { reasoning: "Hm." }, { text: "So it is" }, { repeat: 25, text: ".", every: 0.1 }, { gate }, { text: "!" });
	await says(page, ".turn .block", "So it is");
	await openGate(gate);
	await finished(page);
	assert.match(await page.locator(".answer > .words").textContent(), /^So it is\.{25}!/);
});

const redis = Number(process.env.REDIS_PID);

test("with Redis frozen the page streams all the same", { skip: !redis && "only a bench has Redis" }, async (t) => {
	const page = await open(t);
	await page.click("#events-toggle");
	await says(page, ".state", "Connected");
	const [frozen, gate] = [unique("gate"), unique("gate")];
	await ask(page, { reasoning: "Hm." }, { gate: frozen }, { repeat: 40, text: ".", every: 0.1 }, { gate }, { text: "!" });
	await says(page, ".thinking .words", "Hm.");
	process.kill(redis, "SIGSTOP");
	try {
		await openGate(frozen);
		await says(page, ".turn .block", "....");
		await openGate(gate);
		await finished(page);
	} finally {
		process.kill(redis, "SIGCONT");
	}
	assert.match(await page.locator(".answer > .words").textContent(), /^\.{40}!/);
});

test("without any socket the page streams from the journal", async (t) => {
	const wire = await Wire.over(t);
	wire.refuse = true;
	const page = await open(t, { wire });
	const gate = unique("gate");
	await ask(page, { reasoning: "Hm." }, { text: "one" }, { gate }, { text: " two" });
	await says(page, ".turn .block", "one");
	await openGate(gate);
	await finished(page);
	assert.match(await page.locator(".answer > .words").textContent(), /^one two/);
});
