frappe.provide("frappe.dashboards.chart_sources");

frappe.dashboards.chart_sources["AI Figures"] = {
	method: "ai_assistant.ai_assistant.dashboard_chart_source.ai_figures.ai_figures.get",
	filters: [],
};
