/**
 * An answer as Markdown, while it is written: whole blocks are rendered once and left alone, only the last block is
 * rendered again. So the cost grows with the answer, not with its square.
 *
 * What a model writes is hostile until proven otherwise: DOMPurify lets through text and its structure, no styles, no
 * forms, and no images, which would tell their server who reads.
 */
import DOMPurify from "dompurify";
import { Lexer, Marked } from "marked";

import { copyButton, h } from "./dom.js";

/** A block with more characters is shown as plain text: no library lays out a megabyte of Markdown in time. */
const LONGEST_BLOCK = 20_000;
/** Plain text is laid out in pieces, and only those in sight. */
const PIECE = 4_000;
/** Rendering may take this part of the time. */
const SHARE = 0.2;

const marked = new Marked({
	gfm: true,
	breaks: true,
	renderer: {
		// An answer has no form to fill in.
		checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
		listitem(item) {
			return item.task ? `<li class="task">${this.parser.parse(item.tokens)}</li>\n` : false;
		},
	},
	walkTokens(token) {
		if (token.type !== "image") return;
		const words = token.text || token.href;
		Object.assign(token, { type: "link", tokens: [{ type: "text", raw: words, text: words }] });
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
	// The others' values are held against it too.
	ADD_URI_SAFE_ATTR: ["align", "start"],
};

export class MarkdownStream {
	/**
	 * @param {HTMLElement} element where the answer grows
	 * @param {(sentence: string) => void} announce
	 */
	constructor(element, announce) {
		this.text = "";
		this.#element = element;
		this.#announce = announce;
	}

	#element;
	#announce;
	/** How much of the text stands in blocks that will not change. */
	#settled = 0;
	/** @type {HTMLElement | null} the block that still grows */
	#tail = null;
	/** How much of the growing block stands as plain text, null where it is Markdown. @type {number | null} */
	#plain = null;
	#scheduled = false;
	#cost = 0;

	/** @param {string} text what is new */
	append(text) {
		this.text += text.replace(/\r\n?/g, "\n");
		if (this.#scheduled || !text) return;
		this.#scheduled = true;
		const pause = this.#cost / SHARE - this.#cost;
		// Frames are not drawn while the page is hidden.
		const draw = () => (document.hidden ? setTimeout(this.#draw) : requestAnimationFrame(this.#draw));
		if (pause > 16) setTimeout(draw, pause);
		else draw();
	}

	/** Draws what is left; nothing will follow. */
	finish() {
		this.#draw();
		// Links whose address stands at the end, as in [text][1], can only be resolved in the whole.
		if (this.text.length <= LONGEST_BLOCK && /^ {0,3}\[[^\]]+\]:/m.test(this.text)) {
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

	/** @param {string} block the growing block as it is now */
	#show(block) {
		if (!block.trim() && !this.#tail) return;
		const tail = (this.#tail ??= this.#element.appendChild(h("div", { className: "block" })));
		if (block.length <= LONGEST_BLOCK) {
			tail.replaceChildren(this.#block(block));
			return;
		}
		if (this.#plain === null) {
			tail.replaceChildren();
			tail.classList.add("plain");
		}
		let shown = this.#plain ?? 0;
		while (shown < block.length) {
			const room = PIECE - (shown % PIECE);
			const part = block.slice(shown, shown + room);
			if (room === PIECE) tail.append(h("div", {}, part));
			else /** @type {Element} */ (tail.lastElementChild).append(part);
			shown += part.length;
		}
		this.#plain = shown;
	}

	/** @param {string} source @returns {Node} */
	#block(source) {
		const fragment = rendered(source);
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
			const frame = h("div", { className: "table", tabIndex: 0, role: "region", "aria-label": "Table" });
			table.replaceWith(frame);
			frame.append(table);
		}
		return fragment;
	}
}

/** @param {string} source @returns {DocumentFragment} */
function rendered(source) {
	try {
		const html = /** @type {string} */ (marked.parse(source));
		return purify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true });
	} catch {
		// Nested thousands deep: readable as what it is.
		const fragment = document.createDocumentFragment();
		fragment.append(h("div", { className: "plain" }, source));
		return fragment;
	}
}

/**
 * The text in blocks of Markdown. The last one may still grow, also over an empty line where it is a list; it ends once
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
