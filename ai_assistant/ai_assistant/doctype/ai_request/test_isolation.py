"""Calls every whitelisted method of every app of the bench, and asks for the rows of another user.

No answer may depend on what those rows say, apart from the calls in OPEN_UPSTREAM.
"""

import importlib
import inspect
import itertools
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any

import frappe
from frappe.model.workflow import get_workflow_name

from .for_tests import FIELD, LOGS
from ai_assistant.bench_tests import (
	COUNTS_FOR_ANYBODY,
	FRAPPE,
	TestCase,
	commit,
	delete_user,
	make_user,
	provider,
	rest,
)
from ai_assistant.permissions import USER
from ai_assistant.store.frappe_store import FrappeStore

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]

ANN, BOB, WEB = (f"{name}@isolation.test" for name in ("ann", "bob", "web"))
# A searcher may know how a text begins, and an error may quote that. Of the second nothing begins so.
BEGINS, ELSEWHERE = "canary-7f3a", "canary-00d1"
SECRET = "only-bob-knows"
KEY = "sk-only-the-site-knows"
CANARY = f"{BEGINS} {SECRET}"
SHAPES = ("a dict", "a list", "a heatmap")
# What has other forms, too.
SHAPED = "filters|^(doc|docs|chart|card|args|data)$"
HEATMAP = "frappe.desk.doctype.dashboard_chart.dashboard_chart.get"
# Methods of Frappe that count the rows of any DocType for any user, and the shape of the parameters that makes them do
# so (SECURITY.md says what that exposes).
OPEN_UPSTREAM: set[tuple[str, str]] = set()
if FRAPPE < 16:
	# 16.17.0 answers 417: it refuses the field that it asks itself for. 17.0.0-dev answers 500: it calls
	# `datetime.date` of the class.
	OPEN_UPSTREAM.add((HEATMAP, "a heatmap"))
if COUNTS_FOR_ANYBODY:
	OPEN_UPSTREAM |= {("frappe.client.get_count", shape) for shape in SHAPES}
# They end the session or take the key of who asks, and so all that comes after; or ask the network; or make something
# of the asker's own, which the second time is there already.
LEFT_OUT = re.compile(
	r"logout|generate_keys|update_password|reset_password|sign_up|delete_account|\.integrations\.|oauth|frappecloud"
	r"|delete_report|ai_key\.make|make_prepared_report|add_feedback|\.create_|includes\.comments|telemetry|web_push|push_notification|release_notes|change_log|\.session_default_settings|download_backup"
)
NAMES = "name docname dn doc_name reference_name ref_docname reference_docname document_name for_value old source_name".split()


def modules() -> None:
	"""Imports all that may hold a whitelisted method."""
	for app in frappe.get_installed_apps():
		package = importlib.import_module(app)
		for module in pkgutil.walk_packages(package.__path__, f"{app}.", onerror=lambda name: None):
			if not re.search(
				r"\.test|tests\.|\.patches|\.commands|_dev_server|\.node_modules|\.__main__$", module.name
			):
				try:
					importlib.import_module(module.name)
				except Exception:
					# Of some module a library is missing: nor can it be called then.
					continue


def methods() -> Iterator[tuple[str, str, Callable[..., Any]]]:
	"""The path, the HTTP verb and the function of each."""
	modules()
	for method in frappe.whitelisted:
		path = f"{method.__module__}.{method.__name__}"
		if not LEFT_OUT.search(path):
			verbs = frappe.allowed_http_methods_for_whitelisted_func[method]
			yield path, "GET" if "GET" in verbs else verbs[0], method


def value(parameter: str, doctype: str, name: str, begins: str, shape: str) -> Any:
	"""What a parameter of that name may be, so that the rows whose text begins so are asked for."""
	text = FIELD.get(doctype, "name")
	filters: Any = {text: ["like", f"{begins}%"]}
	if shape != "a dict":
		filters = [[doctype, text, "like", f"{begins}%"]]
	if re.search(r"doctype|^dt$|doc_type|document_type|^doctypes?$", parameter):
		return doctype
	if parameter in NAMES:
		return name
	if "filters" in parameter:
		return json.dumps(filters)
	if parameter in ("doc", "docs", "chart", "card", "args", "data"):
		described = {
			"doctype": doctype,
			"name": name,
			"document_type": doctype,
			"function": "Count",
			"type": "Count",
		}
		charted = {"chart_type": "Count", "based_on": "creation", "timeseries": 1, "timespan": "Last Year"}
		fields = {**described, **charted, "time_interval": "Yearly", "filters_json": json.dumps(filters)}
		if shape == "a heatmap":
			fields.update(type="Heatmap", heatmap_year="2026")
		return json.dumps(fields)
	if parameter in ("fields", "filter_fields", "field_map"):
		return json.dumps([text, "name"])
	if parameter in (
		"fieldname",
		"field",
		"searchfield",
		"label_field",
		"group_by_field",
		"aggregate_on_field",
	):
		return text
	if parameter in ("txt", "text", "search", "search_term", "keyword", "query"):
		return begins
	if parameter == "chart_name":
		return ""
	if parameter == "method":
		return "as_dict"
	return "1"


