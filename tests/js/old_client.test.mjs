// A client of the days before request_id and seq: it knows `ai_progress` with {type, text, partial, task_id} alone.
import assert from "node:assert/strict";
import { test } from "node:test";

import { io } from "socket.io-client";

import { script, site, unique } from "./support.mjs";

const HEADERS = { Authorization: `token ${site.token}`, "Content-Type": "application/json" };

test("an old client shows the thinking, the answer and the end as it always did", async (t) => {
	const socket = io(`${site.socketUrl}/${site.name}`, {
		transports: ["websocket"],
		extraHeaders: { ...HEADERS, Cookie: "socket=1", Origin: site.url },
	});
	t.after(() => socket.close());
	await new Promise((resolve, reject) => socket.on("connect", resolve).on("connect_error", reject));

	const task = unique("task");
	const shown = { indicator: [], reasoning: "", text: "" };
	const ended = new Promise((resolve) => {
		socket.on("ai_progress", ({ type, text, partial, task_id }) => {
			if (task_id !== task) return;
			if (type === "reasoning") {
				if (!shown.indicator.length) shown.indicator.push("on");
				shown.reasoning += text;
			} else if (type === "text") {
				if (shown.indicator.length === 1) shown.indicator.push("off");
				shown.text += text;
			} else if (type === "completion" && !partial) {
				resolve();
			}
		});
	});
	const messages = [{ role: "user", content: script({ reasoning: "Let me see." }, { text: "It is " }, { text: "so." }) }];
	const response = await fetch(`${site.url}/api/method/ai_assistant.api.chat_completion`, {
		method: "POST",
		headers: HEADERS,
		body: JSON.stringify({ messages, mode: "chat", task_id: task }),
	});
	const { message } = await response.json();
	await ended;
	assert.deepEqual(shown, { indicator: ["on", "off"], reasoning: "Let me see.", text: "It is so." });
	assert.deepEqual([message.success, message.response], [true, "It is so."]);
});
