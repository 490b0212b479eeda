/**
 * A client of the AI Assistant of a Frappe site. It asks over REST, receives events over Socket.IO, and delivers all
 * of them in order.
 *
 * This is one file for browsers and for Node 20 and later (an editor's extension host). Its only dependency is
 * `socket.io-client`. The client orders events by `seq` and delivers each once. It reads events that the socket lost, or
 * all events if there is no socket, from the site's journal (`get_events`). If the connection of a POST breaks, it reads
 * the answer with `get_request`.
 *
 *	const manager = new RealtimeManager({ url: "https://site.example.com", token: "key:secret" });
 *	manager.on("text", (event) => show(event.text));
 *	await manager.connect();
 *	const answer = await manager.chat("Why is the sky blue?");
 */
import { io } from "socket.io-client";

const EVENT = "ai_progress";
const STATUS = "ai_status";

/** A missing event may still arrive. After this time the client asks the journal. */
const GAP_MS = 1000;
/**
 * The site sends a message at once and then every three seconds. After SILENCE_MS without a message the client does not
 * trust the socket, and after FIRST_MS if this connection has not brought any. It may be connected and receive nothing:
 * Frappe's realtime server removes a site's namespace with its last socket, and a socket that connects at that moment
 * stays in the removed one (`cleanupEmptyChildNamespaces`).
 */
const SILENCE_MS = 5000;
const FIRST_MS = 1000;
/**
 * How long the journal may wait for an event, in seconds, and the pause between two calls that do not wait. A browser has
 * six connections to a site for all its tabs (HTTP/1.1), and the POST of each chat uses one. A long wait delays a Stop.
 */
const WAIT_S = 1;
const RETRY_MS = 250;
/** The longest pause between two calls that fail, unless the site asks for a longer one. */
const PAUSE_MS = 2000;
/** The answer of the POST follows the completion. If it takes longer, its connection is lost. */
const ANSWER_MS = 3000;
/** How long the client retries a site that does not answer, while the machine is awake. */
const RECOVER_MS = 120_000;
/** Longer than a request may take: gunicorn and nginx allow two minutes. */
const POST_MS = 180_000;
/** How long a GET may take, in addition to `wait`. */
const GET_MS = 20_000;
/** If a call is late by more than this, the machine was asleep. */
const ASLEEP_MS = 30_000;

