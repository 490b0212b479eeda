// The block on the workspace: the three steps to the first answer. It is gone once all are done. `root_element` is Frappe's.
const block = root_element.host.closest(".ce-block") ?? root_element.host;
$(block).hide();
const count = (doctype, filters) => frappe.db.count(doctype, { filters, limit: 1 });
Promise.all([
	frappe.call({ method: "ai_assistant.api.list_models", type: "GET" }),
	count("User", [["Has Role", "role", "=", "AI Assistant User"]]),
	count("AI Request", { status: "completed" }),
]).then(([{ message }, users, answers]) => {
	const steps = [
		{
			done: message.providers.length > 0,
			text: __("Create a provider: choose one, paste a key, and fetch its models."),
			label: __("Create a provider"),
			open: () => frappe.new_doc("AI Provider"),
		},
		{
			done: users > 0,
			text: __("Give the role AI Assistant User to the people who may chat."),
			label: __("Choose people"),
			open: () => frappe.set_route("List", "User"),
		},
		{
			done: answers > 0,
			text: __("Ask a first question, and watch the answer arrive."),
			label: __("Open the chat"),
			open: () => window.open("/ai-assistant"),
		},
	];
	if (steps.every(({ done }) => done)) return;
	// Frappe's themes reach into a shadow root by their variables alone.
	const $steps = $(root_element.querySelector(".steps")).css({
		padding: "var(--padding-md)",
		borderRadius: "var(--border-radius-md)",
		background: "var(--control-bg)",
		color: "var(--text-color)",
	});
	const $list = $("<ol>").css({ margin: 0, paddingInlineStart: "1.5em" }).appendTo($steps);
	const next = steps.findIndex(({ done }) => !done);
	for (const [index, { done, text, label, open }] of steps.entries()) {
		const $step = $("<li>").css({ marginBlock: "var(--margin-sm)" }).text(text).appendTo($list);
		if (done) {
			$("<span>").css({ marginInlineStart: "1em", color: "var(--green-600)" }).text(`✓ ${__("Done")}`).appendTo($step);
			continue;
		}
		const $open = $("<button>").addClass(`btn btn-sm ${index === next ? "btn-primary" : "btn-default"}`).text(label);
		$open.css({ marginInlineStart: "1em" }).on("click", open).appendTo($step);
	}
	$(block).show();
});
