"""The fingerprint of a request, which shows whether a client repeats a request or uses its id for another one."""

import hashlib
from typing import Any


def fingerprint_of(value: Any) -> str:
	"""Returns a hash of a JSON value. It does not depend on the order of names in objects.

	The texts are hashed as they are. To write them as JSON first takes longer: 1.7 instead of 0.5 ms for 0.5 MB in texts
	of about 11 kB, 9 instead of 5 ms for 2 MB in texts of about 0.7 kB.

	Args:
		value: as `json.loads` returns it, without lone surrogates.

	Returns:
		64 hexadecimal digits.
	"""
	digest = hashlib.sha256()
	_add(digest, value)
	return digest.hexdigest()


def _add(digest: "hashlib._Hash", value: Any) -> None:
	# Each part begins with its type and its length, so that two values never give the same bytes.
	if isinstance(value, str):
		encoded = value.encode()
		digest.update(b"s%d:" % len(encoded))
		digest.update(encoded)
	elif isinstance(value, dict):
		digest.update(b"d%d:" % len(value))
		for name in sorted(value):
			_add(digest, name)
			_add(digest, value[name])
	elif isinstance(value, list | tuple):
		digest.update(b"l%d:" % len(value))
		for item in value:
			_add(digest, item)
	else:
		# A number, true, false or null.
		digest.update(b"%a;" % (value,))
