const COLOURS = ["#A6B1B9", "#ED8936", "#48BB74"];

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
		limit: 1000,
	});
	return rows.map(({ payload, ...event }) => ({ ...JSON.parse(payload), ...event }));
}

function read(events) {
	const escaped = (text) => frappe.utils.escape_html(text || "");
	const rows = events.map(
		(event) =>
			`<tr><td>${event.seq}</td><td>${escaped(event.type)}</td>` +
			`<td class="text-nowrap">${event.elapsed_ms} ms</td><td style="white-space: pre-wrap">${escaped(event.text)}</td></tr>`
	);
	frappe.msgprint({
		title: __("Events"),
		wide: true,
		message: rows.length
			? `<table class="table table-sm"><tbody>${rows.join("")}</tbody></table>`
			: __("There are none any more: Log Settings say how long they are kept."),
	});
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
	add_chart($timeline, {
		type: "percentage",
		height: 100,
		colors: COLOURS,
		data: {
			labels: [__("waiting (ms)"), __("thinking (ms)"), __("answering (ms)")],
			datasets: [{ values: [waiting, thinking, answering] }],
		},
	});
	const spoken = events.filter((event) => event.type !== "completion");
	if (spoken.length) {
		const of_type = (type) => ({
			name: __(type),
			values: spoken.map((event) => (event.type === type ? [...event.text].length : 0)),
		});
		add_chart($timeline, {
			type: "bar",
			title: __("Characters of each event, by the second it was sent"),
			height: 220,
			colors: COLOURS.slice(1),
			barOptions: { stacked: 1, spaceRatio: 0.3 },
			axisOptions: { xAxisMode: "tick" },
			data: {
				labels: spoken.map((event) => (event.elapsed_ms / 1000).toFixed(1)),
				datasets: [of_type("reasoning"), of_type("text")],
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

function add_chart($timeline, options) {
	new frappe.Chart($("<div>").appendTo($timeline)[0], options);
}
