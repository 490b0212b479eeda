/**
 * The configuration of each client, ready to be pasted.
 *
 * A model is an element of `GET /models`, in which null is unknown.
 *
 * @typedef {{ id: string, context_window?: number | null, max_output_tokens?: number | null, vision?: boolean | null,
 *   tools?: boolean | null, efforts?: string[] | null }} Model
 * @typedef {{ base: string, key: string, model: string, models: Model[] }} Connection
 */

// What VS Code and opencode are told of a model whose limits are not known.
const CONTEXT_WINDOW = 128000;
const MAX_OUTPUT_TOKENS = 16000;
const NAME = "Frappe";

// A JSON string is a string of YAML and TOML, too.
/** @param {string} text */
const quoted = (text) => JSON.stringify(text);
/** @param {string} text */
const shell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
/** @param {unknown} value */
const json = (value) => JSON.stringify(value, null, 2);

/** @param {Model} model */
const limits = (model) => ({
	context: model.context_window ?? CONTEXT_WINDOW,
	output: model.max_output_tokens ?? MAX_OUTPUT_TOKENS,
});

/** @param {Model} model */
const capabilities = ({ tools, vision }) => [...((tools ?? true) ? ["tool_use"] : []), ...(vision ? ["image_input"] : [])];

/**
 * The text for each client by the client's id.
 *
 * @param {Connection} connection
 * @returns {Record<string, string>}
 */
export function configurations({ base, key, model, models }) {
	const chosen = models.find(({ id }) => id === model) ?? { id: model };
	const all = models.length ? models : [chosen];
	return {
		vscode: json([
			{
				name: NAME,
				vendor: "customendpoint",
				apiType: "chat-completions",
				models: all.map((entry) => ({
					id: entry.id,
					name: entry.id,
					// VS Code appends /v1/chat/completions to an address that does not end so.
					url: `${base}/chat/completions`,
					// VS Code does not send an apiKey of this file.
					requestHeaders: { Authorization: `Bearer ${key}` },
					toolCalling: entry.tools ?? true,
					vision: entry.vision ?? true,
					thinking: entry.efforts?.some((effort) => effort !== "none") ?? true,
					maxInputTokens: limits(entry).context,
					maxOutputTokens: limits(entry).output,
				})),
			},
		]),
		continue: [
			"name: Frappe",
			"version: 1.0.0",
			"schema: v1",
			"models:",
			...all.flatMap((entry) => [
				`  - name: ${quoted(entry.id)}`,
				"    provider: openai",
				`    model: ${quoted(entry.id)}`,
				`    apiBase: ${quoted(base)}`,
				`    apiKey: ${quoted(key)}`,
				"    roles: [chat, edit, apply]",
				`    capabilities: [${capabilities(entry).join(", ")}]`,
			]),
		].join("\n"),
		cline: [
			"API Provider: OpenAI Compatible",
			`Base URL: ${base}`,
			`OpenAI Compatible API Key: ${key}`,
			`Model ID: ${model}`,
		].join("\n"),
		opencode: json({
			$schema: "https://opencode.ai/config.json",
			provider: {
				frappe: {
					npm: "@ai-sdk/openai-compatible",
					name: NAME,
					options: { baseURL: base, apiKey: key },
					models: Object.fromEntries(all.map((entry) => [entry.id, { name: entry.id, limit: limits(entry) }])),
				},
			},
			model: `frappe/${model}`,
		}),
		codex: [
			`model = ${quoted(model)}`,
			'model_provider = "frappe"',
			"",
			"[model_providers.frappe]",
			`name = ${quoted(NAME)}`,
			`base_url = ${quoted(base)}`,
			'env_key = "FRAPPE_AI_KEY"',
			'wire_api = "responses"',
			"",
			"# Before you start codex:",
			`# export FRAPPE_AI_KEY=${shell(key)}`,
		].join("\n"),
		claude: [
			`export ANTHROPIC_BASE_URL=${shell(base)}`,
			`export ANTHROPIC_AUTH_TOKEN=${shell(key)}`,
			`export ANTHROPIC_MODEL=${shell(model)}`,
			"claude",
		].join("\n"),
		aider: [
			`export OPENAI_API_BASE=${shell(base)}`,
			`export OPENAI_API_KEY=${shell(key)}`,
			`aider --model ${shell(`openai/${model}`)}`,
		].join("\n"),
		llm: all
			.flatMap((entry) => [
				`- model_id: ${quoted(`frappe/${entry.id}`)}`,
				`  model_name: ${quoted(entry.id)}`,
				`  api_base: ${quoted(base)}`,
				"  api_key_name: frappe",
				"  supports_tools: true",
			])
			.concat("", `# llm keys set frappe --value ${shell(key)}`, `# llm -m ${shell(`frappe/${model}`)} "Hello"`)
			.join("\n"),
		openai_python: [
			"from openai import OpenAI",
			"",
			`client = OpenAI(base_url=${quoted(base)}, api_key=${quoted(key)})`,
			"answer = client.chat.completions.create(",
			`    model=${quoted(model)}, messages=[{"role": "user", "content": "Hello"}]`,
			")",
			"print(answer.choices[0].message.content)",
		].join("\n"),
		openai_node: [
			'import OpenAI from "openai";',
			"",
			`const client = new OpenAI({ baseURL: ${quoted(base)}, apiKey: ${quoted(key)} });`,
			"const answer = await client.chat.completions.create({",
			`  model: ${quoted(model)}, messages: [{ role: "user", content: "Hello" }],`,
			"});",
			"console.log(answer.choices[0].message.content);",
		].join("\n"),
		anthropic_python: [
			"from anthropic import Anthropic",
			"",
			`client = Anthropic(base_url=${quoted(base)}, api_key=${quoted(key)})`,
			"answer = client.messages.create(",
			`    model=${quoted(model)}, max_tokens=1000, messages=[{"role": "user", "content": "Hello"}]`,
			")",
			"print(answer.content[-1].text)",
		].join("\n"),
		ai_sdk: [
			'import { createOpenAICompatible } from "@ai-sdk/openai-compatible";',
			'import { generateText } from "ai";',
			"",
			`const site = createOpenAICompatible({ name: "frappe", baseURL: ${quoted(base)}, apiKey: ${quoted(key)} });`,
			`const { text } = await generateText({ model: site(${quoted(model)}), prompt: "Hello" });`,
			"console.log(text);",
		].join("\n"),
	};
}