/**
 * @typedef {"queued" | "running" | "completed" | "cancelled" | "failed"} Status
 * @typedef {{ code: string, message: string, retryable: boolean, explanation?: string }} Failure
 * @typedef {{ prompt_tokens: number | null, completion_tokens: number | null, reasoning_tokens: number | null,
 *   total_tokens: number | null, cost_usd: number | null, estimated?: boolean, cached_tokens?: number,
 *   cache_write_tokens?: number }} Usage
 * @typedef {{ first_reasoning_ms: number | null, first_text_ms: number | null, thinking_ms: number | null,
 *   duration_ms: number | null }} Timing
 * @typedef {{ role: string, content: unknown, tool_calls?: ToolCall[], continuation?: string, tool_call_id?: string }} Message
 * @typedef {{ id: string, type: "function", function: { name: string, arguments: string }, arguments_error?: string }} ToolCall
 *   as in the OpenAI chat API; `arguments` is valid JSON unless there is an `arguments_error`
 *
 * @typedef {{ url: string, title: string | null, start: number | null, end: number | null }} Source a page, and the
 *   characters (code points) of the answer that it is the source of
 * @typedef {object} Answer
 * @property {boolean} success
 * @property {Status} status
 * @property {string} request_id
 * @property {string} task_id
 * @property {string} response the answer, or the part of it that arrived
 * @property {string} reasoning
 * @property {string | null} provider
 * @property {string | null} model
 * @property {string | null} finish_reason
 * @property {Usage | null} usage
 * @property {Timing | null} timing
 * @property {{ events: number, failed: number, last_seq: number } | null} realtime
 * @property {{ provider: string, model: string, error: string }[]} attempts
 * @property {ToolCall[]} [tool_calls] of a request with `tools`
 * @property {{ name: string, outcome: string, duration_ms: number }[]} [tool_runs] the tools that the site ran
 * @property {string | null} [continuation] an opaque string that the provider needs with the next request
 * @property {Source[]} [sources] the pages that the answer cites
 * @property {{ type: string, bytes: number }[]} [images] what the model drew; the images themselves are not kept
 * @property {{ tool_results: number, tokens: number }} [trimmed] what the provider did not get, because the model's
 *   context window cannot hold the conversation; `tokens` is an estimate
 * @property {Failure} [error]
 * @property {number} [position] position in the queue; 1 is next
 *
 * @typedef {object} Progress an `ai_progress` event; a completion also has `status`, `usage`, `timing` and others
 * @property {string} type `reasoning`, `text`, `tool_call_start`, `tool_call_delta`, `tool_call`, `tool_approval`,
 *   `tool_result` or `completion`; later
 *   versions may add types
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
 * @typedef {Progress & { id: string, name: string, arguments: string, arguments_error?: string }} Call a complete tool call
 *
 * @typedef {Progress & { id: string, name: string }} CallStart the provider begins to write a tool call
 * @typedef {Progress & { id: string }} CallDelta `text` is the next part of the arguments of that call
 *
 * @typedef {Progress & { id: string, name: string, arguments: string, approval: string, seconds: number }} Approval the
 *   site waits so many seconds until the user approves a call of a tool of the site; see `approve`
 * @typedef {Progress & { id: string, name: string, arguments: string, outcome: "ok" | "failed" | "denied" | "not_run",
 *   duration_ms: number }} ToolResult a call of a tool that the site ran; `text` is its result
 *
 * @typedef {object} Phase an `ai_status` event; it has no `seq`
 * @property {string} request_id
 * @property {string} task_id
 * @property {"queued" | "thinking" | "answering" | "calling" | "tool" | "approval" | "fallback"} phase
 * @property {number} elapsed_ms
 * @property {number} [last_seq] the `seq` of the last event that the site has sent
 * @property {number} [position] in the queue
 * @property {string} [failed] the provider that failed
 * @property {string} [provider] the provider that is asked instead
 * @property {string} [name] the tool whose call is being written, runs, or waits for approval
 * @property {string} [arguments] of the call that waits for approval
 * @property {string} [approval] identifies the call that waits for approval
 * @property {number} [seconds] how long it waits
 * @property {number} [characters] of its arguments so far
 *
 * @typedef {{ request_id: string, from: number, to: number }} Gap events that the socket lost and the journal had
 *
 * @typedef {object} Events
 * @property {Progress} reasoning
 * @property {Progress} text
 * @property {CallStart} tool_call_start only where the request has `stream_tool_calls`
 * @property {CallDelta} tool_call_delta only where the request has `stream_tool_calls`
 * @property {Call} tool_call only where the request has `tools`
 * @property {Approval} tool_approval the site asks before it runs a tool
 * @property {ToolResult} tool_result the site ran a tool
 * @property {Phase} approval another request of the user, which is not followed here, waits for approval
 * @property {Progress} completion
 * @property {Phase} status
 * @property {Gap} gap
 * @property {{ id: string }} reconnect the socket is connected again; the client reads what it missed
 * @property {{ reason: string }} disconnect the client reads the journal until the socket is connected again
 */

/** The site refused the request, or the chat failed. `message` is a sentence for people; `answer` has what had arrived. */
export class ApiError extends Error {
	/**
	 * @param {number} status the HTTP status
	 * @param {any} body the JSON of the response, null if there is none
	 * @param {string | null} [retryAfter] the header `Retry-After`
	 */
	constructor(status, body, retryAfter) {
		const answer = body?.message && typeof body.message === "object" ? body.message : null;
		super(answer?.error?.message ?? sentenceOf(status, body));
		this.name = "ApiError";
		this.status = status;
		/** @type {string | null} an error code of the contract, null if Frappe or a proxy refused */
		this.code = answer?.error?.code ?? null;
		/** @type {number | null} seconds */
		this.retryAfter = secondsOf(retryAfter ?? null);
		/** @type {Answer | null} the answer of a request that was accepted and failed */
		this.answer = answer?.request_id ? answer : null;
		/**
		 * Whether the response comes from a proxy, from a network's login page, or from Frappe without its database. The
		 * request may still be running.
		 */
		this.notFromSite = !answer && (status >= 500 || status < 400);
		this.retryable = Boolean(answer?.error?.retryable ?? (this.notFromSite || status === 429));
	}
}

/**
 * @param {number} status
 * @param {any} body Frappe's own
 */
function sentenceOf(status, body) {
	if (body?.exc_type === "CSRFTokenError") return "The login has changed since the page was loaded. Reload the page.";
	if (status === 401 || body?.session_expired) return `The site does not accept the login (HTTP ${status}).`;
	if (status === 403) return "This user may not do that, or the login has ended (HTTP 403).";
	if (status === 429) return "Too many requests to the site (HTTP 429).";
	if (status < 400) return `The response is not from the site but from a proxy or a network's login page (HTTP ${status}).`;
	return `The site refused the request without a reason (HTTP ${status}).`;
}

