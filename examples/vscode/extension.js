/** Connects VS Code with the AI Assistant of a Frappe site: a view of its own, and the site's models for the Chat. */
import * as vscode from "vscode";

import { RealtimeManager, assistantMessage } from "../../ai_assistant/public/js/realtime_manager.js";
import { viewHtml } from "./view.js";

const KEY = "aiAssistant.key";
const VENDOR = "frappe-ai-assistant";

/** @param {vscode.ExtensionContext} context */
export async function activate(context) {
	const site = new Site(context.secrets);
	const view = new AnswerView();
	const models = new SiteModels(site);
	context.subscriptions.push(
		site,
		vscode.window.registerWebviewViewProvider("aiAssistant.view", view),
		vscode.lm.registerLanguageModelChatProvider(VENDOR, models),
		vscode.commands.registerCommand("aiAssistant.setKey", async () => {
			const key = await vscode.window.showInputBox({
				title: "API key of your user on the site",
				prompt: "Desk → User → Settings → API Access. Enter it as key:secret.",
				password: true,
				ignoreFocusOut: true,
			});
			if (key) {
				await context.secrets.store(KEY, key.trim());
				await site.disconnect();
				models.changed();
			}
		}),
		vscode.commands.registerCommand("aiAssistant.ask", async () => {
			const question = await vscode.window.showInputBox({ title: "Ask the site", ignoreFocusOut: true });
			if (question) await askInView(site, view, question);
		}),
		vscode.commands.registerCommand("aiAssistant.stop", () => site.stop()),
		vscode.workspace.onDidChangeConfiguration(async (event) => {
			if (!event.affectsConfiguration("aiAssistant")) return;
			await site.disconnect();
			models.changed();
		}),
	);
}

/** The connection to the site. It opens at the first use and is replaced when the address or the key changes. */
class Site {
	/** @param {vscode.SecretStorage} secrets */
	constructor(secrets) {
		this.secrets = secrets;
		/** @type {RealtimeManager | null} */
		this.manager = null;
		/** @type {string | null} */
		this.running = null;
	}

	/** Returns the manager, or null if the address or the key is missing. */
	async connect() {
		if (this.manager) return this.manager;
		const settings = vscode.workspace.getConfiguration("aiAssistant");
		const url = settings.get("url");
		const token = await this.secrets.get(KEY);
		if (!url || !token) return null;
		const socketUrl = settings.get("socketUrl") || undefined;
		this.manager = new RealtimeManager({ url, site: settings.get("site") || undefined, socketUrl, token });
		// Chats stream without a socket too.
		await this.manager.connect();
		return this.manager;
	}

	async disconnect() {
		this.manager?.close();
		this.manager = null;
	}

	async stop() {
		if (this.manager && this.running) await this.manager.cancel(this.running);
	}

	dispose() {
		this.manager?.close();
	}
}

/** Asks a question and shows its events in the view. @param {Site} site @param {AnswerView} view @param {string} question */
async function askInView(site, view, question) {
	const manager = await site.connect();
	if (!manager) {
		vscode.window.showErrorMessage("Set aiAssistant.url in the settings, and run “AI Assistant: Set API Key”.");
		return;
	}
	await vscode.commands.executeCommand("aiAssistant.view.focus");
	const requestId = crypto.randomUUID();
	const events = ["reasoning", "text", "completion"].map((name) =>
		manager.on(/** @type {"text"} */ (name), (event) => event.request_id === requestId && view.show(event)),
	);
	view.begin(question);
	site.running = requestId;
	try {
		const answer = await manager.chat(question, { request_id: requestId });
		view.end(answer.status === "cancelled" ? "Stopped." : `${answer.usage?.total_tokens ?? "?"} tokens`);
	} catch (error) {
		view.end(messageOf(error));
	} finally {
		site.running = null;
		for (const remove of events) remove();
	}
}

/** The view in the Explorer. It keeps what it was sent, so that it can be opened later. */
class AnswerView {
	/** @type {vscode.WebviewView | null} */
	#view = null;
	/** @type {object[]} */
	#messages = [];

