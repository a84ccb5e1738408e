// What may be asked of an account, as fast-check draws it: few names, so that ids repeat, collide and contradict all the time.
import fc from 'fast-check'
import type { NaiveKey } from './naive-account.ts'

export type Step =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'tick' }
  | {
      readonly do: 'hold'
      readonly call: number
      readonly key: number
      readonly secret: number
      readonly amount: bigint
      readonly idem: number | null
      readonly body: number
      /** ms until its deadline */
      readonly life: number
    }
  | {
      readonly do: 'progress'
      readonly call: number
      readonly attempt: number
      readonly input: bigint
      readonly output: bigint
      /** nanos per output token */
      readonly price: bigint
    }
  | {
      readonly do: 'capture'
      readonly call: number
      readonly outcome: 'complete' | 'cancelled' | 'failed'
      readonly charge: bigint
    }
  | { readonly do: 'grant'; readonly id: number; readonly kind: 'grant' | 'topup' | 'code'; readonly amount: bigint }
  | {
      readonly do: 'credit'
      readonly payer: number
      /** 1: what comes next; less: a repeat or an overlap; more: a gap, which other payees' lines make */
      readonly skip: number
      readonly lines: number
      readonly operator: bigint
      readonly author: bigint
      /** ms until half of the operator's share can be spent; null: at once */
      readonly vests: number | null
      readonly fees: bigint
    }
  | { readonly do: 'refund'; readonly id: number; readonly call: number; readonly amount: bigint | null }
  | { readonly do: 'takeBack'; readonly id: number; readonly amount: bigint }
  | { readonly do: 'withdraw'; readonly id: number; readonly amount: bigint }
  | { readonly do: 'return'; readonly id: number; readonly withdrawal: number }
  | { readonly do: 'audit'; readonly id: number; readonly amount: bigint }
  /** a POST that is no call begins under an Idempotency-Key, and is answered; null: it was refused and changed nothing */
  | { readonly do: 'begin'; readonly post: number; readonly body: number }
  | { readonly do: 'answered'; readonly post: number; readonly status: number | null }
  | { readonly do: 'freeze'; readonly on: boolean }
  | { readonly do: 'limits'; readonly budget: bigint | null; readonly concurrency: number | null }
  | { readonly do: 'revoke'; readonly key: number }
  | { readonly do: 'reroll'; readonly key: number; readonly secret: number; readonly grace: number }

export const CALLS = 10
export const KEYS = 3

const one = (below: number) => fc.integer({ min: 0, max: below - 1 })
const amount = fc.oneof(fc.bigInt(1n, 60n), fc.bigInt(1n, 60_000n))
/** Some more often, so that much happens to them. */
const call = fc.oneof({ weight: 1, arbitrary: one(3) }, { weight: 2, arbitrary: one(CALLS) })
const some = (most: bigint) => fc.bigInt(0n, most)

const hold = fc.record({
  do: fc.constant('hold' as const),
  call,
  key: one(KEYS),
  secret: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: one(3) }),
  amount,
  idem: fc.option(one(3), { nil: null, freq: 1 }),
  body: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
  life: fc.integer({ min: 1, max: 60_000 }),
})
const progress = fc.record({
  do: fc.constant('progress' as const),
  call,
  attempt: one(2),
  input: some(3n),
  output: fc.oneof(some(60n), some(30_000n)),
  price: fc.bigInt(1n, 2n),
})
const capture = fc.record({
  do: fc.constant('capture' as const),
  call,
  outcome: fc.constantFrom('complete', 'complete', 'cancelled', 'failed'),
  charge: fc.oneof(fc.constantFrom(0n, 1n, 40n), some(60n), some(60_000n)),
})
const credit = fc.record({
  do: fc.constant('credit' as const),
  payer: one(2),
  skip: fc.constantFrom(1, 1, 1, 0, -1, 2),
  lines: fc.integer({ min: 1, max: 3 }),
  operator: some(30_000n),
  author: some(3_000n),
  vests: fc.option(fc.integer({ min: 1, max: 120_000 }), { nil: null }),
  fees: some(900n),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 42, arbitrary: hold },
  { weight: 42, arbitrary: progress },
  { weight: 21, arbitrary: capture },
  {
    weight: 15,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(some(3_000n), some(60_000n), fc.constantFrom(60_000n, 3_600_000n, 86_400_000n)).map(Number),
    }),
  },
  { weight: 15, arbitrary: fc.constant({ do: 'tick' as const }) },
  {
    weight: 18,
    arbitrary: fc.record({
      do: fc.constant('grant' as const),
      id: one(6),
      kind: fc.constantFrom('grant', 'topup', 'code'),
      amount,
    }),
  },
  { weight: 15, arbitrary: credit },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('refund' as const),
      id: one(5),
      call,
      amount: fc.option(amount, { nil: null }),
    }),
  },
  { weight: 9, arbitrary: fc.record({ do: fc.constant('takeBack' as const), id: one(5), amount }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('withdraw' as const),
      id: one(2),
      amount: fc.bigInt(1n, 15n).map((n) => n * 1_000n),
    }),
  },
  { weight: 15, arbitrary: fc.record({ do: fc.constant('return' as const), id: one(4), withdrawal: one(2) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('audit' as const), id: one(4), amount }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('begin' as const), post: one(2), body: one(2) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('answered' as const),
      post: one(2),
      status: fc.option(fc.constantFrom(200, 201), { nil: null }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('freeze' as const), on: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('limits' as const),
      budget: fc.option(amount, { nil: null }),
      concurrency: fc.option(one(4), { nil: null }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), key: one(KEYS) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('reroll' as const),
      key: one(KEYS),
      secret: one(3),
      grace: fc.integer({ min: 0, max: 60_000 }),
    }),
  },
)

const key: fc.Arbitrary<NaiveKey> = fc.record({
  budget: fc.option(
    fc.record({ nanos: fc.oneof(some(150n), some(90_000n)), period: fc.constantFrom('day', 'total') }),
    { nil: null },
  ),
  concurrency: fc.option(fc.integer({ min: 1, max: 3 }), { nil: null, freq: 2 }),
  rpm: fc.option(fc.integer({ min: 1, max: 5 }), { nil: null }),
  isShadow: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
})

export interface Story {
  readonly keys: readonly NaiveKey[]
  readonly steps: readonly Step[]
}

/** An account begins with some money, or nothing much would happen. */
export const story: fc.Arbitrary<Story> = fc.record({
  keys: fc.tuple(fc.constant({ budget: null, concurrency: null, rpm: null, isShadow: false }), key, key),
  steps: fc
    .array(step, { minLength: 1, maxLength: 60, size: 'max' })
    .map((steps): Step[] => [{ do: 'grant', id: 0, kind: 'grant', amount: 90_000n }, ...steps]),
})
