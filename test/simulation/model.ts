// Holds the real ledger of one account against the naive one: after every step the same answer, the same balance, holds, vesting and lines.
import fc from 'fast-check'
import { NaiveAccount } from './naive-account.ts'
import { RealAccount } from './real-account.ts'
import { story, type Step, type Story } from './steps.ts'
import { START } from './world.ts'

/** In the end every hold runs out, and what is owed is sent. */
const CALM: readonly Step[] = [{ do: 'wait', ms: 60_000 }, { do: 'tick' }, { do: 'wait', ms: 1_000 }, { do: 'tick' }]

/** The first step after which they differ, as a sentence; null when they never do. */
export async function firstDifference({ keys, steps }: Story): Promise<string | null> {
  const naive = new NaiveAccount(keys, START)
  const real = new RealAccount(START)
  const complain = console.error
  console.error = () => undefined
  try {
    await real.open(keys)
    for (const [n, step] of [...steps, ...CALM].entries()) {
      const seen = naive.lines.length
      const [expected, actual] = [naive.take(step), await real.take(step)]
      const { availableNanos, heldNanos, vestingNanos } = await real.account.balance()
      const differences = [
        ['answer', expected, actual],
        ['available', naive.available(), availableNanos],
        ['held', naive.held(), heldNanos],
        ['vesting', naive.vesting(), vestingNanos],
        ['lines', tell(naive.lines.slice(seen)), tell(real.lines(seen))],
      ].filter(([, should, is]) => should !== is)
      const [first] = differences
      if (first) return `step ${n} ${tell(step)}: ${first[0]} is ${first[2]} instead of ${first[1]}`
    }
    for (const [payee, owed] of naive.owed)
      if ((real.credited.get(payee) ?? 0n) !== owed) return `the ${payee} got ${real.credited.get(payee)} of ${owed}`
    const { breaches } = await real.account.selfCheck('first')
    return breaches.length === 0 ? null : `the account finds at itself: ${breaches.join('; ')}`
  } catch (error) {
    return `the account threw: ${String(error)}`
  } finally {
    console.error = complain
    real.close()
  }
}

/** @returns the smallest story that differs (with a seed: the first), told; null when none of `runs` does */
export async function findDifference(runs: number, seed?: number): Promise<string | null> {
  const property = fc.asyncProperty(story, async (one) => {
    const difference = await firstDifference(one)
    if (difference !== null) throw new Error(difference)
  })
  const details = await fc.check(property, {
    numRuns: runs,
    ...(seed === undefined ? {} : { seed, endOnFailure: true }),
  })
  if (!details.failed) return null
  return `seed ${details.seed}, after ${details.numRuns} runs: ${String(details.errorInstance)}\n${tell(details.counterexample?.[0].steps)}`
}

const tell = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? 'nothing'
