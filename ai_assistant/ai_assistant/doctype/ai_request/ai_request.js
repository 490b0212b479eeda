const [WAITING, THINKING, ANSWERING, CALLING] = ["#A6B1B9", "#ED8936", "#48BB74", "#318AD8"];
// In the order of their names in `draw`.
const TYPES = { reasoning: THINKING, text: ANSWERING, tool_call: CALLING };
const UNENDED = ["queued", "running"];
const LOOK_MS = 2000;
const STATUSES = frappe.listview_settings["AI Request"].statuses;
// A column of numbers has no NULL. The objects that the figures come from say which are unknown.
const OF_OBJECTS = {
	usage: [
		"prompt_tokens",
		"cached_tokens",
		"cache_write_tokens",
		"completion_tokens",
		"reasoning_tokens",
		"total_tokens",
		"cost_usd",
	],
	timing: ["first_reasoning_ms", "first_text_ms", "thinking_ms", "duration_ms"],
};

frappe.ui.form.on("AI Request", {
	setup(frm) {
		frm.fields_dict.status.df.formatter = (status) => STATUSES[status]?.[0] ?? status;
		for (const [object, fields] of Object.entries(OF_OBJECTS)) {
			for (const name of fields) {
				const { df } = frm.fields_dict[name];
				const format = frappe.form.get_formatter(df.fieldtype);
				df.formatter = (value, ...rest) => {
					const known = JSON.parse(frm.doc[object] || "{}")?.[name] ?? null;
					return known === null ? "–" : format(value, ...rest);
				};
			}
		}
	},
	onload(frm) {
		// The server returns the fields with content only in a document (view_log.py).
		for (const { fieldname, permlevel } of frm.meta.fields) {
			if (permlevel === 1) frm.set_df_property(fieldname, "permlevel", 0);
		}
	},
	async refresh(frm) {
		follow(frm);
		if (UNENDED.includes(frm.doc.status)) {
			frm.add_custom_button(__("Cancel"), () => cancel(frm));
		}
		frm.add_custom_button(__("Read events"), async () => read(await events_of(frm)));
		draw(frm, frm.doc.timing ? await events_of(frm) : []);
	},
});

async function cancel(frm) {
	await frappe.call({
		method: "ai_assistant.ai_assistant.doctype.ai_request.ai_request.stop",
		args: { name: frm.doc.name },
		freeze: true,
	});
}

// Frappe tells forms of saved documents, but rows of requests are written without documents.
function follow(frm) {
	clearTimeout(frm.following);
	const { name, status } = frm.doc;
	if (!UNENDED.includes(status)) return;
	frm.following = setTimeout(async () => {
		if (!$(frm.wrapper).is(":visible") || frm.doc.name !== name) return;
		const { message } = document.hidden ? {} : await frappe.db.get_value("AI Request", name, "status");
		if (frm.doc.name !== name) return;
		if (message?.status && message.status !== status) frm.reload_doc();
		else follow(frm);
	}, LOOK_MS);
}

async function events_of(frm) {
	const method = "ai_assistant.ai_assistant.doctype.ai_request.ai_request.get_events";
	const { message } = await frappe.call({ method, args: { name: frm.doc.name } });
	return message;
}

function read(events) {
	const row = (tag, values) => {
		const cells = values.map((value) => `<${tag}>${frappe.utils.escape_html(String(value))}</${tag}>`);
		return `<tr>${cells.join("")}</tr>`;
	};
	const headings = ["#", __("Type"), __("After (ms)"), __("Content")];
	const rows = events.map((event) => row("td", [event.seq, event.type, event.elapsed_ms, content_of(event)]));
	const { $wrapper } = frappe.msgprint({
		title: __("Events"),
		wide: true,
		message: rows.length
			? `<table class="table table-sm"><thead>${row("th", headings)}</thead><tbody>${rows.join("")}</tbody></table>`
			: __("There are none any more: Log Settings say how long they are kept."),
	});
	$wrapper.find("td:last-child").css({ "white-space": "pre-wrap", "overflow-wrap": "anywhere" });
}

