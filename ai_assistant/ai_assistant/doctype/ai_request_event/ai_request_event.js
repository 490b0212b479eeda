frappe.ui.form.on("AI Request Event", {
	onload(frm) {
		// The server returns the fields with content only in a document (view_log.py).
		for (const { fieldname, permlevel } of frm.meta.fields) {
			if (permlevel === 1) frm.set_df_property(fieldname, "permlevel", 0);
		}
	},
});