/** @param {string | null} retryAfter in seconds or as a date */
function secondsOf(retryAfter) {
	if (!retryAfter) return null;
	const seconds = Number(retryAfter);
	const left = Number.isNaN(seconds) ? Math.ceil((Date.parse(retryAfter) - Date.now()) / 1000) : seconds;
	return Number.isFinite(left) ? Math.max(0, left) : null;
}

/**
 * Converts an answer to the message that the next request needs, with its tool calls and its continuation. Add one message
 * `{ role: "tool", tool_call_id, content }` for each call after it.
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

/** The state of one chat that is being followed. */
class Chat {
	/** @param {string} requestId @param {number} afterSeq */
	constructor(requestId, afterSeq) {
		this.requestId = requestId;
		this.next = afterSeq + 1;
		/** The highest `seq` that an event or an `ai_status` has told. */
		this.last = 0;
		/** @type {Map<number, Progress>} */
		this.early = new Map();
		this.ended = false;
		/** The socket was disconnected and may have lost events without a visible gap. */
		this.stale = false;
		this.heardAt = Date.now();
		/** This connection has brought a message. */
		this.heard = false;
		/** The socket is connected, but the journal had events that it did not deliver. */
		this.deaf = false;
		/** @type {number | null} since when an event is known to be missing */
		this.missingSince = null;
		/** @type {number | null} since when all calls to the site have failed */
		this.failingSince = null;
		this.pause = RETRY_MS;
		this.askAgainAt = 0;
		this.wake = () => {};
	}

	/**
	 * Records a failed call to the site.
	 *
	 * @param {unknown} error
	 * @param {number} longest how long calls may fail, in milliseconds
	 * @returns {boolean} whether to call again, at `askAgainAt`
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
		const refused = error instanceof ApiError && !error.notFromSite && error.status < 500 && error.status !== 429;
		return !refused && this.askAgainAt - this.failingSince <= longest;
	}

	/** Records a message of the socket. */
	hears() {
		this.heard = true;
		this.heardAt = Date.now();
	}

	/** Records that an event exists. The journal is asked for it if it does not arrive. @param {number} seq */
	knows(seq) {
		this.last = Math.max(this.last, seq);
	}

	succeeded() {
		this.failingSince = null;
		this.askAgainAt = 0;
	}

