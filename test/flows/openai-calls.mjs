// A stranger's program: the official client in its own process, which makes the calls it is told, all at once, one JSON line each. Nothing of ours is
// imported. What came over the wire is looked at as well, because the client hides how a stream ends.
import OpenAI from 'openai'
import { createInterface } from 'node:readline'

/** ms; longer than any call that the gateway bounds as it says */
const PATIENCE_MS = 60_000

async function call({ id, key, body }) {
  const startedAt = Date.now()
  const wire = { status: 0, headers: {}, raw: Promise.resolve('') }
  const client = new OpenAI({
    baseURL: process.env.OPENAI_BASE_URL,
    apiKey: key,
    maxRetries: 0,
    async fetch(url, init) {
      const response = await fetch(url, init)
      wire.status = response.status
      wire.headers = Object.fromEntries(response.headers)
      if (!response.body) return response
      const [seen, given] = response.body.tee()
      wire.raw = new Response(seen).text().catch((error) => `cut: ${error}`)
      return new Response(given, response)
    },
  })
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const told = { id, text: '', finish: null, usage: null, souk: null, error: null, firstMs: null }
  try {
    if (body.stream) {
      for await (const chunk of await client.chat.completions.create(body, { signal })) {
        const text = chunk.choices[0]?.delta?.content ?? ''
        if (text !== '') told.firstMs ??= Date.now() - startedAt
        told.text += text
        told.finish ??= chunk.choices[0]?.finish_reason ?? null
        told.usage ??= chunk.usage ?? null
        told.souk ??= chunk.souk ?? null
      }
    } else {
      const answer = await client.chat.completions.create(body, { signal })
      told.firstMs = Date.now() - startedAt
      Object.assign(told, { text: answer.choices[0].message.content, finish: answer.choices[0].finish_reason })
      Object.assign(told, { usage: answer.usage, souk: answer.souk })
    }
  } catch (error) {
    told.error = {
      class: `${error.constructor.name} ${error.cause?.cause ?? error.cause ?? ''}`.trim(),
      status: error.status ?? null,
      code: error.code ?? null,
    }
  }
  const raw = await wire.raw
  const ms = Date.now() - startedAt
  console.log(
    JSON.stringify({
      ...told,
      ms,
      status: wire.status,
      callId: wire.headers['x-souk-call-id'] ?? null,
      retryAfter: wire.headers['retry-after'] ?? null,
      hasDone: raw.includes('data: [DONE]\n'),
      hasErrorEvent: raw.includes('data: {"error"'),
    }),
  )
}

for await (const line of createInterface({ input: process.stdin })) void call(JSON.parse(line))
