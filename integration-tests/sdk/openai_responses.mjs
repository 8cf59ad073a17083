// Responses with the official `openai` package for Node against a running edge on the embedded upstream.
//
// Not for the shape of single events, which the Rust tests hold; this is for what the SDK makes of them.
//
//     node openai_responses.mjs EDGE EDGE_WITH_KEY KEY
//
// EDGE takes any key, EDGE_WITH_KEY only KEY; both are roots such as http://127.0.0.1:28889.

import assert from 'node:assert/strict';

import OpenAI from 'openai';
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

import { run } from './checks.mjs';

const [edge, edgeWithKey, key] = process.argv.slice(2);
const options = { timeout: 30_000, maxRetries: 0 };
const client = new OpenAI({ baseURL: `${edge}/v1`, apiKey: 'any', ...options });

const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'The weather in a city.',
  strict: false,
  parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } },
};
const call = 'call the tool get_weather with {"city":"Zürich","days":2}';
const say = (text) => ({ model: 'auto', input: `say exactly: ${text}` });

const checks = {
  async whole() {
    const response = await client.responses.create({ ...say('Grüezi, 世界 🌍'), model: 'gpt-5' });
    assert.equal(response.output_text, 'Grüezi, 世界 🌍');
    assert.equal(response.status, 'completed');
    assert.equal(response.model, 'gpt-5');
    assert.equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens);
  },

  async streamed() {
    const events = [];
    for await (const event of await client.responses.create({ ...say('one two three'), stream: true })) events.push(event);
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    assert.equal(events.at(-1).type, 'response.completed');
    const deltas = events.filter((event) => event.type === 'response.output_text.delta');
    assert.equal(deltas.map((event) => event.delta).join(''), 'one two three');
  },

  async streamHelper() {
    const stream = client.responses.stream(say('x y z'));
    let text = '';
    stream.on('response.output_text.delta', (event) => (text += event.delta));
    const final = await stream.finalResponse();
    assert.equal(text, 'x y z');
    assert.equal(final.output_text, 'x y z');
  },

  async streamHelperWithTools() {
    const stream = client.responses.stream({ model: 'auto', input: call, tools: [weather] });
    let last = '';
    stream.on('response.function_call_arguments.delta', (event) => (last = event.snapshot));
    const final = await stream.finalResponse();
    assert.deepEqual(JSON.parse(last), { city: 'Zürich', days: 2 });
    assert.equal(final.output[0].type, 'function_call');
  },

  async toolLoop() {
    const input = [{ role: 'user', content: call }];
    const first = await client.responses.create({ model: 'auto', input, tools: [weather], store: false });
    const [made] = first.output;
    assert.deepEqual(JSON.parse(made.arguments), { city: 'Zürich', days: 2 });
    input.push(...first.output, { type: 'function_call_output', call_id: made.call_id, output: 'sunny' });
    const last = await client.responses.create({ model: 'auto', input, tools: [weather], store: false });
    assert.match(last.output_text, /sunny/);
  },

  async toolLoopByPreviousResponseId() {
    const first = await client.responses.create({ model: 'auto', input: call, tools: [weather] });
    const output = { type: 'function_call_output', call_id: first.output[0].call_id, output: 'sunny' };
    const more = { model: 'auto', previous_response_id: first.id, input: [output], tools: [weather] };
    const last = await client.responses.create(more);
    assert.match(last.output_text, /sunny/);
    const kept = await client.responses.retrieve(last.id);
    assert.equal(kept.output_text, last.output_text);
    await client.responses.delete(first.id);
    const gone = client.responses.create(more);
    await assert.rejects(gone, { status: 400, code: 'previous_response_not_found' });
  },

  async parse() {
    const format = zodTextFormat(z.object({ city: z.string(), degrees: z.number() }), 'weather');
    const response = await client.responses.parse({ ...say('{"city":"Bern","degrees":3}'), text: { format } });
    assert.deepEqual(response.output_parsed, { city: 'Bern', degrees: 3 });
  },

  async parsedTools() {
    const parameters = z.object({ city: z.string(), days: z.number() });
    const tools = [zodResponsesFunction({ name: 'get_weather', parameters })];
    const response = await client.responses.parse({ model: 'auto', input: call, tools });
    assert.deepEqual(response.output[0].parsed_arguments, { city: 'Zürich', days: 2 });
  },

  async inputItems() {
    const { id } = await client.responses.create(say('listed'));
    const items = [];
    for await (const item of client.responses.inputItems.list(id)) items.push(item);
    assert.deepEqual(items.map((item) => item.content[0].text), ['say exactly: listed']);
  },

  async errors() {
    await assert.rejects(client.responses.create({ ...say('x'), background: true }), { status: 400, param: 'background' });
    await assert.rejects(client.responses.retrieve('resp_none'), { status: 404 });
    const stranger = new OpenAI({ baseURL: `${edgeWithKey}/v1`, apiKey: 'wrong', ...options });
    await assert.rejects(stranger.responses.create(say('x')), OpenAI.AuthenticationError);
    const known = new OpenAI({ baseURL: `${edgeWithKey}/v1`, apiKey: key, ...options });
    assert.equal((await known.responses.create(say('in'))).output_text, 'in');
  },

  async leavingEarly() {
    const stream = await client.responses.create({ ...say('a b c d e f'), stream: true });
    for await (const event of stream) if (event.type === 'response.output_text.delta') break;
  },
};

await run(checks);
