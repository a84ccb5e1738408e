import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { createDirectLink } from '../../../gateway/link/direct.ts'
import { LinkRefused } from '../../../gateway/link/node-link.ts'
import { createDohResolver } from '../../../gateway/link/resolver.ts'
import { newNodeId } from '../../../protocol/units.ts'

const request = {
  nodeId: newNodeId(systemRandom),
  endpoint: 'https://node.example.com/souk',
  wireVersion: 1,
  path: '/v1/embeddings',
  body: '{"a":1}',
  ticket: 'a.b.c',
  signal: AbortSignal.timeout(5_000),
}

function recording(answer: () => Response) {
  const seen: { url: string; init: RequestInit }[] = []
  const fake = (url: string, init: RequestInit) => {
    seen.push({ url, init })
    return Promise.resolve(answer())
  }
  return { seen, fetch: fake as typeof fetch }
}

describe('createDirectLink', () => {
  it('sends the exact body with the ticket, uncompressed, in the version that was agreed, and passes the signal on', async () => {
    const { seen, fetch } = recording(() => new Response('ok'))
    await createDirectLink({ allowLocal: false, fetch }).send(request)
    expect(seen[0]?.url).toBe('https://node.example.com/souk/v1/embeddings')
    expect(seen[0]?.init).toMatchObject({ method: 'POST', body: '{"a":1}', redirect: 'manual', signal: request.signal })
    expect(Object.fromEntries(new Headers(seen[0]?.init.headers))).toEqual({
      authorization: 'Souk a.b.c',
      'content-type': 'application/json',
      'accept-encoding': 'identity',
      'souk-wire': '1',
    })
  })

  it('sends a challenge without a ticket', async () => {
    const { seen, fetch } = recording(() => new Response('ok'))
    await createDirectLink({ allowLocal: false, fetch }).send({ ...request, ticket: '' })
    expect(new Headers(seen[0]?.init.headers).has('authorization')).toBe(false)
  })

  it.each(['https://10.0.0.1', 'http://127.0.0.1:3000', 'https://localhost'])(
    'sends nothing to %s, however it came into the registry',
    async (endpoint) => {
      const { seen, fetch } = recording(() => new Response('ok'))
      const sending = createDirectLink({ allowLocal: false, fetch }).send({ ...request, endpoint })
      await expect(sending).rejects.toBeInstanceOf(LinkRefused)
      expect(seen).toHaveLength(0)
    },
  )

  it('gives a redirect back as it is', async () => {
    const { fetch } = recording(() => new Response(null, { status: 307, headers: { location: 'http://10.0.0.1' } }))
    expect((await createDirectLink({ allowLocal: false, fetch }).send(request)).status).toBe(307)
  })
})

describe('createDohResolver', () => {
  const answering = (answers: Record<string, unknown>) => {
    const fake = (url: string) =>
      Promise.resolve(Response.json(answers[new URL(url).searchParams.get('type') ?? ''] ?? {}))
    return createDohResolver({ fetch: fake as typeof fetch })
  }

  it('gives the addresses of both families and leaves aliases out', async () => {
    const resolve = answering({
      A: {
        Status: 0,
        Answer: [
          { type: 5, data: 'alias.example.com.' },
          { type: 1, data: '93.184.216.34' },
        ],
      },
      AAAA: { Status: 0, Answer: [{ type: 28, data: '2606:4700::1111' }] },
    })
    expect(await resolve('node.example.com')).toEqual(['93.184.216.34', '2606:4700::1111'])
  })

  it('has no address for a name that does not exist', async () => {
    expect(await answering({ A: { Status: 3 }, AAAA: { Status: 3 } })('node.example.com')).toEqual([])
  })

  it.each([{ Status: 2 }, {}, { Status: 0, Answer: 'no' }])(
    'throws on %j, so that the name is refused',
    async (reply) => {
      await expect(answering({ A: reply, AAAA: { Status: 0 } })('node.example.com')).rejects.toThrow()
    },
  )
})
