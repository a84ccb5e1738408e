// Choices (rule): where each choice of a text call stands, from a node's events in any order. A call is complete only when every choice has its
// finish reason. What cannot be is the node's fault: a choice nobody asked for, output behind a finish, log probabilities of more tokens than
// were ordered, or none where they were asked for. What nobody asked for is not passed on.
import type { NodeChatEvent } from '../../../protocol/node.ts'
import type { FinishReason, TokenLogprob } from '../../../protocol/openai.ts'
import { LIMITS } from '../../core/limits.ts'
import { AttemptFailure } from '../attempts/failure.ts'
import { charactersOf } from './token-characters.ts'

/** What was asked of a text call, whichever surface it came by. */
export interface TextAsked {
  readonly choices: number
  /** alternatives named beside each token; null: no log probabilities at all */
  readonly logprobs: number | null
}

/** Text of one choice since the piece before it. */
export interface TextPiece {
  readonly choice: number
  readonly text: string
  /** of the tokens whose text is complete with this piece; null unless asked for */
  readonly logprobs: readonly TokenLogprob[] | null
  /** where the first of these tokens begins: characters of all tokens of this choice before it */
  readonly offset: number
}

/** The end of one choice. `rest`: tokens without text, those of a stop sequence for instance. */
export interface ChoiceEnd {
  readonly finishReason: FinishReason
  readonly rest: TextPiece
}

type Said = NodeChatEvent['choices'][number]

export class Choices {
  readonly #states: ChoiceState[]
  /** choices without an end */
  #open: number

  /** @param tokensMax of each choice */
  constructor(
    private readonly asked: TextAsked,
    private readonly tokensMax: number,
  ) {
    this.#states = Array.from({ length: asked.choices }, () => new ChoiceState())
    this.#open = asked.choices
  }

  /** Every choice has its end: the answer is whole, whatever else its node does. */
  get areOver(): boolean {
    return this.#open === 0
  }

  /** What there is to deliver; null while that is no text. @throws AttemptFailure for what cannot be */
  take({ index, delta, logprobs, finish_reason }: Said): TextPiece | null {
    const state = this.#states[index]
    if (!state) throw wrong('a choice that nobody asked for')
    const text = delta.content ?? ''
    const tokens = logprobs ?? []
    if (state.finishReason !== null && (text !== '' || tokens.length > 0)) throw wrong('output behind a finish')
    if (this.asked.logprobs !== null) state.hold(tokens, this.asked.logprobs)
    if (state.tokens > this.tokensMax) throw wrong('log probabilities of more tokens than were ordered')
    state.hasText ||= text !== ''
    if (state.finishReason === null && finish_reason) {
      state.finishReason = finish_reason
      this.#open -= 1
    }
    const isMute = this.asked.logprobs !== null && state.hasText && state.tokens === 0
    if (state.finishReason !== null && isMute) throw wrong('no log probabilities, which were asked for')
    if (text !== '') return this.#piece(index, state, text)
    this.#boundWaiting()
    return null
  }

  /** Of an answer that ended. @throws AttemptFailure when it is not whole */
  ends(): ChoiceEnd[] {
    return this.#states.map((state, index) => {
      if (state.finishReason === null) throw new AttemptFailure('provider_broke_off', 'node')
      return { finishReason: state.finishReason, rest: this.#piece(index, state, '') }
    })
  }

  /**
   * Of an answer that is cut here, because more than was ordered is said to be there.
   * @throws AttemptFailure when a choice has neither text nor end: who says so after one word of the first owes the others
   */
  cut(): ChoiceEnd[] {
    if (this.#states.some(({ hasText, finishReason }) => !hasText && finishReason === null))
      throw new AttemptFailure('provider_broke_off', 'node')
    return this.#states.map((state, index) => ({
      finishReason: state.finishReason ?? 'length',
      rest: this.#piece(index, state, ''),
    }))
  }

  /** Of a stream more may be ordered than an isolate can hold, and a node can let all of it wait for a text that never comes. */
  #boundWaiting(): void {
    const chances = this.#states.reduce((sum, { waitingChances }) => sum + waitingChances, 0)
    const bytes = this.#states.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0)
    if (chances > LIMITS.collectedChances || bytes > LIMITS.nodeAnswerBytes)
      throw wrong('more log probabilities before their text than can wait')
  }

  #piece(choice: number, state: ChoiceState, text: string): TextPiece {
    const { offset } = state
    const logprobs = state.release()
    return { choice, text, logprobs: this.asked.logprobs === null ? null : logprobs, offset }
  }
}

/** Log probabilities wait for their text, so that nothing reaches a caller before the first text does: until then another node may be asked. */
class ChoiceState {
  finishReason: FinishReason | null = null
  hasText = false
  /** with log probabilities, until now */
  tokens = 0
  /** characters of the tokens that were released */
  offset = 0
  /** log probabilities that wait, alternatives among them, and their bytes as logprobBytes counts them */
  waitingChances = 0
  waitingBytes = 0
  #held: TokenLogprob[] = []

  hold(tokens: readonly TokenLogprob[], alternatives: number): void {
    this.tokens += tokens.length
    for (const token of tokens) {
      const held = { ...token, top_logprobs: token.top_logprobs.slice(0, alternatives) }
      this.#held.push(held)
      this.waitingChances += 1 + held.top_logprobs.length
      this.waitingBytes += logprobBytes(held)
    }
  }

  release(): TokenLogprob[] {
    const held = this.#held
    this.#held = []
    this.waitingChances = 0
    this.waitingBytes = 0
    this.offset += charactersOf(held)
    return held
  }
}

/** What it takes while it waits: characters, and four bytes for each number of a token's bytes. */
export const logprobBytes = (logprob: TokenLogprob): number =>
  [logprob, ...logprob.top_logprobs].reduce((sum, { token, bytes }) => sum + token.length + 4 * (bytes?.length ?? 0), 0)

const wrong = (what: string) => new AttemptFailure('provider_failed', 'node', { cause: new Error(what) })
