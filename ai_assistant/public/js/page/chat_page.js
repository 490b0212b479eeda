/** The page `/ai-assistant`: a conversation, with what goes on shown as it happens. */
import { ApiError, RealtimeManager } from "../realtime_manager.js";
import { byId, h } from "./dom.js";
import { EventsPanel } from "./events_panel.js";
import { Turn } from "./turn.js";

/** Of this tab: two tabs are two conversations, a reload goes on. */
const KEPT = "ai-assistant-conversation";
/** Of this browser. */
const CHOSEN = "ai-assistant-chosen";

/**
 * @typedef {object} Kept one turn, as it outlives a reload
 * @property {string} prompt
 * @property {string} request_id
 * @property {number} [started] `Date.now()` of event 1
 * @property {import("../realtime_manager.js").Answer | null} [answer]
 * @property {string} [error]
 */

/** @param {{ site: string, user: string, csrf_token: string | null, socketio_port: number | null }} boot */
export function openPage({ site, csrf_token, socketio_port }) {
	const socketUrl = socketio_port ? `${location.protocol}//${location.hostname}:${socketio_port}` : location.origin;
	const manager = new RealtimeManager({ site, socketUrl, csrfToken: csrf_token ?? undefined, debug: wantsDebug() });
	const panel = new EventsPanel(byId("events-body"));
	const [log, form, prompt, stop] = ["conversation", "composer", "prompt", "stop"].map(byId);
	/** @type {{ task_id: string, turns: Kept[] }} */
	let kept = recall(KEPT) ?? { task_id: newTask(), turns: [] };
	/** @type {{ turn: Turn, kept: Kept } | null} */
	let running = null;

	const announce = (/** @type {string} */ sentence) => (byId("announcements").textContent = sentence);

	// The conversation

	/** @param {string} words */
	function ask(words) {
		const one = { prompt: words, request_id: newTask() };
		const messages = [...kept.turns.flatMap(said), { role: "user", content: words }];
		kept.turns.push(one);
		panel.clear();
		follow(one, manager.chat(messages, { request_id: one.request_id, task_id: kept.task_id, ...chosen() }));
	}

	/** @param {Kept} one @param {Promise<import("../realtime_manager.js").Answer>} chat */
	async function follow(one, chat) {
		const turn = show(one);
		running = { turn, kept: one };
		remember(KEPT, kept);
		document.body.classList.add("busy");
		stop.hidden = false;
		try {
			one.answer = await chat;
			turn.end(one.answer, null);
		} catch (error) {
			one.answer = error instanceof ApiError ? error.answer : null;
			const failure = complaint(error);
			one.error = failure.sentence;
			turn.end(one.answer, { ...failure, ...(failure.retryable && { again: () => ask(one.prompt) }) });
		} finally {
			remember(KEPT, kept);
			// Another conversation may have begun meanwhile.
			if (running?.turn === turn) rest();
			scroller.follow();
		}
	}

	function rest() {
		running = null;
		document.body.classList.remove("busy");
		if (document.activeElement === stop || document.activeElement === document.body) prompt.focus();
		stop.hidden = true;
		stop.disabled = false;
	}

	/** @param {Kept} one */
	function show(one) {
		const turn = new Turn(one.prompt, announce);
		log.append(turn.element);
		document.body.classList.remove("empty");
		scroller.toEnd();
		return turn;
	}

	/** @param {string} kind @param {any} event @param {(turn: Turn, one: Kept) => void} apply */
	function received(kind, event, apply) {
		if (running?.kept.request_id !== event.request_id || !running) return;
		panel.add(kind, event);
		apply(running.turn, running.kept);
		scroller.follow();
	}

	manager.on("reasoning", (event) =>
		received("reasoning", event, (turn, one) => {
			if (one.started === undefined) {
				one.started = Date.now();
				remember(KEPT, kept);
			}
			turn.reason(event.text, one.started);
		}),
	);
	manager.on("text", (event) => received("text", event, (turn) => turn.write(event.text)));
	manager.on("tool_call", (event) => received("tool_call", event, (turn) => turn.call(event)));
	manager.on("status", (event) => received("status", event, (turn) => turn.phase(event)));
	manager.on("completion", (event) => received("completion", event, () => {}));
	manager.on("gap", (event) => received("gap", event, () => {}));

	// What is chosen and typed

	async function offer() {
		try {
			const { modes, providers, default: first } = await manager.get("list_models");
			const chosenBefore = recall(CHOSEN) ?? {};
			const models = byId("model");
			models.append(new Option(first.model ? `${first.model}` : "No provider", ""));
			for (const { name, models: names, default_model } of providers) {
				const own = [...new Set([default_model, ...names])].filter((each) => each !== "*");
				models.append(
					h("optgroup", { label: name }, ...own.map((each) => new Option(each, JSON.stringify([name, each])))),
				);
			}
			for (const mode of modes) byId("mode").append(new Option(mode, mode));
			for (const name of ["mode", "model"]) {
				const select = byId(name);
				const before = chosenBefore[name];
				const there = [...select.options].some((option) => option.value === before);
				select.value = there ? before : name === "mode" ? first.mode : "";
				select.addEventListener("change", () =>
					remember(CHOSEN, { mode: byId("mode").value, model: byId("model").value }),
				);
			}
			if (!providers.length) notice("No provider is configured on this site yet; an administrator can add one.");
		} catch (error) {
			notice(complaint(error).sentence);
		}
	}

	function chosen() {
		const [provider, model] = JSON.parse(byId("model").value || "[]");
		return { mode: byId("mode").value || "chat", ...(model && { provider, model }) };
	}

	/** @param {string} sentence */
	function notice(sentence) {
		byId("notice").textContent = sentence;
		byId("notice").hidden = false;
	}

	function fit() {
		prompt.style.height = "auto";
		prompt.style.height = `${prompt.scrollHeight}px`;
	}

	async function cancel() {
		if (!running || stop.disabled) return;
		stop.disabled = true;
		try {
			await manager.cancel(running.kept.request_id);
		} catch (error) {
			stop.disabled = false;
			announce(complaint(error).sentence);
		}
	}

	form.addEventListener("submit", (/** @type {Event} */ event) => {
		event.preventDefault();
		const words = prompt.value.trim();
		if (!words || running) return;
		prompt.value = "";
		fit();
		ask(words);
	});
	prompt.addEventListener("input", fit);
	prompt.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
		// While an input method composes a character, Enter is its own.
		if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
		event.preventDefault();
		form.requestSubmit();
	});
	stop.addEventListener("click", cancel);
	document.addEventListener("keydown", (event) => {
		if (event.key !== "Escape") return;
		if (running) cancel();
		else if (!byId("events").hidden) toggleEvents();
	});

	function toggleEvents() {
		const shown = byId("events").hidden;
		byId("events").hidden = !shown;
		byId("events-toggle").setAttribute("aria-expanded", String(shown));
		document.body.classList.toggle("with-events", shown);
		byId(shown ? "events-close" : "events-toggle").focus();
	}
	for (const id of ["events-toggle", "events-close"]) byId(id).addEventListener("click", toggleEvents);
	byId("new").addEventListener("click", () => {
		cancel();
		rest();
		kept = { task_id: newTask(), turns: [] };
		remember(KEPT, kept);
		log.replaceChildren();
		panel.clear();
		document.body.classList.add("empty");
		prompt.focus();
	});
	byId("logout").addEventListener("click", async () => {
		sessionStorage.removeItem(KEPT);
		const headers = csrf_token ? { "X-Frappe-CSRF-Token": csrf_token } : undefined;
		await fetch("/api/method/logout", { method: "POST", headers });
		location.assign("/login?redirect-to=/ai-assistant");
	});

	// How things stand

	const scroller = keepAtEnd(byId("main"), byId("to-end"));

	function tellConnection() {
		const live = manager.connected;
		const without = "No socket: the events are read from the journal.";
		panel.connection(live ? "Connected: the events come over Socket.IO." : without, live);
	}
	for (const name of /** @type {const} */ (["reconnect", "disconnect"])) manager.on(name, tellConnection);

	// Begin

	for (const one of kept.turns) {
		if (one.answer || one.error) {
			show(one).end(one.answer ?? null, one.error ? { sentence: one.error } : null);
		} else if (one === kept.turns.at(-1)) {
			follow(one, manager.resume(one.request_id));
		}
	}
	announce("");
	byId("loading").remove();
	byId("app").hidden = false;
	document.body.classList.toggle("empty", !kept.turns.length);
	scroller.toEnd();
	prompt.focus();
	offer();
	manager.connect().then(tellConnection);
}