class TestIsolation(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		make_user(ANN, USER)
		make_user(BOB, USER)
		make_user(WEB)
		store = FrappeStore()
		payload = {"response": CANARY, "reasoning": CANARY}
		ids = {"request_id": "bobs-request", "task_id": "bob's task", "created": 1.0, "status": "completed"}
		cls.request = store.open({"user": BOB, **ids, **payload})
		store.append(cls.request, {"seq": 1, "type": "text", "text": CANARY})
		question = {"messages": [{"role": "user", "content": CANARY}]}
		queued = {**ids, "status": "queued", "request_id": "bobs-queued-one"}
		cls.queued = store.open({"user": BOB, **queued}, question)
		frappe.delete_doc("AI Provider", "Isolation", force=True, ignore_missing=True)
		provider("Isolation", api_key=KEY, enabled=0).insert()
		commit()
		# Frappe says None of a workflow that it looks for the first time, and "" from then on.
		for doctype in LOGS:
			get_workflow_name(doctype)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.db.rollback()
		frappe.set_user("Administrator")
		frappe.delete_doc("AI Provider", "Isolation", force=True, delete_permanently=True)
		for user in (ANN, BOB, WEB):
			delete_user(user)
		super().tearDownClass()

	def names(self, doctype: str) -> list[str]:
		return {
			LOGS[0]: [self.request, self.queued],
			LOGS[1]: [f"{self.request}:1"],
			"AI Provider": ["Isolation"],
		}.get(doctype, [doctype])

	def tells_nothing(
		self, where: str, first: tuple[int, Any], second: tuple[int, Any] | None = None
	) -> None:
		"""That neither answer has a word of the secrets, and that it makes no difference which one was asked for."""
		with self.subTest(where):
			told = [json.dumps(event) for event in (first, second) if event is not None]
			for event in told:
				self.assertNotIn(SECRET, event)
				self.assertNotIn(KEY, event)
			# Of some methods only so many calls an hour are answered.
			if second is not None and second[0] != 429:
				self.assertEqual(*(normal(event) for event in told))

	def test_no_method_of_any_app_tells_of_anothers_rows(self) -> None:
		tried = 0
		for path, verb, method in methods():
			parameters = [
				name
				for name, parameter in inspect.signature(method).parameters.items()
				if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
			] or ["doctype", "filters", "chart"]
			for doctype, shape in itertools.product(LOGS, SHAPES):
				if shape != SHAPES[0] and not any(re.search(SHAPED, parameter) for parameter in parameters):
					continue
				if (path, shape) in OPEN_UPSTREAM:
					continue
				answers = []
				for begins in (BEGINS, ELSEWHERE):
					name = self.names(doctype)[0]
					fields = {
						parameter: value(parameter, doctype, name, begins, shape) for parameter in parameters
					}
					answers.append(rest(verb, f"/api/method/{path}", ANN, **fields))
				self.tells_nothing(f"{path} {doctype} {shape} {fields}", *answers)
				tried += 1
				if answers[0][0] in (403, 404):
					break
		self.assertGreater(tried, 500)

	def test_what_frappe_leaves_open_is_what_security_md_says(self) -> None:
		"""Fails when Frappe closes one of them: then SECURITY.md and OPEN_UPSTREAM promise too little."""
		for doctype, begins in itertools.product(LOGS, (BEGINS, ELSEWHERE)):
			counted = int(begins == BEGINS)
			chart = value("chart", doctype, "", begins, "a heatmap")
			filters = value("filters", doctype, "", begins, "a heatmap")
			for user in (ANN, WEB):
				status, body = rest("GET", f"/api/method/{HEATMAP}", user, chart=chart, no_cache=1)
				if FRAPPE >= 16:
					self.assertIn(status, (417,) if FRAPPE == 16 else (417, 500), body)
				else:
					self.assertEqual(sum(body["message"]["dataPoints"].values()), counted, body)
				if COUNTS_FOR_ANYBODY:
					path = "/api/method/frappe.client.get_count"
					_status, body = rest("GET", path, user, doctype=doctype, filters=filters)
					self.assertEqual(body["message"], counted, body)
			status, _body = rest("GET", f"/api/method/{HEATMAP}", None, chart=chart, no_cache=1)
			self.assertEqual(status, 403)

	def ways(self, doctype: str, name: str, begins: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
		"""The REST interfaces, their pages, and what they take."""
		text = FIELD.get(doctype, "name")
		filters = json.dumps([[doctype, text, "like", f"{begins}%"]])
		listing: list[dict[str, Any]] = [
			{"fields": '["*"]', "filters": filters, "limit_page_length": 0},
			{"fields": '["*"]', "or_filters": filters},
			{"fields": f'["{text}"]', "order_by": f"{text} desc", "group_by": text},
			{"fields": '["count(name) as n", "sum(length(name)) as m"]', "filters": filters},
			{"fields": f'["`tab{doctype}`.`{text}`", "owner"]', "debug": 1},
			{"fields": '["request.response", "request.question"]'},
			{"fields": '["`tabAI Request`.`response`"]'},
			{"fields": '["user.api_key"]'},
			{"fields": '["*"]', "parent": "AI Provider", "ignore_permissions": 1, "user": BOB, "run": 0},
		]
		# What another's text says could be asked for by way of any list.
		for listed in (doctype, "ToDo", LOGS[0]) if doctype in LOGS else (doctype,):
			for listing_fields in listing:
				yield "GET", f"/api/resource/{listed}", listing_fields
				yield "GET", f"/api/v2/document/{listed}", listing_fields
				listing_fields = {
					key: json.loads(part) if str(part)[0] == "[" else part
					for key, part in listing_fields.items()
				}
				yield "POST", "/api/method/frappe.client.get_list", {"doctype": listed, **listing_fields}
				yield "POST", "/api/method/frappe.desk.reportview.get", {"doctype": listed, **listing_fields}
		for path in (f"/api/resource/{doctype}/{name}", f"/api/v2/document/{doctype}/{name}"):
			yield "GET", path, {}
			yield "GET", path, {"run_method": "as_dict"}
			yield "POST", path, {"run_method": "as_dict"}
			yield "PUT", path, {text: "x", "user": ANN}
			yield "DELETE", path, {}
		yield "POST", f"/api/resource/{doctype}", {"name": "made", "user": ANN, text: "x"}
		yield "POST", f"/api/v2/document/{doctype}", {"name": "made", "user": ANN, text: "x"}
		yield "POST", f"/api/v2/document/{doctype}/{name}/method/as_dict", {}
		yield "POST", "/api/method/run_doc_method", {"dt": doctype, "dn": name, "method": "as_dict"}
		docs = json.dumps({"doctype": doctype, "name": name})
		yield "POST", "/api/method/run_doc_method", {"docs": docs, "method": "get_password"}
		for page in ("/printview", "/api/method/frappe.utils.print_format.download_pdf"):
			yield "GET", page, {"doctype": doctype, "name": name, "format": "Standard"}
		yield "GET", f"/{doctype}/{name}", {}
		yield "GET", "/api/method/frappe.utils.global_search.search", {"text": begins}
		yield (
			"POST",
			"/api/method/frappe.client.get_password",
			{"doctype": doctype, "name": name, "fieldname": text},
		)

	def test_no_way_of_rest_reads_or_changes_anothers_rows(self) -> None:
		before = self.rows()
		tried = 0
		for user, doctype in itertools.product((ANN, WEB, None), doctypes()):
			for name in self.names(doctype):
				both = zip(self.ways(doctype, name, BEGINS), self.ways(doctype, name, ELSEWHERE), strict=True)
				for way, elsewhere in both:
					answers = [
						rest(verb, path, user, **way_fields) for verb, path, way_fields in (way, elsewhere)
					]
					self.tells_nothing(f"{user} {way}", *answers)
					tried += 1
		self.assertEqual(self.rows(), before)

	def rows(self) -> dict[str, Any]:
		frappe.db.rollback()
		return {
			doctype: frappe.db.sql(f"select * from `tab{doctype}` order by name")
			for doctype in doctypes()
			if not frappe.get_meta(doctype).issingle
		}


def doctypes() -> list[str]:
	names: list[str] = frappe.get_all("DocType", {"module": "AI Assistant"}, pluck="name", order_by="name")
	return names


def normal(told: str) -> str:
	"""The same without what was asked for, and what is another thing each time."""
	told = re.sub(f"{BEGINS}|{ELSEWHERE}".replace("-", "."), "…", told)
	# Frappe names a row of AI Key by letters and digits, before it refuses the row.
	told = re.sub(r"(?<=\[AI Key, )[0-9a-z]{10}(?=\])", "…", told)
	return re.sub(r"[0-9a-f]{10,}|\d{4}-\d\d-\d\d[ T][\d:.]+|\d+\.\d+", "…", told)
