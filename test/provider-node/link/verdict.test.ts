import { describe, expect, it } from 'vitest'
import { LINK_CLOSE, reconnectPauseMs } from '../../../protocol/link.ts'
import type { DialFailure } from '../../../provider-node/link/dial.ts'
import { judgeEnd, judgeFailure, spanOf } from '../../../provider-node/link/verdict.ts'

const NOW = 1_800_000_000_000
const at = { gateway: 'https://g.example', now: NOW, attempt: 2, draw: 0.5 }
const refused = (fields: Partial<Extract<DialFailure, { kind: 'refused' }>>): DialFailure => ({
  ...{ kind: 'refused', status: 503, code: null, message: null, retryAfterMs: null, gatewayAt: NOW },
  ...fields,
})

describe('a link that could not be had', () => {
  const soon = reconnectPauseMs(2, 0.5)
  const CASES: [string, DialFailure, string, RegExp, number][] = [
    [
      'nobody answers',
      { kind: 'unreachable', cause: 'ECONNREFUSED' },
      'unreachable',
      /^the gateway https:\/\/g\.example does not answer \(ECONNREFUSED\)$/,
      soon,
    ],
    [
      'a version nobody here speaks',
      { kind: 'wire', theirs: '9' },
      'wire',
      /this one: 2; .*9\): install the newest souk-node$/,
      315_000,
    ],
    [
      '426',
      refused({ status: 426, message: 'A link speaks version 2.' }),
      'wire',
      /A link speaks version 2\.\): install/,
      315_000,
    ],
    ['409', refused({ status: 409 }), 'conflict', /^another process with this node's key is linked: stop it/, 63_000],
    ['409 with a time', refused({ status: 409, retryAfterMs: 20_000 }), 'conflict', /another process/, 21_000],
    ['409 with hardly any time', refused({ status: 409, retryAfterMs: 1_000 }), 'conflict', /another process/, 10_500],
    [
      '422',
      refused({ status: 422, code: 'authorization_refused', message: 'Revoked.' }),
      'authorization_refused',
      /does not accept this node's key: Revoked\. Run souk-node register/,
      63_000,
    ],
    [
      '422, our clock 46 s ahead',
      refused({ status: 422, gatewayAt: NOW - 46_000 }),
      'clock',
      /clock is 46 s ahead of the gateway's/,
      63_000,
    ],
    [
      '422, our clock an hour behind',
      refused({ status: 422, gatewayAt: NOW + 3_600_000 }),
      'clock',
      /clock is 60 min 0 s behind the gateway's/,
      63_000,
    ],
    [
      '422, clocks nearly together',
      refused({ status: 422, gatewayAt: NOW - 45_000 }),
      'authorization_refused',
      /status 422/,
      63_000,
    ],
    ['422, the clock unsaid', refused({ status: 422, gatewayAt: null }), 'authorization_refused', /status 422/, 63_000],
    [
      '429 with Retry-After',
      refused({ status: 429, retryAfterMs: 30_000 }),
      'overloaded',
      /takes no links now/,
      30_000 + soon,
    ],
    ['503', refused({ status: 503 }), 'overloaded', /takes no links now: status 503/, soon],
    ['404', refused({ status: 404 }), 'status_404', /Look at "gateway" in config\.json$/, 63_000],
    ['a redirect', refused({ status: 301 }), 'status_301', /does not answer like a Souk gateway/, 63_000],
  ]
  it.each(CASES)('%s', (_, failure, why, message, pauseMs) => {
    const verdict = judgeFailure(failure, at)
    expect([verdict.why, verdict.pauseMs]).toEqual([why, pauseMs])
    expect(verdict.message).toMatch(message)
  })

  it('for a key that is refused again and again is asked for every five minutes', () => {
    const pauses = [0, 4, 5, 9].map(
      (attempt) => judgeFailure(refused({ status: 422 }), { ...at, attempt, draw: 0 }).pauseMs,
    )
    expect(pauses).toEqual([60_000, 60_000, 300_000, 300_000])
  })
})

describe('a link that ended', () => {
  it.each([
    [
      { by: 'gateway', code: LINK_CLOSE.revoked, reason: 'taken back' },
      'revoked',
      /closed this node's link for good: taken back; .*souk-node register/,
      315_000,
    ],
    [
      { by: 'gateway', code: LINK_CLOSE.going, reason: '' },
      'going',
      /^the link ended \(4000\)$/,
      reconnectPauseMs(2, 0.5),
    ],
    [
      { by: 'gateway', code: LINK_CLOSE.replaced, reason: 'newer' },
      'replaced',
      /\(4001\): newer$/,
      reconnectPauseMs(2, 0.5),
    ],
    [
      { by: 'gateway', code: LINK_CLOSE.protocol, reason: 'x' },
      'protocol',
      /^this node broke a rule of the link: x$/,
      reconnectPauseMs(2, 0.5),
    ],
    [
      { by: 'node', code: LINK_CLOSE.protocol, reason: 'a text' },
      'protocol',
      /^the gateway broke a rule of the link: a text$/,
      reconnectPauseMs(2, 0.5),
    ],
    [
      { by: 'node', code: LINK_CLOSE.silent, reason: 'the gateway fell silent' },
      'silent',
      /fell silent/,
      reconnectPauseMs(2, 0.5),
    ],
    [{ by: 'gateway', code: 1006, reason: '' }, 'lost', /\(1006\)$/, reconnectPauseMs(2, 0.5)],
  ] as const)('%j', (end, why, message, pauseMs) => {
    const verdict = judgeEnd(end, at)
    expect([verdict.why, verdict.pauseMs]).toEqual([why, pauseMs])
    expect(verdict.message).toMatch(message)
  })
})

it.each([
  [45_400, '45 s'],
  [59_600, '1 min 0 s'],
  [125_000, '2 min 5 s'],
  [7_199_000, '119 min 59 s'],
  [7_200_000, '2 hours'],
  [200_000_000, '2 days'],
])('%i ms are %s', (ms, text) => expect(spanOf(ms)).toBe(text))
