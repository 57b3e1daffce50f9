// openai-node and Anthropic's client on a leash: a line of JSON in, {call, ...arguments}; a line of
// JSON out, what the call gave or how it failed. The tests are in test_*_node.py.

import readline from "node:readline";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const anthropic = new Anthropic({
  baseURL: baseURL.replace(/\/v1$/, ""), apiKey, maxRetries: 0, timeout: 20_000,
});
const messages = [{ role: "user", content: "Good morning to you" }];

async function all(stream) {
  const events = [];
  for await (const event of await stream) events.push(event);
  return events;
}

const calls = {
  chat: ({ model }) => client.chat.completions.create({ model, messages, seed: 1 }),

  stream: ({ model, options }) =>
    all(client.chat.completions.create({ model, messages, seed: 1, stream: true, ...options })),

  completion: ({ model }) => client.completions.create({ model, prompt: "Once", seed: 1 }),

  completionStream: ({ model }) =>
    all(client.completions.create({ model, prompt: "Once", seed: 1, stream: true })),

  embeddings: ({ model, format }) =>
    client.embeddings.create({ model, input: ["one", "three"], encoding_format: format }),

  models: async () => (await all(client.models.list())).map((model) => model.id),

  model: ({ model }) => client.models.retrieve(model),

  response: ({ model }) => client.responses.create({ model, input: "Hello" }),

  responseStream: ({ model }) =>
    all(client.responses.create({ model, input: "Hello", stream: true })),

  head: async ({ model }) => {
    const { data, response } = await client.chat.completions
      .create({ model, messages })
      .withResponse();
    return { id: data._request_id, headers: Object.fromEntries(response.headers) };
  },

  keyed: ({ model, key }) =>
    client.withOptions({ apiKey: key }).chat.completions.create({ model, messages }),

  patient: ({ model }) =>
    client.withOptions({ maxRetries: 2 }).chat.completions.create({ model, messages }),

  hurried: ({ model }) =>
    client.chat.completions.create({ model, messages }, { timeout: 300 }),

  // The first event, then the client leaves.
  abort: async ({ model }) => {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    for await (const event of stream) return event;
  },

  // The file is named first, so it goes over the wire before the model does.
  transcription: async ({ model, bytes }) => {
    const file = await toFile(Buffer.alloc(bytes, "RIFF"), "talk.wav");
    return client.audio.transcriptions.create({ file, model });
  },

  message: (asked) => anthropic.messages.create({ max_tokens: 100, messages, ...asked }),

  messageStream: async (asked) => {
    const stream = anthropic.messages.stream({ max_tokens: 100, messages, ...asked });
    return { events: await all(stream), final: await stream.finalMessage() };
  },

  counted: (asked) => anthropic.messages.countTokens({ messages, ...asked }),

  speech: async ({ model }) => {
    const spoken = await client.audio.speech.create({ model, voice: "alloy", input: "hi" });
    return Buffer.from(await spoken.arrayBuffer()).toString("base64");
  },

  file: async ({ model, text }) => {
    const query = { query: { model } };
    const file = await toFile(Buffer.from(text), "lines.jsonl");
    const made = await client.files.create({ file, purpose: "batch" }, query);
    const found = await client.files.retrieve(made.id, query);
    const content = await (await client.files.content(made.id, query)).text();
    const gone = await client.files.delete(made.id, query);
    return { made, found, content, gone };
  },
};

function told(error) {
  const { status, type, code, param, requestID } = error;
  return { kind: error.constructor.name, message: error.message, status, type, code, param, requestID };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { call, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { value: await calls[call](given) };
  } catch (error) {
    answer = { error: told(error) };
  }
  console.log(JSON.stringify(answer));
}
