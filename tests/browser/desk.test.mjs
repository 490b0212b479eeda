// The app's forms and lists in Desk in a real Chromium, on a bench that stands.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { manager, openGate, script, site, unique } from "../js/support.mjs";
import { launch, logIn } from "./chromium.mjs";

let browser;
before(async () => {
	browser = await launch();
});
after(() => browser.close());

/** Desk of a System Manager at a route; what it complains of in the console is kept. */
async function desk(route) {
	const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
	await logIn(context, site.url, process.env.MANAGER_LOGIN, process.env.MANAGER_PASSWORD);
	const page = await context.newPage();
	page.errors = [];
	page.on("pageerror", (error) => page.errors.push(String(error)));
	page.on("console", (line) => line.type() === "error" && page.errors.push(line.text()));
	page.calls = [];
	page.on("request", (request) => page.calls.push(request.url()));
	await page.goto(`${site.url}/app/${route}`);
	return page;
}

const field = (page, name) => page.locator(`.form-layout [data-fieldname=${name}] input:visible`).first();
const called = (page, method) => page.calls.filter((url) => url.includes(method)).length;
const message = (page) => page.locator(".msgprint-dialog.show, .modal.show").last();

async function dismiss(page) {
	await page.locator(".modal.show .btn-modal-close:visible").last().click();
	await page.waitForFunction(() => !document.querySelector(".modal.show"));
}

/** Chooses one of the known providers on the form of a new one. */
const choose = (page, label) => page.locator("[data-fieldname=known_provider] select").selectOption({ label });
const shown = (page, name) => page.locator(`.form-layout [data-fieldname=${name}] input:visible`).count();

async function removed_after(t, page, name, doctype = "AI Provider") {
	const token = await page.evaluate(() => frappe.csrf_token);
	t.after(() =>
		page.context().request.delete(`${site.url}/api/resource/${doctype}/${name}`, {
			headers: { "X-Frappe-CSRF-Token": token },
		}),
	);
}

async function save(page) {
	await page.evaluate(() => void cur_frm.save());
}

test("a provider's form completes the API, keeps its key to itself, and tests what was saved alone", async (t) => {
	const page = await desk("ai-provider/new");
	const name = unique("desk");
	await choose(page, "Other");
	await field(page, "provider_name").fill(name);
	await page.waitForFunction(() => cur_frm.fields_dict.api._data?.length > 100);
	await field(page, "api").fill("deeps");
	await page.locator(".awesomplete li", { hasText: "deepseek" }).first().waitFor();
	await field(page, "api").fill("opnai");
	await field(page, "api_base").fill(`${process.env.PROVIDER}/openai/v1`);
	await field(page, "api_key").pressSequentially("sk-typed-by-hand");
	await field(page, "default_model").fill("scripted");
	await field(page, "default_model").press("Tab");
	// Frappe waits half a second before it asks how strong a password is.
	await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 800)));
	await save(page);
	await message(page).getByText("API opnai is not known").waitFor();
	assert.match(await message(page).textContent(), /openai/);
	await dismiss(page);

	await field(page, "api").fill("openai");
	await field(page, "api").press("Tab");
	await save(page);
	await page.waitForFunction(() => !cur_frm.is_new() && !cur_frm.is_dirty());
	await removed_after(t, page, name);
	const press = () => page.locator(".page-actions, .standard-actions").getByText("Test connection").first().click();
	await press();
	await message(page).getByText("its first chunk came after").waitFor();
	await dismiss(page);
	assert.equal(called(page, "ai_provider.test_connection"), 1);

	await field(page, "api_base").fill("ftp://nowhere");
	await field(page, "api_base").press("Tab");
	await press();
	await message(page).getByText("API Base accepts").waitFor();
	await dismiss(page);
	assert.equal(await page.evaluate(() => Boolean(cur_frm.is_dirty())), true);
	assert.equal(called(page, "ai_provider.test_connection"), 1);
	assert.equal(called(page, "test_password_strength"), 0);
});

