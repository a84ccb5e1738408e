// A streamed answer is read event by event; what broke off never reads as whole.
import { describe, expect, it } from 'vitest'
import { createClient } from '../../protocol/client.ts'
import { errorBody } from '../../protocol/errors.ts'
import { readEvents } from '../../protocol/event-stream.ts'
import { encodeSse, encodeSseComment } from '../../protocol/sse.ts'

async function all(...texts: string[]) {
  const seen: unknown[] = []
  const body = new Response(texts.join('')).body
  if (!body) throw new Error('no body')
  try {
    for await (const event of readEvents(body)) seen.push(event)
    return { seen, error: null }
  } catch (error) {
    return { seen, error }
  }
}

describe('readEvents', () => {
  it('gives every event until [DONE], without comments and without what follows', async () => {
    const read = await all(
      encodeSse('{"n":1}'),
      encodeSseComment('waiting'),
      encodeSse('{"n":2}'),
      encodeSse('[DONE]'),
      encodeSse('{"n":3}'),
    )
    expect(read).toEqual({ seen: [{ n: 1 }, { n: 2 }], error: null })
  })

  it('throws the code of an error event, after what came before it', async () => {
    const { seen, error } = await all(
      encodeSse('{"n":1}'),
      encodeSse(JSON.stringify(errorBody('provider_broke_off', 'call_1'))),
    )
    expect(seen).toEqual([{ n: 1 }])
    expect(error).toMatchObject({ name: 'SoukError', code: 'provider_broke_off', requestId: 'call_1', status: 0 })
  })

  it('throws when the stream ends without [DONE]', async () => {
    expect((await all(encodeSse('{"n":1}'))).error).toMatchObject({ code: 'cut_off' })
  })

  it('throws for an event that is no JSON', async () => {
    expect((await all(encodeSse('{"n":'))).error).toMatchObject({ code: 'unreadable_reply' })
  })

  it('cancels the body when its reader leaves', async () => {
    let isCancelled = false
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(encodeSse('{"n":1}'))),
      cancel: () => void (isCancelled = true),
    })
    for await (const event of readEvents(body)) {
      expect(event).toEqual({ n: 1 })
      break
    }
    expect(isCancelled).toBe(true)
  })
})

describe('the client', () => {
  const streaming = (reply: () => Response) =>
    createClient({ url: 'https://souk.example', token: 'k', fetch: async () => reply() })

  it('streams with the key and throws refusals before the first event', async () => {
    const events: unknown[] = []
    for await (const event of streaming(() => new Response(encodeSse('{"n":1}') + encodeSse('[DONE]'))).stream(
      '/v1/x',
      {},
    ))
      events.push(event)
    expect(events).toEqual([{ n: 1 }])
    const refused = streaming(() => Response.json(errorBody('insufficient_funds', 'req_1'), { status: 402 }))
    await expect(refused.stream('/v1/x', {}).next()).rejects.toMatchObject({ status: 402, code: 'insufficient_funds' })
  })
})
