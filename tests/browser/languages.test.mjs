// The pages in the user's language: what they do with translations, and from right to left.
import assert from "node:assert/strict";
import { test } from "node:test";

import { site } from "../js/support.mjs";
import { PAGE, answer, ask, context, finished, logIn, ready, says } from "./support.mjs";

/** Opens a page as the site sends it to a user of another language. */
async function openIn(t, { lang, dir, messages = {}, path = PAGE }) {
	const own = await context(t);
	await logIn(own);
	const page = await own.newPage();
	page.errors = [];
	page.on("pageerror", (error) => page.errors.push(String(error)));
	await page.route(`**${path}`, async (route) => {
		const response = await route.fetch();
		const html = (await response.text())
			.replace(/<html lang="[^"]*" dir="[^"]*"/, `<html lang="${lang}" dir="${dir}"`)
			.replace(/"messages": \{[^}]*\}/, `"messages": ${JSON.stringify(messages)}`);
		assert.ok(html.includes(`<html lang="${lang}" dir="${dir}"`) && html.includes(JSON.stringify(messages)));
		await route.fulfill({ response, body: html });
	});
	await page.goto(site.url + path);
	return page;
}

test("the page says which language it is in", async (t) => {
	const own = await context(t);
	await logIn(own);
	const page = await own.newPage();
	await page.goto(site.url + PAGE);
	const [boot, lang, dir] = await page.evaluate(() => [
		JSON.parse(document.getElementById("boot").textContent),
		document.documentElement.lang,
		document.documentElement.dir,
	]);
	assert.equal(lang, boot.lang);
	assert.equal(dir, ["ar", "fa", "he", "ps"].includes(lang) ? "rtl" : "ltr");
	assert.equal(typeof boot.messages, "object");
});

test("the script uses the translations of the page, and English where there is none", async (t) => {
	const messages = {
		"The answer is complete.": "Die Antwort ist vollständig.",
		"{0} of {1}": "{1}: {0}",
		"{0} in total": "insgesamt {0}",
		"{0} s": "{0} Sek.",
	};
	const page = await openIn(t, { lang: "de", dir: "ltr", messages });
	await ready(page);
	await ask(page, { text: "So it is." });
	await finished(page);
	await says(page, "#announcements", "Die Antwort ist vollständig.");
	assert.match(
		await answer(page).locator(".figures").textContent(),
		/^scripted: scripted · \d+ tokens · first word after .* · insgesamt (< 0.1 s|[\d.]+ Sek\.)$/,
	);
	assert.deepEqual(page.errors, []);
});

test("from right to left the page is mirrored, but code and keys are not", async (t) => {
	const page = await openIn(t, { lang: "ar", dir: "rtl" });
	await ready(page);
	await ask(page, { reasoning: "Hm." }, { text: "نعم.\n\n```\nx = 1\n```\n" });
	await finished(page);
	await page.click("#events-toggle");
	await page.waitForSelector(".track i");
	const checks = await page.evaluate(() => {
		const box = (selector) => document.querySelector(selector).getBoundingClientRect();
		const center = (selector) => box(selector).left + box(selector).width / 2;
		return {
			"the navigation is left of the title": box("#head nav").right < box("#head h1").left,
			"the question is at the left": center(".question") < center("#column"),
			"Send is left of the model": box("#send").right < box("#model").left,
			"the events are at the left": box("#events").right <= box("#main").left + 1,
			"the last event is at the left of the timeline": box(".track i:last-child").left - box(".track").left < 8,
			"the line of the reasoning is at the right":
				getComputedStyle(document.querySelector(".thinking .words")).borderRightWidth === "2px",
			"the empty prompt is from right to left": getComputedStyle(document.getElementById("prompt")).direction === "rtl",
			"each figure has a direction of its own": document.querySelectorAll(".figures bdi").length >= 3,
			"code is from left to right": getComputedStyle(document.querySelector(".code pre")).direction === "ltr",
		};
	});
	assert.deepEqual(Object.entries(checks).filter(([, holds]) => !holds), []);
	assert.deepEqual(page.errors, []);

	const connect = await openIn(t, { lang: "ar", dir: "rtl", path: "/ai-assistant/connect" });
	await connect.waitForSelector("#model option", { state: "attached" });
	const directions = await connect.evaluate(() =>
		["#key", "[data-client] pre", "main"].map((selector) => getComputedStyle(document.querySelector(selector)).direction),
	);
	assert.deepEqual(directions, ["ltr", "ltr", "rtl"]);
});
