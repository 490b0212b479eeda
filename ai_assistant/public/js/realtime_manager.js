/**
 * A chat with the AI Assistant of a Frappe site: asks over REST, hears its events over Socket.IO, and gives them
 * whole and in order.
 *
 * One file, for browsers and for Node 20 and later (an editor's extension host); `socket.io-client` is all it needs.
 * Events are put in order by `seq`, each is given once. What the socket lost, or never brought because there is none,
 * is read from the site's journal (`get_events`), and the answer of a POST whose connection broke from `get_request`.
 *
 *	const manager = new RealtimeManager({ url: "https://site.example.com", token: "key:secret" });
 *	manager.on("text", (event) => show(event.text));
 *	await manager.connect();
 *	const answer = await manager.chat("Why is the sky blue?");
 */
import { io } from "socket.io-client";

const EVENT = "ai_progress";
const STATUS = "ai_status";

/** A gap may be an event still on its way; when it has not come by then, the journal is asked. */
const GAP_MS = 1000;
/**
 * The site gives a sign of life every three seconds, and at once the first time: a socket that brings none for this long
 * is not relied upon. It may be connected to nobody: Frappe's realtime server forgets a site's namespace with its
 * last socket, and one that is being let in at that moment stays in the forgotten one (`cleanupEmptyChildNamespaces`).
 */
const SILENCE_MS = 5000;
const FIRST_MS = 1000;
/**
 * How long the journal may hold a question (seconds), and the pause where it does not. A browser has six connections to
 * a site for all its tabs (HTTP/1.1), and each chat's POST holds one: what is held for long keeps a Stop waiting.
 */
const WAIT_S = 1;
const RETRY_MS = 250;
/** The longest pause between two questions that fail, where the site does not ask for one itself. */
const PAUSE_MS = 2000;
/** The completion comes just before the answer of the POST; one that takes longer has lost its connection. */
const ANSWER_MS = 3000;
/** How long a site that does not answer is asked again, before the chat is given up; while the machine is awake. */
const RECOVER_MS = 120_000;
/** Longer than any request may run: gunicorn and nginx give it two minutes. */
const POST_MS = 180_000;
/** How long a question may take, beside what the journal holds it. */
const GET_MS = 20_000;
/** A question that is late by more has slept, together with the machine. */
const ASLEEP_MS = 30_000;

/**
 * @typedef {"queued" | "running" | "completed" | "cancelled" | "failed"} Status
 * @typedef {{ code: string, message: string, retryable: boolean }} Failure
 * @typedef {{ prompt_tokens: number | null, completion_tokens: number | null, reasoning_tokens: number | null,
 *   total_tokens: number | null, cost_usd: number | null, estimated?: boolean }} Usage
 * @typedef {{ first_reasoning_ms: number | null, first_text_ms: number | null, thinking_ms: number | null,
 *   duration_ms: number | null }} Timing
 * @typedef {{ role: string, content: unknown, tool_calls?: ToolCall[], continuation?: string, tool_call_id?: string }} Message
 * @typedef {{ id: string, type: "function", function: { name: string, arguments: string }, arguments_error?: string }} ToolCall
 *   as in the OpenAI chat API; `arguments` is JSON, unless `arguments_error` says what is wrong with it
 *
 * @typedef {object} Answer
 * @property {boolean} success
 * @property {Status} status
 * @property {string} request_id
 * @property {string} task_id
 * @property {string} response the whole answer, as far as it came
 * @property {string} reasoning
 * @property {string | null} provider
 * @property {string | null} model
 * @property {string | null} finish_reason
 * @property {Usage | null} usage
 * @property {Timing | null} timing
 * @property {{ events: number, failed: number, last_seq: number } | null} realtime
 * @property {{ provider: string, model: string, error: string }[]} attempts
 * @property {ToolCall[]} [tool_calls] of a request with `tools`
 * @property {string | null} [continuation] what the provider wants back with them; opaque
 * @property {Failure} [error]
 * @property {number} [position] of a queued request, 1 for the next
 *
 * @typedef {object} Progress one `ai_progress`; a completion has `status`, `usage`, `timing` and more
 * @property {string} type `reasoning`, `text`, `tool_call` or `completion`; more may be added
 * @property {string} text what is new since the last event of that type
 * @property {boolean} partial
 * @property {string} task_id
 * @property {string} request_id
 * @property {number} seq 1, 2, 3, … within a request
 * @property {number} elapsed_ms since the request was accepted
 * @property {string} timestamp
 * @property {Status} [status]
 * @property {string | null} [finish_reason]
 * @property {string | null} [provider]
 * @property {string | null} [model]
 * @property {Usage | null} [usage]
 * @property {Timing | null} [timing]
 * @property {ToolCall[]} [tool_calls] of the completion of a request with `tools`
 * @property {Failure} [error]
 *
 * @typedef {Progress & { id: string, name: string, arguments: string, arguments_error?: string }} Call a call, whole
 *
 * @typedef {object} Phase one `ai_status`, between the events and not numbered
 * @property {string} request_id
 * @property {string} task_id
 * @property {"queued" | "thinking" | "answering" | "fallback"} phase
 * @property {number} elapsed_ms
 * @property {number} [position] in the queue
 * @property {string} [failed] the provider that failed
 * @property {string} [provider] the provider that is asked instead
 *
 * @typedef {{ request_id: string, from: number, to: number }} Gap the socket lost these; the journal had them
 *
 * @typedef {object} Events
 * @property {Progress} reasoning
 * @property {Progress} text
 * @property {Call} tool_call only where the request has `tools`
 * @property {Progress} completion
 * @property {Phase} status
 * @property {Gap} gap
 * @property {{ id: string }} reconnect the socket is back; what it missed is being read
 * @property {{ reason: string }} disconnect until it is back the journal is followed
 */

