// The page in a real Chromium: other users, a site that is away, and what people write and paste.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Wire, openGate, site, unique } from "../js/support.mjs";
import { PAGE, answer, ask, context, finished, keep, logIn, open, past, ready, says } from "./support.mjs";

// `make test-bench` names a System Manager. The standalone site has none.
const onBench = Boolean(process.env.MANAGER_LOGIN);

test("the next user of the browser sees and sends nothing of the one before, nor their choice", async (t) => {
	const page = await open(t);
	await page.selectOption("#mode", "agent");
	await page.fill("#prompt", "hello");
	await page.press("#prompt", "Enter");
	await finished(page);
	await page.context().request.post(`${site.url}/api/method/logout`, { headers: { "X-Frappe-CSRF-Token": await tokenOf(page) } });
	await logIn(page.context(), site.url, process.env.SECOND_LOGIN, process.env.SECOND_PASSWORD);
	await page.reload();
	await ready(page);
	assert.equal(await page.locator(".turn").count(), 0);
	assert.equal(await page.inputValue("#mode"), "chat");
	const [request] = await Promise.all([page.waitForRequest(/chat_completion/), ask(page, { text: "For you." })]);
	assert.equal(request.postDataJSON().messages.length, 1);
	await finished(page);
});

test("a tab whose user has changed in another one shows nothing more of the one before", async (t) => {
	const page = await open(t);
	await page.fill("#prompt", "hello");
	await page.press("#prompt", "Enter");
	await finished(page);
	await logIn(page.context(), site.url, process.env.SECOND_LOGIN, process.env.SECOND_PASSWORD);
	await Promise.all([page.waitForEvent("load"), page.evaluate(() => void setTimeout(() => window.dispatchEvent(new Event("focus"))))]);
	await ready(page);
	assert.equal(await page.locator(".turn").count(), 0);
});

const tokenOf = async (page) => JSON.parse(await page.textContent("#boot")).csrf_token ?? "";

test("logging out forgets what the page has kept", async (t) => {
	const page = await open(t);
	await page.selectOption("#mode", "agent");
	await page.fill("#prompt", "hello");
	await page.press("#prompt", "Enter");
	await finished(page);
	await page.click("#logout");
	await page.waitForURL(/\/login/);
	const keys = await page.evaluate(() => [sessionStorage, localStorage].flatMap((area) => Object.keys(area)));
	assert.deepEqual(keys.filter((key) => key.startsWith("ai-assistant")), []);
});

for (const [fault, answer] of Object.entries({
	"answers 500": (route) => route.fulfill({ status: 500, body: "no" }),
	"answers with a page of a proxy's": (route) => route.fulfill({ contentType: "text/html", body: "<html>log in</html>" }),
	"does not answer": (route) => route.abort(),
})) {
	test(`a log out to which the site ${fault} says that the session lives`, async (t) => {
		const page = await open(t);
		await page.fill("#prompt", "hello");
		await page.press("#prompt", "Enter");
		await finished(page);
		await page.route("**/api/method/logout", answer);
		await page.click("#logout");
		await says(page, "#notice", "You are still logged in");
		assert.equal(await page.locator(".turn").count(), 1);
		assert.equal(new URL(page.url()).pathname, PAGE);
	});
}

test("where the browser keeps nothing the page works, and logs out", async (t) => {
	const own = await context(t);
	await logIn(own);
	const page = await own.newPage();
	await page.addInitScript(() => {
		for (const area of ["sessionStorage", "localStorage"]) {
			Object.defineProperty(window, area, { get: () => { throw new DOMException("denied", "SecurityError"); } });
		}
	});
	await page.goto(site.url + PAGE);
	await ready(page);
	await ask(page, { text: "It works." });
	await says(page, ".turn .block", "It works.");
	await page.click("#logout");
	await page.waitForURL(/\/login/);
});

test("`Log in as another user` logs out first", async (t) => {
	const own = await context(t);
	await logIn(own, site.url, process.env.THIRD_LOGIN, process.env.THIRD_PASSWORD);
	const page = await own.newPage();
	await page.goto(site.url + PAGE);
	await page.click("#other-login");
	await page.waitForURL(/\/login/);
	await page.goto(site.url + PAGE);
	assert.match(page.url(), /\/login/);
});

const twoServers = site.url !== site.socketUrl && "the wire carries REST only where there is one server";

/** A page whose clock can be put forward. */
async function openWithClock(test, wire) {
	const page = await open(test, { wire });
	await page.evaluate(() => {
		const now = Date.now;
		window.past = 0;
		Date.now = () => now() + window.past;
	});
	return page;
}

