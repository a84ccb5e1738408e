import { describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { ModelManifest } from '../../protocol/model.ts'
import {
  challengeClaims,
  Ed25519Key,
  helloClaims,
  NodeChatEvent,
  NodeErrorBody,
  NodeUsageClaim,
  OfferPrices,
  RegisterNodeRequest,
  registrationClaims,
} from '../../protocol/node.ts'

const accepts = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success
const DIGEST = 'a'.repeat(64)
const aManifest = (over: object = {}) => ({
  id: 'souk/tiny-chat',
  task: 'chat',
  description: '',
  licence: 'Apache-2.0',
  files: { 'model.onnx': DIGEST },
  contextTokens: 512,
  outputTokensMax: 256,
  bytesPerTokenMin: 1,
  templateTokens: { fixed: 3, perMessage: 4 },
  probes: [{ input: 'What is the capital of France?', contains: 'Paris' }],
  royaltyBps: 0,
  ...over,
})
const anOffer = (over: object = {}) => ({
  model: 'souk/tiny-chat',
  digest: DIGEST,
  prices: { inputPerMillion: '0.1', outputPerMillion: '0.2' },
  contextTokens: 512,
  outputTokensMax: 256,
  concurrencyMax: 4,
  ...over,
})
const aRegistration = (over: object = {}) => ({
  name: 'shed',
  endpoint: 'https://node.example',
  nodeKey: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  settlementKey: `0x${'1'.repeat(40)}`,
  operator: `0x${'2'.repeat(40)}`,
  deadline: 1_800_000_000,
  signature: '0xabcd',
  nodeProof: 'a.b.c',
  offers: [anOffer()],
  ...over,
})

describe('a model manifest', () => {
  it('is accepted', () => {
    expect(ModelManifest.parse(aManifest())).toEqual(aManifest())
  })
  it.each([
    ['an upper-case name', { id: 'Souk/Tiny' }],
    ['a path for a name', { id: '../etc/passwd' }],
    ['no files, which every empty model would share', { files: {} }],
    ['a path for a file', { files: { '../model.onnx': DIGEST } }],
    ['a hidden file', { files: { '.ssh': DIGEST } }],
    ['a digest in upper case', { files: { 'model.onnx': DIGEST.toUpperCase() } }],
    ['no probe', { probes: [] }],
    ['a royalty above half', { royaltyBps: 5_001 }],
    ['tokens of less than a byte', { bytesPerTokenMin: 0.5 }],
    ['an unknown field', { price: '1' }],
  ])('is refused with %s', (_, over) => {
    expect(accepts(ModelManifest, aManifest(over))).toBe(false)
  })
  it('takes 64 files and not 65', () => {
    const files = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, DIGEST]))
    expect(accepts(ModelManifest, aManifest({ files: files(64) }))).toBe(true)
    expect(accepts(ModelManifest, aManifest({ files: files(65) }))).toBe(false)
  })
})

describe('a registration', () => {
  it('is accepted, with a call free of a fixed price unless one is named', () => {
    expect(RegisterNodeRequest.parse(aRegistration()).offers[0]?.prices.perCall).toBe('0')
  })
  it.each([
    ['no offers', { offers: [] }],
    ['101 offers', { offers: Array(101).fill(anOffer()) }],
    ['an endpoint over 2048 characters', { endpoint: `https://${'a'.repeat(2041)}` }],
    ['a key that is too short', { nodeKey: '11qYAYKxCrfVS' }],
    ['a deadline in half seconds', { deadline: 1.5 }],
    ['a blank name', { name: ' ' }],
    ['a negative price', { offers: [anOffer({ prices: { inputPerMillion: '-1', outputPerMillion: '0' } })] }],
    ['no concurrency', { offers: [anOffer({ concurrencyMax: 0 })] }],
    ['a state of its own choosing', { state: 'active' }],
  ])('is refused with %s', (_, over) => {
    expect(accepts(RegisterNodeRequest, aRegistration(over))).toBe(false)
  })
  it('knows one spelling of a key only', () => {
    // The last character of 43 has two spare bits: these four decode to the same 32 bytes.
    const stem = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR'
    expect(['o', 'p', 'q', 'r'].map((last) => accepts(Ed25519Key, stem + last))).toEqual([true, false, false, false])
  })
  it('refuses prices from a hundred thousand dollars on', () => {
    const prices = (inputPerMillion: string) => ({ inputPerMillion, outputPerMillion: '0' })
    expect(accepts(OfferPrices, prices('99999.999999999'))).toBe(true)
    expect(accepts(OfferPrices, prices('100000'))).toBe(false)
  })
  it('signs addresses in lower case, so that a checksum changes nothing', () => {
    const claims = registrationClaims({ ...aRegistration(), operator: '0xABCDEF' })
    expect(claims).toMatchObject({ use: 'souk-node-registration', operator: '0xabcdef' })
  })
})

it('says in every signed statement what it is for', () => {
  const uses = [
    registrationClaims(aRegistration()).use,
    challengeClaims({ challenge: 'c', endpoint: 'e' }).use,
    helloClaims('node_x', 1).use,
  ]
  expect(new Set(uses).size).toBe(3)
})

describe('what a node streams', () => {
  const event = (over: object) => accepts(NodeChatEvent, { choices: [{ index: 0, delta: { content: 'a' }, ...over }] })
  it('is accepted as OpenAI-compatible servers write it', () => {
    expect(event({ finish_reason: null, logprobs: null })).toBe(true)
    expect(event({ delta: { role: 'assistant', content: '', refusal: null } })).toBe(true)
    expect(event({ delta: {}, finish_reason: 'length' })).toBe(true)
    expect(accepts(NodeChatEvent, { choices: [], usage: { prompt_tokens: 1 } })).toBe(true)
  })
  it.each([
    ['content that is no text', { delta: { content: 5 } }],
    ['a choice beyond the highest that can be asked for', { index: 128 }],
    ['an end that callers do not know', { finish_reason: 'tool_calls' }],
  ])('is refused with %s', (_, over) => {
    expect(event(over)).toBe(false)
  })
  it.each([
    [{ prompt_tokens: 1, completion_tokens: 2, extra: true }, true],
    [{ prompt_tokens: 1, completion_tokens: -1 }, false],
    [{ prompt_tokens: 1, completion_tokens: 1e300 }, false],
    [{ prompt_tokens: '1', completion_tokens: 2 }, false],
    [{ prompt_tokens: null, completion_tokens: 2 }, false],
  ])('claims %j: counted is %s', (claim, ok) => {
    expect(accepts(NodeUsageClaim, claim)).toBe(ok)
  })
  it('refuses with a known code only', () => {
    expect(accepts(NodeErrorBody, { error: { code: 'busy' } })).toBe(true)
    expect(accepts(NodeErrorBody, { error: { code: 'whatever' } })).toBe(false)
  })
})