/** What a turn adds to the conversation: nothing where there is no answer. @param {Kept} one */
function said({ prompt, answer }) {
	if (!answer?.response) return [];
	return [
		{ role: "user", content: prompt },
		{ role: "assistant", content: answer.response },
	];
}

/** @param {unknown} error @returns {{ sentence: string, retryable?: boolean, login?: boolean }} */
function complaint(error) {
	if (!(error instanceof ApiError)) {
		return { sentence: "The site cannot be reached. Once the connection is back, try again.", retryable: true };
	}
	const login = !error.code && [401, 403].includes(error.status);
	// Where it is worth waiting for; the end of a budget is in the sentence.
	const later = error.retryable && error.retryAfter ? ` It asks to wait ${error.retryAfter} s.` : "";
	return { sentence: error.message + later, retryable: error.retryable, login };
}

/**
 * Keeps the end in sight while it grows, until the reader scrolls away from it.
 *
 * @param {HTMLElement} area
 * @param {HTMLElement} button leads back
 */
function keepAtEnd(area, button) {
	let atEnd = true;
	let last = 0;
	let scheduled = false;
	const toEnd = () => {
		atEnd = true;
		area.scrollTop = area.scrollHeight;
	};
	area.addEventListener(
		"scroll",
		() => {
			// What has grown since leaves the end behind as well: only a reader scrolls up.
			if (area.scrollHeight - area.scrollTop - area.clientHeight < 64) atEnd = true;
			else if (area.scrollTop < last) atEnd = false;
			last = area.scrollTop;
			button.hidden = atEnd;
		},
		{ passive: true },
	);
	button.addEventListener("click", toEnd);
	// What grows is drawn a frame later than it is told.
	new ResizeObserver(() => atEnd && toEnd()).observe(/** @type {Element} */ (area.firstElementChild));
	return {
		toEnd,
		follow() {
			if (!atEnd || scheduled) return;
			scheduled = true;
			requestAnimationFrame(() => {
				scheduled = false;
				if (atEnd) toEnd();
			});
		},
	};
}

/** @param {string} key @returns {any} */
function recall(key) {
	try {
		return JSON.parse(storeOf(key).getItem(key) ?? "null");
	} catch {
		return null;
	}
}

/** @param {string} key @param {unknown} value */
function remember(key, value) {
	try {
		storeOf(key).setItem(key, JSON.stringify(value));
	} catch {
		// No room, or none is given: the page works, a reload begins anew.
	}
}

/** @param {string} key */
const storeOf = (key) => (key === KEPT ? sessionStorage : localStorage);

function wantsDebug() {
	return new URLSearchParams(location.search).has("debug");
}

function newTask() {
	const bytes = crypto.getRandomValues(new Uint8Array(12));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
