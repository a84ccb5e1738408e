// The seam (rule): where an answer of two nodes is joined. Of a node that begins anew everything must repeat what was delivered, to the letter, and is
// swallowed until there is more; the first difference ends it. Of one that continues nothing is swallowed, unless it says the delivered text again
// although it said that it goes on. Log probabilities are told once for each token.
import type { TokenLogprob } from '../../../protocol/openai.ts'
import { AttemptFailure } from '../attempts/failure.ts'
import type { ChoiceEnd, TextPiece } from '../text/choices.ts'
import { charactersOf } from '../text/token-characters.ts'
import type { Resumed } from './resume.ts'

/** UTF-16 units of delivered text from which on a continuation that begins with all of it is taken for a repetition: less is said twice by chance. */
const REPEATED_MIN = 4
/** Tokens with log probabilities that wait at the seam: of an honest node only those of a text that was cut differently. */
export const WAITING_MAX = 1_024

export interface Passed {
  /** what only repeats what was delivered */
  readonly swallowed: string
  /** what is new; null: nothing yet */
  readonly piece: TextPiece | null
}

export class Seam {
  readonly #choices: readonly ChoiceSeam[]

  constructor(private readonly resumed: Resumed) {
    this.#choices = resumed.choices.map((choice) =>
      resumed.how === 'continue' ? new Continued(choice.text) : new Repeated(choice.text, choice.logprobs),
    )
  }

  /** @throws AttemptFailure at the first difference */
  pass(piece: TextPiece): Passed {
    return this.#choices[piece.choice]?.pass(piece) ?? { swallowed: '', piece }
  }

  /** The same answer's ends, each with what was still kept back. @throws AttemptFailure when one ends before it was where the other one broke off */
  ends(ends: readonly ChoiceEnd[]): ChoiceEnd[] {
    return ends.map((end, choice) => ({ ...end, rest: this.#choices[choice]?.end(end.rest) ?? end.rest }))
  }

  /** UTF-16 units this node went on from: what its receipt has to say. Known when its answer has ended. */
  get continuedCharacters(): number {
    if (this.resumed.how === 'restart' || this.#choices.some((choice) => choice.hasRepeated)) return 0
    return this.resumed.choices.reduce((sum, { text }) => sum + text.length, 0)
  }
}

interface ChoiceSeam {
  /** it said the delivered text itself */
  readonly hasRepeated: boolean
  pass(piece: TextPiece): Passed
  end(rest: TextPiece): TextPiece
}

class Repeated implements ChoiceSeam {
  readonly hasRepeated = true
  #at = 0
  /** of tokens that are new, but whose text was delivered: they go with the next text */
  #waiting: TokenLogprob[] = []

  constructor(
    private readonly delivered: string,
    /** tokens whose log probabilities are still to be left out */
    private logprobsLeft: number,
  ) {}

  pass(piece: TextPiece): Passed {
    const { text } = piece
    const length = Math.min(this.delivered.length - this.#at, text.length)
    const swallowed = text.slice(0, length)
    if (swallowed !== this.delivered.slice(this.#at, this.#at + length)) throw different()
    this.#at += length
    const rest = this.#unsaid({ ...piece, text: text.slice(length) })
    if (rest.text !== '') return { swallowed, piece: rest }
    this.#waiting = [...(rest.logprobs ?? [])]
    if (this.#waiting.length > WAITING_MAX) throw tooManyWait()
    return { swallowed, piece: null }
  }

  end(rest: TextPiece): TextPiece {
    if (this.#at < this.delivered.length) throw different()
    return this.#unsaid(rest)
  }

  /** Without the log probabilities that were delivered, with those that wait. */
  #unsaid(piece: TextPiece): TextPiece {
    // What has none of its own takes along what waits: an answer may end so, and a node may send some of its text without them.
    if (this.#waiting.length === 0 && (!piece.logprobs || this.logprobsLeft === 0)) return piece
    const own = piece.logprobs ?? []
    const said = own.slice(0, this.logprobsLeft)
    this.logprobsLeft -= said.length
    const logprobs = [...this.#waiting, ...own.slice(said.length)]
    const offset = piece.offset + charactersOf(said) - charactersOf(this.#waiting)
    this.#waiting = []
    return { ...piece, logprobs, offset }
  }
}

class Continued implements ChoiceSeam {
  hasRepeated = false
  /** while it may still be a repetition */
  #kept: string | null

  constructor(private readonly delivered: string) {
    this.#kept = delivered.length >= REPEATED_MIN ? '' : null
  }

  pass(piece: TextPiece): Passed {
    const kept = this.#kept
    if (kept === null) return { swallowed: '', piece }
    const said = kept + piece.text
    // What was kept is a beginning already: looking at all of it again with each piece would take the square of its length.
    if (said.length < this.delivered.length && this.delivered.startsWith(piece.text, kept.length)) {
      this.#kept = said
      return { swallowed: '', piece: null }
    }
    this.#kept = null
    this.hasRepeated = said.startsWith(this.delivered) && !isPeriodic(this.delivered)
    const text = this.hasRepeated ? said.slice(this.delivered.length) : said
    const swallowed = this.hasRepeated ? this.delivered : ''
    return { swallowed, piece: text === '' ? null : { ...piece, text } }
  }

  /** What was kept back and never became the whole of it was meant. */
  end(rest: TextPiece): TextPiece {
    const text = this.#kept ?? ''
    this.#kept = null
    return { ...rest, text: text + rest.text }
  }
}

/**
 * Whether a text is one part again and again: going on from there is to say it once more. @example 'la la la ' // true; 'one two ' // false
 * @see Knuth, Morris, Pratt: the longest border of a text tells its shortest period
 */
export function isPeriodic(text: string): boolean {
  const borders = new Int32Array(text.length)
  let border = 0
  for (let at = 1; at < text.length; at++) {
    while (border > 0 && text[at] !== text[border]) border = borders[border - 1] ?? 0
    if (text[at] === text[border]) border += 1
    borders[at] = border
  }
  return text.length > 0 && text.length - border <= text.length / 2
}

/** Nobody's fault: machines that compute differently are not wrong, they only cannot go on for each other. */
const different = () =>
  new AttemptFailure('provider_broke_off', 'none', { reason: 'Its answer was another one than what was delivered.' })

const tooManyWait = () =>
  new AttemptFailure('provider_failed', 'node', {
    cause: new Error('more log probabilities before their text than can wait'),
  })
