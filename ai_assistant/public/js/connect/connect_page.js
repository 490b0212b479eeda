/** The page `/ai-assistant/connect`: makes an AI Key, and shows the configuration of each client with it. */
import { byId, copyButton, seconds } from "../page/dom.js";
import { __ } from "../page/translate.js";
import { configurations } from "./configurations.js";
import { testRequest } from "./test_request.js";

const BASE_PATH = "/api/method/ai_assistant.v1";
const MAKE_PATH = "/api/method/ai_assistant.ai_assistant.doctype.ai_key.ai_key.make";
const PLACEHOLDER = "YOUR-AI-KEY";

/** @param {{ csrf_token: string | null }} boot */
export async function openConnect({ csrf_token }) {
	const base = location.origin + BASE_PATH;
	/** @type {import("./configurations.js").Model[]} */
	let models = [];
	const key = byId("key");
	const model = byId("model");
	const clients = [...document.querySelectorAll("[data-client]")];
	const announce = (/** @type {string} */ sentence) => (byId("announcements").textContent = sentence);

	function draw() {
		const texts = configurations({ base, key: key.value.trim() || PLACEHOLDER, model: model.value, models });
		for (const client of clients) {
			/** @type {any} */ (client.querySelector("pre")).textContent = texts[/** @type {any} */ (client).dataset.client];
		}
	}

	for (const client of clients) {
		const pre = /** @type {any} */ (client.querySelector("pre"));
		client.querySelector(".actions")?.prepend(copyButton(() => pre.textContent, announce));
		const button = /** @type {any} */ (client.querySelector("button.test"));
		button.addEventListener("click", () => test(button, /** @type {any} */ (client.querySelector("output"))));
	}

	/** @param {any} button @param {any} output */
	async function test(button, output) {
		button.disabled = true;
		output.className = "";
		output.textContent = __("Asking …");
		const started = performance.now();
		const result = await testRequest({ api: button.dataset.api, base, key: key.value.trim(), model: model.value });
		const took = seconds(performance.now() - started);
		const status = result.status ? `HTTP ${result.status}` : __("The site was not reached");
		output.textContent = `${status}, ${took}: ${result.text}`;
		output.className = result.ok ? "good" : "bad";
		button.disabled = false;
	}

	byId("make")?.addEventListener("submit", async (/** @type {Event} */ event) => {
		event.preventDefault();
		const response = await fetch(MAKE_PATH, {
			method: "POST",
			headers: { "Content-Type": "application/json", "X-Frappe-CSRF-Token": csrf_token ?? "", Accept: "application/json" },
			body: JSON.stringify({ label: byId("label").value }),
		});
		const answer = await response.json().catch(() => ({}));
		byId("made").hidden = !response.ok;
		byId("notice").hidden = response.ok;
		byId("notice").textContent = __("The key was not made. Reload the page and try again.");
		if (!response.ok) return;
		key.value = answer.message.key;
		draw();
	});
	key.addEventListener("input", draw);
	model.addEventListener("change", draw);

	const response = await fetch(`${base}/models`).catch(() => null);
	const answer = await response?.json().catch(() => null);
	models = (response?.ok && answer?.data) || [];
	model.replaceChildren(...models.map(({ id }) => new Option(id, id)));
	byId("no-models").hidden = models.length > 0;
	draw();
}
