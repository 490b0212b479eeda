frappe.query_reports["AI Provider Keys"] = {
	filters: [
		{
			fieldname: "hours",
			label: __("Hours"),
			fieldtype: "Int",
			default: 24,
		},
	],
};
