"""Creates the tables of the standalone site, and brings those of an earlier version up to date."""

from ai_assistant.store import REQUEST_FIELDS, UNENDED

from .database import Database

TYPES = {
	"created": "REAL",
	"lease": "REAL",
	"cancel_asked": "INTEGER",
	"is_continuation": "INTEGER",
	"prompt_bytes": "INTEGER",
	"ended": "REAL",
	"first_event_ms": "INTEGER",
	"counted": "INTEGER NOT NULL DEFAULT 0",
}


def create(database: Database) -> None:
	"""Creates the tables and columns that are missing."""
	fields = (*REQUEST_FIELDS, "question", "sent", "counted")
	columns = [f"{field} {TYPES.get(field, 'TEXT')}" for field in fields]
	database.write(
		"CREATE TABLE IF NOT EXISTS request"
		f" (name TEXT PRIMARY KEY, {', '.join(columns)}, UNIQUE (user, request_id))"
	)
	# A file of an earlier version lacks later columns.
	known = {name for _, name, *_ in database.read("PRAGMA table_info(request)")}
	for field, column in zip(fields, columns, strict=True):
		if field not in known:
			database.write(f"ALTER TABLE request ADD COLUMN {column}")
	# Indexes of earlier versions. The first finds all requests of a task and not the newest. The second lacks
	# `is_continuation`: with it, admission reads each request of the last minute from the table.
	database.write("DROP INDEX IF EXISTS request_of_task")
	database.write("DROP INDEX IF EXISTS request_of_user")
	database.write("CREATE INDEX IF NOT EXISTS request_newest ON request (user, task_id, created)")
	database.write("CREATE INDEX IF NOT EXISTS request_lately ON request (user, created, is_continuation)")
	database.write("CREATE INDEX IF NOT EXISTS request_by_status ON request (status, lease)")
	database.write("CREATE INDEX IF NOT EXISTS request_by_call ON request (call_key)")
	database.write("CREATE INDEX IF NOT EXISTS request_of_key ON request (ai_key, created)")
	database.write("CREATE INDEX IF NOT EXISTS request_by_time ON request (created)")
	database.write("CREATE INDEX IF NOT EXISTS request_by_end ON request (counted, ended)")
	database.write("UPDATE request SET ended = created WHERE ended IS NULL AND status NOT IN (?, ?)", UNENDED)
	database.write("CREATE TABLE IF NOT EXISTS sum (series TEXT PRIMARY KEY, value REAL) WITHOUT ROWID")
	database.write(
		"CREATE TABLE IF NOT EXISTS alert (kind TEXT, subject TEXT, message TEXT, began REAL, seen REAL, ended REAL)"
	)
	database.write(
		"CREATE TABLE IF NOT EXISTS event"
		" (request TEXT, seq INTEGER, event TEXT, PRIMARY KEY (request, seq)) WITHOUT ROWID"
	)
	database.write(
		"CREATE TABLE IF NOT EXISTS delivery (name TEXT PRIMARY KEY, request TEXT, url TEXT, payload TEXT, status TEXT,"
		" attempts INTEGER, next_at REAL, error TEXT)"
	)
	database.write("CREATE INDEX IF NOT EXISTS delivery_due ON delivery (status, url, next_at)")
	database.write(
		"CREATE TABLE IF NOT EXISTS usage (account TEXT, day TEXT, requests INTEGER, tokens INTEGER,"
		" cost_usd REAL, cached_tokens INTEGER NOT NULL DEFAULT 0, cache_write_tokens INTEGER NOT NULL DEFAULT 0,"
		" PRIMARY KEY (account, day)) WITHOUT ROWID"
	)
	known = {name for _, name, *_ in database.read("PRAGMA table_info(usage)")}
	for column in {"cached_tokens", "cache_write_tokens"} - known:
		database.write(f"ALTER TABLE usage ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
	database.commit()
