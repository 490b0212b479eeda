// A used-up budget is said in the chat, in words that a person can read.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { openChat } from "./vscode.mjs";

let context, chat;
before(async () => {
	({ context, chat } = await openChat());
});
after(() => context?.close());

test("a used-up budget is shown as a sentence", async () => {
	await chat.ask("Is there anything left?");
	assert.match(await chat.ended(), /Your budget of 1 tokens? a day is used up/);
	await chat.screenshot("budget");
});
