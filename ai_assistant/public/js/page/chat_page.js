/** The page `/ai-assistant`: a conversation whose answers are shown while they are written. */
import { ApiError, RealtimeManager } from "../realtime_manager.js";
import { ConversationsPanel } from "./conversations_panel.js";
import { byId, h, isComposing, togglePanel } from "./dom.js";
import { describeError } from "./errors.js";
import { EventsPanel } from "./events_panel.js";
import { messagesOf, newId } from "./exchange.js";
import { keepAtEnd } from "./scroller.js";
import { logOut, notice, userInCookie } from "./session.js";
import { askForOthers } from "./site_tools.js";
import { storageOf } from "./storage.js";
import { __ } from "./translate.js";
import { Turn } from "./turn.js";

/**
 * @typedef {import("../realtime_manager.js").Answer} Answer
 * @typedef {import("./exchange.js").Exchange} Exchange
 */

/** @param {{ site: string, user: string, csrf_token: string | null, socketio_port: number | null, keeps_questions: boolean }} boot */
export function openPage({ site, user, csrf_token, socketio_port, keeps_questions }) {
	const socketUrl = socketio_port ? `${location.protocol}//${location.hostname}:${socketio_port}` : location.origin;
	const debug = new URLSearchParams(location.search).has("debug");
	const manager = new RealtimeManager({ site, socketUrl, csrfToken: csrf_token ?? undefined, debug });
	const panel = new EventsPanel(byId("events-body"));
	const [log, form, prompt, stop] = ["conversation", "composer", "prompt", "stop"].map(byId);
	const storage = storageOf({ user, site });
	/** @type {{ task_id: string, turns: Exchange[] }} */
	let conversation = storage.conversation.load() ?? { task_id: newId(), turns: [] };
	/** The chats that are followed, by request_id. @type {Map<string, { turn: Turn, exchange: Exchange }>} */
	const running = new Map();
	/** The chats whose site became unreachable. They are followed again when it is back. @type {Map<Exchange, Turn>} */
	const interrupted = new Map();

	const announce = (/** @type {string} */ sentence) => (byId("announcements").textContent = sentence);
	const saveConversation = () => storage.conversation.save(conversation);

	// The conversation

	/** @param {string} question */
	function ask(question) {
		const exchange = { prompt: question, request_id: newId() };
		conversation.turns.push(exchange);
		panel.clear();
		// If the list of models could not be loaded, it is loaded for the next question.
		loadModels();
		follow(exchange, show(exchange), post(exchange));
	}

	/** @param {Exchange} exchange */
	function post(exchange) {
		const previous = conversation.turns.slice(0, conversation.turns.indexOf(exchange)).flatMap(messagesOf);
		const messages = [...previous, { role: "user", content: exchange.prompt }];
		return manager.chat(messages, {
			request_id: exchange.request_id,
			task_id: conversation.task_id,
			...selectedFields(),
		});
	}

	/** Shows a chat until it ends. @param {Exchange} exchange @param {Turn} turn @param {Promise<Answer>} chat */
	async function follow(exchange, turn, chat) {
		const { request_id } = exchange;
		running.set(request_id, { turn, exchange });
		interrupted.delete(exchange);
		saveConversation();
		document.body.classList.add("busy");
		stop.hidden = false;
		try {
			exchange.answer = await chat;
			turn.end(exchange.answer, null);
		} catch (error) {
			const failure = describeError(error, exchange !== conversation.turns[0]);
			const unreachable = !(error instanceof ApiError) || error.notFromSite;
			const unknown = error instanceof ApiError && error.code === "not_found";
			if (error instanceof ApiError && error.code && !unknown) {
				exchange.answer = error.answer;
				exchange.failure = failure;
				showEnd(exchange, turn);
			} else {
				// The outcome is not known. A reload asks the site for it.
				if (unreachable) interrupted.set(exchange, turn);
				const retry = () => followAgain(exchange, turn, unknown ? post(exchange) : resumeOrPost(exchange, turn));
				turn.end(null, { ...failure, ...((failure.retryable || unknown) && { retry }) });
			}
		} finally {
			saveConversation();
			// The user may have started another conversation, or the chat is followed again.
			if (running.get(request_id)?.turn === turn) running.delete(request_id);
			showIdle();
			scroller.follow();
			conversations?.refresh();
		}
	}

	/** @param {Exchange} exchange @param {Turn} turn @param {Promise<Answer>} chat */
	function followAgain(exchange, turn, chat) {
		turn.reopen();
		follow(exchange, turn, chat);
	}

	/** Resumes a chat, or asks the question if the site does not know it. @param {Exchange} exchange @param {Turn} turn */
	async function resumeOrPost(exchange, turn) {
		try {
			return await manager.resume(exchange.request_id, turn.seq);
		} catch (error) {
			if (!(error instanceof ApiError) || error.code !== "not_found") throw error;
			return post(exchange);
		}
	}

	/** Shows the outcome of an exchange. @param {Exchange} exchange @param {Turn} turn */
	function showEnd({ prompt, answer, failure }, turn) {
		const retry = () => ask(prompt);
		turn.end(answer ?? null, failure ? { ...failure, ...(failure.retryable && { retry }) } : null);
	}

	/** Shows that no chat runs, if none runs. */
	function showIdle() {
		if (running.size) return;
		document.body.classList.remove("busy");
		if (document.activeElement === stop || document.activeElement === document.body) prompt.focus();
		stop.hidden = true;
		stop.disabled = false;
	}

	/** @param {Exchange} exchange */
	function show(exchange) {
		const turn = new Turn(exchange.prompt, announce);
		log.append(turn.element);
		document.body.classList.remove("empty");
		scroller.toEnd();
		return turn;
	}

	/** @param {string} kind @param {any} event @param {(turn: Turn, exchange: Exchange) => void} apply */
	function receive(kind, event, apply) {
		const chat = running.get(event.request_id);
		if (!chat) return;
		panel.add(kind, event);
		chat.turn.seq = event.seq ?? chat.turn.seq;
		apply(chat.turn, chat.exchange);
		scroller.follow();
	}

	manager.on("reasoning", (event) =>
		receive("reasoning", event, (turn, exchange) => {
			if (exchange.started === undefined) {
				exchange.started = Date.now();
				saveConversation();
			}
			turn.reason(event.text, exchange.started);
		}),
	);
	manager.on("text", (event) => receive("text", event, (turn) => turn.write(event.text)));
	manager.on("tool_call_start", (event) => receive("tool_call_start", event, (turn) => turn.beginCall(event)));
	manager.on("tool_call_delta", (event) => receive("tool_call_delta", event, (turn) => turn.growCall(event)));
	manager.on("tool_call", (event) => receive("tool_call", event, (turn) => turn.showCall(event)));
	manager.on("tool_approval", (event) => receive("tool_approval", event, (turn) => turn.askApproval(event, manager)));
	manager.on("tool_result", (event) => receive("tool_result", event, (turn) => turn.showToolResult(event)));
	askForOthers(manager, log, announce);
	manager.on("status", (event) => receive("status", event, (turn) => turn.showPhase(event)));
	manager.on("completion", (event) => receive("completion", event, () => {}));
	manager.on("gap", (event) => receive("gap", event, () => {}));

	// Mode, model and question

	/** @type {{ mode?: string, model?: string }} */
	let choice = storage.choice.load() ?? {};
	/** The list of models, loading or loaded; null if it must be loaded. @type {Promise<void> | null} */
	let models = null;

	function loadModels() {
		models ??= manager.get("list_models").then(showModels, (error) => {
			models = null;
			notice(describeError(error).sentence);
		});
	}

	/** @param {{ modes: string[], providers: any[], default: { provider: string | null, model: string | null, mode: string } }} list */
	function showModels({ modes, providers, default: siteDefault }) {
		const groups = providers.map(({ name, models, default_model }) => {
			const ids = [...new Set([default_model, ...models])].filter((id) => id && id !== "*");
			// The site's default is listed once. Its empty value lets the site choose.
			const value = (/** @type {string} */ id) =>
				name === siteDefault.provider && id === siteDefault.model ? "" : JSON.stringify([name, id]);
			return h("optgroup", { label: name }, ...ids.map((id) => new Option(id, value(id))));
		});
		const hasDefault = groups.some((group) => group.querySelector('[value=""]'));
		const defaultOption = new Option(siteDefault.model ?? __("No provider"), "");
		byId("model").replaceChildren(...(hasDefault ? [] : [defaultOption]), ...groups);
		byId("mode").replaceChildren(...modes.map((mode) => new Option(mode, mode)));
		for (const [select, chosen, fallback] of [
			[byId("mode"), choice.mode, siteDefault.mode],
			[byId("model"), choice.model, ""],
		]) {
			const available = [...select.options].some((option) => option.value === chosen);
			select.value = available ? chosen : fallback;
		}
		notice(
			providers.length ? "" : __("No provider is configured on this site yet. An administrator can add one."),
		);
		if (!providers.length) models = null;
	}

	/** Returns the fields `mode`, `provider` and `model` of the next request. */
	function selectedFields() {
		const loaded = byId("mode").options.length > 0;
		const selected = loaded ? { mode: byId("mode").value, model: byId("model").value } : choice;
		const [provider, model] = JSON.parse(selected.model || "[]");
		return { mode: selected.mode || "chat", ...(model && { provider, model }) };
	}

	for (const id of ["mode", "model"]) {
		byId(id).addEventListener("change", () => {
			choice = { mode: byId("mode").value, model: byId("model").value };
			storage.choice.save(choice);
		});
	}

	function fitPrompt() {
		prompt.style.height = "auto";
		prompt.style.height = `${prompt.scrollHeight}px`;
	}

	async function cancel() {
		if (!running.size || stop.disabled) return;
		stop.disabled = true;
		try {
			await Promise.all([...running.keys()].map((id) => manager.cancel(id)));
		} catch (error) {
			stop.disabled = false;
			announce(describeError(error).sentence);
		}
	}

	form.addEventListener("submit", (/** @type {Event} */ event) => {
		event.preventDefault();
		// Leading spaces may be the indentation of pasted code.
		const question = prompt.value.trimEnd();
		if (!question || running.size) return;
		prompt.value = "";
		fitPrompt();
		ask(question);
	});
	prompt.addEventListener("input", fitPrompt);
	prompt.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
		if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
		event.preventDefault();
		form.requestSubmit();
	});
	stop.addEventListener("click", cancel);
	document.addEventListener("keydown", (event) => {
		if (event.key !== "Escape" || isComposing(event)) return;
		if (running.size) cancel();
		else if (!byId("events").hidden) toggleEvents();
	});

	const toggleEvents = () => togglePanel("events", "events-close");
	for (const id of ["events-toggle", "events-close"]) byId(id).addEventListener("click", toggleEvents);

	/** Leaves the conversation, and shows another one. @param {{ task_id: string, turns: Exchange[] }} next */
	function enter(next) {
		cancel();
		running.clear();
		interrupted.clear();
		showIdle();
		conversation = next;
		saveConversation();
		log.replaceChildren();
		panel.clear();
		showTurns();
		prompt.focus();
	}
	byId("new").addEventListener("click", () => enter({ task_id: newId(), turns: [] }));
	const conversations = keeps_questions
		? new ConversationsPanel({ manager, announce, enter, isOpen: (id) => id === conversation.task_id })
		: null;
	byId("logout").addEventListener("click", () => logOut(csrf_token, Object.values(storage)));

	// The connection

	const scroller = keepAtEnd(byId("main"), byId("to-end"));

	function showConnection() {
		const sentence = manager.connected
			? __("Connected: events arrive over Socket.IO.")
			: __("No socket: events are read from the journal.");
		panel.connection(sentence, manager.connected);
	}
	for (const name of /** @type {const} */ (["reconnect", "disconnect"])) manager.on(name, showConnection);

	/** Loads the models and follows interrupted chats again: the site or the user may be back. */
	function recover() {
		loadModels();
		for (const [exchange, turn] of interrupted) {
			followAgain(exchange, turn, manager.resume(exchange.request_id, turn.seq));
		}
	}
	manager.on("reconnect", () => {
		// The site may have other models after a restart.
		models = null;
		recover();
	});
	window.addEventListener("online", recover);
	const userOfPage = userInCookie();
	for (const event of ["focus", "pageshow"]) {
		window.addEventListener(event, () => {
			// Another user has logged in in another tab, and must not see this conversation.
			if (userInCookie() !== userOfPage) location.reload();
			else recover();
		});
	}

	// Start

	function showTurns() {
		for (const exchange of conversation.turns) {
			const turn = show(exchange);
			if (exchange.answer || exchange.failure) showEnd(exchange, turn);
			else follow(exchange, turn, manager.resume(exchange.request_id));
		}
		announce("");
		document.body.classList.toggle("empty", !conversation.turns.length);
		scroller.toEnd();
	}
	byId("loading").remove();
	byId("app").hidden = false;
	showTurns();
	prompt.focus();
	loadModels();
	manager.connect().then(showConnection);
}
