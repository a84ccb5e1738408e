import { describe, expect, it } from 'vitest'
import { AttemptFailure } from '../../../../gateway/inference/attempts/failure.ts'
import { Jury } from '../../../../gateway/inference/quorum/jury.ts'

const REST = { spare: 0, named: null }

/** What each of these answers, by the order they came, is told; `-` is a place that stays empty. */
async function told(n: number, agree: number, ...answers: string[]) {
  let ended = 0
  const jury = new Jury<string>(
    { n, agree, ...REST },
    (a, b) => a === b,
    () => (ended += 1),
  )
  const said: (string | null)[] = answers.filter((answer) => answer !== '-').map(() => null)
  let attempt = 0
  for (const answer of answers) {
    const own = attempt
    if (answer === '-') {
      jury.leaveEmpty()
      continue
    }
    attempt += 1
    const wrong = (error: unknown) => void (said[own] = error instanceof AttemptFailure ? error.code : 'thrown')
    jury.vote(own, answer).then(() => void (said[own] = 'stands'), wrong)
  }
  await Promise.resolve().then(() => undefined)
  return { said, verdict: jury.verdict, ended }
}

describe('a jury', () => {
  it.each<[string, number, number, string[], (string | null)[], unknown]>([
    ['waits while too few have answered', 3, 2, ['x'], [null], null],
    ['waits while others may still agree', 3, 2, ['x', 'y'], [null, null], null],
    ['is over when enough agree', 3, 2, ['x', 'x'], ['stands', 'stands'], { attempts: [0, 1] }],
    ['outvotes who differs', 3, 2, ['x', 'y', 'x'], ['stands', 'outvoted', 'stands'], { attempts: [0, 2] }],
    ['outvotes the first as well', 3, 2, ['y', 'x', 'x'], ['outvoted', 'stands', 'stands'], { attempts: [1, 2] }],
    ['is over when all differ', 2, 2, ['x', 'y'], ['quorum_not_reached', 'quorum_not_reached'], 'none'],
    ['is over when too few are left', 3, 3, ['x', 'y'], ['quorum_not_reached', 'quorum_not_reached'], 'none'],
    ['is over when places stay empty', 3, 2, ['x', '-', '-'], ['quorum_not_reached'], 'none'],
    ['still agrees when one place stays empty', 3, 2, ['x', '-', 'x'], ['stands', 'stands'], { attempts: [0, 1] }],
  ])('%s', async (_, n, agree, answers, said, verdict) => {
    const outcome = await told(n, agree, ...answers)
    expect(outcome).toEqual({ said, verdict, ended: verdict === null ? 0 : 1 })
  })

  it('marks who was outvoted, and nobody where nobody knows who is wrong', async () => {
    const faults: string[] = []
    const jury = new Jury<string>(
      { n: 3, agree: 2, ...REST },
      (a, b) => a === b,
      () => undefined,
    )
    const note = (error: unknown) => void (error instanceof AttemptFailure && faults.push(error.fault))
    const votes = ['x', 'y', 'x'].map((answer, attempt) => jury.vote(attempt, answer).catch(note))
    await Promise.all(votes)
    const hung = new Jury<string>(
      { n: 2, agree: 2, ...REST },
      (a, b) => a === b,
      () => undefined,
    )
    await Promise.all(['x', 'y'].map((answer, attempt) => hung.vote(attempt, answer).catch(note)))
    expect(faults).toEqual(['node', 'none', 'none'])
  })
})