// What an event says, whatever its type.
function content_of(event) {
	if (event.type === "tool_call_start") return event.name;
	if (event.type === "tool_call") return `${event.name} ${event.arguments}`;
	if (event.type !== "completion") return event.text || "";
	return [event.status, event.finish_reason, event.error?.message].filter(Boolean).join(", ");
}

// The bar of waiting, thinking and answering; the characters of each event; what failed.
function draw(frm, events) {
	const $timeline = $(frm.fields_dict.timeline.wrapper).empty();
	if (!frm.doc.timing) return;
	const { first_reasoning_ms, first_text_ms, thinking_ms, duration_ms } = JSON.parse(frm.doc.timing);
	const firsts = [first_reasoning_ms, first_text_ms].filter((ms) => ms !== null);
	const waiting = firsts.length ? Math.min(...firsts) : duration_ms;
	const thinking = thinking_ms || 0;
	const answering = Math.max(0, duration_ms - waiting - thinking);
	const calls = events.filter((event) => event.type === "tool_call").length;
	const phases = [
		[WAITING, waiting, __("Waiting: {0} ms", [waiting])],
		[THINKING, thinking, __("Thinking: {0} ms", [thinking])],
		[ANSWERING, answering, __("Answering: {0} ms", [answering])],
	].filter(([, ms]) => ms > 0);
	const legend = phases.map(([colour, , words]) => [colour, words]);
	if (calls) legend.push([CALLING, __("Tool calls: {0}", [calls])]);
	// The charts' own legends and titles are cut on a narrow screen, and dark on dark.
	const $legend = $("<p>").appendTo($timeline);
	for (const [colour, words] of legend) {
		const $words = $("<span>").addClass("mr-4 d-inline-block").text(` ${words}`).appendTo($legend);
		$("<span>").attr("aria-hidden", true).css("color", colour).text("●").prependTo($words);
	}
	const $bar = $("<div>").addClass("phases d-flex rounded overflow-hidden mb-4").css("height", "12px");
	$bar.attr({ role: "img", "aria-label": legend.map(([, words]) => words).join(", ") }).appendTo($timeline);
	for (const [colour, ms] of phases) $("<div>").css({ background: colour, flex: `${ms} 0 2px` }).appendTo($bar);
	const spoken = events.filter((event) => event.type in TYPES);
	if (spoken.length) {
		const title = __("Characters of each event, by the second it was sent");
		$("<p>").addClass("text-muted small").text(title).appendTo($timeline);
		const names = { reasoning: __("Reasoning"), text: __("Text"), tool_call: __("Tool Call") };
		add_chart($timeline, title, {
			type: "bar",
			height: 200,
			colors: Object.values(TYPES),
			barOptions: { stacked: 1, spaceRatio: 0.3 },
			axisOptions: { xAxisMode: "tick", xIsSeries: 1 },
			data: {
				labels: spoken.map((event) => (event.elapsed_ms / 1000).toFixed(1)),
				datasets: Object.entries(names).map(([type, name]) => ({
					name,
					values: spoken.map((event) =>
						event.type === type ? [...(event.arguments ?? event.text)].length : 0
					),
				})),
			},
		});
	}
	const lines = [__("{0} events, {1} not delivered", [frm.doc.events, frm.doc.failed_events])];
	for (const { provider, key, model, error } of JSON.parse(frm.doc.attempts || "[]")) {
		const name = key ? __("{0}, key {1}", [provider, key]) : provider;
		lines.push(__("{0} failed ({1}): {2}", [name, model, error]));
	}
	if (frm.doc.error) lines.push(JSON.parse(frm.doc.error).message);
	for (const line of lines) $("<p>").text(line).appendTo($timeline);
}

function add_chart($timeline, label, options) {
	const $chart = $("<div>").attr({ role: "img", "aria-label": label }).appendTo($timeline);
	new frappe.Chart($chart[0], { showLegend: 0, ...options });
	return $chart;
}
