frappe.ui.form.on("AI Key", {
	refresh(frm) {
		show_once(frm);
		if (!frm.is_new() && frm.doc.enabled) {
			frm.add_custom_button(__("Revoke"), () => revoke(frm));
		}
	},
});

// The answer to the save that made the key is the only one that has it.
function show_once(frm) {
	const key = frm.doc.__onload?.key;
	if (!key) return;
	delete frm.doc.__onload.key;
	const dialog = new frappe.ui.Dialog({
		title: __("Copy the Key Now"),
		fields: [
			{ fieldname: "key", fieldtype: "Data", label: __("AI Key"), read_only: 1, default: key },
			{
				fieldname: "note",
				fieldtype: "HTML",
				options: `<p class="text-muted">${__("The site stores a hash of the key. Nobody can show it again.")}</p>`,
			},
		],
		primary_action_label: __("Copy"),
		primary_action: () => frappe.utils.copy_to_clipboard(key),
	});
	dialog.show();
}

async function revoke(frm) {
	await frappe.db.set_value("AI Key", frm.doc.name, "enabled", 0);
	frm.reload_doc();
}
