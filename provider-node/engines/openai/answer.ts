// An answer as it comes from an OpenAI-compatible server, made into steps: text without half characters and stop sequences, log probabilities
// beside their text, counts that are as good as the server's. A choice that has ended says so only with the last count (see `end`).
import type { FinishReason, TokenLogprob } from '../../../protocol/openai.ts'
import { EngineRefusal, type TextJob, type TextStep } from '../engine.ts'
import { TextStream, type TextPart } from '../text-stream.ts'
import { UpstreamFault } from '../upstream/http.ts'
import { failed } from '../upstream/verdict.ts'
import { finishOf, type Piece, type UpstreamEvent } from './events.ts'

interface Choice {
  readonly stream: TextStream
  text: string
  /** first half of a character whose other half is in the next piece */
  half: string
  /** of parts that the stream has not given out whole, one entry per part */
  readonly logprobs: (readonly TokenLogprob[])[]
  partsGiven: number
  finish: FinishReason | null
}

export class UpstreamAnswer {
  readonly #choices: readonly Choice[]
  /** pieces with text, or log probabilities where there are more: tokens as far as a stream shows them */
  #counted = 0
  /** the latest count of the server, and how many were counted when it came */
  #claimed: { readonly tokens: number; readonly at: number } | null = null
  #characters = 0
  /** of all texts given out */
  #bytes = 0
  readonly #charactersMax: number
  #promptTokens: number | null = null
  /** ended by a stop sequence that the server let through */
  #wasCut = false

  /** @param charactersPerToken ceiling of a text that ignores `max_tokens` */
  constructor(
    private readonly job: TextJob,
    private readonly bytesPerTokenMin: number,
    charactersPerToken: number,
  ) {
    this.#choices = Array.from({ length: job.choices }, () => ({
      stream: new TextStream(job.stop, job.prefix),
      text: '',
      half: '',
      logprobs: [],
      partsGiven: 0,
      finish: null,
    }))
    this.#charactersMax = charactersPerToken * job.choices * (job.outputTokensMax + 1)
  }

  get isFinished(): boolean {
    return this.#choices.every(({ finish }) => finish !== null)
  }

  /** Finished here and not by the server: it would go on. */
  get wasCut(): boolean {
    return this.#wasCut && this.isFinished
  }

  get texts(): string[] {
    return this.#choices.map(({ text }) => text)
  }

  /** The server's count of the input; null until it says one. */
  get promptTokens(): number | null {
    return this.#promptTokens
  }

  /**
   * The server's count where it gave one, as far as it can be true: no more than was ordered, and no more than the text has bytes for (tokens
   * of thinking that nobody gets are not sold). Until then, what was counted here.
   */
  get outputTokens(): number {
    const ordered = this.job.choices * this.job.outputTokensMax
    if (!this.#claimed) return Math.min(this.#counted, ordered)
    const most = Math.min(ordered, Math.ceil(this.#bytes / this.bytesPerTokenMin))
    const { tokens, at } = this.#claimed
    // None at all for a text is no count.
    return Math.min(most, (tokens === 0 ? at : tokens) + this.#counted - at)
  }

  /** @returns steps without ends @throws EngineRefusal, UpstreamFault for what no answer may be */
  take({ pieces, usage }: UpstreamEvent): TextStep[] {
    const steps = pieces.flatMap((piece) => this.#piece(piece))
    if (usage.promptTokens !== null) this.#promptTokens = usage.promptTokens
    if (usage.completionTokens !== null) this.#claimed = { tokens: usage.completionTokens, at: this.#counted }
    return steps
  }

  /** What was held back, and every choice's end: call it once, when no count can come any more. */
  end(): TextStep[] {
    const rests = this.#choices.map((choice) => this.#give(choice, choice.stream.end()))
    const outputTokens = this.outputTokens
    return this.#choices.map(({ finish }, index) => ({
      choice: index,
      text: rests[index]?.text ?? '',
      outputTokens,
      logprobs: rests[index]?.logprobs ?? [],
      finishReason: finish,
    }))
  }

  #piece({ choice: index, text, logprobs, finish }: Piece): TextStep[] {
    const choice = this.#choices[index]
    if (!choice) throw new UpstreamFault('garbage', 'choice')
    if (choice.finish !== null) return []
    const steps = text === '' ? [] : [this.#text(choice, index, text, logprobs)]
    if (finish !== null && choice.finish === null) {
      choice.finish = finishOf(finish)
      if (choice.finish === null) throw failed('finish_reason')
    }
    return steps.filter((step) => step.text !== '' || step.logprobs.length > 0)
  }

  #text(choice: Choice, index: number, given: string, logprobs: Piece['logprobs']): TextStep {
    if (this.job.logprobs !== null && logprobs === null)
      throw new EngineRefusal('unsupported_parameter', 'The server behind this model gives no log probabilities.')
    this.#characters += given.length
    if (this.#characters > this.#charactersMax) throw new UpstreamFault('too_large', 'answer')
    this.#counted += Math.max(1, logprobs?.length ?? 0)
    const all = choice.half + given
    choice.half = /[\ud800-\udbff]$/.test(all) ? all.slice(-1) : ''
    const most = this.job.logprobs ?? 0
    choice.logprobs.push(
      this.job.logprobs === null
        ? []
        : (logprobs ?? []).map((entry) => ({ ...entry, top_logprobs: entry.top_logprobs.slice(0, most) })),
    )
    const part = choice.stream.push(Buffer.from(choice.half === '' ? all : all.slice(0, -1)))
    if (part.stopped) {
      choice.finish = 'stop'
      this.#wasCut = true
    }
    return { choice: index, ...this.#give(choice, part), outputTokens: this.outputTokens, finishReason: null }
  }

  #give(choice: Choice, { text, wholeParts }: TextPart): Pick<TextStep, 'text' | 'logprobs'> {
    choice.text += text
    this.#bytes += Buffer.byteLength(text)
    const logprobs = choice.logprobs.splice(0, wholeParts - choice.partsGiven).flat()
    choice.partsGiven = wholeParts
    return { text, logprobs }
  }
}