test("an answer is followed on where the machine has slept", { skip: twoServers }, async (t) => {
	const wire = await Wire.over(t);
	const page = await openWithClock(t, wire);
	const gate = unique("gate");
	await ask(page, { text: "before" }, { gate }, { text: " and after" });
	await says(page, ".turn .block", "before");
	const failing = () => page.waitForEvent("requestfailed", (request) => request.url().includes("ai_assistant.api"));
	wire.unplugged();
	for (let n = 0; n < 3; n++) await failing();
	await page.evaluate(() => (window.past += 600_000));
	for (let n = 0; n < 3; n++) await failing();
	wire.plugged();
	await openGate(gate);
	await finished(page);
	assert.match(await answer(page).locator(".answer > .words").textContent(), /^before and after/);
	assert.equal(await page.locator(".error").count(), 0);
});

for (const way of ["a reload", "Try again", "the network"]) {
	test(`a site that was away for too long has lost nothing: ${way} goes on`, { skip: twoServers }, async (t) => {
		const wire = await Wire.over(t);
		const page = await openWithClock(t, wire);
		const gate = unique("gate");
		await ask(page, { text: "before" }, { gate }, { text: " and after" });
		await says(page, ".turn .block", "before");
		page.on("requestfailed", (request) => request.url().includes("ai_assistant.api") && page.evaluate(() => (window.past += 20_000)));
		wire.unplugged();
		await openGate(gate);
		await says(page, ".error", "The site cannot be reached.");
		// What has been read stays.
		assert.match(await answer(page).locator(".answer > .words").textContent(), /^before/);
		assert.equal(await page.locator(".error button").textContent(), "Try again");
		// The socket comes back by itself, and with it the network; the other two need none.
		wire.refuse = way !== "the network";
		wire.plugged();
		if (way === "a reload") await page.reload();
		if (way === "Try again") await page.click(".error button");
		await says(page, ".answer > .words", "before and after");
		await finished(page);
		assert.equal(await page.locator(".error").count(), 0);
		assert.equal(await page.locator(".turn").count(), 1);
		assert.match(await answer(page).locator(".answer > .words").textContent(), /^before and after/);
	});
}

test("a question that never got to the site is asked by Try again, with what was said before", async (t) => {
	const page = await open(t);
	await keep(page, [past(1), { prompt: "hello", request_id: unique("request") }]);
	await page.reload();
	await says(page, ".error", "The site does not have this question");
	const [request] = await Promise.all([page.waitForRequest(/chat_completion/), page.click(".error button")]);
	assert.deepEqual(request.postDataJSON().messages.map(({ content }) => content), ["question 1", "So it is.", "hello"]);
	await says(page, ".answer > .words", "Hello there.");
	assert.equal(await page.locator(".turn").count(), 2);
});

test("an answer whose last events cannot be read is shown whole", async (t) => {
	const wire = await Wire.over(t);
	wire.refuse = true;
	const page = await open(t, { wire });
	const gate = unique("gate");
	let refused = false;
	await page.route("**/ai_assistant.api.get_events*", (route) => {
		if (refused) return route.fulfill({ status: 403, body: "no" });
		// None is held, and brings the rest after all.
		return route.continue({ url: route.request().url().replace(/wait=\d+/, "wait=0") });
	});
	await ask(page, { text: "one" }, { gate }, { text: " two" });
	await says(page, ".turn .block", "one");
	refused = true;
	await page.waitForResponse((response) => response.status() === 403);
	await openGate(gate);
	await finished(page);
	assert.match(await answer(page).locator(".answer > .words").textContent(), /^one two/);
	assert.equal(await page.locator(".error").count(), 0);
});

test("Stop is heard though other tabs wait without a socket", async (t) => {
	const wire = await Wire.over(t);
	wire.refuse = true;
	const first = await open(t, { wire });
	const others = [];
	for (let n = 0; n < 2; n++) {
		others.push(await first.context().newPage());
		await others[n].goto(wire.url + PAGE);
		await ready(others[n]);
	}
	const held = [];
	for (const page of [first, ...others]) {
		page.on("request", (request) => held.push(new URL(request.url()).searchParams.get("wait")));
		await ask(page, { text: "So" }, { repeat: 95, text: ".", every: 0.1 });
	}
	// A page behind another one draws nothing.
	await first.bringToFront();
	await says(first, ".turn .block", "So");
	await first.click("#stop");
	await first.waitForSelector(".stopped");
	assert.ok(held.includes("1"));
	assert.ok(held.every((wait) => Number(wait) <= 1));
});

test("a key of an input method neither sends nor stops", async (t) => {
	const page = await open(t);
	const press = (key, more) =>
		page.evaluate(
			([key, more]) => {
				const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
				document.getElementById("prompt").dispatchEvent(event);
			},
			[key, more],
		);
	// Safari tells the Enter that ends a composition after it.
	const [composing, safari] = [{ isComposing: true, keyCode: 229 }, { isComposing: false, keyCode: 229 }];
	await page.fill("#prompt", "kanji");
	for (const more of [composing, safari]) await press("Enter", more);
	assert.equal(await page.locator(".turn").count(), 0);
	const gate = unique("gate");
	await ask(page, { text: "one" }, { gate }, { text: " two" });
	await says(page, ".turn .block", "one");
	for (const more of [composing, safari]) await press("Escape", more);
	await openGate(gate);
	await finished(page);
	assert.equal(await page.locator(".stopped").count(), 0);
});

