// The page in a real Chromium: how it shows an answer, however hostile or long.
import assert from "node:assert/strict";
import { test } from "node:test";

import { script } from "../js/support.mjs";
import { answer, ask, finished, keep, open, past, says } from "./support.mjs";

test("an answer is Markdown, whose code can be copied", async (t) => {
	const page = await open(t, { permissions: ["clipboard-read", "clipboard-write"] });
	const text = "# Title\n\nSome **bold** words.\n\n- one\n\n- two\n\n```js\nlet a = 1;\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\nSee [this][1].\n\n[1]: https://example.com/\n";
	await ask(page, ...[...text].map((character) => ({ text: character })));
	await finished(page);
	const seen = await answer(page).locator(".answer > .words").evaluate((words) => ({
		heading: words.querySelector("h1")?.textContent,
		bold: words.querySelector("strong")?.textContent,
		lists: words.querySelectorAll("ul").length,
		items: words.querySelectorAll("li").length,
		cells: words.querySelectorAll("td").length,
		link: words.querySelector("a")?.href,
		rel: words.querySelector("a")?.rel,
	}));
	assert.deepEqual(seen, {
		heading: "Title",
		bold: "bold",
		lists: 1,
		items: 2,
		cells: 2,
		link: "https://example.com/",
		rel: "noopener noreferrer nofollow",
	});
	await page.click(".code .copy");
	await says(page, ".code .copy", "Copied");
	assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "let a = 1;\n");
});

const HOSTILE = [
	`<img src=x onerror="window.hacked='img'">`,
	`<script>window.hacked='script'</script>`,
	`<svg onload="window.hacked='svg'"><animate onbegin="window.hacked='animate'"></svg>`,
	`<iframe srcdoc="<script>parent.hacked='iframe'</script>"></iframe>`,
	`<a href="javascript:window.hacked='link'">html link</a>`,
	`[markdown link](javascript:window.hacked='markdown')`,
	`[tab in it](java\tscript:window.hacked='tab')`,
	`<a href="data:text/html,<script>1</script>">data link</a>`,
	`![picture](https://elsewhere.example/p.png?secret=1)`,
	`<form action="https://elsewhere.example"><input name=password><button>Log in</button></form>`,
	`<div style="position:fixed;inset:0" class="error" id="prompt">over everything</div>`,
	`<math><mtext><table><mglyph><style><img src=x onerror="window.hacked='mxss'">`,
	"```html\n<img src=x onerror=\"window.hacked='code'\">\n```",
	"<details open ontoggle=\"window.hacked='details'\">x</details>",
];

test("a hostile answer runs no script, loads nothing, and looks like nothing but text", async (t) => {
	// Without the page's Content-Security-Policy, which stands behind: what is tested here is the sanitizer.
	const page = await open(t, { bypassCSP: true });
	const outside = [];
	page.on("request", (request) => request.url().includes("elsewhere") && outside.push(request.url()));
	for (const steps of [HOSTILE.map((text) => ({ text: `${text}\n\n` })), [...HOSTILE.join("\n")].map((text) => ({ text }))]) {
		await ask(page, { reasoning: HOSTILE.join("\n") }, ...steps);
		await finished(page);
		await answer(page).locator(".thinking summary").click();
		const seen = await answer(page).evaluate((turn) => {
			const all = [...turn.querySelectorAll("*")];
			return {
				attributes: all.flatMap((node) => node.getAttributeNames().filter((name) => /^on|^style$|^srcdoc$/.test(name))),
				elements: [...new Set(all.map((node) => node.localName))].filter((name) =>
					/^(img|script|svg|iframe|form|input|style|math|object|embed|link|meta)$/.test(name),
				),
				addresses: [...turn.querySelectorAll("[href],[src]")].map((node) => node.href ?? node.src),
				prompts: document.querySelectorAll("#prompt").length,
			};
		});
		assert.deepEqual(seen.attributes, []);
		assert.deepEqual(seen.elements, []);
		assert.deepEqual(seen.addresses.filter((address) => !address.startsWith("https://elsewhere.example/p.png")), []);
		assert.equal(seen.prompts, 1);
		for (const link of await answer(page).locator(".words a").all()) await link.dispatchEvent("click");
		assert.equal(await page.evaluate(() => window.hacked), undefined);
	}
	assert.deepEqual(outside, []);
});