test("a new provider is chosen, gets a key, fetches its models and is saved", async (t) => {
	const page = await desk("ai-provider/new");
	await page.locator("[data-fieldname=known_provider] select").waitFor();
	for (const name of ["provider_name", "api", "api_base"]) assert.equal(await shown(page, name), 0, name);
	await choose(page, "Anthropic");
	await page.waitForFunction(() => cur_frm.doc.api === "anthropic");
	assert.equal(await page.evaluate(() => cur_frm.doc.provider_name), "Anthropic");
	const where = page.locator("[data-fieldname=api_key] a[href^='https://console.anthropic.com']");
	await where.waitFor();
	assert.equal(await shown(page, "api"), 0);

	// The scripted provider is none of the known ones.
	const name = unique("fetched");
	await choose(page, "Other");
	await where.waitFor({ state: "detached" });
	await field(page, "api").fill("openai");
	await field(page, "api").press("Tab");
	await field(page, "provider_name").fill(name);
	await field(page, "api_base").fill(`${process.env.PROVIDER}/openai/v1`);
	await field(page, "api_base").press("Tab");
	const fetch = page.locator("[data-fieldname=fetch_models] button");
	await fetch.click();
	await message(page).getByText("API Key is missing").waitFor();
	await dismiss(page);
	// The console has the status of the refusal.
	page.errors = [];
	await field(page, "api_key").fill("sk-typed-by-hand");
	await field(page, "api_key").press("Tab");
	await fetch.click();
	await page.locator("[data-fieldname=default_model] li", { hasText: "scripted-large" }).waitFor();
	await page.locator("[data-fieldname=default_model] li").filter({ hasText: /^scripted$/ }).click();
	await page.waitForFunction(() => cur_frm.doc.models?.[0]?.context_window === 4096);
	await page.screenshot({ path: "build/desk/provider-short.png" });
	await save(page);
	await page.waitForFunction(() => !cur_frm.is_new() && !cur_frm.is_dirty());
	await removed_after(t, page, name);
	assert.deepEqual(await page.evaluate(() => cur_frm.doc.models.map((row) => row.model)), ["scripted"]);

	// A saved provider is asked by its stored key, and the others are added if the administrator says so.
	await fetch.click();
	await message(page).getByText("Add the other 1 models").waitFor();
	await page.locator(".modal.show .btn-primary:visible").last().click();
	await page.waitForFunction(() => cur_frm.doc.models.length === 2 && cur_frm.is_dirty());
	await save(page);
	await page.waitForFunction(() => !cur_frm.is_dirty() && !document.querySelector(".modal-backdrop"));
	await page.screenshot({ path: "build/desk/provider-saved.png" });
	assert.equal(await page.evaluate(() => cur_frm.doc.models[1].context_window), 8192);
	assert.deepEqual(page.errors, []);
});