test("what is pasted keeps the indentation of its first line", async (t) => {
	const page = await open(t);
	const code = "    if a:\n        b()\n    c()";
	await page.fill("#prompt", `${code}\n`);
	const [request] = await Promise.all([page.waitForRequest(/chat_completion/), page.press("#prompt", "Enter")]);
	assert.equal(request.postDataJSON().messages[0].content, code);
	assert.equal(await page.textContent(".question"), code);
	await finished(page);
	await page.fill("#prompt", " \n ");
	await page.press("#prompt", "Enter");
	assert.equal(await page.locator(".turn").count(), 1);
});

test("a list of models that could not be had is asked for again, and what was chosen is sent meanwhile", async (t) => {
	const page = await open(t);
	await page.selectOption("#model", { label: "claude-sonnet-4-5" });
	let calls = 0;
	await page.route("**/ai_assistant.api.list_models*", (route) =>
		calls++ ? route.continue() : route.fulfill({ status: 503, contentType: "text/html", body: "<html>restarting</html>" }),
	);
	await page.reload();
	await says(page, "#notice", "HTTP 503");
	await ask(page, { text: "So." });
	await finished(page);
	assert.match(await page.textContent(".figures"), /^claude-sonnet-4-5 of claude/);
	await ready(page);
	assert.equal(await page.inputValue("#model"), '["claude","claude-sonnet-4-5"]');
	assert.equal(await page.locator("#notice").isVisible(), false);
});

test("each model is offered once, the one that the site chooses too", async (t) => {
	const page = await open(t);
	const offered = await page.locator("#model optgroup, #model > option").evaluateAll((all) =>
		all.flatMap((item) => (item.localName === "optgroup" ? [...item.children].map((option) => `${item.label}: ${option.text}`) : [item.text])),
	);
	assert.equal(new Set(offered).size, offered.length);
	assert.ok(offered.every((item) => item.includes(": ")), offered.join());
	assert.equal(await page.inputValue("#model"), "");
	assert.equal(await page.locator("#model option:checked").textContent(), "scripted");
});

test("how long was thought is not said where nobody knows", async (t) => {
	const page = await open(t);
	const { answer: told, ...question } = past(1);
	await keep(page, [{ ...question, answer: { ...told, reasoning: "Hm.", timing: { thinking_ms: null, first_text_ms: 3, duration_ms: 20 } } }]);
	await page.reload();
	await finished(page);
	assert.equal(await page.textContent(".thinking .label"), "Thought");
	assert.equal(await page.textContent(".figures"), "first word after < 0.1 s · < 0.1 s in total");
});

test("a conversation with too many messages says that New chat helps", async (t) => {
	const page = await open(t);
	await keep(page, Array.from({ length: 100 }, (_, n) => past(n)));
	await page.reload();
	await ready(page);
	await page.fill("#prompt", "hello");
	await page.press("#prompt", "Enter");
	await says(page, ".error", "New chat starts an empty conversation.");
	await page.click("#new");
	await page.fill("#prompt", "hello");
	await page.press("#prompt", "Enter");
	await says(page, ".turn .block", "Hello there.");
});

test("Desk's theme is followed, whatever the browser prefers, and the logo leads to Desk", async (t) => {
	const page = await open(t, { colorScheme: "light" });
	const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	// A bench stores the theme of each user, and a new user has Light. The standalone site has no Desk to choose one in.
	const choose = async (theme) => {
		if (onBench) {
			const response = await page.context().request.post(`${site.url}/api/method/frappe.core.doctype.user.user.switch_theme`, {
				form: { theme },
				headers: { "X-Frappe-CSRF-Token": await tokenOf(page) },
			});
			assert.equal(response.status(), 200);
			await page.reload();
			await ready(page);
			assert.equal(await page.getAttribute("html", "data-theme"), theme.toLowerCase());
		} else {
			await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme.toLowerCase());
		}
	};
	assert.equal(await page.getAttribute("html", "data-theme"), onBench ? "light" : "automatic");
	await choose("Automatic");
	const light = await paper();
	await page.emulateMedia({ colorScheme: "dark" });
	const dark = await paper();
	assert.notEqual(light, dark);
	for (const [theme, browser, expected] of [["Dark", "light", dark], ["Light", "dark", light]]) {
		await page.emulateMedia({ colorScheme: browser });
		await choose(theme);
		assert.equal(await paper(), expected);
	}
	assert.equal(await page.getAttribute("#head a", "href"), "/app");
});
