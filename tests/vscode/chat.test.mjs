// A real VS Code asks the site as a custom endpoint, without any sign-in.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { openChat } from "./vscode.mjs";

const { PROVIDER, WORKSPACE } = process.env;
const open = (gate) => fetch(`${PROVIDER}/open/${gate}`);
const count = async (marker) => Number(await (await fetch(`${PROVIDER}/count/${marker}`)).text());
const hungUp = async (marker) => Number(await (await fetch(`${PROVIDER}/hung_up/${marker}`)).text());
const script = (...steps) => JSON.stringify(steps);

let context, chat;
before(async () => {
	({ context, chat } = await openChat());
});
after(() => context?.close());

async function until(condition, what) {
	for (let turn = 0; turn < 200; turn++) {
		if (await condition()) return;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	assert.fail(`${what} did not happen within 20 s`);
}

test("a question is answered", async () => {
	await chat.ask("Hello, who keeps the lighthouse?");
	assert.match(await chat.ended(), /Hello there\./);
	await chat.screenshot("question");
});

test("the thinking appears, then the answer as it is written", async () => {
	await chat.ask(
		script(
			{ reasoning: "The question is about a whale. " },
			{ gate: "vscode-thought" },
			{ text: "A whale breathes " },
			{ gate: "vscode-written" },
			{ text: "air. vscode-first" },
		),
	);
	await chat.shows(/Thinking|Working|Considering|whale/i);
	await chat.screenshot("thinking");
	await open("vscode-thought");
	await chat.shows("A whale breathes");
	assert.doesNotMatch(await chat.response.innerText(), /air\./, "the rest has not been written yet");
	await open("vscode-written");
	assert.match(await chat.ended(), /A whale breathes air\. vscode-first/);
	await chat.screenshot("answer");
});

test("a second turn sends what was said before", async () => {
	await chat.ask(script({ text: "And a dolphin too. vscode-second" }));
	assert.match(await chat.ended(), /And a dolphin too\. vscode-second/);
	assert.ok((await count("A whale breathes air")) >= 1);
});

test("agent mode reads a file with its own tool, and answers from it", async () => {
	const args = JSON.stringify({ filePath: `${WORKSPACE}/lighthouse.txt`, startLine: 1, endLine: 10 });
	await chat.ask(
		script(
			{ turn: [{ reasoning: "I read the file." }, { call: 0, id: "call_vscode", name: "read_file", arguments: args }] },
			{ turn: [{ text: "The lamp is green. vscode-agent" }] },
		),
	);
	await chat.shows("vscode-agent");
	assert.match(await chat.ended(), /The lamp is green\. vscode-agent/);
	assert.ok((await count("the-lamp-is-green-7731")) >= 1, "the file's text has come back to the model");
	await chat.screenshot("agent");
});

test("Stop hangs up on the provider", async () => {
	await chat.ask(script({ text: "It begins vscode-stopped" }, { hang: true }));
	await chat.shows("It begins");
	assert.equal(await hungUp("vscode-stopped"), 0);
	await chat.page.locator(".part.auxiliarybar .chat-execute-toolbar .codicon-stop-circle, .part.auxiliarybar .codicon-stop-circle").first().click();
	await until(async () => (await hungUp("vscode-stopped")) > 0, "hanging up");
	assert.match(await chat.ended(), /It begins/);
});

test("an error in the middle of an answer is shown behind the text", async () => {
	await chat.ask(script({ text: "It breaks " }, { text: "off. vscode-broken" }, { cut: true }));
	assert.match(await chat.ended(), /It breaks off\. vscode-broken\s+The connection to scripted broke off before its answer ended\./);
	await chat.screenshot("error");
});
