/** The translations of the page's sentences. The site puts them into the page, for the user's language. */

/** @type {Record<string, string>} */
let translations = {};

/** @param {Record<string, string>} messages the translations by their English sentence */
export function setTranslations(messages) {
	translations = messages;
}

/**
 * Translates a sentence, as `__` does in Desk. A sentence without a translation stays in English.
 *
 * @param {string} message a constant: Frappe extracts it from the source
 * @param {(string | number)[]} [values] the values of the placeholders {0}, {1}, …
 */
export function __(message, values = []) {
	const translated = translations[message] || message;
	return translated.replace(/\{(\d+)\}/g, (placeholder, index) => String(values[index] ?? placeholder));
}
