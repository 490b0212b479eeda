frappe.ui.form.on("AI Provider", {
	refresh(frm) {
		if (frm.is_new()) return;
		const reason = frm.doc.__onload?.set_aside;
		if (reason) frm.set_intro(__("Not used: {0}", [frappe.utils.escape_html(reason)]), "red");
		frm.add_custom_button(__("Test connection"), () => test_connection(frm));
	},
});

async function test_connection(frm) {
	// The server asks with what is saved: a key that was typed is not sent twice.
	if (frm.is_dirty()) await frm.save();
	const { message } = await frappe.call({
		method: "ai_assistant.ai_assistant.doctype.ai_provider.ai_provider.test_connection",
		args: { provider: frm.doc.name },
		freeze: true,
		freeze_message: __("Asking {0} …", [frappe.utils.escape_html(frm.doc.name)]),
	});
	frappe.msgprint({
		title: message.success ? __("Connected") : __("Not connected"),
		indicator: message.success ? "green" : "red",
		message: frappe.utils.escape_html(message.message),
	});
}
