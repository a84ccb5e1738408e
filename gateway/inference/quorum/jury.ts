// The votes of one call that several nodes answer. It is over when enough answers are alike, or when they cannot be any more; then every node that
// answered learns at once whether its answer stands. Who has not answered by then counts for nothing.
import { AttemptFailure } from '../attempts/failure.ts'
import { largestGroup, type IsAlike } from './agreement.ts'
import type { Bench } from './jurors.ts'

export interface Agreed {
  /** attempts that agree; the first one's answer is given */
  readonly attempts: readonly number[]
}

interface Vote<Answer> {
  readonly attempt: number
  readonly answer: Answer
  readonly stands: () => void
  readonly fails: (failure: AttemptFailure) => void
}

export class Jury<Answer> {
  readonly #votes: Vote<Answer>[] = []
  /** places of the bench that will not answer any more */
  #empty = 0
  #verdict: Agreed | 'none' | null = null

  /** @param onVerdict called once, when it is over: nobody else's answer is waited for */
  constructor(
    private readonly bench: Bench,
    private readonly isAlike: IsAlike<Answer>,
    private readonly onVerdict: () => void,
  ) {}

  /** Null while it is open; 'none': too few are alike. */
  get verdict(): Agreed | 'none' | null {
    return this.#verdict
  }

  /** nodes that answered */
  get answers(): number {
    return this.#votes.length
  }

  /**
   * Resolves when this answer is one of those that agree.
   * @throws AttemptFailure outvoted when others do; quorum_not_reached when nobody does
   */
  vote(attempt: number, answer: Answer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#votes.push({ attempt, answer, stands: resolve, fails: reject })
      this.#count()
    })
  }

  /** One place has no answer, and nobody left to give one. */
  leaveEmpty(): void {
    this.#empty += 1
    this.#count()
  }

  #count(): void {
    if (this.#verdict !== null) return
    const answers = this.#votes.map(({ answer }) => answer)
    const group = largestGroup(answers, this.isAlike)
    const awaited = this.bench.n - answers.length - this.#empty
    if (group.length >= this.bench.agree) this.#end(group)
    else if (group.length + awaited < this.bench.agree) this.#end([])
  }

  #end(group: readonly number[]): void {
    const isAgreed = group.length > 0
    this.#verdict = isAgreed ? { attempts: group.flatMap((position) => this.#votes[position]?.attempt ?? []) } : 'none'
    for (const [position, vote] of this.#votes.entries()) {
      if (group.includes(position)) vote.stands()
      else vote.fails(isAgreed ? outvoted() : undecided())
    }
    this.onVerdict()
  }
}

const outvoted = () => new AttemptFailure('outvoted', 'node', { reason: 'The others agreed on another answer.' })
/** Nobody knows who of them is wrong. */
const undecided = () => new AttemptFailure('quorum_not_reached', 'none', { reason: 'Too few gave the same answer.' })
