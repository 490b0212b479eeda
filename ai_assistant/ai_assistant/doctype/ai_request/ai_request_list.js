frappe.listview_settings["AI Request"] = {
	// The request's own id is its title.
	hide_name_column: true,
};
