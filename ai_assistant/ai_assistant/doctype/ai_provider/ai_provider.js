frappe.ui.form.on("AI Provider", {
	async refresh(frm) {
		// A key of a provider's is no password of anybody's: Frappe would send it to the server as it is typed, to call it weak.
		frm.fields_dict.api_key.disable_password_checks();
		complete_api(frm);
		if (frm.is_new()) return;
		const reason = frm.doc.__onload?.set_aside;
		if (reason) frm.set_intro(__("Not used: {0}", [frappe.utils.escape_html(reason)]), "red");
		frm.add_custom_button(__("Test connection"), () => test_connection(frm));
	},
});

async function complete_api(frm) {
	const { message } = await frappe.call("ai_assistant.ai_assistant.doctype.ai_provider.ai_provider.known_apis");
	const { api } = frm.fields_dict;
	// What is none of them the server refuses by name; the field would empty itself.
	api.df.ignore_validation = true;
	// What is typed whole stays as it is, though a longer name holds it too.
	Object.assign(api.awesomplete, { autoFirst: false, sort: (a, b) => a.value.length - b.value.length });
	api.set_data(message);
}

async function test_connection(frm) {
	// The server asks with what is saved: a key that was typed is not sent twice.
	if (frm.is_dirty()) {
		await frm.save();
		// It resolves where the save was refused too, and the server would ask with what was saved before.
		if (frm.is_dirty()) return;
	}
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
