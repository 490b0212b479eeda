frappe.query_reports["AI Budgets"] = {
	formatter(value, row, column, data, default_formatter) {
		// The report gives null where tokens were used and no price is known.
		if (value === null && column.fieldname.startsWith("cost_")) return `<div style="text-align: right">–</div>`;
		return default_formatter(value, row, column, data);
	},
};
