// The status page in a real Chromium, against a running house on the embedded upstream: it loads, follows a chat live,
// shows its decoded events and its trace, switches a credential off and on and counts down to its return, works from the
// keyboard, in light and dark, on a phone and after 10,000 exchanges, and says nothing on the console. The house captures
// and has W2A_TRACE_URL.
//
//     node page.mjs EDGE BRIDGE_WITH_KEY ADMIN_KEY [FOLDER]
//
// EDGE and BRIDGE_WITH_KEY are roots of one house, such as http://127.0.0.1:28889 and http://127.0.0.1:28888.
// EXCHANGES is how many are many, 10,000 unless it is set. Pictures go into FOLDER, if there is one. CHROMIUM names the
// browser, /usr/bin/chromium unless it is set.

import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

const [edge, bridge, key, folder] = process.argv.slice(2);
const MANY = Number(process.env.EXCHANGES ?? 10_000);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const complaints = [];
const requests = [];

async function open(options = {}, { withKey = true } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  if (withKey) await context.addInitScript((value) => sessionStorage.setItem('w2a-key', value), key);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(`${bridge}/ui`);
  return page;
}

const picture = async (page, name) => folder && (await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true }));
const live = (page) => page.locator('#connection[data-state=live]').waitFor();
const row = (page, text) => page.locator('#table tbody tr', { hasText: text });

