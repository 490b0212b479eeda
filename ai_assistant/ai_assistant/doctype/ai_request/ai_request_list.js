const STATUSES = {
	queued: [__("Queued"), "blue"],
	running: [__("Running"), "orange"],
	completed: [__("Completed"), "green"],
	cancelled: [__("Cancelled"), "gray"],
	failed: [__("Failed"), "red"],
};
const REFRESH_MS = 5000;

frappe.listview_settings["AI Request"] = {
	hide_name_column: true,
	add_fields: ["status"],
	statuses: STATUSES,
	get_indicator: ({ status }) => STATUSES[status] && [...STATUSES[status], `status,=,${status}`],
	formatters: { total_tokens: known_number, duration_ms: known_number },
	onload(listview) {
		const { status } = listview.page.fields_dict;
		status.df.options = ["", ...Object.entries(STATUSES).map(([value, [label]]) => ({ value, label }))];
		status.refresh();
		// Frappe tells lists what its documents do, and the rows of requests are written past them.
		setInterval(() => {
			const shown = cur_list === listview && frappe.get_route()[0] === "List" && !document.hidden;
			const busy = listview.$checks?.length || listview.avoid_realtime_update();
			if (shown && !busy) listview.refresh();
		}, REFRESH_MS);
	},
};

// A column of numbers has no NULL: 0 means not known yet.
function known_number(value, df) {
	return value ? frappe.format(value, df) : `<div class="text-right">–</div>`;
}