/** The site refused, or the chat failed: a sentence for a person in `message`, and what had arrived in `answer`. */
export class ApiError extends Error {
	/**
	 * @param {number} status HTTP's
	 * @param {any} body the JSON that was answered, null for none
	 * @param {string | null} [retryAfter] the header of that name
	 */
	constructor(status, body, retryAfter) {
		const answer = body?.message && typeof body.message === "object" ? body.message : null;
		super(answer?.error?.message ?? sentenceOf(status, body));
		this.name = "ApiError";
		this.status = status;
		/** @type {string | null} a code of the contract, null where Frappe or a proxy refused */
		this.code = answer?.error?.code ?? null;
		/** @type {number | null} seconds */
		this.retryAfter = secondsOf(retryAfter ?? null);
		/** @type {Answer | null} of a request that was accepted and failed */
		this.answer = answer?.request_id ? answer : null;
		/**
		 * Whether a proxy answered, a network's login page, or Frappe itself without its database: the request behind it
		 * may go on.
		 */
		this.ofNobody = !answer && (status >= 500 || status < 400);
		this.retryable = Boolean(answer?.error?.retryable ?? (this.ofNobody || status === 429));
	}
}

/**
 * @param {number} status
 * @param {any} body Frappe's own
 */
function sentenceOf(status, body) {
	if (body?.exc_type === "CSRFTokenError") return "The page is older than its login; load it anew.";
	if (status === 401 || body?.session_expired) return `The site does not accept the login (HTTP ${status}).`;
	if (status === 403) return "The site does not let this user do that; a login may have ended (HTTP 403).";
	if (status === 429) return "The site is asked too often (HTTP 429).";
	if (status < 400) return `Something else answers in the place of the site: a network's login or a proxy (HTTP ${status}).`;
	return `The site refused without saying why (HTTP ${status}).`;
}

/** @param {string | null} retryAfter in seconds or as a date */
function secondsOf(retryAfter) {
	if (!retryAfter) return null;
	const seconds = Number(retryAfter);
	const left = Number.isNaN(seconds) ? Math.ceil((Date.parse(retryAfter) - Date.now()) / 1000) : seconds;
	return Number.isFinite(left) ? Math.max(0, left) : null;
}

/**
 * An answer as the next request's `messages` take it: with its tool calls, and what its provider wants back. The
 * messages that answer the calls follow it: `{ role: "tool", tool_call_id, content }`, one for each.
 *
 * @param {Answer} answer
 * @returns {Message}
 */
export function assistantMessage({ response, tool_calls, continuation }) {
	/** @type {Message} */
	const message = { role: "assistant", content: response };
	if (tool_calls?.length) message.tool_calls = tool_calls;
	if (continuation) message.continuation = continuation;
	return message;
}

