/** The page of the view. Its script receives events and draws them; it talks to nobody. */

/** @param {string} cspSource */
export function viewHtml(cspSource) {
	const nonce = crypto.randomUUID();
	return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
	content="default-src 'none'; style-src ${cspSource} 'unsafe-inline'; script-src 'nonce-${nonce}'">
<style>
	body { white-space: pre-wrap; overflow-wrap: anywhere; }
	#question { font-weight: bold; }
	#reasoning { opacity: 0.7; }
	#note { opacity: 0.7; }
</style>
</head>
<body>
<div id="question">Run “AI Assistant: Ask”.</div>
<div id="thinking" role="status"></div>
<div id="reasoning"></div>
<div id="answer" aria-live="polite"></div>
<div id="note"></div>
<script nonce="${nonce}">
	const byId = (id) => document.getElementById(id);
	let timer;
	function stopThinking() {
		clearInterval(timer);
		byId("thinking").textContent = "";
	}
	function startThinking() {
		const started = Date.now();
		const count = () => (byId("thinking").textContent = "💡 Thinking " + Math.floor((Date.now() - started) / 1000) + "s");
		clearInterval(timer);
		count();
		timer = setInterval(count, 1000);
	}
	const shows = {
		question({ text }) {
			for (const id of ["reasoning", "answer", "note"]) byId(id).textContent = "";
			byId("question").textContent = text;
		},
		reasoning({ text, seq }) {
			if (seq === 1) startThinking();
			byId("reasoning").textContent += text;
		},
		text({ text }) {
			stopThinking();
			byId("answer").textContent += text;
		},
		completion: stopThinking,
		end({ text }) {
			stopThinking();
			byId("note").textContent = text;
		},
	};
	addEventListener("message", ({ data }) => shows[data.type]?.(data));
	acquireVsCodeApi().postMessage("ready");
</script>
</body>
</html>`;
}
