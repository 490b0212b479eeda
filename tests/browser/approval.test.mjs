// The question before a tool that writes, on the page in a real Chromium.
import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, ask, finished, open } from "./support.mjs";

/** Asks a model that wants to add a page, and then says `text`. Resolves with the question that the page shows. */
async function asked(page, title, text) {
	const call = { call: 0, id: "call_1", name: "wiki__add_page", arguments: JSON.stringify({ text: title }) };
	await ask(page, { turn: [call] }, { turn: [{ text }] });
	const box = page.getByRole("alertdialog", { name: "Approval" });
	await box.waitFor();
	assert.match(await box.locator("p").textContent(), /wiki__add_page\. It may change data/);
	assert.deepEqual(JSON.parse(await box.locator("pre").textContent()), { text: title });
	return box;
}

test("a call that the user approves by its button runs, and the model goes on", async (t) => {
	const page = await open(t);
	const box = await asked(page, "whales", "It is written.");
	await page.screenshot({ path: "build/page/approval.png" });
	await box.getByRole("button", { name: "Approve" }).click();
	await finished(page);
	await box.waitFor({ state: "detached" });
	const call = answer(page).locator(".call.of-site");
	assert.match(await call.locator("summary").textContent(), /wiki__add_page – done/);
	assert.match(await call.locator("pre").last().textContent(), /page 1/);
	assert.match(await answer(page).locator(".answer").textContent(), /It is written\./);
	assert.deepEqual(page.errors, []);
});

test("a call that the user refuses by its button does not run, and the model is told", async (t) => {
	const page = await open(t);
	const box = await asked(page, "sharks", "I leave it.");
	await box.getByRole("button", { name: "Refuse" }).click();
	await finished(page);
	await box.waitFor({ state: "detached" });
	const call = answer(page).locator(".call.of-site");
	assert.match(await call.locator("summary").textContent(), /wiki__add_page – not approved/);
	assert.match(await answer(page).locator(".answer").textContent(), /I leave it\./);
	assert.deepEqual(page.errors, []);
});