/** One chat on its way: what has been given, what came too early, and what wakes the one who waits for it. */
class Chat {
	/** @param {string} requestId @param {number} afterSeq */
	constructor(requestId, afterSeq) {
		this.requestId = requestId;
		this.next = afterSeq + 1;
		/** @type {Map<number, Progress>} */
		this.early = new Map();
		this.ended = false;
		/** The socket has been away: it may have lost any number of events without a visible gap. */
		this.stale = false;
		this.heardAt = Date.now();
		/** The socket is connected and has not brought what the journal had. */
		this.deaf = false;
		/** @type {number | null} since when something is known to be missing */
		this.missingSince = null;
		/** @type {number | null} since when all that was asked of the site has failed */
		this.failingSince = null;
		this.pause = RETRY_MS;
		this.askAgainAt = 0;
		this.wake = () => {};
	}

	/**
	 * The site did not say what it was asked.
	 *
	 * @param {unknown} error
	 * @param {number} longest how long it may go on like that, in milliseconds
	 * @returns {boolean} whether it is worth asking again, at `askAgainAt`
	 */
	failed(error, longest) {
		const now = Date.now();
		if (this.failingSince === null || now - this.askAgainAt > ASLEEP_MS) {
			this.failingSince = now;
			this.pause = RETRY_MS;
		} else if (!isUnknown(error)) {
			this.pause = Math.min(2 * this.pause, PAUSE_MS);
		}
		const told = error instanceof ApiError ? (error.retryAfter ?? 0) * 1000 : 0;
		this.askAgainAt = now + Math.max(this.pause, told);
		const refused = error instanceof ApiError && !error.ofNobody && error.status < 500 && error.status !== 429;
		return !refused && this.askAgainAt - this.failingSince <= longest;
	}

	succeeded() {
		this.failingSince = null;
		this.askAgainAt = 0;
	}

	/** @param {number} ms resolves when something happened, or by then */
	changed(ms) {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.wake = () => {
				clearTimeout(timer);
				resolve(undefined);
			};
		});
	}
}

export class RealtimeManager {
	/** @type {import("socket.io-client").Socket | null} */
	#socket = null;
	/** @type {Map<string, Set<Chat>>} */
	#chats = new Map();
	/** @type {Map<string, Set<(message: any) => void>>} */
	#listeners = new Map();
	/** Settles the promise of `connect()`. @type {(live: boolean) => void} */
	#opened = () => {};

	/**
	 * In a page of the site itself nothing but `site` is needed: the browser sends its cookie and its Origin. Elsewhere
	 * a user is named by `token` or by `sid`, and a token goes with the address that the site's users see.
	 *
	 * @param {object} [options]
	 * @param {string} [options.url] the web server's own address; by default that of the page
	 * @param {string} [options.site] the site's name, where that is not the host of `url`
	 * @param {string} [options.socketUrl] the realtime server's, where it has a port of its own (bench: 9000)
	 * @param {string} [options.token] "key:secret" of a user's API key
	 * @param {string} [options.sid] the session cookie that a login gave
	 * @param {string} [options.csrfToken] of a session that has opened Desk or the page; an API key needs none
	 * @param {boolean} [options.debug] prints what arrives with `console.log`
	 */
	constructor({ url, site, socketUrl, token, sid, csrfToken, debug = false } = {}) {
		const address = new URL(url ?? location.origin);
		this.url = address.origin;
		this.site = site ?? address.hostname;
		this.socketUrl = new URL(socketUrl ?? this.url).origin;
		this.debug = debug;
		/** @type {Record<string, string>} */
		this.#headers = { Accept: "application/json" };
		if (token) this.#headers.Authorization = `token ${token}`;
		if (sid) this.#headers.Cookie = `sid=${sid}`;
		if (csrfToken) this.#headers["X-Frappe-CSRF-Token"] = csrfToken;
		/** Why the realtime server refused the socket, in its own words; null where it did not. @type {string | null} */
		this.refusal = null;
	}

	/** @type {Record<string, string>} */
	#headers;

