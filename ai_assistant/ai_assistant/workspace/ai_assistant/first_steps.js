// The block on the workspace: leads to the first provider, and is gone once there is one. `root_element` is Frappe's.
const block = root_element.host.closest(".ce-block") ?? root_element.host;
$(block).hide();
frappe.call({ method: "ai_assistant.api.list_models", type: "GET" }).then(({ message }) => {
	if (message.providers.length) return;
	// Frappe's themes reach into a shadow root by their variables alone.
	const $steps = $(root_element.querySelector(".steps")).css({
		padding: "var(--padding-md)",
		borderRadius: "var(--border-radius-md)",
		background: "var(--control-bg)",
		color: "var(--text-color)",
	});
	$("<p>").text(__("No provider is configured yet: create one, and test its connection.")).appendTo($steps);
	const $create = $("<button>").addClass("btn btn-primary btn-sm").text(__("Create a provider"));
	$create.on("click", () => frappe.new_doc("AI Provider")).appendTo($steps);
	$(block).show();
});