	/** @param {vscode.WebviewView} view */
	resolveWebviewView(view) {
		this.#view = view;
		view.webview.options = { enableScripts: true };
		view.webview.html = viewHtml(view.webview.cspSource);
		view.webview.onDidReceiveMessage(() => this.#messages.forEach((message) => view.webview.postMessage(message)));
		view.onDidDispose(() => (this.#view = null));
	}

	/** @param {string} question */
	begin(question) {
		this.#messages = [];
		this.#post({ type: "question", text: question });
	}

	/** @param {{ type: string, text: string, seq: number }} event */
	show({ type, text, seq }) {
		this.#post({ type, text, seq });
	}

	/** @param {string} note */
	end(note) {
		this.#post({ type: "end", text: note });
	}

	/** @param {object} message */
	#post(message) {
		this.#messages.push(message);
		this.#view?.webview.postMessage(message);
	}
}

/** The site's models, for VS Code's own Chat. */
class SiteModels {
	#changed = new vscode.EventEmitter();
	onDidChangeLanguageModelChatInformation = this.#changed.event;

	/** @param {Site} site */
	constructor(site) {
		this.site = site;
	}

	changed() {
		this.#changed.fire();
	}

	/** @param {{ silent: boolean }} options */
	async provideLanguageModelChatInformation({ silent }) {
		const manager = await this.site.connect();
		if (!manager) {
			if (!silent) await vscode.commands.executeCommand("aiAssistant.setKey");
			return [];
		}
		const { providers } = await manager.get("list_models");
		return providers.flatMap((provider) =>
			[...new Set([provider.default_model, ...provider.models])]
				.filter((model) => model !== "*")
				.map((model) => information(provider, model)),
		);
	}

	/**
	 * @param {{ id: string }} model
	 * @param {readonly vscode.LanguageModelChatRequestMessage[]} messages
	 * @param {vscode.ProvideLanguageModelChatResponseOptions} options
	 * @param {vscode.Progress<vscode.LanguageModelResponsePart>} progress
	 * @param {vscode.CancellationToken} token
	 */
	async provideLanguageModelChatResponse({ id }, messages, options, progress, token) {
		const manager = await this.site.connect();
		if (!manager) throw new Error("Run “AI Assistant: Set API Key” first.");
		const [provider, model] = JSON.parse(id);
		const requestId = crypto.randomUUID();
		const own = (show) => (event) => event.request_id === requestId && show(event);
		const cancelled = token.onCancellationRequested(() => manager.cancel(requestId));
		const removers = [
			manager.on("text", own(({ text }) => text && progress.report(new vscode.LanguageModelTextPart(text)))),
			manager.on("tool_call", own((call) => progress.report(callPart(call.id, call.name, call.arguments)))),
			() => cancelled.dispose(),
		];
		const tools = options.tools?.map(({ name, description, inputSchema }) => ({
			type: "function",
			function: { name, description, parameters: inputSchema ?? { type: "object" } },
		}));
		try {
			const choice = options.toolMode === vscode.LanguageModelChatToolMode.Required ? "required" : "auto";
			await manager.chat(messages.flatMap(converted), {
				request_id: requestId,
				provider,
				model,
				...(tools?.length && { tools, tool_choice: choice }),
			});
		} catch (error) {
			throw new Error(messageOf(error));
		} finally {
			for (const remove of removers) remove();
		}
	}

	/** @param {unknown} _model @param {string | vscode.LanguageModelChatRequestMessage} text */
	async provideTokenCount(_model, text) {
		const content = typeof text === "string" ? text : text.content.map((part) => part.value ?? "").join("");
		return Math.ceil(content.length / 4);
	}
}

/** @param {any} provider @param {string} model */
function information(provider, model) {
	const known = provider.details?.[model] ?? {};
	return {
		id: JSON.stringify([provider.name, model]),
		name: model,
		family: provider.name,
		version: "1",
		detail: provider.name,
		maxInputTokens: known.context_window ?? 128_000,
		maxOutputTokens: known.max_output_tokens ?? 16_000,
		capabilities: { toolCalling: known.tools !== false, imageInput: known.vision === true },
	};
}

/** Converts a message of VS Code to messages of the site. @param {vscode.LanguageModelChatRequestMessage} message */
function converted({ role, content }) {
	const text = content.filter((part) => part instanceof vscode.LanguageModelTextPart).map(({ value }) => value).join("");
	const calls = content.filter((part) => part instanceof vscode.LanguageModelToolCallPart);
	const results = content.filter((part) => part instanceof vscode.LanguageModelToolResultPart);
	/** @type {any[]} */
	const messages = results.map(({ callId, content: parts }) => ({
		role: "tool",
		tool_call_id: callId,
		content: parts.map((part) => part.value ?? "").join(""),
	}));
	if (role === vscode.LanguageModelChatMessageRole.Assistant) {
		const tool_calls = calls.map(({ callId, name, input }) => ({
			id: callId,
			type: "function",
			function: { name, arguments: JSON.stringify(input) },
		}));
		return [...messages, assistantMessage({ response: text, tool_calls })];
	}
	return text ? [...messages, { role: "user", content: text }] : messages;
}

/** @param {string} id @param {string} name @param {string} json */
function callPart(id, name, json) {
	let input = {};
	try {
		input = JSON.parse(json);
	} catch {
		// The tool says what is missing, and the model tries again.
	}
	return new vscode.LanguageModelToolCallPart(id, name, input);
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));
