/** The page `/ai-assistant`: a conversation, with what goes on shown as it happens. */
import { ApiError, RealtimeManager } from "../realtime_manager.js";
import { byId, h } from "./dom.js";
import { EventsPanel } from "./events_panel.js";
import { keptFor } from "./kept.js";
import { logOut, notice, userInCookie } from "./session.js";
import { Turn } from "./turn.js";

/**
 * @typedef {object} One a question and what the site has told of it, as they outlive a reload; open until it has told the end
 * @property {string} prompt
 * @property {string} request_id
 * @property {number} [started] `Date.now()` of event 1
 * @property {import("../realtime_manager.js").Answer | null} [answer]
 * @property {Complaint} [failure]
 *
 * @typedef {{ sentence: string, retryable?: boolean, login?: boolean }} Complaint
 */

/** @param {{ site: string, user: string, csrf_token: string | null, socketio_port: number | null }} boot */
export function openPage({ site, user, csrf_token, socketio_port }) {
	const socketUrl = socketio_port ? `${location.protocol}//${location.hostname}:${socketio_port}` : location.origin;
	const manager = new RealtimeManager({ site, socketUrl, csrfToken: csrf_token ?? undefined, debug: wantsDebug() });
	const panel = new EventsPanel(byId("events-body"));
	const [log, form, prompt, stop] = ["conversation", "composer", "prompt", "stop"].map(byId);
	const storage = keptFor({ user, site });
	/** @type {{ task_id: string, turns: One[] }} */
	let kept = storage.conversation.recall() ?? { task_id: newTask(), turns: [] };
	/** The chats that are followed, by their request_id. @type {Map<string, { turn: Turn, one: One }>} */
	const running = new Map();
	/** Those whose site went away; they are followed again when it is back. @type {Map<One, Turn>} */
	const lost = new Map();

	const announce = (/** @type {string} */ sentence) => (byId("announcements").textContent = sentence);

	// The conversation

	/** @param {string} words */
	function ask(words) {
		const one = { prompt: words, request_id: newTask() };
		kept.turns.push(one);
		panel.clear();
		// Where the choice is not there yet, the next question shall have it.
		offer();
		follow(one, show(one), post(one));
	}

	/** @param {One} one */
	function post(one) {
		const before = kept.turns.slice(0, kept.turns.indexOf(one)).flatMap(said);
		const messages = [...before, { role: "user", content: one.prompt }];
		return manager.chat(messages, { request_id: one.request_id, task_id: kept.task_id, ...chosen() });
	}

	/** @param {One} one @param {Turn} turn @param {Promise<import("../realtime_manager.js").Answer>} chat */
	async function follow(one, turn, chat) {
		const { request_id } = one;
		running.set(request_id, { turn, one });
		lost.delete(one);
		storage.conversation.remember(kept);
		document.body.classList.add("busy");
		stop.hidden = false;
		try {
			one.answer = await chat;
			turn.end(one.answer, null);
		} catch (error) {
			const failure = complaint(error, one !== kept.turns[0]);
			const unreached = !(error instanceof ApiError) || error.notFromSite;
			const unknown = error instanceof ApiError && error.code === "not_found";
			if (error instanceof ApiError && error.code && !unknown) {
				one.answer = error.answer;
				one.failure = failure;
				ended(one, turn);
			} else {
				// How it ended is not told: a reload asks for it again.
				if (unreached) lost.set(one, turn);
				const again = () => goOn(one, turn, unknown ? post(one) : resumed(one, turn));
				turn.end(null, { ...failure, ...((failure.retryable || unknown) && { again }) });
			}
		} finally {
			storage.conversation.remember(kept);
			// Another conversation may have begun meanwhile, or it is followed again.
			if (running.get(request_id)?.turn === turn) running.delete(request_id);
			rest();
			scroller.follow();
		}
	}

	/** @param {One} one @param {Turn} turn @param {Promise<import("../realtime_manager.js").Answer>} chat */
	function goOn(one, turn, chat) {
		turn.goOn();
		follow(one, turn, chat);
	}

	/** Asks the site for what it has of a question, and asks the question where it has not got it. @param {One} one @param {Turn} turn */
	async function resumed(one, turn) {
		try {
			return await manager.resume(one.request_id, turn.seq);
		} catch (error) {
			if (!(error instanceof ApiError) || error.code !== "not_found") throw error;
			return post(one);
		}
	}

	/** Shows the end of a turn, as the site told it. @param {One} one @param {Turn} turn */
	function ended({ prompt, answer, failure }, turn) {
		turn.end(answer ?? null, failure ? { ...failure, ...(failure.retryable && { again: () => ask(prompt) }) } : null);
	}

	function rest() {
		if (running.size) return;
		document.body.classList.remove("busy");
		if (document.activeElement === stop || document.activeElement === document.body) prompt.focus();
		stop.hidden = true;
		stop.disabled = false;
	}

	/** @param {One} one */
	function show(one) {
		const turn = new Turn(one.prompt, announce);
		log.append(turn.element);
		document.body.classList.remove("empty");
		scroller.toEnd();
		return turn;
	}

	/** @param {string} kind @param {any} event @param {(turn: Turn, one: One) => void} apply */
	function received(kind, event, apply) {
		const chat = running.get(event.request_id);
		if (!chat) return;
		panel.add(kind, event);
		chat.turn.seq = event.seq ?? chat.turn.seq;
		apply(chat.turn, chat.one);
		scroller.follow();
	}

	manager.on("reasoning", (event) =>
		received("reasoning", event, (turn, one) => {
			if (one.started === undefined) {
				one.started = Date.now();
				storage.conversation.remember(kept);
			}
			turn.reason(event.text, one.started);
		}),
	);
	manager.on("text", (event) => received("text", event, (turn) => turn.write(event.text)));
	manager.on("tool_call_start", (event) => received("tool_call_start", event, (turn) => turn.beginCall(event)));
	manager.on("tool_call_delta", (event) => received("tool_call_delta", event, (turn) => turn.growCall(event)));
	manager.on("tool_call", (event) => received("tool_call", event, (turn) => turn.call(event)));
	manager.on("status", (event) => received("status", event, (turn) => turn.phase(event)));
	manager.on("completion", (event) => received("completion", event, () => {}));
	manager.on("gap", (event) => received("gap", event, () => {}));

	// What is chosen and typed

	/** @type {{ mode?: string, model?: string }} */
	let choice = storage.choice.recall() ?? {};
	/** The list, on its way or there; null where it is to be asked for. @type {Promise<void> | null} */
	let offered = null;

	function offer() {
		offered ??= manager.get("list_models").then(fill, (error) => {
			offered = null;
			notice(complaint(error).sentence);
		});
	}

	/** @param {{ modes: string[], providers: any[], default: { provider: string | null, model: string | null, mode: string } }} list */
	function fill({ modes, providers, default: first }) {
		const groups = providers.map(({ name, models, default_model }) => {
			const own = [...new Set([default_model, ...models])].filter((each) => each && each !== "*");
			// What the site chooses by itself stands there once, and leaves it the choice.
			const value = (/** @type {string} */ each) =>
				name === first.provider && each === first.model ? "" : JSON.stringify([name, each]);
			return h("optgroup", { label: name }, ...own.map((each) => new Option(each, value(each))));
		});
		const chosenByTheSite = groups.some((group) => group.querySelector('[value=""]'));
		const rest = new Option(first.model ?? "No provider", "");
		byId("model").replaceChildren(...(chosenByTheSite ? [] : [rest]), ...groups);
		byId("mode").replaceChildren(...modes.map((mode) => new Option(mode, mode)));
		for (const [select, before, usual] of [
			[byId("mode"), choice.mode, first.mode],
			[byId("model"), choice.model, ""],
		]) {
			const there = [...select.options].some((option) => option.value === before);
			select.value = there ? before : usual;
		}
		notice(providers.length ? "" : "No provider is configured on this site yet; an administrator can add one.");
		if (!providers.length) offered = null;
	}

	function chosen() {
		const there = byId("mode").options.length > 0;
		const { mode, model: pair } = there ? { mode: byId("mode").value, model: byId("model").value } : choice;
		const [provider, model] = JSON.parse(pair || "[]");
		return { mode: mode || "chat", ...(model && { provider, model }) };
	}

	for (const id of ["mode", "model"]) {
		byId(id).addEventListener("change", () => {
			choice = { mode: byId("mode").value, model: byId("model").value };
			storage.choice.remember(choice);
		});
	}

	function fit() {
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
			announce(complaint(error).sentence);
		}
	}

	form.addEventListener("submit", (/** @type {Event} */ event) => {
		event.preventDefault();
		// What stands at the beginning of a line is part of what is pasted.
		const words = prompt.value.trimEnd();
		if (!words || running.size) return;
		prompt.value = "";
		fit();
		ask(words);
	});
	prompt.addEventListener("input", fit);
	prompt.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
		if (event.key !== "Enter" || event.shiftKey || composes(event)) return;
		event.preventDefault();
		form.requestSubmit();
	});
	stop.addEventListener("click", cancel);
	document.addEventListener("keydown", (event) => {
		if (event.key !== "Escape" || composes(event)) return;
		if (running.size) cancel();
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
		running.clear();
		lost.clear();
		rest();
		kept = { task_id: newTask(), turns: [] };
		storage.conversation.remember(kept);
		log.replaceChildren();
		panel.clear();
		document.body.classList.add("empty");
		prompt.focus();
	});
	byId("logout").addEventListener("click", () => logOut(csrf_token, Object.values(storage)));

	// How things stand

	const scroller = keepAtEnd(byId("main"), byId("to-end"));

	function tellConnection() {
		const live = manager.connected;
		const without = "No socket: the events are read from the journal.";
		panel.connection(live ? "Connected: the events come over Socket.IO." : without, live);
	}
	for (const name of /** @type {const} */ (["reconnect", "disconnect"])) manager.on(name, tellConnection);

	/** The site may be there again, or somebody is who was away. */
	function back() {
		offer();
		for (const [one, turn] of lost) goOn(one, turn, manager.resume(one.request_id, turn.seq));
	}
	manager.on("reconnect", () => {
		// A site that was away may have been given others.
		offered = null;
		back();
	});
	window.addEventListener("online", back);
	const userAtFirst = userInCookie();
	for (const event of ["focus", "pageshow"]) {
		window.addEventListener(event, () => {
			// Somebody else has logged in by another tab: what stands here is none of theirs.
			if (userInCookie() !== userAtFirst) location.reload();
			else back();
		});
	}

	// Begin

	for (const one of kept.turns) {
		const turn = show(one);
		if (one.answer || one.failure) ended(one, turn);
		else follow(one, turn, manager.resume(one.request_id));
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

/** What a turn adds to the conversation: nothing where there is no answer. @param {One} one */
function said({ prompt, answer }) {
	if (!answer?.response) return [];
	return [
		{ role: "user", content: prompt },
		{ role: "assistant", content: answer.response },
	];
}

/** @param {unknown} error @param {boolean} [inConversation] whether others were said before @returns {Complaint} */
function complaint(error, inConversation = false) {
	if (!(error instanceof ApiError)) {
		return { sentence: "The site cannot be reached. Once the connection is back, try again.", retryable: true };
	}
	if (error.code === "not_found") return { sentence: "The site has not got this question, or has cleared it." };
	const login = !error.code && [401, 403].includes(error.status);
	// Where it is worth waiting for; the end of a budget is in the sentence.
	const later = error.retryable && error.retryAfter ? ` It asks to wait ${error.retryAfter} s.` : "";
	// The refusal names the field: too many messages, or too much in them.
	const full = error.code === "context_too_long" || (error.code === "invalid_request" && /^messages\b/.test(error.message));
	const anew = full && inConversation ? " New chat begins an empty conversation." : "";
	return { sentence: error.message + later + anew, retryable: error.retryable, login };
}

/** Whether a key belongs to an input method; Safari tells the last one after the composition. @param {KeyboardEvent} event */
function composes({ isComposing, keyCode }) {
	return isComposing || keyCode === 229;
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

function wantsDebug() {
	return new URLSearchParams(location.search).has("debug");
}

function newTask() {
	const bytes = crypto.getRandomValues(new Uint8Array(12));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
