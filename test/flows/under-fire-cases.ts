// The faults of a node, one model each, and what the callers of that model get: with a healthy node beside it that is asked second, and of the faulty
// one alone. Costs are nanos: a prompt of two tokens at 50, and each word at 200.
import type { ErrorCode } from '../../protocol/errors.ts'
import { GARBAGE, type Garbage } from '../support/fault-node-bytes.ts'
import type { Behaviour, Plan } from '../support/fault-node-faults.ts'
import type { Offered } from '../support/fault-node-join.ts'

export const WORDS = 8
/** calls that follow the first ones, and would ask the faulty node first */
export const FURTHER = 6
export const COST = 2n * 50n + BigInt(WORDS) * 200n

type By = 'faulty' | 'healthy' | 'both' | 'either'
export interface Served {
  readonly by: By
  /** default: stop */
  readonly finish?: string
  /** default: {@link WORDS} */
  readonly words?: number
  /** words that are not the counting ones are only counted */
  readonly isOther?: boolean
  /** the second node's part is as much of its claim as of its bytes, a word more or less, and the first one's what is left of the whole */
  readonly isRepeated?: boolean
  /** the highest that is right; default: exactly what its words cost */
  readonly costMax?: bigint
}
/** `orServed`: what it gets is the node's luck, and either is clean */
export type Expected = Served | { readonly refused: readonly ErrorCode[]; readonly orServed?: Served }

export interface FireCase {
  readonly name: string
  readonly plan: Plan
  readonly faulty?: Omit<Partial<Offered>, 'manifest'>
  readonly healthy?: Omit<Partial<Offered>, 'manifest'> & { readonly plan?: Plan }
  /** over the request */
  readonly asks?: Readonly<Record<string, unknown>>
  readonly streamed: Expected
  /** default: as streamed */
  readonly whole?: Expected
  /** of the faulty node alone, streamed and whole */
  readonly alone: Expected
  /** of the faulty node alone and whole, where that differs */
  readonly aloneWhole?: Expected
  /** calls it gets of six further ones that would ask it first; null: it is not at fault */
  readonly further: number | null
  /** it is waited for, most of the time */
  readonly isSlow?: boolean
  /** ms that a refusal may ask to wait */
  readonly retryAfterMax?: number
}

const by = (who: By): Served => ({ by: who })
const refused = (...codes: ErrorCode[]) => ({ refused: codes })
const FAILED = refused('provider_failed')
const LATE = refused('provider_timeout')
const BROKE_OFF = refused('provider_broke_off')

/** Fails before its first word: the other one answers. */
const before = (name: string, plan: Plan, alone: Expected, over: Partial<FireCase> = {}): FireCase => ({
  name,
  plan,
  streamed: by('healthy'),
  alone,
  further: 0,
  ...over,
})

/** Says five words and fails: the other one goes on, or repeats them; who does not stream gets all of it from the other one. */
const inTheMiddle = (name: string, plan: Plan, over: Partial<FireCase> = {}): FireCase => ({
  name,
  plan,
  streamed: by('both'),
  whole: by('healthy'),
  alone: BROKE_OFF,
  further: 0,
  ...over,
})

/** Odd, but an answer. */
const answered = (name: string, plan: Plan, expected: Served, over: Partial<FireCase> = {}): FireCase => ({
  name,
  plan,
  streamed: expected,
  alone: expected,
  further: null,
  ...over,
})

const busy = (retryAfter?: string): Behaviour => ({
  kind: 'refuse',
  status: 429,
  code: 'busy',
  ...(retryAfter === undefined ? {} : { retryAfter }),
})
const CONTINUES = { continues: true, words: 'own' } as const
const SEEDED = { parameters: ['seed'], words: 'seeded' } as const
const SLOW = { isSlow: true }
const AFTER = 5
const FLAPPING: Behaviour = { kind: 'flapping', downMs: 700, upMs: 700 }

