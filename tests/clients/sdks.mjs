// The SDKs for Node: does what the arguments say and prints what came of it as JSON.
// It is copied beside the packages that it imports.
const [api, action, json] = process.argv.slice(2);
const { base, key, model, prompt } = JSON.parse(json);
const parameters = { type: "object", properties: { zone: { type: "string" } }, required: ["zone"] };
const result = (call) => `noon in ${JSON.parse(call).zone}`;

async function openai() {
	const { default: OpenAI } = await import("openai");
	const client = new OpenAI({ baseURL: base, apiKey: key });
	const messages = [{ role: "user", content: prompt }];
	const chat = (more) => client.chat.completions.create({ model, messages, ...more });
	return {
		async prompt() {
			let text = "";
			for await (const chunk of await chat({ stream: true })) text += chunk.choices[0].delta.content ?? "";
			return text;
		},
		async tools() {
			const tools = [{ type: "function", function: { name: "clock", parameters } }];
			for (;;) {
				const { message } = (await chat({ tools })).choices[0];
				if (!message.tool_calls) return message.content;
				messages.push(message);
				for (const call of message.tool_calls)
					messages.push({ role: "tool", tool_call_id: call.id, content: result(call.function.arguments) });
			}
		},
		async stop() {
			const stream = await chat({ stream: true });
			for await (const chunk of stream) {
				if (chunk.choices[0].delta.content?.includes("So")) {
					stream.controller.abort();
					return "stopped";
				}
			}
		},
	};
}

async function responses() {
	const { default: OpenAI } = await import("openai");
	const client = new OpenAI({ baseURL: base, apiKey: key });
	const input = [{ role: "user", content: prompt }];
	const ask = (more) => client.responses.create({ model, input, store: false, ...more });
	return {
		async prompt() {
			let text = "";
			for await (const event of await ask({ stream: true })) {
				if (event.type === "response.output_text.delta") text += event.delta;
				if (event.type === "response.failed") throw new Error(event.response.error.message);
			}
			return text;
		},
		async tools() {
			const tools = [{ type: "function", name: "clock", parameters, strict: false }];
			for (;;) {
				const answer = await ask({ tools });
				const calls = answer.output.filter((item) => item.type === "function_call");
				if (!calls.length) return answer.output_text;
				input.push(...answer.output);
				for (const call of calls)
					input.push({ type: "function_call_output", call_id: call.call_id, output: result(call.arguments) });
			}
		},
		async stop() {
			const stream = await ask({ stream: true });
			for await (const event of stream) {
				if (event.delta?.includes?.("So")) {
					stream.controller.abort();
					return "stopped";
				}
			}
		},
	};
}

async function anthropic() {
	const { default: Anthropic } = await import("@anthropic-ai/sdk");
	const client = new Anthropic({ baseURL: base, apiKey: key });
	const messages = [{ role: "user", content: prompt }];
	const ask = (more) => client.messages.stream({ model, max_tokens: 500, messages, ...more });
	return {
		prompt: () => ask().finalText(),
		async tools() {
			const tools = [{ name: "clock", input_schema: parameters }];
			for (;;) {
				const message = await ask({ tools }).finalMessage();
				const calls = message.content.filter((block) => block.type === "tool_use");
				if (!calls.length) return message.content.map((block) => block.text ?? "").join("");
				messages.push({ role: "assistant", content: message.content });
				messages.push({
					role: "user",
					content: calls.map((call) => ({
						type: "tool_result",
						tool_use_id: call.id,
						content: result(JSON.stringify(call.input)),
					})),
				});
			}
		},
		async runner() {
			const { betaTool } = await import("@anthropic-ai/sdk/helpers/beta/json-schema");
			const run = ({ zone }) => `noon in ${zone}`;
			const clock = betaTool({ name: "clock", description: "Tells the time.", inputSchema: parameters, run });
			const texts = [];
			for (const stream of [false, true]) {
				const asked = { model, max_tokens: 500, messages, tools: [clock], stream };
				const last = await client.beta.messages.toolRunner(asked).runUntilDone();
				texts.push(last.content.at(-1).text);
			}
			return texts;
		},
		async stop() {
			const stream = ask();
			for await (const event of stream) {
				if (event.delta?.text?.includes("So")) {
					stream.abort();
					return "stopped";
				}
			}
		},
	};
}

async function aiSdk(of) {
	const { generateText, jsonSchema, stepCountIs, streamText, tool } = await import("ai");
	const clock = tool({
		inputSchema: jsonSchema(parameters),
		execute: async ({ zone }) => `noon in ${zone}`,
	});
	const streamed = async (more) => {
		let failure;
		const stream = streamText({ model: of, prompt, onError: ({ error }) => (failure = error), ...more });
		let text = "";
		for await (const piece of stream.textStream) text += piece;
		if (failure) throw failure;
		return text;
	};
	return {
		prompt: () => streamed(),
		tools: async () => (await generateText({ model: of, prompt, tools: { clock }, stopWhen: stepCountIs(5) })).text,
		async stop() {
			const stopping = new AbortController();
			const { textStream } = streamText({ model: of, prompt, abortSignal: stopping.signal });
			for await (const piece of textStream) {
				if (piece.includes("So")) {
					stopping.abort();
					return "stopped";
				}
			}
		},
	};
}

const clients = {
	openai,
	responses,
	anthropic,
	"ai-sdk compatible": async () => {
		const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
		return aiSdk(createOpenAICompatible({ name: "site", baseURL: base, apiKey: key })(model));
	},
	"ai-sdk openai": async () => {
		const { createOpenAI } = await import("@ai-sdk/openai");
		return aiSdk(createOpenAI({ baseURL: base, apiKey: key })(model));
	},
	"ai-sdk anthropic": async () => {
		const { createAnthropic } = await import("@ai-sdk/anthropic");
		return aiSdk(createAnthropic({ baseURL: `${base}/v1`, apiKey: key })(model));
	},
};

const client = await clients[api]();
async function error() {
	try {
		await client.prompt();
	} catch (failed) {
		const last = failed.lastError ?? failed;
		return { status: last.status ?? last.statusCode ?? null, message: String(last.message) };
	}
}
console.log(JSON.stringify((await (action === "error" ? error() : client[action]())) ?? null));
process.exit(0);