test("the list and the form of a request show its status in words and go on by themselves, and the form its question", async (t) => {
	const gate = unique("gate");
	const { manager: client } = manager(t);
	const steps = [{ reasoning: "Hm." }, { gate }, { text: "So it is." }];
	// A list without any request has no rows to wait for.
	await client.chat("Hello");
	const list = await desk(`ai-request?user=${encodeURIComponent(site.user)}`);
	const form = await desk("ai-request");
	for (const page of [list, form]) await page.locator(".list-row").first().waitFor();
	await client.connect();
	const begun = new Promise((resolve) => client.on("reasoning", resolve));
	const answered = client.chat(script(...steps));
	// A provider that is silent has its deadline: the first look is not waited for.
	await begun;
	await list.evaluate(() => cur_list.refresh());
	const row = list.locator(".list-row").first();
	await row.locator(".indicator-pill", { hasText: "Running" }).first().waitFor();
	assert.equal((await row.locator(".list-subject a").textContent()).trim(), site.user);
	const name = await row.locator(".list-subject a").getAttribute("data-name");
	await form.evaluate((name) => void frappe.set_route("Form", "AI Request", name), name);
	await form.locator(".indicator-pill:visible", { hasText: "Running" }).first().waitFor();

	await openGate(gate);
	await answered;
	await row.locator(".indicator-pill", { hasText: "Completed" }).first().waitFor();
	await form.locator(".indicator-pill:visible", { hasText: "Completed" }).first().waitFor();
	await form.locator(".phases div").first().waitFor();
	// Another user's content: only the form has it.
	const control = (name) => form.locator(`[data-fieldname=${name}]:visible`).first();
	assert.match(await control("excerpt").textContent(), /\[\{"reasoning":"Hm\."\}/);
	assert.match(await control("response").textContent(), /So it is\./);
	// The timeline: the bar of the phases with its words, the chart of the events, and how many there were.
	const timeline = form.locator("[data-fieldname=timeline]");
	assert.match(await timeline.locator(".phases").getAttribute("aria-label"), /^Waiting: \d+ ms, Thinking: \d+ ms/);
	await timeline.locator(".frappe-chart .bar").first().waitFor({ state: "attached" });
	await timeline.getByText(/^\d+ events, 0 not delivered$/).waitFor();
	await form.screenshot({ path: "build/desk/request.png" });
	await form.getByText("Read events").first().click();
	await message(form).locator("td", { hasText: "So it is." }).waitFor();
	assert.deepEqual(form.errors, []);
	assert.deepEqual(list.errors, []);
});

test("markup of a question is its text, and an answer without thought draws no thought", async (t) => {
	const question = "<img src=x onerror=window.hit=1> what is this?";
	const { manager: client } = manager(t);
	await client.chat(question);
	const list = await desk(`ai-request?user=${encodeURIComponent(site.user)}`);
	await list.locator(".list-row .list-subject a").first().click();
	await list.locator(".phases div").first().waitFor();
	const shown = list.locator("[data-fieldname=excerpt]:visible .control-value").first();
	assert.equal((await shown.textContent()).trim(), question);
	assert.equal(await list.getByText("Thinking: 0 ms").count(), 0);
	assert.equal(await list.evaluate(() => window.hit), undefined);
	assert.deepEqual(list.errors, []);
});

test("the form of a document shows the chats that belong to it", async (t) => {
	const page = await desk("role");
	await page.waitForFunction(() => window.cur_list);
	const name = unique("role");
	await page.evaluate(async (name) => {
		await frappe.call("frappe.client.insert", { doc: { doctype: "Role", role_name: name } });
		const messages = [{ role: "user", content: "Is <b>this</b> a fish?" }];
		const reference = { reference_doctype: "Role", reference_name: name };
		await frappe.call("ai_assistant.api.chat_completion", { messages, model: "scripted", ...reference });
		await frappe.set_route("Form", "Role", name);
	}, name);
	await removed_after(t, page, name, "Role");
	const chat = page.locator(".new-timeline a:visible", { hasText: "Is <b>this</b> a fish?" });
	await chat.scrollIntoViewIfNeeded();
	await page.screenshot({ path: "build/desk/reference.png" });
	await chat.click();
	await page.waitForFunction(() => cur_frm?.doctype === "AI Request");
	assert.equal(await page.evaluate(() => cur_frm.doc.reference_name), name);
	assert.deepEqual(page.errors, []);
});

test("the report of budgets shows a dash where no price is known", async () => {
	const page = await desk("ai-request");
	await page.waitForFunction(() => window.cur_list);
	// The manager's only chat is with a model without a known price.
	const request = { messages: [{ role: "user", content: "hello" }], model: "scripted" };
	await page.evaluate((request) => frappe.call("ai_assistant.api.chat_completion", request).then(() => null), request);
	await page.goto(`${site.url}/app/query-report/AI Budgets`);
	const row = page.locator(".dt-row", { hasText: process.env.MANAGER_LOGIN }).first();
	await row.waitFor();
	const costs = await row.locator(".dt-cell").evaluateAll((cells) => cells.map((cell) => cell.textContent.trim()));
	assert.equal(costs.filter((text) => text === "–").length, 2, costs.join(" | "));
	assert.ok(!costs.includes("0.0000"));
	assert.deepEqual(page.errors, []);
});

test("the report of provider keys has the figures of each provider", async () => {
	const page = await desk("ai-request");
	await page.waitForFunction(() => window.cur_list);
	const asked = { messages: [{ role: "user", content: "hello" }], model: "scripted" };
	await page.evaluate((asked) => frappe.call("ai_assistant.api.chat_completion", asked).then(() => null), asked);
	await page.goto(`${site.url}/app/query-report/AI Provider Keys`);
	const row = page.locator(".dt-row", { hasText: "scripted" }).first();
	await row.waitFor();
	const cells = await row.locator(".dt-cell").evaluateAll((all) => all.map((cell) => cell.textContent.trim()));
	assert.equal(cells.filter((text) => /^\d+ ms$/.test(text)).length, 2, cells.join(" | "));
	// It does not rest: no date, and a dash for the reason.
	assert.ok(!cells.some((text) => /\d{4}/.test(text)), cells.join(" | "));
	const titles = await page.locator(".dt-header .dt-cell__content").allTextContents();
	for (const title of ["Failures by Kind", "Resting Until", "First Chunk p95"]) {
		assert.ok(titles.some((text) => text.includes(title)), titles.join(" | "));
	}
	assert.deepEqual(page.errors, []);
});

test("the workspace leads through the first steps where there is no provider, and has nothing red at 0", async () => {
	const page = await desk("ai-provider");
	await page.waitForFunction(() => window.cur_list);
	await page.route("**/ai_assistant.api.list_models*", async (route) => {
		const response = await route.fetch();
		const { message } = await response.json();
		await route.fulfill({ response, json: { message: { ...message, providers: [] } } });
	});
	await page.evaluate(() => frappe.set_route("ai-assistant"));
	const create = page.getByRole("button", { name: "Create a provider" });
	await create.waitFor();
	const steps = page.locator(".steps li");
	assert.equal(await steps.count(), 3);
	// The suite's users have the role and have chatted.
	assert.deepEqual(await steps.locator("span").allTextContents(), ["✓ Done", "✓ Done"]);
	await page.screenshot({ path: "build/desk/workspace.png" });
	assert.equal(await page.locator(".shortcut-widget-box .indicator-pill.red", { hasText: /^0 / }).count(), 0);
	const running = await page.evaluate(() => frappe.db.count("AI Request", { filters: { status: "running" } }));
	const shortcut = page.locator(".shortcut-widget-box", { hasText: "AI Request" });
	await shortcut.locator(".indicator-pill", { hasText: `${running} running` }).waitFor();
	await create.click();
	await page.waitForFunction(() => window.cur_frm?.doctype === "AI Provider" && cur_frm.is_new());
});
