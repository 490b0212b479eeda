// The page in a real Chromium, on a site that stands.
import assert from "node:assert/strict";
import { test } from "node:test";

import { CLOCK, callOf, manager, openGate, script, site, unique } from "../js/support.mjs";
import { PAGE, announced, answer, ask, context, finished, logIn, open, ready, says } from "./support.mjs";

test("a guest is sent to the login, and after it the page is there", async (t) => {
	const page = await (await context(t)).newPage();
	await page.goto(site.url + PAGE);
	assert.match(page.url(), /\/login\?redirect-to=\/ai-assistant(#login)?$/);
	if (await page.locator("#login").count()) {
		await page.fill("[name=usr]", site.user);
		await page.fill("[name=pwd]", "wrong");
		await page.press("[name=pwd]", "Enter");
		await says(page, "#wrong", "Invalid login credentials.");
		await page.fill("[name=pwd]", site.password);
		await page.press("[name=pwd]", "Enter");
	} else {
		await page.fill("#login_email", site.user);
		await page.fill("#login_password", site.password);
		await page.press("#login_password", "Enter");
	}
	await ready(page);
	assert.equal(new URL(page.url()).pathname, PAGE);
});

test("a user without the role is told which one is needed", async (t) => {
	const own = await context(t);
	await logIn(own, site.url, process.env.THIRD_LOGIN, process.env.THIRD_PASSWORD);
	const page = await own.newPage();
	const response = await page.goto(site.url + PAGE);
	assert.equal(response.status(), 403);
	await says(page, "#refusal", "it needs the role AI Assistant User");
	assert.equal(await page.locator("#prompt").count(), 0);
});

test("the link of the header stands on one line with the buttons", async (t) => {
	const page = await open(t, { viewport: { width: 900, height: 600 } });
	const middles = await page.evaluate(() =>
		[...document.querySelectorAll("#head nav > *")].flatMap((item) => {
			const words = document.createRange();
			words.selectNodeContents(item);
			const { top, bottom } = words.getBoundingClientRect();
			return bottom ? [Math.round((top + bottom) / 2)] : [];
		}),
	);
	assert.ok(middles.length >= 4, String(middles));
	assert.equal(new Set(middles).size, 1, String(middles));
});

test("the indicator counts each second, reasoning comes before text, and at the first text it goes away", async (t) => {
	const page = await open(t);
	const [thought, wrote] = [unique("gate"), unique("gate")];
	// What stands on the indicator, each time it changes.
	await page.evaluate(() => {
		window.counted = [];
		const note = () => {
			const label = document.querySelector(".thinking.live .label")?.textContent;
			if (label && window.counted.at(-1) !== label) window.counted.push(label);
		};
		new MutationObserver(note).observe(document.getElementById("conversation"), {
			subtree: true,
			childList: true,
			characterData: true,
		});
	});
	await ask(page, { reasoning: "I wonder." }, { gate: thought }, { text: "So it is." }, { gate: wrote }, { text: " Indeed." });
	await says(page, ".thinking .words", "I wonder.");
	assert.equal(await announced(page), "Thinking.");
	await page.waitForFunction(() => window.counted.length >= 3);
	assert.deepEqual((await page.evaluate(() => window.counted)).slice(0, 3), [
		"💡 Thinking 0s",
		"💡 Thinking 1s",
		"💡 Thinking 2s",
	]);
	assert.equal(await answer(page).locator(".block").count(), 0);
	assert.equal(await page.locator("#send").isVisible(), false);

	await openGate(thought);
	await says(page, ".turn .block", "So it is.");
	assert.equal(await page.locator(".thinking.live").count(), 0);
	assert.equal(await page.locator(".thinking .words").isVisible(), false);
	assert.equal(await announced(page), "The answer begins.");

	await openGate(wrote);
	await finished(page);
	assert.match(await page.textContent(".thinking .label"), /^Thought for [\d.]+ s$/);
	assert.equal(await page.evaluate(() => document.activeElement.id), "prompt");
	await page.click(".thinking summary");
	assert.equal(await page.locator(".thinking .words").isVisible(), true);
	assert.match(await page.textContent(".figures"), /scripted of scripted · 18 tokens · first word after [\d.]+ s · [\d.]+ s in total/);
	assert.equal(await announced(page), "The answer is complete.");
	assert.deepEqual(page.errors, []);
});

test("Escape and Stop end an answer and keep what had come", async (t) => {
	const page = await open(t);
	for (const stop of [() => page.keyboard.press("Escape"), () => page.click("#stop")]) {
		await ask(page, { reasoning: "Hm." }, { text: "Half of it" }, { hang: true });
		await says(page, ".turn .block", "Half of it");
		await stop();
		await finished(page);
		assert.equal(await answer(page).locator(".stopped").textContent(), "Stopped.");
		assert.match(await answer(page).locator(".answer > .words").textContent(), /^Half of it/);
		assert.equal(await page.locator("#stop").isVisible(), false);
	}
	await ask(page, { reasoning: "Thinking still" }, { hang: true });
	await says(page, ".thinking .words", "Thinking still");
	await page.keyboard.press("Escape");
	await finished(page);
	assert.equal(await page.locator(".thinking.live").count(), 0);
	assert.equal(await announced(page), "Stopped.");
});

test("a provider's failure is said in words beside what had come, and the next question goes on", async (t) => {
	const page = await open(t);
	await ask(page, { reasoning: "Hm." }, { text: "Half of it" }, { error: "secret words" });
	await finished(page);
	const message = await answer(page).locator(".error").textContent();
	assert.match(message, /scripted/);
	assert.doesNotMatch(message, /secret|Traceback/);
	assert.equal(await answer(page).locator(".error").getAttribute("role"), "alert");
	assert.match(await answer(page).textContent(), /Half of it/);
	assert.equal(await page.locator(".thinking.live").count(), 0);

	await ask(page, { status: 503 });
	await finished(page);
	await page.click(".error button");
	await page.waitForFunction(() => document.querySelectorAll(".error").length === 3);
	await finished(page);
	await page.fill("#prompt", "hello");
	await page.click("#send");
	await says(page, ".turn .block", "Hello there.");
});

test("by keyboard: Shift+Enter is a new line, Enter sends, nothing is sent of nothing", async (t) => {
	const page = await open(t);
	await page.press("#prompt", "Enter");
	assert.equal(await page.locator(".turn").count(), 0);
	await page.keyboard.type("one");
	await page.keyboard.press("Shift+Enter");
	await page.keyboard.type("two");
	await page.keyboard.press("Enter");
	await finished(page);
	assert.equal(await page.textContent(".question"), "one\ntwo");
	// Everything can be reached, and shows that it is.
	const reached = [];
	for (let n = 0; n < 10; n++) {
		await page.keyboard.press("Tab");
		reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.className));
	}
	for (const id of ["mode", "model", "send", "new", "events-toggle", "logout"]) assert.ok(reached.includes(id), reached.join());
});

