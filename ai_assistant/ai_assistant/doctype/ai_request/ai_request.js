const [WAITING, THINKING, ANSWERING, CALLING] = ["#A6B1B9", "#ED8936", "#48BB74", "#318AD8"];
// In the order of the names that `draw` gives them.
const TYPES = { reasoning: THINKING, text: ANSWERING, tool_call: CALLING };

frappe.ui.form.on("AI Request", {
	async refresh(frm) {
		if (["queued", "running"].includes(frm.doc.status)) {
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
	// The process that runs it hears of it within a second.
	setTimeout(() => frm.reload_doc(), 1500);
}

async function events_of(frm) {
	const rows = await frappe.db.get_list("AI Request Event", {
		filters: { request: frm.doc.name },
		fields: ["seq", "type", "text", "payload"],
		order_by: "seq asc",
		limit: 0,
	});
	return rows.map(({ payload, ...event }) => ({ ...JSON.parse(payload), ...event }));
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
	const said = [
		[WAITING, __("Waiting: {0} ms", [waiting])],
		[THINKING, __("Thinking: {0} ms", [thinking])],
		[ANSWERING, __("Answering: {0} ms", [answering])],
	];
	if (calls) said.push([CALLING, __("Tool calls: {0}", [calls])]);
	// The charts' own legends and titles are cut on a narrow screen, and dark on dark.
	const $said = $("<p>").appendTo($timeline);
	for (const [colour, words] of said) {
		const $words = $("<span>").addClass("mr-4 d-inline-block").text(` ${words}`).appendTo($said);
		$("<span>").attr("aria-hidden", true).css("color", colour).text("●").prependTo($words);
	}
	// It begins with the room for a legend.
	add_chart($timeline, said.map(([, words]) => words).join(", "), {
		type: "percentage",
		height: 100,
		colors: [WAITING, THINKING, ANSWERING],
		data: {
			labels: [__("Waiting"), __("Thinking"), __("Answering")],
			datasets: [{ values: [waiting, thinking, answering] }],
		},
	}).css("margin-top", "-50px");
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
	for (const { provider, model, error } of JSON.parse(frm.doc.attempts || "[]")) {
		lines.push(__("{0} failed ({1}): {2}", [provider, model, error]));
	}
	if (frm.doc.error) lines.push(JSON.parse(frm.doc.error).message);
	for (const line of lines) $("<p>").text(line).appendTo($timeline);
}

function add_chart($timeline, label, options) {
	const $chart = $("<div>").attr({ role: "img", "aria-label": label }).appendTo($timeline);
	new frappe.Chart($chart[0], { showLegend: 0, ...options });
	return $chart;
}
