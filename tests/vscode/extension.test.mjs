// The example extension: its view, its key, and the site's models in VS Code's own Chat.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { openEditor, runCommand } from "./vscode.mjs";

const { PROVIDER, TOKEN, SHOTS } = process.env;
const open = (gate) => fetch(`${PROVIDER}/open/${gate}`);

let context, page, view;
before(async () => {
	({ context, page } = await openEditor());
	view = page.frameLocator("iframe.webview").frameLocator("iframe");
});
after(() => context?.close());

async function enter(text) {
	const input = page.locator(".quick-input-widget input").first();
	await input.waitFor();
	await input.fill(text);
	await page.keyboard.press("Enter");
}

test("the key is kept, and the view shows the thinking and the answer", async () => {
	await runCommand(page, "AI Assistant: Set API Key");
	await enter(TOKEN);
	await runCommand(page, "AI Assistant: Ask");
	const steps = [{ reasoning: "Let me see." }, { gate: "extension-thought" }, { text: "A keeper " }, { text: "of lamps." }];
	await enter(JSON.stringify(steps));
	await view.locator("#thinking", { hasText: /💡 Thinking \d+s/ }).waitFor({ timeout: 30_000 });
	await view.locator("#reasoning", { hasText: "Let me see." }).waitFor();
	await page.screenshot({ path: `${SHOTS}/extension-thinking.png` });
	await open("extension-thought");
	await view.locator("#note", { hasText: "tokens" }).waitFor({ timeout: 30_000 });
	assert.equal(await view.locator("#answer").innerText(), "A keeper of lamps.");
	assert.equal(await view.locator("#thinking").innerText(), "");
});

test("the site's models are in the list of language models", async () => {
	await runCommand(page, "Chat: Manage Language Models");
	for (const model of ["scripted", "claude-sonnet-4-5"]) {
		await page.locator(".monaco-list-row", { hasText: model }).first().waitFor({ timeout: 60_000 });
	}
	await page.screenshot({ path: `${SHOTS}/extension-models.png` });
});
