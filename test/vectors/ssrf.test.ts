// The address guard against published attack strings, IANA's special-purpose blocks and the URL parser's own conformance cases.
// The guard must refuse by what the parser of fetch sees, whatever the notation.
import { expect, it } from 'vitest'
import { z } from 'zod'
import { checkEndpoint, checkResolved } from '../../gateway/link/endpoint-guard.ts'
import { isSpecialAddress, parseAddress } from '../../gateway/link/special-addresses.ts'
import { describeVectors } from '../support/vectors.ts'

const PUBLIC = { allowLocal: false }

/** What a resolver says of the names among the payloads: the only four that their text alone does not give away. */
const ANSWERS: Record<string, string[]> = {
  'spoofed.burpcollaborator.net': ['127.0.0.1'],
  'localtest.me': ['127.0.0.1'],
  'customer1.app.localhost.my.company.127.0.0.1.nip.io': ['127.0.0.1'],
  'make-1.2.3.4-rebind-169.254-169.254-rr.1u.ms': ['1.2.3.4', '169.254.169.254'],
}
const resolve = (name: string) => Promise.resolve(ANSWERS[name] ?? [])

describeVectors('ssrf-urls', (vectors) => {
  const payloads = vectors.text('payloadsallthethings_ssrf.txt').split('\n').filter(Boolean)
  const blocks = z.array(z.string()).parse(vectors.json('iana_special_purpose_cidrs.json'))

  it('refuses every published attack string as it stands', () => {
    expect(payloads).toHaveLength(53)
    for (const url of payloads) expect(checkEndpoint(url, PUBLIC).ok, url).toBe(false)
  })

  it('refuses them for webhooks too, which may carry a query: as they stand, with https, and with a query', async () => {
    const policy = { ...PUBLIC, allowQuery: true }
    for (const payload of payloads) {
      expect(checkEndpoint(payload, policy).ok, payload).toBe(false)
      const url = payload.replace(/^http:/, 'https:').replace(/^(https:\/\/[^/:]+):\d+/, '$1')
      for (const variant of [url, `${url}?a=1`]) {
        const checked = checkEndpoint(variant, policy)
        expect(checked.ok && (await checkResolved(checked.value, policy, resolve)).ok, variant).toBe(false)
      }
    }
  })

  it('refuses them with https as well: four names only after they were looked up, the others by their text', async () => {
    const lookedUp: string[] = []
    for (const payload of payloads) {
      const url = payload.replace(/^http:/, 'https:').replace(/^(https:\/\/[^/:]+):\d+/, '$1')
      const checked = checkEndpoint(url, PUBLIC)
      if (!checked.ok) continue
      lookedUp.push(checked.value.hostname)
      expect((await checkResolved(checked.value, PUBLIC, resolve)).ok, url).toBe(false)
    }
    expect(lookedUp.sort()).toEqual(Object.keys(ANSWERS).sort())
  })

  it('refuses the first and the last address of every special-purpose block, in URLs and in DNS answers', () => {
    expect(blocks).toHaveLength(37)
    for (const block of blocks) {
      for (const address of ends(block)) {
        expect(isSpecialAddress(address), `${address} of ${block}`).toBe(true)
        const host = address.includes(':') ? `[${address}]` : address
        expect(checkEndpoint(`https://${host}`, PUBLIC).ok, `${host} of ${block}`).toBe(false)
      }
    }
  })

  it('refuses the same IPv4 addresses written as one number, in octal, in hex and inside IPv6', () => {
    for (const block of blocks.filter((cidr) => !cidr.includes(':'))) {
      for (const address of ends(block)) {
        const bits = parseAddress(address)?.bits ?? 0n
        const octets = address.split('.').map(Number)
        const [high, low] = [(bits >> 16n).toString(16), (bits & 0xffffn).toString(16)]
        const notations = [
          `${bits}`,
          `0x${bits.toString(16)}`,
          octets.map((octet) => `0${octet.toString(8)}`).join('.'),
          octets.map((octet) => `0x${octet.toString(16)}`).join('.'),
          `${address}.`,
          `[::ffff:${address}]`,
          `[::ffff:${high}:${low}]`,
          `[::${address}]`,
          `[64:ff9b::${high}:${low}]`,
          `[2002:${high}:${low}::1]`,
        ]
        for (const host of notations) expect(checkEndpoint(`https://${host}`, PUBLIC).ok, host).toBe(false)
      }
    }
  })
})

const UrlCase = z.object({
  input: z.string(),
  base: z.string().nullish(),
  href: z.string().optional(),
  protocol: z.string().optional(),
  failure: z.literal(true).optional(),
})

describeVectors('wpt-url', (vectors) => {
  const cases = z
    .array(z.union([z.string(), UrlCase]))
    .parse(vectors.json('urltestdata.json'))
    .filter((entry) => typeof entry !== 'string')

  it('refuses every input that the standard says is no URL', () => {
    const failures = cases.filter((entry) => entry.failure)
    expect(failures).toHaveLength(FAILURES)
    for (const { input } of failures) expect(checkEndpoint(input, PUBLIC).ok, input).toBe(false)
  })

  it('reads the host as the standard does, and lets no special address through', () => {
    const seen = { web: 0, unknownHere: 0, special: 0, accepted: 0 }
    for (const { input, href, base, protocol, failure } of cases) {
      if (failure || !href || !/^https?:$/.test(protocol ?? '')) continue
      seen.web += 1
      // The vectors are newer than this parser: what it cannot read, fetch cannot call.
      if (!URL.canParse(href)) seen.unknownHere += 1
      for (const url of [base ? href : input, href.replace(/^http:/, 'https:')]) {
        const checked = checkEndpoint(url, PUBLIC)
        const hostname = URL.canParse(url) ? new URL(url).hostname : null
        const address = (hostname ?? '').replace(/^\[|\]$/g, '')
        if (parseAddress(address) && isSpecialAddress(address)) {
          seen.special += 1
          expect(checked.ok, url).toBe(false)
        }
        if (!checked.ok) continue
        seen.accepted += 1
        expect(checked.value.hostname, url).toBe(hostname)
      }
    }
    expect(seen.web).toBe(WEB)
    expect(seen.unknownHere).toBeLessThanOrEqual(7)
    expect(seen.special).toBeGreaterThanOrEqual(42)
    expect(seen.accepted).toBeGreaterThanOrEqual(60)
  })
})

/** Counts of this version of the vectors: a test that silently checks nothing is worse than none. */
const FAILURES = 267
const WEB = 247

/** First and last address of a block. */
function ends(cidr: string): [string, string] {
  const [text = '', length = ''] = cidr.split('/')
  const address = parseAddress(text)
  if (!address) throw new TypeError(cidr)
  const host = (1n << BigInt(address.width - Number(length))) - 1n
  const last = address.bits | host
  const groups = address.width === 32 ? 4 : 8
  const size = BigInt(address.width / groups)
  const parts = Array.from(
    { length: groups },
    (_, i) => (last >> (BigInt(groups - 1 - i) * size)) & ((1n << size) - 1n),
  )
  return [text, parts.map((part) => part.toString(groups === 4 ? 10 : 16)).join(groups === 4 ? '.' : ':')]
}
