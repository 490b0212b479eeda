// Drives the native Chat view of a VS Code that runs in Chromium.
import { chromium } from "playwright-core";

const { VSCODE_URL, VSCODE_PROFILE, SHOTS, MODEL_NAME } = process.env;

/** Opens VS Code. */
export async function openEditor() {
	const context = await chromium.launchPersistentContext(VSCODE_PROFILE, {
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		args: ["--no-sandbox", "--disable-gpu"],
		viewport: { width: 1200, height: 800 },
	});
	const page = context.pages()[0] ?? (await context.newPage());
	await page.goto(VSCODE_URL);
	await page.locator(".monaco-workbench").waitFor({ timeout: 90_000 });
	return { context, page };
}

/** Opens VS Code with its Chat view, and enables the built-in chat extension, which a fresh profile starts without. */
export async function openChat() {
	const { context, page } = await openEditor();
	const view = page.locator(".part.auxiliarybar .interactive-session");
	await view.waitFor({ timeout: 90_000 });
	const toolbar = page.locator(".part.auxiliarybar .chat-input-toolbars").first();
	const chosen = toolbar.filter({ hasText: MODEL_NAME });
	if (!(await appears(chosen, 10_000))) {
		await runCommand(page, "Chat: Manage Language Models");
		await page.locator(".monaco-list-row", { hasText: MODEL_NAME }).first().waitFor({ timeout: 90_000 });
		await page.keyboard.press("Escape");
		await chosen.waitFor({ timeout: 30_000 });
	}
	return { context, page, chat: new ChatView(page, view) };
}

/** Runs a command by its title. The list does not show a command that is registered after it was opened. */
export async function runCommand(page, title) {
	const row = page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first();
	for (let turn = 0; turn < 20; turn++) {
		await page.keyboard.press("F1");
		await page.locator(".quick-input-widget input").first().fill(`>${title}`);
		if (await appears(row, 3_000)) return row.click();
		await page.keyboard.press("Escape");
	}
	throw new Error(`there is no command “${title}”`);
}

const appears = (locator, timeout) => locator.waitFor({ timeout }).then(
	() => true,
	() => false,
);

class ChatView {
	constructor(page, view) {
		this.page = page;
		this.view = view;
	}

	/** Sends a prompt, and returns once the view shows a new response. */
	async ask(prompt) {
		const requests = this.view.locator(".interactive-item-container.interactive-request");
		await this.view.locator(".chat-editor-container .monaco-editor").first().click();
		// Typed text would get closing brackets and quotes.
		await this.page.keyboard.insertText(prompt);
		await this.page.keyboard.press("Enter");
		await requests.filter({ hasText: prompt.slice(-24) }).last().waitFor({ timeout: 20_000 });
	}

	/** The newest response. */
	get response() {
		return this.view.locator(".interactive-item-container.interactive-response").last();
	}

	/** Waits until the newest response contains a text. */
	async shows(text) {
		await this.response.filter({ hasText: text }).waitFor({ timeout: 60_000 });
	}

	/** Waits until the newest response has ended, and returns its text. */
	async ended() {
		await this.page.waitForFunction(
			() => {
				const all = document.querySelectorAll(".part.auxiliarybar .interactive-response");
				const last = all[all.length - 1];
				return last && !last.classList.contains("chat-response-loading") && last.innerText.trim();
			},
			null,
			{ timeout: 60_000 },
		);
		return this.response.innerText();
	}

	async screenshot(name) {
		await this.page.screenshot({ path: `${SHOTS}/${name}.png` });
	}
}
