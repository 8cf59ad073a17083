// The official `openai` package for Node against a running edge on the embedded upstream.
//
// Not for the shape of single chunks, which the Rust tests hold; this is for what the SDK makes of them.
//
//     node openai_node.mjs EDGE EDGE_WITH_KEY KEY
//
// EDGE takes any key, EDGE_WITH_KEY only KEY; both are roots such as http://127.0.0.1:28889.

import assert from 'node:assert/strict';

import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

import { run } from './checks.mjs';

const [edge, edgeWithKey, key] = process.argv.slice(2);
const options = { timeout: 30_000, maxRetries: 0 };
const client = new OpenAI({ baseURL: `${edge}/v1`, apiKey: 'any', ...options });

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city.',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city'],
    },
  },
};
const call = 'call the tool get_weather with {"city":"Zürich","days":2}';
const user = (content) => [{ role: 'user', content }];
const say = (text) => ({ model: 'auto', messages: user(`say exactly: ${text}`) });

const checks = {
  async whole() {
    const answer = await client.chat.completions.create({ ...say('Grüezi, 世界 🌍'), model: 'gpt-5' });
    assert.equal(answer.choices[0].message.content, 'Grüezi, 世界 🌍');
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.model, 'gpt-5');
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },

  async streamed() {
    const stream = await client.chat.completions.create({
      ...say('one two three four'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? '').join(''), 'one two three four');
    assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
    assert.deepEqual(chunks.map((c) => c.choices[0]?.finish_reason).filter(Boolean), ['stop']);
    assert.ok(chunks.at(-1).usage.completion_tokens > 0);
  },

  async toolRoundTrip() {
    const messages = user(call);
    const first = await client.chat.completions.create({ model: 'auto', messages, tools: [weather] });
    assert.equal(first.choices[0].finish_reason, 'tool_calls');
    const [made] = first.choices[0].message.tool_calls;
    assert.deepEqual(JSON.parse(made.function.arguments), { city: 'Zürich', days: 2 });
    messages.push(first.choices[0].message, { role: 'tool', tool_call_id: made.id, content: 'sunny' });
    const last = await client.chat.completions.create({ model: 'auto', messages, tools: [weather] });
    assert.equal(last.choices[0].finish_reason, 'stop');
    assert.match(last.choices[0].message.content, /sunny/);
  },

  async streamHelper() {
    const stream = client.chat.completions.stream(say('x y z'));
    let text = '';
    stream.on('content', (delta) => (text += delta));
    const final = await stream.finalChatCompletion();
    assert.equal(text, 'x y z');
    assert.equal(final.choices[0].message.content, 'x y z');
  },

  async streamHelperWithTools() {
    const body = { model: 'auto', messages: user(`${call} and ${call.replace('Zürich', 'Bern')}`), tools: [weather] };
    const stream = client.chat.completions.stream(body);
    const done = [];
    stream.on('tool_calls.function.arguments.done', (event) => done.push(event));
    const final = await stream.finalChatCompletion();
    assert.deepEqual(
      done.map((event) => [event.index, JSON.parse(event.arguments).city]),
      [[0, 'Zürich'], [1, 'Bern']],
    );
    assert.equal(final.choices[0].message.tool_calls.length, 2);
  },

  async parsedAnswer() {
    const format = z.object({ city: z.string(), degrees: z.number() });
    const answer = await client.chat.completions.parse({
      ...say('{"city": "Bern", "degrees": 7}'),
      response_format: zodResponseFormat(format, 'weather'),
    });
    assert.deepEqual(answer.choices[0].message.parsed, { city: 'Bern', degrees: 7 });
  },

  ...Object.fromEntries(
    [false, true].map((stream) => [
      stream ? 'runToolsStreamed' : 'runTools',
      async () => {
        const asked = [];
        const tool = {
          type: 'function',
          function: {
            ...weather.function,
            parse: JSON.parse,
            function: (input) => {
              asked.push(input);
              return `21 degrees in ${input.city}`;
            },
          },
        };
        const runner = client.chat.completions.runTools({
          model: 'auto',
          messages: user(call),
          tools: [tool],
          stream,
        });
        const text = await runner.finalContent();
        assert.deepEqual(asked, [{ city: 'Zürich', days: 2 }]);
        assert.match(text, /21 degrees in Zürich/);
      },
    ]),
  ),

  async models() {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model.id);
    assert.ok(listed.includes('auto'));
    for (const id of listed) assert.equal((await client.models.retrieve(id)).id, id);
  },

  async aClientThatLeavesDoesNoHarm() {
    for (let round = 0; round < 20; round += 1) {
      const body = { model: 'auto', messages: user(`say slowly: ${'word '.repeat(50)}`), stream: true };
      // A `break` out of the loop closes the connection.
      for await (const _ of await client.chat.completions.create(body)) break;
    }
    const answer = await client.chat.completions.create(say('still here'));
    assert.equal(answer.choices[0].message.content, 'still here');
  },

  async abort() {
    const controller = new AbortController();
    const body = { model: 'auto', messages: user('say slowly: a b c d e f'), stream: true };
    const stream = await client.chat.completions.create(body, { signal: controller.signal });
    let chunks = 0;
    for await (const _ of stream) {
      chunks += 1;
      controller.abort();
    }
    assert.ok(chunks < 5, `${chunks} chunks came after the abort`);
  },

  async rawHeaders() {
    const request = { ...say('hi'), temperature: 0.1, seed: 7 };
    const { data, response, request_id } = await client.chat.completions
      .create(request, { headers: { 'x-request-id': 'my-own-id' } })
      .withResponse();
    assert.equal(response.headers.get('x-warp2api-upstream'), 'embedded');
    assert.equal(response.headers.get('x-warp2api-ignored'), 'temperature, seed');
    assert.equal(request_id, 'my-own-id');
    assert.equal(data.choices[0].message.content, 'hi');
  },

  async badRequests() {
    for (const [parameters, param] of [
      [{ n: 2 }, 'n'],
      [{ messages: [] }, 'messages'],
      [{ messages: [{ role: 'nobody', content: 'x' }] }, 'messages[0]'],
      [{ tools: [weather], tool_choice: 'required' }, 'tool_choice'],
    ]) {
      const error = await client.chat.completions.create({ ...say('hi'), ...parameters }).catch((e) => e);
      assert.ok(error instanceof OpenAI.BadRequestError, `${param}: ${error}`);
      assert.equal(error.type, 'invalid_request_error');
      assert.ok(error.param?.startsWith(param), `${param}: ${error.param}`);
      assert.ok(error.code && error.requestID);
    }
  },

  async notFound() {
    const error = await client.models.retrieve('no-such-model').catch((e) => e);
    assert.ok(error instanceof OpenAI.NotFoundError, `${error}`);
    assert.equal(error.code, 'model_not_found');
  },

  async timeouts() {
    const slow = { model: 'auto', messages: user('say slowly: much too slow for this client') };
    const error = await client.chat.completions.create(slow, { timeout: 300 }).catch((e) => e);
    assert.ok(error instanceof OpenAI.APIConnectionTimeoutError, `${error}`);
  },

  async keys() {
    const wrong = new OpenAI({ baseURL: `${edgeWithKey}/v1`, apiKey: 'wrong-one', ...options });
    const error = await wrong.chat.completions.create(say('hi')).catch((e) => e);
    assert.ok(error instanceof OpenAI.AuthenticationError, `${error}`);
    assert.equal(error.code, 'invalid_api_key');
    assert.doesNotMatch(error.message, /wrong-one/);
    const right = new OpenAI({ baseURL: `${edgeWithKey}/v1`, apiKey: key, ...options });
    const answer = await right.chat.completions.create(say('let in'));
    assert.equal(answer.choices[0].message.content, 'let in');
  },
};

await run(checks);
