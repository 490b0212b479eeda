/**
 * Renders an answer as Markdown while it is written. Complete blocks are rendered once, only the last block is rendered
 * again. So the cost grows with the length of the answer, not with its square.
 *
 * The output of a model is untrusted. DOMPurify lets through text and its structure, but no styles, no forms and no images:
 * the server of an image would learn who reads it.
 */
import DOMPurify from "dompurify";
import { Lexer, Marked } from "marked";

import { copyButton, h } from "./dom.js";
import { __ } from "./translate.js";

/** A block with more characters is shown as plain text, because Markdown of a megabyte takes too long. */
const MAX_BLOCK_CHARS = 20_000;
/** Plain text is split into pieces of this many characters. The browser lays out only the visible ones. */
const PIECE_CHARS = 4_000;
/** Rendering may take this share of the time. */
const RENDER_SHARE = 0.2;

const marked = new Marked({
	gfm: true,
	breaks: true,
	renderer: {
		// An answer has no form fields.
		checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
		listitem(item) {
			return item.task ? `<li class="task">${this.parser.parse(item.tokens)}</li>\n` : false;
		},
	},
	walkTokens(token) {
		if (token.type !== "image") return;
		// An image becomes a link.
		const text = token.text || token.href;
		Object.assign(token, { type: "link", tokens: [{ type: "text", raw: text, text }] });
	},
});

const purify = DOMPurify(window);
purify.addHook("uponSanitizeAttribute", (node, attribute) => {
	if (attribute.attrName !== "class") return;
	const language = node.nodeName === "CODE" && /^language-[\w+#.-]+$/.test(attribute.attrValue);
	attribute.keepAttr = language || (node.nodeName === "LI" && attribute.attrValue === "task");
});
purify.addHook("afterSanitizeAttributes", (node) => {
	if (node.nodeName !== "A") return;
	node.setAttribute("target", "_blank");
	node.setAttribute("rel", "noopener noreferrer nofollow");
});

const ALLOWED = {
	ALLOWED_TAGS: (
		"a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i kbd li ol p pre s strong sub sup table tbody td th thead tr ul"
	).split(" "),
	ALLOWED_ATTR: ["href", "title", "align", "start", "class"],
	ALLOW_DATA_ATTR: false,
	ALLOW_ARIA_ATTR: false,
	ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
	// DOMPurify would otherwise check these values as addresses.
	ADD_URI_SAFE_ATTR: ["align", "start"],
};

export class MarkdownStream {
	/**
	 * @param {HTMLElement} element the element of the answer
	 * @param {(sentence: string) => void} announce tells screen readers
	 */
	constructor(element, announce) {
		this.text = "";
		this.#element = element;
		this.#announce = announce;
	}

	#element;
	#announce;
	/** The characters of the text in blocks that do not change any more. */
	#settled = 0;
	/** The element of the last block, which still grows. @type {HTMLElement | null} */
	#tail = null;
	/** The characters of the last block that are shown as plain text; null if it is Markdown. @type {number | null} */
	#plain = null;
	#scheduled = false;
	#cost = 0;

	/** @param {string} text the new part */
	append(text) {
		this.text += text.replace(/\r\n?/g, "\n");
		if (this.#scheduled || !text) return;
		this.#scheduled = true;
		const pause = this.#cost / RENDER_SHARE - this.#cost;
		// Browsers draw no frames while the page is hidden.
		const draw = () => (document.hidden ? setTimeout(this.#draw) : requestAnimationFrame(this.#draw));
		if (pause > 16) setTimeout(draw, pause);
		else draw();
	}

	/** Draws the rest, because the answer is complete. */
	finish() {
		this.#draw();
		// A link as [text][1] has its address at the end, so it needs the whole text.
		if (this.text.length <= MAX_BLOCK_CHARS && /^ {0,3}\[[^\]]+\]:/m.test(this.text)) {
			this.#element.replaceChildren(h("div", { className: "block" }, this.#block(this.text)));
			this.#settled = this.text.length;
			this.#tail = this.#plain = null;
		}
	}

	#draw = () => {
		this.#scheduled = false;
		const started = performance.now();
		const blocks = blocksOf(this.text.slice(this.#settled));
		const growing = blocks.pop() ?? "";
		for (const block of blocks) {
			this.#show(block);
			this.#settled += block.length;
			this.#tail = this.#plain = null;
		}
		this.#show(growing);
		this.#cost = performance.now() - started;
	};

	/** Draws the last block. @param {string} block its text so far */
	#show(block) {
		if (!block.trim() && !this.#tail) return;
		const tail = (this.#tail ??= this.#element.appendChild(h("div", { className: "block" })));
		if (block.length <= MAX_BLOCK_CHARS) {
			tail.replaceChildren(this.#block(block));
			return;
		}
		if (this.#plain === null) {
			tail.replaceChildren();
			tail.classList.add("plain");
		}
		let shown = this.#plain ?? 0;
		while (shown < block.length) {
			const room = PIECE_CHARS - (shown % PIECE_CHARS);
			const part = block.slice(shown, shown + room);
			if (room === PIECE_CHARS) tail.append(h("div", {}, part));
			else /** @type {Element} */ (tail.lastElementChild).append(part);
			shown += part.length;
		}
		this.#plain = shown;
	}

	/** @param {string} source @returns {Node} */
	#block(source) {
		const fragment = render(source);
		for (const block of fragment.children) block.setAttribute("dir", block.localName === "pre" ? "ltr" : "auto");
		for (const pre of fragment.querySelectorAll("pre")) {
			const code = pre.querySelector("code");
			const language = code?.className.replace("language-", "") || "text";
			pre.tabIndex = 0;
			const head = h("div", { className: "code-head" }, language, copyButton(() => pre.textContent ?? "", this.#announce));
			const frame = h("div", { className: "code" });
			pre.replaceWith(frame);
			frame.append(head, pre);
		}
		for (const table of fragment.querySelectorAll("table")) {
			const frame = h("div", { className: "table", tabIndex: 0, role: "region", "aria-label": __("Table") });
			table.replaceWith(frame);
			frame.append(table);
		}
		return fragment;
	}
}

/** @param {string} source @returns {DocumentFragment} */
function render(source) {
	try {
		const html = /** @type {string} */ (marked.parse(source));
		return purify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true });
	} catch {
		// Thousands of nested blocks exceed the stack. The source is readable.
		const fragment = document.createDocumentFragment();
		fragment.append(h("div", { className: "plain" }, source));
		return fragment;
	}
}

/**
 * Splits a text into blocks of Markdown. The last block may still grow: a list continues over an empty line, and ends when
 * a whole line of another block follows.
 *
 * @param {string} text
 * @returns {string[]}
 */
function blocksOf(text) {
	let tokens;
	try {
		tokens = new Lexer({ ...marked.defaults }).blockTokens(text, []);
	} catch {
		return [text];
	}
	let last = tokens.length - 1;
	while (last > 0 && (tokens[last].type === "space" || !tokens[last].raw.includes("\n"))) last--;
	const blocks = tokens.slice(0, Math.max(last, 0)).map((token) => token.raw);
	const before = blocks.reduce((length, block) => length + block.length, 0);
	return [...blocks, text.slice(before)];
}