/** @param trap an address on this machine that nobody may be sent to */
export function fireCases(trap: string): readonly FireCase[] {
  const redirects = [trap, 'http://169.254.169.254/latest/meta-data/', 'http://[fd00:ec2::254]/', 'http://10.0.0.1/']
  const lie = { prompt_tokens: 2, completion_tokens: 1 }
  return [
    before('429 with Retry-After', busy('2'), refused('provider_busy'), { retryAfterMax: 2, further: 3 }),
    before('429 without Retry-After', busy(), refused('provider_busy'), { retryAfterMax: 300, further: FURTHER }),
    before('429 with a Retry-After of 10^9 s', busy('1000000000'), refused('provider_busy'), { retryAfterMax: 300 }),
    before('500 once', [refuse(500), refuse(500), { kind: 'honest' }], by('faulty')),
    before('503 always', refuse(503), FAILED),
    before('a reset before the head', { kind: 'reset' }, FAILED),
    before('silence', { kind: 'silent' }, LATE, SLOW),
    before('a head of one byte a second', { kind: 'slow-head', byteMs: 1_000 }, LATE, SLOW),
    // Alone it has as long, and a little: whichever is first.
    before('its first word after 20 s', { kind: 'slow-first', ms: 20_000 }, { ...LATE, orServed: by('faulty') }, SLOW),
    before(
      'a node that is down and up by turns',
      FLAPPING,
      { ...FAILED, orServed: by('faulty') },
      {
        streamed: by('either'),
        further: FURTHER,
      },
    ),
    ...redirects.map((location) => before(`a redirect to ${location}`, { kind: 'redirect', location }, FAILED)),
    before('a page of HTML', { kind: 'page', of: 'html' }, refused('provider_failed', 'provider_broke_off')),
    before('a line of a gigabyte', { kind: 'flood', of: 'one line' }, FAILED),
    before('a gzip bomb', { kind: 'flood', of: 'gzip' }, refused('provider_failed', 'provider_broke_off')),
    before('heads of four megabytes', { kind: 'flood', of: 'headers' }, FAILED),
    before('an answer without a word', { kind: 'empty' }, FAILED),
    before('events without a word, for ever', { kind: 'endless', of: 'nothing' }, LATE, SLOW),
    before('comments for ever', { kind: 'endless', of: 'comments' }, LATE, SLOW),
    before('blank lines for ever', { kind: 'endless', of: 'blanks' }, LATE, SLOW),
    ...garbage(),
    before('too long, of what is not', refuse(400, 'context_length_exceeded'), FAILED),
    {
      name: 'a content filter that refuses',
      plan: refuse(400, 'content_filter'),
      streamed: refused('content_filter'),
      alone: refused('content_filter'),
      further: null,
    },
    inTheMiddle('the connection closed in the middle', { kind: 'cut', afterTokens: AFTER }, { healthy: CONTINUES }),
    inTheMiddle('the connection reset in the middle', cut('rst'), { healthy: CONTINUES }),
    inTheMiddle('an end in the middle', { kind: 'ends', afterTokens: AFTER }, { healthy: CONTINUES }),
    inTheMiddle(
      'a stall in the middle',
      { kind: 'stall', afterTokens: AFTER },
      { ...SLOW, healthy: CONTINUES, alone: LATE },
    ),
    inTheMiddle(
      'a malformed event in the middle',
      { kind: 'garbage', afterTokens: AFTER },
      {
        healthy: CONTINUES,
        streamed: by('either'),
        whole: by('either'),
        alone: refused('provider_failed', 'provider_broke_off'),
      },
    ),
    inTheMiddle('a cut, and a second node that honours the seed', cut('fin'), {
      faulty: SEEDED,
      healthy: SEEDED,
      streamed: { by: 'both', isRepeated: true },
    }),
    inTheMiddle('a cut, and a second node that says the same', cut('fin')),
    inTheMiddle('a cut, and a second node that says something else', cut('fin'), {
      faulty: { words: 'own' },
      healthy: { words: 'own' },
      streamed: BROKE_OFF,
    }),
    inTheMiddle('a cut, and a second node that refuses to go on', cut('fin'), {
      faulty: { words: 'own' },
      healthy: { ...CONTINUES, plan: { kind: 'refuse-continuation' } },
      streamed: BROKE_OFF,
    }),
    answered('no [DONE]', { kind: 'no-done' }, by('faulty')),
    answered('no [DONE], and an open connection', { kind: 'no-done', stays: true }, by('faulty')),
    answered('words that look like events', { kind: 'inject' }, { by: 'faulty', isOther: true }),
    answered('characters cut into halves', { kind: 'split' }, { by: 'faulty', isOther: true }),
    answered(
      'a content filter in the middle',
      { kind: 'filtered', afterTokens: 3 },
      {
        by: 'faulty',
        finish: 'content_filter',
        words: 3,
      },
    ),
    answered(
      'words for ever',
      { kind: 'endless', of: 'words' },
      {
        by: 'faulty',
        finish: 'length',
        // The last one came together with the claim that there is one too many.
        words: 65,
        costMax: 2n * 50n + 64n * 200n,
      },
    ),
    answered('usage × 1,000', { kind: 'inflate', factor: 1_000 }, { by: 'faulty', costMax: 64n * 200n + 60n * 50n }),
    answered('usage below zero', claim({ prompt_tokens: -5, completion_tokens: -5 }), proved()),
    answered('usage that is no number', claim({ prompt_tokens: 'NaN', completion_tokens: null }), proved()),
    answered('usage in words', claim('a lot'), proved()),
    answered('no usage', claim(undefined), proved()),
    answered('usage said twice', { kind: 'claim-twice' }, { by: 'faulty', costMax: COST }),
    answered('usage of one word', claim(lie), { by: 'faulty', costMax: COST }),
  ]
}

const refuse = (status: number, code = 'internal'): Behaviour => ({ kind: 'refuse', status, code })
const cut = (how: 'fin' | 'rst'): Behaviour => ({ kind: 'cut', afterTokens: AFTER, how })
const claim = (usage: unknown): Behaviour => ({ kind: 'claim', usage })
/** Without a claim a word counts as much as its bytes prove. */
const proved = (): Served => ({ by: 'faulty', costMax: COST })

/** Instead of its first event: skipped, or failed cleanly. */
const garbage = (): FireCase[] =>
  Object.keys(GARBAGE).map((of) =>
    before(
      `${of} for an event`,
      { kind: 'garbage', afterTokens: 0, of: of as Garbage }, // keys of that very table
      refused('provider_failed', 'provider_broke_off'),
      // What stands on no line of an event is none.
      of === 'html' ? { streamed: by('faulty'), alone: by('faulty'), further: null } : { streamed: by('either') },
    ),
  )