// As many chats as `count`, a few at a time, none of them followed.
async function crowd(count, model) {
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      const response = await fetch(`${edge}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'say exactly: one of many' }] }),
        signal: AbortSignal.timeout(30_000),
      });
      assert.equal(response.status, 200, await response.text());
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
}

async function chat(content, model = 'auto') {
  const response = await fetch(`${edge}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${crypto.randomUUID().replaceAll('-', '')}-b7ad6b7169203331-01` },
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content }] }),
    signal: AbortSignal.timeout(30_000),
  });
  return response.text();
}

const checks = {
  async withoutAKeyItAsksForOneAndShowsNothing() {
    const page = await open({}, { withKey: false });
    await page.locator('#key-dialog[open]').waitFor();
    assert.equal(await row(page, '').count(), 0);
    await page.fill('#key-value', key);
    await page.press('#key-value', 'Enter');
    await live(page);
    // The refusals themselves are what the browser reports here.
    complaints.splice(0, complaints.length, ...complaints.filter((text) => !/40[13]/.test(text)));
    await page.context().close();
  },

  async aChatIsSeenWhileItRunsAndAfterItsEnd() {
    const page = await open();
    await live(page);
    const said = chat('say slowly: one two three four five six seven eight', 'gpt-5');
    await row(page, 'gpt-5').locator('.state.running').first().waitFor();
    assert.match(await said, /\[DONE\]/);
    await row(page, 'gpt-5').locator('.state.answered').first().waitFor();
    assert.match(await page.textContent('#upstream'), /embedded/);
    const drawn = (chart, many) => page.waitForFunction(
      ([chart, many]) => [...document.querySelectorAll(`${chart} svg path`)].filter((path) => path.getAttribute('d')).length >= many, [chart, many]);
    await drawn('#latency', 3);
    await drawn('#rate', 1);
    await page.locator('#tiles', { hasText: 'Tokens per second' }).waitFor();
    await picture(page, 'light');
    await row(page, 'gpt-5').first().click();
    await page.locator('#detail[open]').waitFor();
    const facts = await page.textContent('#detail-body');
    assert.match(facts, /Request id/);
    assert.match(facts, /queue .*lease .*first event .*stream/);
    await page.locator('#detail-body .events li', { hasText: 'FINISHED' }).waitFor();
    const events = await page.locator('#detail-body .events li').allTextContents();
    assert.match(events[0], /INITIALIZATION/);
    assert.match(events.at(-1), /FINISHED/);
    assert.ok(events.some((text) => text.includes('seven')), 'what was said is there: capture is on');
    const trace = page.locator('#detail-body a');
    assert.match(await trace.getAttribute('href'), new RegExp(`/trace/${await trace.textContent()}$`));
    await picture(page, 'detail');
    await page.keyboard.press('Escape');
    await page.locator('#detail:not([open])').waitFor({ state: 'attached' });
    await page.context().close();
  },

  async aCredentialIsSwitchedOffAndComesBack() {
    const page = await open();
    await live(page);
    const credential = page.locator('.credential').first();
    await credential.getByRole('button', { name: 'Disable' }).click();
    await page.locator('#confirm[open]').getByRole('button', { name: 'Yes' }).click();
    await credential.locator('.state.disabled').waitFor();
    assert.doesNotMatch(await chat('say exactly: nobody serves this'), /\[DONE\]/);
    await credential.getByRole('button', { name: 'Recover' }).click();
    await credential.locator('.state.active').waitFor();
    assert.match(await chat('say exactly: somebody does'), /\[DONE\]/);
    await row(page, 'failed').first().waitFor();
    await page.context().close();
  },

  async numbersAreDrawn() {
    const page = await open();
    await live(page);
    await page.locator('#tiles dt', { hasText: 'Tokens per second' }).waitFor();
    // Each chart has something drawn, and words for those who do not see it.
    for (const chart of ['#latency svg path[d^=M]', '#traffic svg rect.good', '#rate svg path[d^=M]']) {
      await page.locator(chart).first().waitFor({ state: 'attached' });
    }
    for (const chart of ['#latency', '#traffic', '#rate']) {
      assert.match(await page.locator(`${chart} svg`).getAttribute('aria-label'), /last half hour/);
    }
    await row(page, 'gpt-5').first().waitFor();
    const widths = await row(page, 'gpt-5').first().locator('.timing i').evaluateAll((parts) => parts.map((part) => part.getBoundingClientRect().width));
    assert.ok(widths.at(-1) > 0, `a slow answer has a bar for its stream: ${widths}`);
    await page.context().close();
  },

  async aCredentialThatRestsCountsDown() {
    const page = await open({}, { withKey: false });
    const listed = await (await fetch(`${bridge}/v1/credentials`, { headers: { 'x-admin-key': key } })).json();
    // Nothing makes a credential of the embedded upstream rest: the page is told so in the service's own words.
    const resting = { ...listed.credentials[0], state: 'COOLING_DOWN', recoveryTime: new Date(Date.now() + 90_000).toISOString() };
    await page.route('**/v1/credentials:watch', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: `data: ${JSON.stringify({ credential: resting })}\n\n` }));
    await page.fill('#key-value', key);
    await page.press('#key-value', 'Enter');
    const card = page.locator('.credential').first();
    await card.locator('.state.cooling_down').waitFor();
    const left = async () => {
      const [, minutes = '0', seconds] = (await card.textContent()).match(/back in (?:(\d+) min )?([\d.]+) s/) ?? assert.fail(await card.textContent());
      return Number(minutes) * 60 + Number(seconds);
    };
    const first = await left();
    assert.ok(first > 60 && first <= 90, `it has just begun: ${first}`);
    await page.waitForFunction((shown) => document.querySelector('.credential').textContent !== shown, await card.textContent());
    assert.ok((await left()) < first);
    await card.getByRole('button', { name: 'Recover' }).waitFor();
    complaints.splice(0, complaints.length, ...complaints.filter((text) => !/40[13]/.test(text)));
    await page.context().close();
  },

  async aCredentialIsSwitchedByTheKeyboardAlone() {
    const page = await open();
    await live(page);
    const credential = page.locator('.credential').first();
    const focused = () => page.evaluate(() => document.activeElement.textContent);
    const tabTo = async (words) => {
      for (let step = 0; (await focused()) !== words; step += 1) {
        assert.ok(step < 300, `${words} is not reached`);
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('Enter');
    };
    await credential.waitFor();
    await tabTo('Disable');
    await page.locator('#confirm[open]').waitFor();
    await tabTo('Yes');
    await credential.locator('.state.disabled').waitFor();
    await tabTo('Recover');
    await credential.locator('.state.active').waitFor();
    await page.context().close();
  },

  async itIsLightAndDark() {
    const page = await open({ colorScheme: 'light' });
    await live(page);
    // How light the ground, the words on it and a card are, of 765.
    const light = () => page.evaluate(() => {
      const sum = (color) => color.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
      const body = getComputedStyle(document.body);
      return { ground: sum(body.backgroundColor), words: sum(body.color), card: sum(getComputedStyle(document.querySelector('#tiles > *')).color) };
    });
    const isLight = ({ ground, words, card }, why) => assert.ok(ground > 600 && words < 300 && card < 450, `${why}: ${JSON.stringify({ ground, words, card })}`);
    const isDark = ({ ground, words, card }, why) => assert.ok(ground < 200 && words > 450 && card > 300, `${why}: ${JSON.stringify({ ground, words, card })}`);
    isLight(await light(), 'as the system');
    await page.emulateMedia({ colorScheme: 'dark' });
    isDark(await light(), 'as the system turns');
    await page.click('#theme');
    isLight(await light(), 'what was chosen stands above what the system says');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.keyboard.press('t');
    isDark(await light(), 'the other choice, by the keyboard');
    await page.reload();
    await live(page);
    isDark(await light(), 'a choice outlives the page');
    await page.keyboard.press('t');
    isLight(await light(), 'as the system again');
    await page.context().close();
  },

  async itWorksFromTheKeyboardAndFindsThings() {
    const page = await open({ colorScheme: 'dark' });
    await live(page);
    await chat('say exactly: here', 'claude-4-sonnet');
    await row(page, 'claude-4-sonnet').first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('claude-4-sonnet');
    await page.waitForFunction(() => [...document.querySelectorAll('#table tbody tr')].every((tr) => tr.textContent.includes('claude-4-sonnet')));
    await row(page, 'claude').first().focus();
    await page.keyboard.press('Enter');
    await page.locator('#detail[open]').waitFor();
    await page.keyboard.press('Escape');
    await picture(page, 'dark');
    await page.locator('#pause').click();
    await page.locator('#pause[aria-pressed=true]').waitFor();
    await page.context().close();
  },

  async itFitsAPhone() {
    const page = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
    await live(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${wide} pixels too wide`);
    await picture(page, 'phone');
    await row(page, 'gpt-5').first().tap();
    await page.locator('#detail[open] .events li').first().waitFor();
    const detail = await page.locator('#detail').boundingBox();
    assert.ok(detail.x >= 0 && detail.x + detail.width <= 390, JSON.stringify(detail));
    await picture(page, 'phone-detail');
    await page.locator('#detail').getByRole('button', { name: 'Close' }).tap();
    await page.locator('.credential').first().getByRole('button', { name: 'Check' }).scrollIntoViewIfNeeded();
    await page.context().close();
  },

  async manyExchangesLeaveItQuickAndSmall() {
    const page = await open();
    await live(page);
    const weight = async () => {
      const session = await page.context().newCDPSession(page);
      await session.send('HeapProfiler.collectGarbage');
      await session.send('Performance.enable');
      const { metrics } = await session.send('Performance.getMetrics');
      await session.detach();
      return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
    };
    // What a hundred rows weigh is in the first figure; the others must add nothing to it.
    await crowd(MANY / 5, 'gpt-5');
    const before = await weight();
    await crowd(MANY - MANY / 5, 'gpt-5');
    const said = chat('say slowly: still here after all of them', 'claude-4-opus');
    await row(page, 'claude-4-opus').locator('.state.running').first().waitFor();
    assert.match(await said, /\[DONE\]/);
    await row(page, 'claude-4-opus').locator('.state.answered').first().waitFor();
    assert.equal(await page.locator('#table tbody tr').count(), 100);
    const asked = Date.now();
    await row(page, 'claude-4-opus').first().click();
    await page.locator('#detail-body .events li').first().waitFor();
    console.log(`     its detail was open after ${Date.now() - asked} ms`);
    const after = await weight();
    console.log(`     nodes ${before.Nodes} to ${after.Nodes}, heap ${(before.JSHeapUsedSize / 1e6).toFixed(1)} to ${(after.JSHeapUsedSize / 1e6).toFixed(1)} MB`);
    assert.ok(after.Nodes < before.Nodes + 10_000, `${after.Nodes} nodes`);
    assert.ok(after.JSHeapUsedSize < before.JSHeapUsedSize * 1.5 + 8e6, `${after.JSHeapUsedSize} bytes`);
    await picture(page, 'many');
    await page.context().close();
  },

  async nothingWasLoadedFromElsewhere() {
    const elsewhere = requests.filter((url) => !url.startsWith(bridge) && !url.startsWith('data:'));
    assert.deepEqual(elsewhere, []);
  },

  async theConsoleIsSilent() {
    // A chat that nobody could serve is an answer of the edge's, not an error of the page's.
    assert.deepEqual(complaints, []);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.stack}`);
  }
}
await browser.close();
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
