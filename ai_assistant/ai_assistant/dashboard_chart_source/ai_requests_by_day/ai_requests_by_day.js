frappe.provide("frappe.dashboards.chart_sources");

frappe.dashboards.chart_sources["AI Requests by Day"] = {
	method: "ai_assistant.ai_assistant.dashboard_chart_source.ai_requests_by_day.ai_requests_by_day.get",
	filters: [],
};
