import { __ } from "./translate.js";

/**
 * Creates an element. Text children are inserted as text, never as markup.
 *
 * @param {string} tag
 * @param {Record<string, any>} [properties] names with a dash and `role` are set as attributes
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (name.includes("-") || name === "role") element.setAttribute(name, value);
		else /** @type {any} */ (element)[name] = value;
	}
	element.append(...children);
	return element;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * Creates a button that copies a text and shows whether that worked.
 *
 * @param {() => string} text returns the text to copy
 * @param {(sentence: string) => void} announce tells screen readers
 */
export function copyButton(text, announce) {
	const button = h("button", { type: "button", className: "quiet copy", textContent: __("Copy") });
	button.addEventListener("click", async () => {
		const copied = await copy(text());
		button.textContent = copied ? __("Copied") : __("Not copied");
		announce(copied ? __("Copied to the clipboard.") : __("The browser does not let this page copy."));
		setTimeout(() => (button.textContent = __("Copy")), 2000);
	});
	return button;
}

/** @param {string} text */
async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		// Pages without https have no clipboard API. `execCommand` copies the selection.
		const area = h("textarea", { value: text, className: "sr-only" });
		document.body.append(area);
		area.select();
		const copied = document.execCommand("copy");
		area.remove();
		return copied;
	}
}

/** @param {number} milliseconds */
export const seconds = (milliseconds) =>
	milliseconds < 50 ? __("< 0.1 s") : __("{0} s", [(milliseconds / 1000).toFixed(1)]);

/** Whether a key belongs to an input method. Safari sends the last key after the composition. @param {KeyboardEvent} event */
export function isComposing({ isComposing, keyCode }) {
	return isComposing || keyCode === 229;
}

/**
 * Shows or hides a side panel. The button that does so is named after the panel.
 *
 * @param {string} name its id
 * @param {string} first the id of the element that gets the focus when the panel is shown
 */
export function togglePanel(name, first) {
	const shown = byId(name).hidden;
	byId(name).hidden = !shown;
	byId(`${name}-toggle`).setAttribute("aria-expanded", String(shown));
	byId(shown ? first : `${name}-toggle`).focus();
}

/** Indents JSON. Returns text that is not JSON unchanged. @param {string} json */
export function indented(json) {
	try {
		return JSON.stringify(JSON.parse(json), null, 2);
	} catch {
		return json;
	}
}

/** Lets the browser save a text as a file. @param {string} name @param {string} type @param {string} text */
export function download(name, type, text) {
	const url = URL.createObjectURL(new Blob([text], { type }));
	h("a", { href: url, download: name }).click();
	URL.revokeObjectURL(url);
}
