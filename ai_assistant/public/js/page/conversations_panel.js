/** The list of the conversations that the site keeps of the user. */
import { byId, download, h, togglePanel } from "./dom.js";
import { describeError } from "./errors.js";
import { exchangeOf } from "./exchange.js";
import { __ } from "./translate.js";

/**
 * @typedef {import("./exchange.js").Exchange} Exchange
 * @typedef {{ task_id: string, title: string, created: number }} Entry
 * @typedef {{ task_id: string, title: string, turns: any[] }} Kept a conversation with its turns, as the site has it
 */

const PAGE = 50;
const SEARCH_MS = 250;

export class ConversationsPanel {
	/**
	 * @param {object} page
	 * @param {import("../realtime_manager.js").RealtimeManager} page.manager
	 * @param {(sentence: string) => void} page.announce tells screen readers
	 * @param {(conversation: { task_id: string, turns: Exchange[] }) => void} page.enter shows a conversation
	 * @param {(task_id: string) => boolean} page.isOpen whether the conversation is the one on the page
	 */
	constructor({ manager, announce, enter, isOpen }) {
		this.#manager = manager;
		this.#announce = announce;
		this.#enter = enter;
		this.#isOpen = isOpen;
		byId("history-toggle").hidden = false;
		for (const id of ["history-toggle", "history-close"]) byId(id).addEventListener("click", () => this.#toggle());
		let wait = 0;
		byId("history-search").addEventListener("input", () => {
			clearTimeout(wait);
			wait = setTimeout(() => this.refresh(), SEARCH_MS);
		});
		byId("history-more").addEventListener("click", () => this.#load(this.#oldest));
	}

	#manager;
	#announce;
	#enter;
	#isOpen;
	/** The `created` of the last entry. @type {number | undefined} */
	#oldest;

	/** Reads the list again, if it is shown. */
	refresh() {
		if (!byId("history").hidden) this.#load();
	}

	#toggle() {
		togglePanel("history", "history-search");
		this.refresh();
	}

	/** @param {number} [before] the `created` of the last entry that is shown; without it the list begins anew */
	async #load(before) {
		const search = byId("history-search").value.trim();
		const params = { search, limit: PAGE, ...(before && { before }) };
		await this.#try(async () => {
			const { conversations } = await this.#manager.get("conversations.get_list", params);
			// The user may have gone on typing.
			if (search !== byId("history-search").value.trim()) return;
			const items = conversations.map((/** @type {Entry} */ entry) => this.#item(entry));
			if (before) byId("history-list").append(...items);
			else byId("history-list").replaceChildren(...items);
			this.#oldest = conversations.at(-1)?.created;
			byId("history-more").hidden = conversations.length < PAGE;
			byId("history-empty").hidden = Boolean(byId("history-list").children.length);
		});
	}

	/** @param {Entry} entry */
	#item({ task_id, title, created }) {
		const when = new Date(created * 1000).toLocaleString(document.documentElement.lang);
		/** @type {[string, (event: Event) => unknown][]} */
		const actions = [
			[__("Rename"), () => this.#rename(task_id, title)],
			[__("Markdown"), () => this.#export(task_id, "md")],
			[__("JSON"), () => this.#export(task_id, "json")],
			[__("Delete"), () => this.#delete(task_id, title)],
		];
		const buttons = actions.map(([label, act]) => {
			const button = h("button", { type: "button", className: "quiet", textContent: label });
			button.setAttribute("aria-label", `${label}: ${title}`);
			button.addEventListener("click", act);
			return button;
		});
		const open = h(
			"button",
			{ type: "button", className: "quiet open" },
			h("span", { className: "title", dir: "auto" }, title),
			h("time", {}, when),
		);
		if (this.#isOpen(task_id)) open.setAttribute("aria-current", "true");
		open.addEventListener("click", () => this.#open(task_id));
		return h("li", {}, open, h("div", { className: "actions" }, ...buttons));
	}

	/** @param {string} task_id */
	#open(task_id) {
		return this.#try(async () => {
			/** @type {Kept} */
			const { turns } = await this.#read(task_id);
			this.#enter({ task_id, turns: turns.map(exchangeOf) });
			this.refresh();
		});
	}

	/** @param {string} task_id @param {string} title */
	#rename(task_id, title) {
		const wanted = prompt(__("Title of the conversation"), title)?.trim();
		if (!wanted || wanted === title) return;
		return this.#try(async () => {
			await this.#manager.post("conversations.rename", { task_id, title: wanted });
			this.#announce(__("The conversation is renamed."));
			this.refresh();
		});
	}

	/** @param {string} task_id @param {string} title */
	#delete(task_id, title) {
		if (!confirm(__("Delete {0}? Its questions and answers cannot be restored.", [title]))) return;
		return this.#try(async () => {
			await this.#manager.post("conversations.delete", { task_id });
			this.#announce(__("The conversation is deleted."));
			if (this.#isOpen(task_id)) byId("new").click();
			this.refresh();
		});
	}

	/** @param {string} task_id @param {"md" | "json"} format */
	#export(task_id, format) {
		return this.#try(async () => {
			const conversation = await this.#read(task_id);
			const name = `${conversation.title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60) || "conversation"}.${format}`;
			if (format === "json") download(name, "application/json", `${JSON.stringify(conversation, null, 2)}\n`);
			else download(name, "text/markdown", markdownOf(conversation));
		});
	}

	/** @param {string} task_id */
	#read(task_id) {
		return this.#manager.get("conversations.get", { task_id });
	}

	/** Does something, and shows a sentence if it fails. @param {() => Promise<void>} work */
	async #try(work) {
		byId("history-error").hidden = true;
		try {
			await work();
		} catch (error) {
			byId("history-error").textContent = describeError(error).sentence;
			byId("history-error").hidden = false;
		}
	}
}

/** @param {Kept} conversation */
function markdownOf({ title, turns }) {
	const parts = turns.flatMap(({ messages, answer }) => {
		const { prompt } = exchangeOf({ messages, answer });
		const model = answer.model ? ` (${answer.model})` : "";
		return [`## ${__("You asked")}`, prompt, `## ${__("Answer")}${model}`, answer.response];
	});
	return `${[`# ${title}`, ...parts].join("\n\n")}\n`;
}
