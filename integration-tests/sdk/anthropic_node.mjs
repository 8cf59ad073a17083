// The official `@anthropic-ai/sdk` package for Node against a running edge on the embedded upstream.
//
// Not for the shape of single events, which the Rust tests hold; this is for what the SDK makes of them.
//
//     node anthropic_node.mjs EDGE EDGE_WITH_KEY KEY
//
// EDGE takes any key, EDGE_WITH_KEY only KEY; both are roots such as http://127.0.0.1:28889.

import assert from 'node:assert/strict';

import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { z } from 'zod';

import { run } from './checks.mjs';

const [edge, edgeWithKey, key] = process.argv.slice(2);
const options = { timeout: 30_000, maxRetries: 0 };
const client = new Anthropic({ baseURL: edge, apiKey: 'any', ...options });

const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  input_schema: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city'],
  },
};
const call = 'call the tool get_weather with {"city":"Zürich","days":2}';
const user = (content) => [{ role: 'user', content }];
const ask = (content) => ({ model: 'claude-sonnet-4-6', max_tokens: 1000, messages: user(content) });
const say = (text) => ask(`say exactly: ${text}`);

const checks = {
  async whole() {
    const answer = await client.messages.create({ ...say('Grüezi, 世界 🌍'), system: [{ type: 'text', text: 'Be brief.' }] });
    assert.deepEqual(answer.content, [{ type: 'text', text: 'Grüezi, 世界 🌍' }]);
    assert.deepEqual([answer.stop_reason, answer.stop_sequence], ['end_turn', null]);
    assert.equal(answer.model, 'claude-4-6-sonnet-high');
    assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  },

  async streamed() {
    const events = [];
    for await (const event of await client.messages.create({ ...say('one two three four'), stream: true })) events.push(event);
    const types = events.map((event) => event.type);
    assert.deepEqual(types.slice(0, 2), ['message_start', 'content_block_start']);
    assert.deepEqual(types.slice(-3), ['content_block_stop', 'message_delta', 'message_stop']);
    assert.equal(events.map((event) => event.delta?.text ?? '').join(''), 'one two three four');
    assert.ok(events.at(-2).usage.output_tokens > 0);
  },

  async streamHelper() {
    const stream = client.messages.stream(say('x y z'));
    let text = '';
    stream.on('text', (delta) => (text += delta));
    const final = await stream.finalMessage();
    assert.equal(text, 'x y z');
    assert.equal(final.content[0].text, 'x y z');
    assert.ok(final.usage.input_tokens > 0);
  },

  async toolRoundTrip() {
    const messages = user(call);
    const first = await client.messages.create({ ...ask(call), tools: [weather] });
    assert.equal(first.stop_reason, 'tool_use');
    const [made] = first.content;
    assert.match(made.id, /^toolu_[A-Za-z0-9_-]+$/);
    assert.deepEqual(made.input, { city: 'Zürich', days: 2 });
    messages.push({ role: 'assistant', content: first.content });
    messages.push(...user([{ type: 'tool_result', tool_use_id: made.id, content: 'sunny' }]));
    const last = await client.messages.create({ ...ask(''), messages, tools: [weather] });
    assert.equal(last.stop_reason, 'end_turn');
    assert.match(last.content[0].text, /sunny/);
  },

  async streamHelperWithTools() {
    const stream = client.messages.stream({ ...ask(`${call} and ${call.replace('Zürich', 'Bern')}`), tools: [weather] });
    const blocks = [];
    stream.on('contentBlock', (block) => blocks.push(block));
    const final = await stream.finalMessage();
    assert.deepEqual(blocks.map((block) => block.input.city), ['Zürich', 'Bern']);
    assert.equal(new Set(final.content.map((block) => block.id)).size, 2);
    assert.equal(final.stop_reason, 'tool_use');
  },

  ...Object.fromEntries(
    [false, true].map((stream) => [
      stream ? 'toolRunnerStreamed' : 'toolRunner',
      async () => {
        const asked = [];
        const tool = betaZodTool({
          name: 'get_weather',
          description: 'The weather in a city.',
          inputSchema: z.object({ city: z.string(), days: z.number() }),
          run: (input) => {
            asked.push(input);
            return `21 degrees in ${input.city}`;
          },
        });
        const runner = client.beta.messages.toolRunner({ ...ask(call), tools: [tool], stream });
        const final = await runner.runUntilDone();
        assert.deepEqual(asked, [{ city: 'Zürich', days: 2 }]);
        assert.match(final.content[0].text, /21 degrees in Zürich/);
      },
    ]),
  ),

  async limits() {
    const stopped = await client.messages.create({ ...say('one END two'), stop_sequences: ['END'] });
    assert.deepEqual([stopped.content[0].text, stopped.stop_reason, stopped.stop_sequence], ['one ', 'stop_sequence', 'END']);
    const cut = await client.messages.create({ ...say('word '.repeat(100)), max_tokens: 3 });
    assert.equal(cut.stop_reason, 'max_tokens');
  },

  async countTokens() {
    const { data, response } = await client.messages
      .countTokens({ model: 'claude-sonnet-4-6', messages: user('x'.repeat(400)) })
      .withResponse();
    assert.equal(response.headers.get('x-warp2api-estimated'), 'input_tokens');
    assert.ok(data.input_tokens > 100 && data.input_tokens < 200);
  },

  async models() {
    const all = [];
    for await (const model of client.models.list()) all.push(model.id);
    const paged = [];
    for await (const model of client.models.list({ limit: 7 })) paged.push(model.id);
    assert.deepEqual(paged, all);
    assert.ok(all.includes('auto'));
    for (const id of all) assert.equal((await client.models.retrieve(id)).id, id);
  },

  async aClientThatLeavesDoesNoHarm() {
    for (let round = 0; round < 20; round += 1) {
      // A `break` out of the loop closes the connection.
      const stream = await client.messages.create({ ...ask(`say slowly: ${'word '.repeat(50)}`), stream: true });
      for await (const _ of stream) break;
    }
    const answer = await client.messages.create(say('still here'));
    assert.equal(answer.content[0].text, 'still here');
  },

  async abort() {
    const stream = client.messages.stream(ask('say slowly: a b c d e f'));
    let events = 0;
    const error = await (async () => {
      for await (const _ of stream) {
        events += 1;
        stream.abort();
      }
    })().catch((e) => e);
    assert.ok(error instanceof Anthropic.APIUserAbortError, `${error}`);
    assert.ok(events < 10, `${events} events came after the abort`);
  },

  async headers() {
    const { data, response, request_id } = await client.messages
      .create({ ...say('hi'), thinking: { type: 'adaptive' } }, { headers: { 'x-request-id': 'my-own-id' } })
      .withResponse();
    assert.equal(response.headers.get('x-warp2api-upstream'), 'embedded');
    assert.equal(response.headers.get('x-warp2api-ignored'), 'thinking');
    assert.equal(request_id, 'my-own-id');
    assert.equal(data.content[0].text, 'hi');
  },

  async badRequests() {
    for (const [parameters, words] of [
      [{ messages: [] }, /^messages: /],
      [{ max_tokens: 0 }, /^max_tokens: /],
      [{ messages: [{ role: 'nobody', content: 'x' }] }, /^messages\[0\]\.role: /],
      [{ tools: [weather], tool_choice: { type: 'tool', name: 'get_weather' } }, /^tool_choice: /],
    ]) {
      const error = await client.messages.create({ ...say('hi'), ...parameters }).catch((e) => e);
      assert.ok(error instanceof Anthropic.BadRequestError, `${words}: ${error}`);
      assert.equal(error.error.error.type, 'invalid_request_error');
      assert.match(error.error.error.message, words);
      assert.match(error.requestID, /^req_/);
    }
  },

  async notFound() {
    const error = await client.models.retrieve('no-such-model').catch((e) => e);
    assert.ok(error instanceof Anthropic.NotFoundError, `${error}`);
    assert.equal(error.error.error.type, 'not_found_error');
  },

  async keys() {
    const wrong = new Anthropic({ baseURL: edgeWithKey, apiKey: 'wrong', ...options });
    const error = await wrong.messages.create(say('hi')).catch((e) => e);
    assert.ok(error instanceof Anthropic.AuthenticationError, `${error}`);
    for (const right of [{ apiKey: key }, { apiKey: null, authToken: key }]) {
      const answer = await new Anthropic({ baseURL: edgeWithKey, ...right, ...options }).messages.create(say('let in'));
      assert.equal(answer.content[0].text, 'let in');
    }
  },
};

await run(checks);