test("the page's policy lets no script run but its own", async (t) => {
	const page = await open(t);
	await page.evaluate(() => {
		const script = document.createElement("script");
		script.textContent = "window.hacked = 'inline'";
		document.body.append(script);
		const image = document.createElement("div");
		image.innerHTML = `<img src=x onerror="window.hacked='img'">`;
		document.body.append(image);
	});
	await page.waitForFunction(() => [...document.images].every((image) => image.complete));
	assert.equal(await page.evaluate(() => window.hacked), undefined);
	assert.equal(page.errors.length > 0, true);
});

test("a megabyte without a space does not stop the page, nor the next question", async (t) => {
	const page = await open(t, { viewport: { width: 360, height: 640 } });
	await ask(page, { text: "x", times: 1_000_000 });
	await finished(page);
	assert.equal(await page.evaluate(() => document.querySelector(".answer > .words").textContent.length), 1_000_000);
	assert.equal(await page.evaluate(() => document.getElementById("main").scrollWidth <= innerWidth), true);
	await page.click("#new");
	await page.fill("#prompt", "hello");
	await page.press("#prompt", "Enter");
	await says(page, ".turn .block", "Hello there.");
});

test("pages that an answer cites are links, each once", async (t) => {
	const page = await open(t);
	const cited = ["A page", null].map((title) => ({
		type: "url_citation",
		url_citation: { url: "https://example.com/a", title, start_index: 0, end_index: 5 },
	}));
	const delta = { content: "It is so.", annotations: cited };
	const chunk = { choices: [{ index: 0, delta, finish_reason: "stop" }] };
	await ask(page, { raw: `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n` });
	await finished(page);
	const links = await answer(page).locator(".sources a").evaluateAll((seen) =>
		seen.map(({ textContent, href, rel }) => [textContent, href, rel]),
	);
	assert.deepEqual(links, [["A page", "https://example.com/a", "noopener noreferrer nofollow"]]);
});

test("writing from right to left stands at the right, block by block", async (t) => {
	const page = await open(t);
	await keep(page, [{ ...past(1, "# عنوان\n\nمرحبا! `x = 1` هذه جملة.\n\n- واحد\n\nLeft to right.\n\n> قال\n"), prompt: "مرحبا، كيف حالك؟" }]);
	await page.reload();
	await finished(page);
	await page.fill("#prompt", "مرحبا");
	const directions = await page.evaluate(() =>
		[".question", ".block h1", ".block p", ".block ul", ".block li", ".block blockquote", "#prompt"].map(
			(selector) => getComputedStyle(document.querySelector(selector)).direction,
		),
	);
	assert.deepEqual(directions, Array(7).fill("rtl"));
	const english = page.locator(".block p", { hasText: "Left to right." });
	assert.equal(await english.evaluate((p) => getComputedStyle(p).direction), "ltr");
});

test("a task list shows what is done, a table's columns are aligned, and a list begins with its number", async (t) => {
	const page = await open(t);
	const table = "| a | b | c |\n| :- | :-: | -: |\n| 1 | 2 | 3 |";
	await keep(page, [past(1, `- [x] done\n- [ ] open\n- plain\n\n${table}\n\n7. seven\n`)]);
	await page.reload();
	await finished(page);
	const items = page.locator(".block ul li");
	assert.deepEqual((await items.allTextContents()).map((text) => text.trim()), ["☑ done", "☐ open", "plain"]);
	const bullets = await items.evaluateAll((all) => all.map((li) => getComputedStyle(li).listStyleType));
	assert.deepEqual([bullets[0], bullets[1]], ["none", "none"]);
	assert.notEqual(bullets[2], "none");
	assert.equal(await page.locator(".block ol").evaluate((list) => list.start), 7);
	for (const cell of ["th", "td"]) {
		const aligned = await page.locator(`.block ${cell}`).evaluateAll((all) => all.map((item) => getComputedStyle(item).textAlign));
		assert.deepEqual(aligned.map((item) => item.replace("-webkit-", "")), ["left", "center", "right"]);
	}
});
