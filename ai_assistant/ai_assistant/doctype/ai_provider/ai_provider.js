// Providers that many use. The addresses of their APIs are the app's defaults; `keys` is where a person gets a key.
const KNOWN = [
	{ label: "OpenAI", api: "openai_responses", keys: "https://platform.openai.com/api-keys" },
	{ label: "Anthropic", api: "anthropic", keys: "https://console.anthropic.com/settings/keys" },
	{ label: "Google Gemini", api: "gemini", keys: "https://aistudio.google.com/apikey" },
	{ label: "Mistral", api: "mistral", keys: "https://console.mistral.ai/api-keys" },
	{ label: "DeepSeek", api: "deepseek", keys: "https://platform.deepseek.com/api_keys" },
	{ label: "xAI", api: "xai", keys: "https://console.x.ai" },
	{ label: "Groq", api: "groq", keys: "https://console.groq.com/keys" },
	{ label: "OpenRouter", api: "openrouter", keys: "https://openrouter.ai/settings/keys" },
	{ label: "Ollama", api: "ollama_chat", api_base: "http://127.0.0.1:11434", api_key: "none" },
];
const OTHER = "other";
const METHODS = "ai_assistant.ai_assistant.doctype.ai_provider.ai_provider";

frappe.ui.form.on("AI Provider", {
	fetch_models,
	default_model(frm) {
		const listed = frm.listed?.get(frm.doc.default_model);
		if (!listed || (frm.doc.models || []).some((row) => row.model === listed.model)) return;
		fill(frm.add_child("models"), listed);
		show_models(frm);
	},
	async refresh(frm) {
		offer_known(frm);
		frm.fields_dict.default_model.df.ignore_validation = true;
		// Frappe sends a password to the server while it is typed, to rate its strength. A provider's key is not rated.
		frm.fields_dict.api_key.disable_password_checks();
		complete_api(frm);
		if (frm.is_new()) return;
		const reason = frm.doc.__onload?.set_aside;
		if (reason) frm.set_intro(__("Not used: {0}", [frappe.utils.escape_html(reason)]), "red");
		frm.add_custom_button(__("Test connection"), () => test_connection(frm));
		frm.add_custom_button(__("Figures by key"), () => frappe.set_route("query-report", "AI Provider Keys"));
	},
});

frappe.ui.form.on("AI Provider Key", {
	form_render(frm, _doctype, name) {
		const { grid_form } = frm.fields_dict.api_keys.grid.grid_rows_by_docname[name];
		grid_form.fields_dict.api_key.disable_password_checks();
	},
});

// Draws the choice of a known provider, which fills the details of a new one.
function offer_known(frm) {
	const $wrapper = frm.fields_dict.known_provider.$wrapper.empty();
	frm.fields_dict.api_key.set_description("");
	if (!frm.is_new()) return;
	// Frappe opens a section in which a mandatory field is empty.
	frm.fields_dict.details_section.collapse(!frm.doc.provider_name);
	const choice = frappe.ui.form.make_control({
		df: {
			fieldname: "known",
			fieldtype: "Select",
			label: __("Provider"),
			options: ["", ...KNOWN.map(({ label }) => label), { value: OTHER, label: __("Other") }],
			change: () => choose(frm, choice.get_value()),
		},
		parent: $wrapper,
		render_input: true,
	});
}

async function choose(frm, label) {
	if (!label) return;
	const known = KNOWN.find((known) => known.label === label);
	const { api, api_base = "", api_key = "", keys } = known ?? {};
	const where = __("Get a key: {0}", [`<a href="${keys}" target="_blank" rel="noopener">${keys}</a>`]);
	frm.fields_dict.api_key.set_description(keys ? where : "");
	frm.fields_dict.details_section.collapse(Boolean(known));
	if (!known) return;
	await frm.set_value({ provider_name: label, api, api_base, ...(api_key ? { api_key } : {}) });
}

async function complete_api(frm) {
	const { message } = await frappe.call(`${METHODS}.known_apis`);
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
	return ask(method, { provider: frm.doc.name }, frm.doc.name);
}

// Asks a provider that is not saved for its models, with the values of the form.
function ask_unsaved(frm) {
	const { api, api_base, api_key, provider_name } = frm.doc;
	return ask("fetch_models", { api, api_base, api_key }, provider_name || api);
}

async function ask(method, args, name) {
	const { message } = await frappe.call({
		method: `${METHODS}.${method}`,
		args,
		freeze: true,
		freeze_message: __("Asking {0} …", [frappe.utils.escape_html(name)]),
	});
	return message;
}

async function fetch_models(frm) {
	const message = frm.is_new() ? await ask_unsaved(frm) : await ask_provider(frm, "fetch_models");
	if (!message) return;
	if (!message.success) {
		frappe.msgprint({ title: __("Not fetched"), indicator: "red", message: frappe.utils.escape_html(message.message) });
		return;
	}
	frm.listed = new Map(message.models.map((listed) => [listed.model, listed]));
	frm.fields_dict.default_model.set_data([...frm.listed.keys()]);
	for (const row of frm.doc.models || []) if (frm.listed.has(row.model)) fill(row, frm.listed.get(row.model));
	show_models(frm);
	const names = new Set((frm.doc.models || []).map((row) => row.model));
	const others = message.models.filter((listed) => !names.has(listed.model));
	if (frm.is_new()) {
		frappe.show_alert({ message: message.message, indicator: "green" });
		// Shows the list.
		frm.fields_dict.default_model.$input.trigger("focus");
	} else if (others.length) {
		frappe.confirm(__("Add the other {0} models of the provider to Allowed Models?", [others.length]), () => {
			for (const listed of others) fill(frm.add_child("models"), listed);
			show_models(frm);
		});
	}
}

// Fills a row of Allowed Models from the provider's list. What the administrator entered stays.
function fill(row, listed) {
	for (const [name, value] of Object.entries(listed)) if (!row[name]) row[name] = value;
}

function show_models(frm) {
	frm.dirty();
	frm.refresh_field("models");
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