	/** Resolves when the chat changes, or after `ms` milliseconds. @param {number} ms */
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
	 * A page of the site needs only `site`: the browser sends its cookie and its Origin. Other programs authenticate with
	 * `token` or `sid`. With a token, `url` must be the address that the site's users see.
	 *
	 * @param {object} [options]
	 * @param {string} [options.url] the address of the web server; default: that of the page
	 * @param {string} [options.site] the name of the site, if it is not the host of `url`
	 * @param {string} [options.socketUrl] the address of the realtime server, if it has its own port (bench: 9000)
	 * @param {string} [options.token] "key:secret" of a user's API key
	 * @param {string} [options.sid] the session cookie of a login
	 * @param {string} [options.csrfToken] the token of a session that has opened Desk or the page; an API key needs none
	 * @param {boolean} [options.debug] prints each event with `console.log`
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
		/** The realtime server's reason for refusing the socket, or null. @type {string | null} */
		this.refusal = null;
	}

	/** @type {Record<string, string>} */
	#headers;

	/** Whether the socket is connected. Chats also stream without it. */
	get connected() {
		return Boolean(this.#socket?.connected);
	}

	/** The socket.io-client Socket, null before `connect()` and after `close()`. */
	get socket() {
		return this.#socket;
	}

	/**
	 * Opens the socket, which joins the user's room, and closes a previous one. Resolves to whether it is connected. Never
	 * rejects, because chats work without a socket. The client retries a server that could not be reached, but not one that
	 * refused.
	 *
	 * The realtime server compares the hosts of Origin and Host and asks the origin who the user is. It requires a Cookie
	 * even with a token, and uses a `sid` in it as the session. With a token the client therefore sends a cookie without
	 * meaning (frappe/realtime/middlewares/authenticate.js). A browser sets all three headers itself.
	 *
	 * @returns {Promise<boolean>}
	 */
	connect() {
		this.close();
		const { Accept: _accept, ...own } = this.#headers;
		const byHand = own.Authorization || own.Cookie;
		const headers = byHand ? { Cookie: "socket=1", ...own, Origin: this.url } : undefined;
		const socket = io(`${this.socketUrl}/${this.site}`, {
			// Polling would use one of the browser's six connections for each tab, even without a chat.
			transports: ["websocket"],
			forceNew: true,
			reconnectionDelay: 500,
			// In Node, `withCredentials` would replace our cookie with those of its own cookie jar.
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
				chat.heard = false;
				chat.askAgainAt = 0;
			});
			if (before) this.#emit("reconnect", { id: socket.id ?? "" });
			before = true;
		});
		socket.on("disconnect", (reason) => {
			this.#log("🔌", `Disconnected: ${reason}`);
			this.#emit("disconnect", { reason });
			this.#wakeAll();
			// socket.io does not reconnect if the server closed the connection.
			if (reason === "io server disconnect") socket.connect();
		});
		socket.on("connect_error", (error) => {
			this.refusal = error.message;
			this.#log("❌", `No connection to realtime server: ${error.message}`);
			this.#wakeAll();
			// Refused after it was accepted before: the site behind the realtime server may be restarting.
			if (!socket.active && before) setTimeout(() => this.#socket === socket && socket.connect(), 5000);
		});
		socket.on(EVENT, (message) => this.#receive(message));
		socket.on(STATUS, (message) => {
			for (const chat of this.#chats.get(message?.request_id) ?? []) {
				chat.hears();
				chat.knows(message.last_seq ?? 0);
				chat.wake();
				this.#emit("status", message);
			}
			if (!this.#chats.has(message?.request_id) && message?.phase === "approval") this.#emit("approval", message);
		});
		return new Promise((resolve) => {
			this.#opened = resolve;
			socket.once("connect", () => resolve(true));
			socket.once("connect_error", () => resolve(false));
		});
	}

	/** Closes the socket. Running chats continue without it. */
	close() {
		this.#socket?.close();
		this.#socket = null;
		this.#opened(false);
	}

	/**
	 * Calls `listener` for each event of that name of this manager's chats.
	 *
	 * @template {keyof Events} Name
	 * @param {Name} name
	 * @param {(event: Events[Name]) => void} listener
	 * @returns {() => void} removes the listener
	 */
	on(name, listener) {
		const listeners = this.#listeners.get(name) ?? new Set();
		this.#listeners.set(name, listeners.add(listener));
		return () => void listeners.delete(listener);
	}

	/**
	 * Asks a question. Resolves to the whole answer when the request has ended and all its events have been delivered or
	 * cannot be read, also if it was cancelled or ran in the background. Rejects with ApiError if the site refused the
	 * request or the chat failed, and with fetch's error if the site cannot be reached.
	 *
	 * @param {string | Message[]} messages a string is one user message
	 * @param {Record<string, unknown> & { request_id?: string }} [fields] other fields of `chat_completion`: `mode`,
	 *   `model`, `task_id`, …; with your own `request_id` (8 to 64 characters) you can cancel and resume the request
	 * @returns {Promise<Answer>}
	 */
	chat(messages, fields = {}) {
		const requestId = fields.request_id ?? newRequestId();
		const conversation = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
		const post = this.post("chat_completion", { ...fields, messages: conversation, request_id: requestId });
		return this.#follow(new Chat(requestId, 0), post);
	}

	/**
	 * Continues an earlier request: after a reload, in another window, or on another machine. Resolves and rejects as
	 * `chat()`.
	 *
	 * @param {string} requestId
	 * @param {number} [afterSeq] the `seq` of the last event that was seen; later events are delivered
	 * @returns {Promise<Answer>}
	 */
	resume(requestId, afterSeq = 0) {
		const chat = new Chat(requestId, afterSeq);
		chat.stale = true;
		return this.#follow(chat, null);
	}

	/**
	 * Stops a request. Its `chat()` resolves to what had arrived. A request that has ended does not change.
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
				// The request itself has not arrived yet.
				const early = error instanceof ApiError && error.status === 404 && this.#chats.has(requestId);
				if (!early) throw error;
				await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
			}
		}
	}

	/**
	 * Decides on a call of a tool of the site. Rejects if the request does not wait for it any more.
	 *
	 * @param {string} requestId
	 * @param {string} approval of the event `tool_approval`
	 * @param {boolean} approved
	 * @returns {Promise<void>}
	 */
	async approve(requestId, approval, approved) {
		await this.post("approve", { request_id: requestId, approval, approved });
	}

	/**
	 * @param {string} method a GET method of `ai_assistant.api`
	 * @param {Record<string, string | number>} [params]
	 * @returns {Promise<any>} the `message` of the response; rejects as `chat()`
	 */
	get(method, params = {}) {
		const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)]));
		const held = Number(params.wait ?? 0) * 1000;
		// A call that waits anyway gets a connection last.
		const priority = held ? "low" : "auto";
		return this.#fetch(`${method}?${query}`, { priority, signal: AbortSignal.timeout(held + GET_MS) });
	}

	/**
	 * @param {string} method a POST method of `ai_assistant.api`
	 * @param {Record<string, unknown>} fields
	 * @returns {Promise<any>} the `message` of the response; rejects as `chat()`
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
			// A proxy's page is not JSON. A connection that breaks is a different error.
			if (!(error instanceof SyntaxError)) throw error;
		}
		const answered = response.ok && body?.message !== undefined;
		if (!answered) throw new ApiError(response.status, body, response.headers.get("Retry-After"));
		return body.message;
	}

	/**
	 * Follows one chat until its end: waits for the socket, and asks the journal when the socket cannot be trusted.
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
					const stored = await this.#readBack(chat, now);
					if (stored) return outcome(stored, null);
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
	 * Returns the milliseconds until the client must ask the journal.
	 *
	 * @param {Chat} chat
	 * @param {boolean} answered whether the POST was answered, so that events not yet received are missing
	 */
	#patience(chat, answered) {
		const now = Date.now();
		if (chat.askAgainAt > now) return Math.min(chat.askAgainAt - now, RECOVER_MS);
		if (!this.connected || chat.stale) return 0;
		if (chat.last < chat.next && !answered) {
			if (chat.deaf) return 0;
			return chat.heardAt + (chat.heard ? SILENCE_MS : FIRST_MS) - now;
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
		let journal;
		try {
			const wait = known ? 0 : WAIT_S;
			journal = await this.get("get_events", { request_id: chat.requestId, after_seq: before - 1, wait });
		} catch (error) {
			const answered = Boolean(reply?.answer && isOver(reply.answer.status));
			if (chat.failed(error, answered ? ANSWER_MS : RECOVER_MS)) return;
			// The answer is complete; its events are optional.
			if (answered) chat.ended = true;
			// Before the POST is answered the request may not be accepted yet. Its response will show.
			else if (reply) throw moreUseful(reply.error, error);
			return;
		}
		chat.succeeded();
		chat.deaf ||= this.connected && !known && journal.events.some((/** @type {Progress} */ event) => event.seq >= chat.next);
		chat.stale = false;
		chat.missingSince = null;
		const last = journal.events.at(-1)?.seq ?? 0;
		if (this.connected && last >= chat.next) {
			this.#emit("gap", { request_id: chat.requestId, from: chat.next, to: last });
		}
		for (const event of journal.events) this.#order(chat, event);
		if (chat.next > before || chat.ended) return;
		// The request has ended and its journal was cleared: the missing events will not come.
		if (isOver(journal.status)) chat.ended = true;
		else if (!this.connected || !known) await chat.changed(RETRY_MS);
	}

	/**
	 * Reads the answer of a request that has ended. Returns null if it is not available yet.
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
			if (!chat.failed(error, RECOVER_MS) && reply) throw moreUseful(reply.error, error);
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
			chat.hears();
			chat.deaf = false;
			this.#order(chat, event);
			chat.wake();
		}
	}

	/** @param {Chat} chat @param {Progress} event */
	#order(chat, event) {
		chat.knows(event.seq);
		if (event.seq >= chat.next) chat.early.set(event.seq, event);
		for (let next; (next = chat.early.get(chat.next)); ) {
			chat.early.delete(chat.next++);
			if (next.type === "completion") chat.ended = true;
			this.#emit(next.type, next);
		}
		if (chat.last < chat.next) chat.missingSince = null;
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
				// An error in one listener must not stop the others.
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

/** Whether the outcome of the request is unknown. @param {unknown} error */
function isBroken(error) {
	return !(error instanceof ApiError) || error.notFromSite;
}

/** Whether the site does not know the request. @param {unknown} error */
function isUnknown(error) {
	return error instanceof ApiError && error.code === "not_found";
}

/**
 * Returns the more useful of two errors: the site's own error rather than a broken connection. "Unknown request" only
 * means that the POST never arrived.
 *
 * @param {unknown} post
 * @param {unknown} later
 */
function moreUseful(post, later) {
	return isBroken(later) || isUnknown(later) ? (post ?? later) : later;
}

/** @param {Answer} answer @param {unknown} error the error of the POST, if it has one @returns {Answer} */
function outcome(answer, error) {
	if (answer.status !== "failed") return answer;
	throw error instanceof ApiError ? error : new ApiError(502, { message: answer });
}

/** Replaces `crypto.randomUUID()`, which is not available in pages without https. */
function newRequestId() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