test("mode and model are chosen from what the site offers, and remembered", async (t) => {
	const page = await open(t);
	assert.deepEqual(await page.locator("#mode option").allTextContents(), ["chat", "agent"]);
	await page.selectOption("#mode", "agent");
	await page.selectOption("#model", { label: "claude-sonnet-4-5" });
	await page.fill("#prompt", "hello");
	await page.press("#prompt", "Enter");
	await finished(page);
	assert.match(await page.textContent(".figures"), /^claude-sonnet-4-5 of claude/);
	await page.reload();
	await ready(page);
	assert.equal(await page.inputValue("#mode"), "agent");
	assert.equal(await page.inputValue("#model"), '["claude","claude-sonnet-4-5"]');
});

test("a reload while it answers goes on, and the conversation is still there", async (t) => {
	const page = await open(t);
	await page.fill("#prompt", "hello");
	await page.press("#prompt", "Enter");
	await finished(page);
	const gate = unique("gate");
	await ask(page, { reasoning: "Hm." }, { text: "before" }, { gate }, { text: " and after" });
	await says(page, ".turn .block", "before");
	await page.reload();
	await ready(page);
	await says(page, ".turn .block", "before");
	assert.equal(await page.locator(".turn").count(), 2);
	assert.match(await page.locator(".turn").first().textContent(), /Hello there\./);
	assert.equal(await page.locator("#stop").isVisible(), true);
	await openGate(gate);
	await finished(page);
	assert.match(await answer(page).locator(".answer > .words").textContent(), /^before and after/);
	await page.reload();
	await ready(page);
	assert.match(await answer(page).locator(".answer > .words").textContent(), /^before and after/);
});

test("a reload while it thinks counts on", async (t) => {
	const page = await open(t);
	const gate = unique("gate");
	await ask(page, { reasoning: "Hm." }, { gate }, { text: "so" });
	await says(page, ".thinking .label", "Thinking 1s");
	await page.reload();
	await says(page, ".thinking .label", "Thinking");
	assert.doesNotMatch(await page.textContent(".thinking .label"), /Thinking 0s/);
	await says(page, ".thinking .words", "Hm.");
	await openGate(gate);
	await finished(page);
});

// The page offers no tools itself: it goes on with what another client of the same user has asked.
async function openWithTools(t, steps, fields = {}) {
	const page = await open(t);
	const request_id = unique("request").slice(0, 60);
	const sid = (await page.context().cookies()).find(({ name }) => name === "sid").value;
	const boot = JSON.parse(await page.textContent("#boot"));
	const { manager: client } = manager(t, { token: undefined, sid, csrfToken: boot.csrf_token ?? undefined });
	const pending = client.chat(script(...steps), { request_id, tools: [CLOCK], ...fields });
	await page.evaluate(
		([request_id]) => {
			const { user, site } = JSON.parse(document.getElementById("boot").textContent);
			const turns = [{ prompt: "What time is it?", request_id }];
			sessionStorage.setItem("ai-assistant-conversation", JSON.stringify({ user, site, task_id: "t", turns }));
		},
		[request_id],
	);
	await page.reload();
	return { page, pending };
}

