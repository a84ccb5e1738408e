// Many chat sequences on one graph, a step each in turn. Between two steps the thread reads its messages, so a caller who leaves costs at
// most the step that is under way. Batching them into one run is a later widening of this file alone.
import type { FinishReason } from '../../../protocol/openai.ts'
import type { TextJob } from '../engine.ts'
import { sampleToken, seededRandom } from '../sampling.ts'
import { TextStream } from '../text-stream.ts'
import type { Decoder, DecoderState } from './decoder.ts'
import type { ReplyFromWorker } from './messages.ts'
import type { ModelTokenizer } from './text/tokenizer.ts'

interface Sequence {
  readonly id: number
  readonly job: TextJob
  readonly outputTokensMax: number
  readonly random: () => number
  readonly text: TextStream
  state: DecoderState
  /** tokens the graph has not seen yet: the prompt, then each token drawn */
  unseen: readonly number[]
  outputTokens: number
}

export interface ChatTurnsNeeds {
  readonly decoder: Pick<Decoder, 'empty' | 'step'>
  readonly tokenizer: Pick<ModelTokenizer, 'bytes' | 'specials'>
  readonly contextTokens: number
  readonly concurrencyMax: number
  readonly reply: (message: ReplyFromWorker) => void
  /** lets messages in; called after every step */
  readonly breathe: () => Promise<void>
}

export class ChatTurns {
  readonly #needs: ChatTurnsNeeds
  #active: Sequence[] = []
  #waiting: Sequence[] = []
  #running = false

  constructor(needs: ChatTurnsNeeds) {
    this.#needs = needs
  }

  /** Accepts a call, or replies `too_long` when the prompt leaves no room for a single token. */
  add(id: number, job: TextJob, prompt: readonly number[]): void {
    const room = this.#needs.contextTokens - prompt.length
    if (room < 1) return this.#needs.reply({ type: 'too_long', id })
    this.#waiting.push({
      id,
      job,
      outputTokensMax: Math.min(job.outputTokensMax, room),
      random: seededRandom(job.seed),
      text: new TextStream(job.stop),
      state: this.#needs.decoder.empty,
      unseen: prompt,
      outputTokens: 0,
    })
    this.#needs.reply({ type: 'accepted', id, inputTokens: prompt.length })
    if (!this.#running) void this.#run()
  }

  /** The sequence takes no further step. Unknown ids have already ended. */
  cancel(id: number): void {
    const sequence = [...this.#active, ...this.#waiting].find((candidate) => candidate.id === id)
    if (!sequence) return
    this.#drop(sequence)
    this.#needs.reply({ type: 'cancelled', id, outputTokens: sequence.outputTokens })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#fill().length > 0) {
      for (const sequence of [...this.#active]) {
        if (!this.#active.includes(sequence)) continue
        await this.#step(sequence)
        await this.#needs.breathe()
      }
    }
    this.#running = false
  }

  #fill(): Sequence[] {
    while (this.#active.length < this.#needs.concurrencyMax) {
      const next = this.#waiting.shift()
      if (!next) break
      this.#active.push(next)
    }
    return this.#active
  }

  async #step(sequence: Sequence): Promise<void> {
    try {
      const { logits, state } = await this.#needs.decoder.step(sequence.state, sequence.unseen)
      if (!this.#active.includes(sequence)) return
      sequence.state = state
      this.#take(sequence, sampleToken(logits, sequence.job, sequence.random()))
    } catch (cause) {
      this.#drop(sequence)
      this.#needs.reply({ type: 'failed', id: sequence.id, reason: cause instanceof Error ? cause.name : 'unknown' })
    }
  }

  #take(sequence: Sequence, token: number): void {
    if (this.#needs.tokenizer.specials.has(token)) return this.#end(sequence, sequence.text.end().text, 'stop')
    sequence.outputTokens += 1
    sequence.unseen = [token]
    const part = sequence.text.push(this.#needs.tokenizer.bytes(token))
    if (part.stopped) return this.#end(sequence, part.text, 'stop')
    if (sequence.outputTokens >= sequence.outputTokensMax)
      return this.#end(sequence, part.text + sequence.text.end().text, 'length')
    this.#reply(sequence, part.text, null)
  }

  #end(sequence: Sequence, text: string, finishReason: FinishReason): void {
    this.#drop(sequence)
    this.#reply(sequence, text, finishReason)
  }

  #reply(sequence: Sequence, text: string, finishReason: FinishReason | null): void {
    this.#needs.reply({ type: 'step', id: sequence.id, text, outputTokens: sequence.outputTokens, finishReason })
  }

  #drop(sequence: Sequence): void {
    this.#active = this.#active.filter((candidate) => candidate !== sequence)
    this.#waiting = this.#waiting.filter((candidate) => candidate !== sequence)
  }
}
