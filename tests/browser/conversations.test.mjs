// The conversations that the site keeps, on the page in a real Chromium.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { script, unique } from "../js/support.mjs";
import { answer, ask, finished, open, says } from "./support.mjs";

const entries = (page) => page.locator("#history-list li");
const entry = (page, title) => entries(page).filter({ hasText: title });

/** Opens the list, and waits until it shows what the site has. */
async function openList(page) {
	const loaded = page.waitForResponse((response) => response.url().includes("conversations.get_list"));
	await page.click("#history-toggle");
	await loaded;
}

/** Presses a button of an entry. */
async function press(page, title, label) {
	await entry(page, title).hover();
	await entry(page, title).getByRole("button", { name: `${label}: ` }).click();
}

test("a conversation goes on in another browser, is found, renamed, exported and deleted", async (t) => {
	const page = await open(t);
	const [word, title] = [unique("whale"), unique("title")];
	await page.fill("#prompt", `What is a ${word}?`);
	await page.press("#prompt", "Enter");
	await finished(page);
	const asked = await page.evaluate(() => JSON.parse(sessionStorage.getItem("ai-assistant-conversation")));

	const other = await open(t);
	await openList(other);
	await other.fill("#history-search", word);
	await other.waitForFunction(() => document.querySelectorAll("#history-list li").length === 1);
	other.once("dialog", (dialog) => dialog.accept(title));
	await entries(other).hover();
	await entries(other).getByRole("button", { name: "Rename: " }).click();
	await entry(other, title).waitFor();

	// It goes on in the other browser, with the earlier messages and the same task.
	await entry(other, title).locator(".open").click();
	await says(other, ".turn .question", word);
	assert.match(await answer(other).locator(".answer > .words").textContent(), /Hello there\./);
	await other.fill("#prompt", script({ wants: [{ text: "Hello there." }] }, { text: "It goes on." }));
	await other.press("#prompt", "Enter");
	await finished(other);
	const continued = await other.evaluate(() => JSON.parse(sessionStorage.getItem("ai-assistant-conversation")));
	assert.equal(continued.task_id, asked.task_id);
	assert.equal(continued.turns.length, 2);
	await other.screenshot({ path: "build/page/conversations.png" });

	const downloads = {};
	for (const label of ["Markdown", "JSON"]) {
		const [download] = await Promise.all([other.waitForEvent("download"), press(other, title, label)]);
		downloads[label] = [download.suggestedFilename(), await readFile(await download.path(), "utf8")];
	}
	const [name, markdown] = downloads.Markdown;
	assert.match(name, /^title.*\.md$/);
	assert.ok(markdown.startsWith(`# ${title}\n\n## You asked\n\nWhat is a ${word}?\n\n## Answer (scripted)\n\nHello there.`));
	const json = JSON.parse(downloads.JSON[1]);
	assert.deepEqual([json.task_id, json.title, json.turns.length], [asked.task_id, title, 2]);
	assert.equal(json.turns[0].messages[0].content, `What is a ${word}?`);

	// The first browser shows what was added, after it has opened the conversation again.
	await openList(page);
	await page.fill("#history-search", title);
	await page.waitForFunction(() => document.querySelectorAll("#history-list li").length === 1);
	await entry(page, title).locator(".open").click();
	await page.waitForFunction(() => document.querySelectorAll(".turn").length === 2);

	page.once("dialog", (dialog) => dialog.accept());
	await press(page, title, "Delete");
	await page.waitForFunction(() => !document.querySelectorAll("#history-list li").length);
	await page.locator("#history-empty:visible").waitFor();
	assert.equal(await page.locator(".turn").count(), 0);
	assert.deepEqual([...page.errors, ...other.errors], []);
});

test("the list fills a narrow page, and closes", async (t) => {
	const page = await open(t, { viewport: { width: 360, height: 640 } });
	await openList(page);
	const box = await page.locator("#history").boundingBox();
	assert.deepEqual([box.x, box.width], [0, 360]);
	await page.click("#history-close");
	await page.locator("#history").waitFor({ state: "hidden" });
	assert.equal(await page.getAttribute("#history-toggle", "aria-expanded"), "false");
});