	/** Whether the socket is there. Chats stream without it too. */
	get connected() {
		return Boolean(this.#socket?.connected);
	}

	/** The socket.io-client Socket, null before `connect()` and after `close()`. */
	get socket() {
		return this.#socket;
	}

	/**
	 * Opens the socket, which joins the user's room; one that is there is closed before. Resolves with whether it is open;
	 * never rejects, because all works without. A server that could not be reached is tried again, one that refused is not.
	 *
	 * The realtime server compares the hosts of Origin and Host and asks the origin who the user is. It wants a Cookie
	 * even beside a token, and takes a `sid` in it for the session, so a token goes with a cookie of no meaning
	 * (frappe/realtime/middlewares/authenticate.js). A browser sets all three by itself.
	 *
	 * @returns {Promise<boolean>}
	 */
	connect() {
		this.close();
		const { Accept: _accept, ...own } = this.#headers;
		const byHand = own.Authorization || own.Cookie;
		const headers = byHand ? { Cookie: "socket=1", ...own, Origin: this.url } : undefined;
		const socket = io(`${this.socketUrl}/${this.site}`, {
			// Polling would hold one of the browser's six connections for each tab, chatting or not; the journal does not.
			transports: ["websocket"],
			forceNew: true,
			reconnectionDelay: 500,
			// In Node `withCredentials` would put a jar of cookies of its own in the place of ours.
			...(headers ? { extraHeaders: headers } : { withCredentials: true }),
		});
		this.#socket = socket;
		let before = false;
		socket.on("connect", () => {
			this.refusal = null;
			this.#log("✅", "Connected to realtime server");
			this.#log("🆔", `Socket ID: ${socket.id}`);
			this.#wakeAll((chat) => {
				chat.stale = true;
				chat.askAgainAt = 0;
			});
			if (before) this.#emit("reconnect", { id: socket.id ?? "" });
			before = true;
		});
		socket.on("disconnect", (reason) => {
			this.#log("🔌", `Disconnected: ${reason}`);
			this.#emit("disconnect", { reason });
			this.#wakeAll();
			// socket.io leaves it to the client to come back where it was the server that hung up.
			if (reason === "io server disconnect") socket.connect();
		});
		socket.on("connect_error", (error) => {
			this.refusal = error.message;
			this.#log("❌", `No connection to realtime server: ${error.message}`);
			this.#wakeAll();
			// Refused though it was welcome before: the site may be restarting behind its realtime server.
			if (!socket.active && before) setTimeout(() => this.#socket === socket && socket.connect(), 5000);
		});
		socket.on(EVENT, (message) => this.#receive(message));
		socket.on(STATUS, (message) => {
			for (const chat of this.#chats.get(message?.request_id) ?? []) {
				chat.heardAt = Date.now();
				this.#emit("status", message);
			}
		});
		return new Promise((resolve) => {
			this.#opened = resolve;
			socket.once("connect", () => resolve(true));
			socket.once("connect_error", () => resolve(false));
		});
	}

	/** Lets go of the socket. Chats on their way go on without it. */
	close() {
		this.#socket?.close();
		this.#socket = null;
		this.#opened(false);
	}

	/**
	 * Calls `listener` for every event of that name, of this manager's chats alone.
	 *
	 * @template {keyof Events} Name
	 * @param {Name} name
	 * @param {(event: Events[Name]) => void} listener
	 * @returns {() => void} takes the listener away again
	 */
	on(name, listener) {
		const listeners = this.#listeners.get(name) ?? new Set();
		this.#listeners.set(name, listeners.add(listener));
		return () => void listeners.delete(listener);
	}

	/**
	 * Asks, and resolves with the whole answer once it has ended and all its events have been given, or cannot be read;
	 * also where it was cancelled, or runs in the background. Rejects with ApiError where the site refused or the chat
	 * failed, with fetch's own error where the site cannot be reached.
	 *
	 * @param {string | Message[]} messages one user message may be a string
	 * @param {Record<string, unknown> & { request_id?: string }} [fields] the others of `chat_completion`: `mode`,
	 *   `model`, `task_id`, …; with a `request_id` of one's own (8 to 64 characters) it can be cancelled and resumed
	 * @returns {Promise<Answer>}
	 */
	chat(messages, fields = {}) {
		const requestId = fields.request_id ?? newRequestId();
		const asked = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
		const post = this.post("chat_completion", { ...fields, messages: asked, request_id: requestId });
		return this.#follow(new Chat(requestId, 0), post);
	}

	/**
	 * Goes on with a request that was asked before: after a reload, in another window, on another machine.
	 * Resolves and rejects as `chat()`.
	 *
	 * @param {string} requestId
	 * @param {number} [afterSeq] the last event already seen; the ones after it are given
	 * @returns {Promise<Answer>}
	 */
	resume(requestId, afterSeq = 0) {
		const chat = new Chat(requestId, afterSeq);
		chat.stale = true;
		return this.#follow(chat, null);
	}

	/**
	 * Stops a request; its `chat()` resolves with what had arrived. One that has ended is left as it is.
	 *
	 * @param {string} requestId
	 * @returns {Promise<void>}
	 */
	async cancel(requestId) {
		for (;;) {
			try {
				await this.post("cancel", { request_id: requestId });
				return;
			} catch (error) {
				// Asked for so early that the request itself is still on its way.
				const early = error instanceof ApiError && error.status === 404 && this.#chats.has(requestId);
				if (!early) throw error;
				await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
			}
		}
	}

	/**
	 * @param {string} method a GET method of `ai_assistant.api`
	 * @param {Record<string, string | number>} [params]
	 * @returns {Promise<any>} its `message`; rejects as `chat()`
	 */
	get(method, params = {}) {
		const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)]));
		const held = Number(params.wait ?? 0) * 1000;
		// Among those that wait for a connection, what is held anyway comes last.
		const priority = held ? "low" : "auto";
		return this.#fetch(`${method}?${query}`, { priority, signal: AbortSignal.timeout(held + GET_MS) });
	}

	/**
	 * @param {string} method a POST method of `ai_assistant.api`
	 * @param {Record<string, unknown>} fields
	 * @returns {Promise<any>} its `message`; rejects as `chat()`
	 */
	post(method, fields) {
		return this.#fetch(method, {
			method: "POST",
			body: JSON.stringify(fields),
			headers: { "Content-Type": "application/json" },
			signal: AbortSignal.timeout(POST_MS),
		});
	}

	/** @param {string} path @param {RequestInit} options */
	async #fetch(path, options) {
		const response = await fetch(`${this.url}/api/method/ai_assistant.api.${path}`, {
			...options,
			headers: { ...this.#headers, ...options.headers },
		});
		/** @type {any} */
		let body = null;
		try {
			body = await response.json();
		} catch (error) {
			// A proxy's page is no JSON; a connection that breaks in the middle is no answer.
			if (!(error instanceof SyntaxError)) throw error;
		}
		const answered = response.ok && body?.message !== undefined;
		if (!answered) throw new ApiError(response.status, body, response.headers.get("Retry-After"));
		return body.message;
	}

	/**
	 * The life of one chat: waits for the socket, and asks the journal whenever the socket cannot be relied upon.
	 *
	 * @param {Chat} chat
	 * @param {Promise<Answer> | null} post
	 */
	async #follow(chat, post) {
		/** @type {{ answer: Answer | null, error: unknown } | null} */
		let reply = post ? null : { answer: null, error: null };
		post?.then(
			(answer) => (reply = { answer, error: null }),
			(error) => (reply = { answer: error instanceof ApiError ? error.answer : null, error }),
		).finally(() => chat.wake());
		const chats = this.#chats.get(chat.requestId) ?? new Set();
		this.#chats.set(chat.requestId, chats.add(chat));
		let waited = false;
		try {
			for (;;) {
				const now = /** @type {typeof reply} */ (reply);
				if (now?.error && !now.answer && !isBroken(now.error)) throw now.error;
				const answer = now?.answer && isOver(now.answer.status) ? now.answer : null;
				if (answer && (chat.ended || !answer.realtime?.last_seq)) return outcome(answer, now?.error);
				if (chat.ended && (now || waited)) {
					const found = await this.#readBack(chat, now);
					if (found) return outcome(found, null);
					continue;
				}
				if (chat.ended) {
					await chat.changed(ANSWER_MS);
					waited = true;
					continue;
				}
				const patience = this.#patience(chat, answer !== null);
				if (patience > 0) await chat.changed(patience);
				else await this.#askJournal(chat, now);
			}
		} finally {
			chats.delete(chat);
			if (!chats.size) this.#chats.delete(chat.requestId);
		}
	}

	/**
	 * Milliseconds until the journal is to be asked: what the socket is still given, or the site after a failure.
	 *
	 * @param {Chat} chat
	 * @param {boolean} answered so that what is not there yet is missing
	 */
	#patience(chat, answered) {
		const now = Date.now();
		if (chat.askAgainAt > now) return Math.min(chat.askAgainAt - now, RECOVER_MS);
		if (!this.connected || chat.stale) return 0;
		if (!chat.early.size && !answered) {
			if (chat.deaf) return 0;
			return chat.heardAt + (chat.next > 1 ? SILENCE_MS : FIRST_MS) - now;
		}
		chat.missingSince ??= now;
		return chat.missingSince + GAP_MS - now;
	}

	/**
	 * @param {Chat} chat
	 * @param {{ answer: Answer | null, error: unknown } | null} reply
	 */
	async #askJournal(chat, reply) {
		const known = chat.missingSince !== null || chat.stale;
		const before = chat.next;
		let found;
		try {
			const wait = known ? 0 : WAIT_S;
			found = await this.get("get_events", { request_id: chat.requestId, after_seq: before - 1, wait });
		} catch (error) {
			const answered = Boolean(reply?.answer && isOver(reply.answer.status));
			if (chat.failed(error, answered ? ANSWER_MS : RECOVER_MS)) return;
			// The events are an extra to an answer in hand.
			if (answered) chat.ended = true;
			// Before the POST is answered the request may not be accepted yet: the POST will tell.
			else if (reply) throw toBeTold(reply.error, error);
			return;
		}
		chat.succeeded();
		chat.deaf ||= this.connected && !known && found.events.some((/** @type {Progress} */ event) => event.seq >= chat.next);
		chat.stale = false;
		chat.missingSince = null;
		const last = found.events.at(-1)?.seq ?? 0;
		if (this.connected && last >= chat.next) {
			this.#emit("gap", { request_id: chat.requestId, from: chat.next, to: last });
		}
		for (const event of found.events) this.#order(chat, event);
		if (chat.next > before || chat.ended) return;
		// What an ended request's journal lacks will not come: it has been cleared.
		if (isOver(found.status)) chat.ended = true;
		else if (!this.connected || !known) await chat.changed(RETRY_MS);
	}

	/**
	 * Asks once for the answer of a request that has ended; null where it is not there yet.
	 *
	 * @param {Chat} chat
	 * @param {{ answer: Answer | null, error: unknown } | null} reply
	 * @returns {Promise<Answer | null>}
	 */
	async #readBack(chat, reply) {
		try {
			const answer = await this.get("get_request", { request_id: chat.requestId });
			chat.succeeded();
			if (isOver(answer.status)) return answer;
		} catch (error) {
			if (!chat.failed(error, RECOVER_MS) && reply) throw toBeTold(reply.error, error);
		}
		await chat.changed(Math.max(RETRY_MS, chat.askAgainAt - Date.now()));
		return null;
	}

	/** @param {Progress} event */
	#receive(event) {
		this.#log("🔥🔥🔥", "========== AI_PROGRESS EVENT RECEIVED ==========");
		this.#log("📊", `Event type: ${event?.type}`);
		if (this.debug) this.#log("📊", `Full data: ${JSON.stringify(event)}`);
		for (const chat of this.#chats.get(event?.request_id) ?? []) {
			chat.heardAt = Date.now();
			chat.deaf = false;
			this.#order(chat, event);
			chat.wake();
		}
	}

	/** @param {Chat} chat @param {Progress} event */
	#order(chat, event) {
		if (event.seq >= chat.next) chat.early.set(event.seq, event);
		for (let next; (next = chat.early.get(chat.next)); ) {
			chat.early.delete(chat.next++);
			if (next.type === "completion") chat.ended = true;
			this.#emit(next.type, next);
		}
		if (!chat.early.size) chat.missingSince = null;
	}

	/** @param {(chat: Chat) => void} [change] */
	#wakeAll(change) {
		for (const chats of this.#chats.values()) {
			for (const chat of chats) {
				change?.(chat);
				chat.wake();
			}
		}
	}

	/** @param {string} name @param {unknown} message */
	#emit(name, message) {
		for (const listener of [...(this.#listeners.get(name) ?? [])]) {
			try {
				listener(message);
			} catch (error) {
				// One listener's mistake must not cost the others their events.
				console.error(error);
			}
		}
	}

	/** @param {string} sign @param {string} line */
	#log(sign, line) {
		if (this.debug) console.log(`${sign} [RealtimeManager] ${line}`);
	}
}

/** @param {Status} status */
function isOver(status) {
	return status !== "queued" && status !== "running";
}

/** Whether nobody knows what became of the request. @param {unknown} error */
function isBroken(error) {
	return !(error instanceof ApiError) || error.ofNobody;
}

/** Whether the site knows no such request. @param {unknown} error */
function isUnknown(error) {
	return error instanceof ApiError && error.code === "not_found";
}

/**
 * Which of two failures is told: the site's own words before a connection that broke. That the site does not know the
 * request only follows from a POST that never got there.
 *
 * @param {unknown} post
 * @param {unknown} later
 */
function toBeTold(post, later) {
	return isBroken(later) || isUnknown(later) ? (post ?? later) : later;
}

/** @param {Answer} answer @param {unknown} error the POST's own, where it has told @returns {Answer} */
function outcome(answer, error) {
	if (answer.status !== "failed") return answer;
	throw error instanceof ApiError ? error : new ApiError(502, { message: answer });
}

/** As `crypto.randomUUID()`, which pages without https do not have. */
function newRequestId() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
