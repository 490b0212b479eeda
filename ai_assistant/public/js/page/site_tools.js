/** Tools that the site runs: what they returned, and the question before a call that writes. */
import { h, indented } from "./dom.js";
import { __ } from "./translate.js";

/** @typedef {import("../realtime_manager.js").RealtimeManager} RealtimeManager */

/** Shows a call that the site ran, or did not run. @param {import("../realtime_manager.js").ToolResult} call */
export function toolResult({ name, arguments: text, outcome, text: result }) {
	const outcomes = {
		ok: __("done"),
		failed: __("failed"),
		denied: __("not approved"),
		not_run: __("not run"),
	};
	const summary = h("summary", {}, "🗂 ", h("code", {}, name), ` – ${outcomes[outcome] ?? outcome}`);
	return h(
		"details",
		{ className: "call of-site" },
		summary,
		h("pre", { tabIndex: 0, dir: "ltr" }, indented(text)),
		h("pre", { tabIndex: 0, dir: "auto" }, indented(result)),
	);
}

/**
 * Asks whether a call may run. The box has the call as it is, as text: the words of the model have no part in it.
 *
 * @param {{ request_id: string, name?: string, arguments?: string, approval?: string }} call
 * @param {RealtimeManager} manager
 */
export function approvalBox({ request_id, name, arguments: text, approval = "" }, manager) {
	const sentence = h("p", {}, __("The model asks to run {0}. It may change data. Do you approve?", [name ?? ""]));
	const approve = h("button", { type: "button", className: "approve" }, __("Approve"));
	const refuse = h("button", { type: "button", className: "refuse" }, __("Refuse"));
	const box = h(
		"div",
		{ className: "approval", role: "alertdialog", "aria-label": __("Approval") },
		sentence,
		h("pre", { tabIndex: 0, dir: "ltr" }, text ?? ""),
		h("div", { className: "buttons" }, approve, refuse),
	);
	for (const [button, approved] of /** @type {const} */ ([
		[approve, true],
		[refuse, false],
	])) {
		button.addEventListener("click", async () => {
			approve.disabled = refuse.disabled = true;
			try {
				await manager.approve(request_id, approval, approved);
				box.remove();
			} catch (error) {
				sentence.textContent = error instanceof Error ? error.message : String(error);
			}
		});
	}
	return box;
}

/**
 * Asks for approval of calls in requests that other programs of the user made, such as an editor. The site repeats the
 * question as long as it waits.
 *
 * @param {RealtimeManager} manager
 * @param {HTMLElement} log where the question is shown
 * @param {(sentence: string) => void} announce tells screen readers
 */
export function askForOthers(manager, log, announce) {
	/** @type {Set<string>} */
	const shown = new Set();
	manager.on("approval", (status) => {
		if (shown.has(status.approval ?? "")) return;
		shown.add(status.approval ?? "");
		const box = approvalBox(status, manager);
		log.append(box);
		setTimeout(() => box.remove(), (status.seconds ?? 0) * 1000);
		announce(__("{0} needs your approval.", [status.name ?? ""]));
		document.body.classList.remove("empty");
		box.scrollIntoView({ block: "nearest" });
	});
}