test("a call grows on the page while the model writes it", async (t) => {
	const gates = [unique("gate"), unique("gate")];
	const { page, pending } = await openWithTools(
		t,
		[callOf('{"zo'), { gate: gates[0] }, { call: 0, arguments: 'ne": "U' }, { gate: gates[1] }, { call: 0, arguments: 'TC"}' }],
		{ stream_tool_calls: true },
	);
	const [call, json] = [answer(page).locator(".call"), answer(page).locator(".call pre")];
	await says(page, ".call pre", '{"zo');
	assert.equal(await json.textContent(), '{"zo');
	assert.equal(await call.getAttribute("open"), "");
	await openGate(gates[0]);
	await says(page, ".call pre", '{"zone": "U');
	assert.equal(await json.textContent(), '{"zone": "U');
	await openGate(gates[1]);
	await pending;
	await finished(page);
	assert.equal(await call.count(), 1);
	assert.equal(await json.textContent(), JSON.stringify({ zone: "UTC" }, null, 2));
	assert.deepEqual(page.errors, []);
});

test("a tool that the model calls is shown with its arguments, as text, while it answers and after a reload", async (t) => {
	const gate = unique("gate");
	const hostile = "<img src=x onerror=alert(1)>";
	const steps = [{ reasoning: "Hm." }, callOf(JSON.stringify({ zone: hostile })), { gate }, { text: "Done." }];
	const { page, pending } = await openWithTools(t, steps);
	const shown = async () => {
		await says(page, ".call code", "clock");
		assert.equal(await answer(page).locator(".call").count(), 1);
		assert.equal(await answer(page).locator(".call pre").textContent(), JSON.stringify({ zone: hostile }, null, 2));
		assert.equal(await page.locator("#conversation img").count(), 0);
	};
	await shown();
	await openGate(gate);
	await pending;
	await page.click("#events-toggle");
	await says(page, ".events .tool_call .size", "clock");
	assert.equal(await page.locator(".track i.tool_call").count(), 1);
	await finished(page);
	await page.reload();
	await shown();
	assert.deepEqual(page.errors, []);
});

test("two tabs are two conversations, neither sees the other's", async (t) => {
	const first = await open(t);
	const second = await first.context().newPage();
	await second.goto(site.url + PAGE);
	await ready(second);
	const gates = [unique("gate"), unique("gate")];
	await ask(first, { text: "in the first" }, { gate: gates[0] }, { text: " tab" });
	await ask(second, { text: "in the second" }, { gate: gates[1] }, { text: " tab" });
	await says(first, ".turn .block", "in the first");
	await says(second, ".turn .block", "in the second");
	for (const gate of gates) await openGate(gate);
	for (const [page, words] of [[first, "in the first tab"], [second, "in the second tab"]]) {
		await finished(page);
		assert.equal(await page.locator(".turn").count(), 1);
		assert.match(await page.locator(".answer > .words").textContent(), new RegExp(`^${words}`));
	}
});

for (const colorScheme of ["light", "dark"]) {
	test(`at 360 px in ${colorScheme} nothing is cut off and all can be read`, async (t) => {
		const page = await open(t, { viewport: { width: 360, height: 640 }, colorScheme, reducedMotion: "reduce" });
		await ask(page, { reasoning: "Hm." }, { text: `${"word ".repeat(80)}\n\n\`\`\`\n${"long ".repeat(40)}\n\`\`\`\n` }, { error: "x" });
		await finished(page);
		const seen = await page.evaluate(() => {
			const luminance = (color) => {
				const [r, g, b] = color.match(/[\d.]+/g).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
				return 0.2126 * r + 0.7152 * g + 0.0722 * b;
			};
			const paperOf = (element) => {
				for (let node = element; node; node = node.parentElement) {
					const color = getComputedStyle(node).backgroundColor;
					if (!/, 0\)$/.test(color)) return color;
				}
			};
			const faint = [];
			for (const element of document.querySelectorAll("body *")) {
				const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
				if (!own || !element.checkVisibility() || element.closest(".sr-only, option")) continue;
				const [a, b] = [getComputedStyle(element).color, paperOf(element)].map(luminance).sort((x, y) => y - x);
				if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(`${element.localName}.${element.className}`);
			}
			const wide = [...document.querySelectorAll("button, select, textarea, .turn, .error, .code")]
				.filter((node) => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth)
				.map((node) => node.id || node.className);
			return { faint, wide, moving: document.getAnimations().length };
		});
		assert.deepEqual(seen, { faint: [], wide: [], moving: 0 });
		await page.click("#events-toggle");
		assert.equal(await page.locator("#events").evaluate((panel) => panel.getBoundingClientRect().width), 360);
		await page.keyboard.press("Escape");
		assert.equal(await page.locator("#events").isVisible(), false);
	});
}

test("after logging out the page asks for a login again", async (t) => {
	const page = await open(t);
	await page.click("#logout");
	await page.waitForURL(/\/login/);
	await page.goto(site.url + PAGE);
	assert.match(page.url(), /\/login/);
});
