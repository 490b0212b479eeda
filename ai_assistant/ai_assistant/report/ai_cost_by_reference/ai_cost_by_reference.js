frappe.query_reports["AI Cost by Reference"] = {
	filters: [
		{
			fieldname: "from_date",
			label: __("From Date"),
			fieldtype: "Date",
			default: frappe.datetime.add_months(frappe.datetime.get_today(), -1),
		},
		{ fieldname: "to_date", label: __("To Date"), fieldtype: "Date" },
		{
			fieldname: "reference_doctype",
			label: __("Reference DocType"),
			fieldtype: "Link",
			options: "DocType",
		},
	],
};
