// Shared by the tests of the page: opens the page in Chromium, on a running site.
import assert from "node:assert/strict";
import { after, before } from "node:test";

import { Wire, script, site } from "../js/support.mjs";
import { launch, logIn as logInAs } from "./chromium.mjs";

export const PAGE = "/ai-assistant";
let browser;

before(async () => {
	browser = await launch();
});
after(() => browser.close());

/** A window of its own, logged in by its cookies alone. */
export async function context(test, options = {}) {
	const made = await browser.newContext(options);
	test.after(() => made.close());
	return made;
}

export const logIn = (context, url = site.url, usr = site.user, pwd = site.password) => logInAs(context, url, usr, pwd);

/** The page, ready to be asked; whatever it complains about in the console is a failure. */
export async function open(test, { wire, url = wire?.url ?? site.url, ...options } = {}) {
	const own = await context(test, options);
	await logIn(own, url);
	const page = await own.newPage();
	page.errors = [];
	page.on("pageerror", (error) => page.errors.push(String(error)));
	page.on("console", (line) => /Content Security Policy|Refused/.test(line.text()) && page.errors.push(line.text()));
	if (wire && wire.url !== wire.socketUrl) await throughWire(page, wire);
	await page.goto(url + PAGE);
	await ready(page);
	return page;
}

/** Where the realtime server has a port of its own, the page is told the wire's instead. */
async function throughWire(page, wire) {
	await page.route(`**${PAGE}`, async (route) => {
		const response = await route.fetch();
		const port = new URL(wire.socketUrl).port;
		const body = (await response.text()).replace(/"socketio_port": \d+/, `"socketio_port": ${port}`);
		assert.ok(body.includes(port));
		await route.fulfill({ response, body });
	});
}

export async function ready(page) {
	await page.waitForSelector("#prompt:visible");
	await page.waitForSelector("#model option", { state: "attached" });
}

/** The page whose socket can be tampered with. */
export async function openOverWire(test) {
	const wire = await Wire.over(test);
	return { wire, page: await open(test, { wire }) };
}

export async function ask(page, ...steps) {
	await page.fill("#prompt", script(...steps));
	await page.press("#prompt", "Enter");
}

export const answer = (page) => page.locator(".turn").last();
export const says = (page, selector, text) =>
	page.waitForFunction(
		([selector, text]) => [...document.querySelectorAll(selector)].at(-1)?.textContent.includes(text),
		[selector, text],
	);
export const announced = (page) => page.textContent("#announcements");
export const finished = (page) => answer(page).locator("footer:visible").waitFor();

/** Stores the turns of a conversation as the page stores them for its tab. */
export const keep = (page, turns) =>
	page.evaluate((turns) => {
		const { user, site } = JSON.parse(document.getElementById("boot").textContent);
		sessionStorage.setItem("ai-assistant-conversation", JSON.stringify({ user, site, task_id: "t", turns }));
	}, turns);

/** A turn whose answer is complete. */
export const past = (n, response = "So it is.") => ({
	prompt: `question ${n}`,
	request_id: `request-${n}`,
	answer: { status: "completed", response, reasoning: "", usage: null, timing: null },
});
