// The gateway, the clock and the way there: each fault has its own sentence. Names and certificates that do not exist are made of the system's own codes.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkGateway, clockFinding } from '../../../provider-node/doctor/gateway.ts'
import { linkFinding } from '../../../provider-node/doctor/link.ts'
import { stageOf, unreachable } from '../../../provider-node/doctor/unreachable.ts'
import { aGateway, type FakeGateway } from '../builders.ts'
import { aPatient, said, type Patient } from './builders.ts'

let gateway: FakeGateway
let patient: Patient
beforeEach(async () => {
  gateway = await aGateway()
  patient = await aPatient(gateway.url)
})
afterEach(async () => {
  await gateway.close()
  await patient.remove()
})

const failed = (code: string) =>
  Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error('x'), { code }) })

describe('unreachable', () => {
  it.each([
    ['ENOTFOUND', 'name', 'the name gateway.example cannot be looked up (ENOTFOUND)'],
    ['EAI_AGAIN', 'name', 'the name gateway.example cannot be looked up (EAI_AGAIN)'],
    ['ECONNREFUSED', 'connection', 'no connection to gateway.example comes about (ECONNREFUSED)'],
    ['EHOSTUNREACH', 'connection', 'no connection to gateway.example comes about (EHOSTUNREACH)'],
    ['UND_ERR_SOCKET', 'connection', 'no connection to gateway.example comes about (UND_ERR_SOCKET)'],
    ['UND_ERR_CONNECT_TIMEOUT', 'time', 'gateway.example took too long to answer'],
    ['CERT_HAS_EXPIRED', 'certificate', 'the certificate of gateway.example is not accepted (CERT_HAS_EXPIRED)'],
    [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'certificate',
      'the certificate of gateway.example is not accepted (DEPTH_ZERO_SELF_SIGNED_CERT)',
    ],
    [
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'certificate',
      'the certificate of gateway.example is not accepted (UNABLE_TO_VERIFY_LEAF_SIGNATURE)',
    ],
    ['EWHATEVER', 'unknown', 'gateway.example cannot be reached (EWHATEVER)'],
  ])('tells of %s where the way ends', (code, stage, says) => {
    const finding = unreachable(failed(code), 'https://gateway.example/')
    expect([stageOf(failed(code)).stage, finding.says, finding.mend !== null]).toEqual([stage, says, true])
  })

  it('finds the code below several addresses that were tried', () => {
    const all = new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })])
    expect(stageOf(Object.assign(new TypeError('fetch failed'), { cause: all })).stage).toBe('connection')
    expect(stageOf(new DOMException('late', 'TimeoutError')).stage).toBe('time')
  })
})

