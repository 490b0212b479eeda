/**
 * An element with its properties and children; text is always text, never markup.
 *
 * @param {string} tag
 * @param {Record<string, any>} [properties] those with a dash and `role` are set as attributes
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
 * A button that copies a text and says so.
 *
 * @param {() => string} text
 * @param {(sentence: string) => void} announce
 */
export function copyButton(text, announce) {
	const button = h("button", { type: "button", className: "quiet copy", textContent: "Copy" });
	button.addEventListener("click", async () => {
		const copied = await copy(text());
		button.textContent = copied ? "Copied" : "Not copied";
		announce(copied ? "Copied to the clipboard." : "The browser does not let this page copy.");
		setTimeout(() => (button.textContent = "Copy"), 2000);
	});
	return button;
}

/** @param {string} text */
async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		// Pages without https have no clipboard; the old way asks for a selection.
		const area = h("textarea", { value: text, className: "sr-only" });
		document.body.append(area);
		area.select();
		const copied = document.execCommand("copy");
		area.remove();
		return copied;
	}
}

/** @param {number} milliseconds */
export const seconds = (milliseconds) => (milliseconds < 50 ? "< 0.1 s" : `${(milliseconds / 1000).toFixed(1)} s`);
