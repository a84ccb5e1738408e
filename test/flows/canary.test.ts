// Secrets, prompts and answers are nowhere but where they belong: after a story with canaries in all of them, every file that gateway and node
// wrote (databases, guards, journals, logs) and every answer is searched, plainly and as base64, as a signed token would hide them.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { eventually } from '../support/eventually.ts'
import { startMarket, type Consumer, type Market } from '../support/market.ts'

let market: Market
let consumer: Consumer
beforeAll(async () => {
  market = await startMarket()
  consumer = await market.consumer()
})
afterAll(() => market?.stop())

/** Names the trained model repeats, so that the same canary stands in prompt and answer. */
const PROMPT_CANARY = 'Bartholomea'

const ask = (body: object | string, key = consumer.key) =>
  fetch(`${market.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const saying = (content: string, over: object = {}) => ({
  model: 'souk/tiny-chat',
  messages: [{ role: 'user', content }],
  ...over,
})

it('leaves no canary in any sink', async () => {
  const said: string[] = []
  const greeting = `Please say hello to ${PROMPT_CANARY}.`
  for (const stream of [true, false]) said.push(await (await ask(saying(greeting, { stream }))).text())
  // What goes wrong must not talk either.
  const refusals = [
    await ask(saying(greeting, { temperature: PROMPT_CANARY })),
    await ask(`{"model": "${PROMPT_CANARY}`),
    await ask(saying(`${greeting} `.repeat(300))),
    await ask(saying(greeting), `${consumer.key.slice(0, -1)}${consumer.key.endsWith('0') ? '1' : '0'}`),
  ]
  for (const refusal of refusals) {
    expect(refusal.ok).toBe(false)
    const text = await refusal.text()
    expect(text).not.toContain(secretOf(consumer.key))
    expect(text).not.toContain(consumer.key)
  }
  const embedded = await fetch(`${market.url}/v1/embeddings`, {
    method: 'POST',
    headers: { authorization: `Bearer ${consumer.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'souk/word-vectors', input: `${PROMPT_CANARY} is a cat` }),
  })
  expect(embedded.status).toBe(200)
  await eventually(5_000, async () => {
    const [projected] = await market.query(
      'BOOK_0',
      'SELECT count(*) AS n FROM calls WHERE account_id = ?',
      consumer.accountId,
    )
    expect(Number(projected?.n)).toBeGreaterThanOrEqual(3)
  })

  const answer =
    z
      .object({ choices: z.array(z.object({ message: z.object({ content: z.string() }) })) })
      .parse(JSON.parse(said[1] ?? '')).choices[0]?.message.content ?? ''
  // The story is only one if something was said.
  expect(answer).toMatch(/^hello, /i)
  const canaries = {
    prompt: PROMPT_CANARY,
    greeting,
    answer,
    'key secret': secretOf(consumer.key),
    key: consumer.key,
    session: consumer.client.token ?? '',
    wallet: consumer.wallet.privateKey.slice(2),
  }
  const files = await written(market.stateDir)
  expect(files.length).toBeGreaterThan(5)
  const found = files.flatMap(({ path, bytes }) =>
    Object.entries(canaries).flatMap(([name, canary]) =>
      forms(canary).some((form) => bytes.includes(form)) ? [`${name} in ${path}`] : [],
    ),
  )
  expect(found).toEqual([])
})

it('finds what is there: the account id, in guard and book', async () => {
  const files = await written(market.stateDir)
  expect(files.filter(({ bytes }) => bytes.includes(consumer.accountId)).length).toBeGreaterThan(1)
})

const secretOf = (key: string): string => key.split('-')[4] ?? key

/** Everything in the state folder but the files whose very purpose is to keep a secret. */
async function written(folder: string): Promise<{ path: string; bytes: Buffer }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Promise.all(paths.map(async (path) => ({ path, bytes: await readFile(path) })))
}

/** A text as it is, and as base64 hides it at each of the three offsets. */
function forms(text: string): string[] {
  const hidden = [0, 1, 2].map((offset) => {
    const encoded = Buffer.from(`${'x'.repeat(offset)}${text}`).toString('base64url')
    // The characters at both ends mix with what stands beside the text.
    return encoded.slice(offset === 0 ? 0 : offset + 1, -3)
  })
  return [text, ...hidden.filter((form) => form.length >= 8)]
}
