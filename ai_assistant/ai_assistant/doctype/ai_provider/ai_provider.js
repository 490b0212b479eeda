frappe.ui.form.on("AI Provider", {
	async refresh(frm) {
		// Frappe sends a password to the server while it is typed, to rate its strength. A provider's key is not rated.
		frm.fields_dict.api_key.disable_password_checks();
		complete_api(frm);
		if (frm.is_new()) return;
		const reason = frm.doc.__onload?.set_aside;
		if (reason) frm.set_intro(__("Not used: {0}", [frappe.utils.escape_html(reason)]), "red");
		frm.add_custom_button(__("Test connection"), () => test_connection(frm));
		frm.add_custom_button(__("Fetch models"), () => fetch_models(frm));
		frm.add_custom_button(__("Figures by key"), () => frappe.set_route("query-report", "AI Provider Keys"));
	},
});

frappe.ui.form.on("AI Provider Key", {
	form_render(frm, _doctype, name) {
		const { grid_form } = frm.fields_dict.api_keys.grid.grid_rows_by_docname[name];
		grid_form.fields_dict.api_key.disable_password_checks();
	},
});

async function complete_api(frm) {
	const { message } = await frappe.call("ai_assistant.ai_assistant.doctype.ai_provider.ai_provider.known_apis");
	const { api } = frm.fields_dict;
	// The field would delete a name that is not in the list. The server refuses it with a reason.
	api.df.ignore_validation = true;
	// A complete name is not replaced by a longer name that contains it.
	Object.assign(api.awesomplete, { autoFirst: false, sort: (a, b) => a.value.length - b.value.length });
	api.set_data(message);
}

// Calls a method about the saved provider. Returns its answer, or nothing if the form cannot be saved.
async function ask_provider(frm, method) {
	// The server tests the saved provider, so a typed key is not sent twice.
	if (frm.is_dirty()) {
		await frm.save();
		// `save` also resolves if the save was refused.
		if (frm.is_dirty()) return;
	}
	const { message } = await frappe.call({
		method: `ai_assistant.ai_assistant.doctype.ai_provider.ai_provider.${method}`,
		args: { provider: frm.doc.name },
		freeze: true,
		freeze_message: __("Asking {0} …", [frappe.utils.escape_html(frm.doc.name)]),
	});
	return message;
}

async function fetch_models(frm) {
	const message = await ask_provider(frm, "fetch_models");
	if (!message) return;
	if (!message.success) {
		frappe.msgprint({ title: __("Not fetched"), indicator: "red", message: frappe.utils.escape_html(message.message) });
		return;
	}
	const rows = new Map(frm.doc.models.map((row) => [row.model, row]));
	// What the administrator entered stays.
	const fill = (row, listed) => {
		for (const [name, value] of Object.entries(listed)) if (!row[name]) row[name] = value;
	};
	for (const listed of message.models) if (rows.has(listed.model)) fill(rows.get(listed.model), listed);
	const others = message.models.filter((listed) => !rows.has(listed.model));
	const done = () => {
		frm.dirty();
		frm.refresh_field("models");
	};
	done();
	if (others.length) {
		frappe.confirm(__("Add the other {0} models of the provider to Allowed Models?", [others.length]), () => {
			for (const listed of others) fill(frm.add_child("models"), listed);
			done();
		});
	}
}

async function test_connection(frm) {
	const message = await ask_provider(frm, "test_connection");
	if (!message) return;
	frappe.msgprint({
		title: message.success ? __("Connected") : __("Not connected"),
		indicator: message.success ? "green" : "red",
		message: frappe.utils.escape_html(message.message),
	});
}