describe('checkGateway', () => {
  it('says how fast it answers, and that the clock is right', async () => {
    const sentences = await said(checkGateway, patient.facts())
    expect(sentences[0]).toMatch(/^ok: http:\/\/127\.0\.0\.1:\d+ answers in \d+ ms$/)
    expect(sentences[1]).toMatch(/^ok: the clock is right/)
  })

  it('tells of a gateway that is down', async () => {
    await gateway.close()
    const [sentence] = await said(checkGateway, patient.facts())
    expect(sentence).toMatch(/^wrong: no connection to 127\.0\.0\.1:\d+ comes about \(ECONNREFUSED\) -> .*wait$/)
  })

  it('tells of a server that never answers when its time is up', async () => {
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = typeof address === 'object' ? address?.port : 0
    const facts = (await aPatient(`http://127.0.0.1:${port}`)).facts()
    const [finding] = await checkGateway(facts, AbortSignal.timeout(100))
    expect(finding?.says).toContain('took too long to answer')
    silent.close()
  })

  it.each([
    [500, '', 'answers with status 500'],
    [404, '', 'is no Souk gateway (status 404)'],
    [301, '', 'redirects (status 301)'],
    [200, '<html>', 'is no Souk gateway (status 200, no keys)'],
    [200, '{"keys":[]}', 'is no Souk gateway (status 200, no keys)'],
    [200, `{"keys":["${'x'.repeat(70_000)}"]}`, 'is no Souk gateway (status 200, no keys)'],
  ])('of status %i and %.20s tells that it is not what was meant', async (status, body, words) => {
    const other = new Hono().get('/.well-known/jwks.json', () => new Response(body, { status }))
    const server = serve({ fetch: other.fetch, hostname: '127.0.0.1', port: 0 })
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const stranger = await aPatient(`http://127.0.0.1:${port}`)
    const [sentence] = await said(checkGateway, stranger.facts())
    expect([sentence?.startsWith('wrong:'), sentence?.includes(words)]).toEqual([true, true])
    await stranger.remove()
    server.close()
  })

  it('tells how far the clock is off, and by the same look that the gateway is there', async () => {
    const sentences = await said(checkGateway, patient.facts({ now: () => Date.now() - 94_000 }))
    expect(sentences[1]).toMatch(
      /^wrong: this machine's clock is 9[345] s behind the gateway's: .* -> sudo timedatectl set-ntp true$/,
    )
  })

  it('takes the time from what everybody who signs in is told, where there is no Date', async () => {
    const issuedAt = new Date(Date.now() + 600_000).toISOString()
    const nonce = {
      nonce: 'abcdefgh1234',
      domain: 'souk',
      uri: gateway.url,
      chainId: 1,
      statement: 'x',
      issuedAt,
      expirationTime: issuedAt,
    }
    const withoutDate: typeof fetch = async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input)
      if (pathname === '/auth/nonce') return Response.json(nonce)
      const { status, body } = await fetch(input, init)
      return new Response(body, { status })
    }
    const sentences = await said(checkGateway, patient.facts({ fetch: withoutDate }))
    expect(sentences[1]).toMatch(/^wrong: this machine's clock is 10 min behind the gateway's/)
  })

  it('says that it needs the configuration', async () => {
    expect(await said(checkGateway, patient.facts({ config: null }))).toEqual([
      'skipped: the gateway: config.json says which one it is',
    ])
  })
})

describe('clockFinding', () => {
  const there = Date.parse('2026-11-21T12:00:00.000Z')
  it.each([
    [0, 'ok'],
    [30_000, 'ok'],
    [-30_000, 'ok'],
    [30_001, 'wrong'],
    [-30_001, 'wrong'],
  ])('with a clock that is off by %i ms', (offMs, verdict) => {
    expect(clockFinding(there, there + offMs, 'linux')[0]?.verdict).toBe(verdict)
  })

  it.each([
    ['linux', 'sudo timedatectl set-ntp true'],
    ['darwin', 'sudo sntp -sS time.apple.com'],
    ['win32', 'w32tm /resync (as administrator)'],
    ['aix', 'set the clock by the network (NTP)'],
  ] as const)('says how to set it on %s', (platform, mend) => {
    expect(clockFinding(there, there + 3_600_000, platform)[0]).toEqual({
      verdict: 'wrong',
      says: "this machine's clock is 60 min ahead of the gateway's: what the node signs is refused",
      mend,
    })
  })

  it('says that nothing could be compared when the gateway tells no time', () => {
    expect(clockFinding(Number.NaN, there, 'linux')[0]?.verdict).toBe('note')
  })
})

describe('linkFinding', () => {
  it.each([
    [{ kind: 'open' }, 'ok', 'the link can be opened'],
    [{ kind: 'refused', status: 409, code: 'conflict' }, 'ok', 'a process with these keys holds it'],
    [
      { kind: 'refused', status: 422, code: 'authorization_refused' },
      'wrong',
      'the keys, the clock or the authorisation',
    ],
    [{ kind: 'refused', status: 426, code: 'wire_version_unsupported' }, 'wrong', 'does not speak version'],
    [{ kind: 'refused', status: 503, code: 'unavailable' }, 'note', 'no new link just now'],
    [{ kind: 'refused', status: 200, code: 'unknown' }, 'wrong', 'no WebSocket comes about (status 200)'],
    [{ kind: 'failed', cause: failed('ECONNREFUSED') }, 'wrong', 'no connection to gateway.example'],
  ] as const)('of %j', (came, verdict, words) => {
    const finding = linkFinding(came, 'https://gateway.example', false)
    expect([finding.verdict, finding.says.includes(words)]).toEqual([verdict, true])
  })

  it('notes that a node runs here and does not hold the link', () => {
    expect(linkFinding({ kind: 'open' }, 'https://gateway.example', true)).toMatchObject({
      verdict: 'note',
      says: 'the link can be opened, but the node that runs here does not hold it',
    })
  })
})
