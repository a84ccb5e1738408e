// Reading a node's text, for chat and for completions alike: every event is parsed and re-made; nothing of the node's bytes is passed on.
import type { FinishReason, TokenLogprob } from '../../../protocol/openai.ts'
import { LIMITS, type CallTimeouts } from '../../core/limits.ts'
import type { Answerer } from '../answerer.ts'
import type { Serve } from '../attempts/attempt.ts'
import { AttemptFailure } from '../attempts/failure.ts'
import { nodeChatEvents } from '../attempts/node-events.ts'
import { Seam } from '../resume/seam.ts'
import { Choices, logprobBytes, type ChoiceEnd, type TextAsked, type TextPiece } from './choices.ts'

export interface TextAnswer {
  /** in the order of their index */
  readonly ends: readonly ChoiceEnd[]
  readonly receipt: string | null
  readonly continued: number
}

export interface WholeChoice {
  readonly text: string
  /** null unless asked for */
  readonly logprobs: readonly TokenLogprob[] | null
  readonly finishReason: FinishReason
}

export interface WholeTextAnswer extends TextAnswer {
  readonly choices: readonly WholeChoice[]
}

/**
 * Reads a node's text stream. It is whole when every choice has its end: whether `[DONE]` follows, the connection stays open or breaks, changes nothing.
 * @param deliver gives a piece to the caller and waits until it was taken
 */
export function serveText(
  timeouts: CallTimeouts,
  asked: TextAsked,
  deliver: (piece: TextPiece, by: Answerer) => Promise<void>,
): Serve<TextAnswer> {
  return async (response, { offer, meter, watch, background, gapMs, noteFirstOutput, reportProgress }) => {
    const tokensMax = Number(meter.candidate.most.outputTokens)
    const choices = new Choices(asked, tokensMax / asked.choices)
    const seam = meter.resumed && new Seam(meter.resumed)
    let receipt: string | null = null
    const by = { nodeId: offer.nodeId, modelId: meter.candidate.model.id }
    const give = (piece: TextPiece): Promise<void> => {
      meter.noteOutput(piece.text, piece.choice, piece.logprobs?.length)
      return watch.race(deliver(piece, by))
    }
    const joined = (piece: TextPiece): TextPiece | null => {
      if (!seam) return piece
      const { swallowed, piece: added } = seam.pass(piece)
      meter.noteRepeated(swallowed, piece.choice)
      return added
    }
    const ended = async (ends: ChoiceEnd[]) => {
      const all = seam ? seam.ends(ends) : ends
      for (const { rest } of all) if (rest.text !== '') await give(rest)
      // Not a word, and the filter says why: that is an answer, and the same as a refusal.
      if (!meter.hasAnswer && all.every(({ finishReason }) => finishReason === 'content_filter'))
        throw new AttemptFailure('content_filter', 'caller')
      const mute = all.map((end) => (end.rest.text === '' ? end : { ...end, rest: wordless(end.rest) }))
      return { ends: mute, receipt, continued: seam?.continuedCharacters ?? 0 }
    }
    const whole = { isWhole: () => choices.areOver, lastWordMs: timeouts.lastWordMs }
    for await (const event of nodeChatEvents(response, watch, background, tokensMax * tokenBytes(asked), whole)) {
      const [said] = event.choices
      meter.noteClaim(event.usage)
      receipt = event.receipt ?? receipt
      const piece = said ? choices.take(said) : null
      if (!piece) continue
      // While the caller takes its bytes the node owes nothing: its clock stands still.
      watch.disarm()
      noteFirstOutput()
      const added = joined(piece)
      if (added) await give(added)
      if (meter.isOverOrder) return ended(choices.cut())
      reportProgress()
      watch.arm(gapMs)
    }
    return ended(choices.ends())
  }
}

/** Its text was given, and with it what is told of its tokens. */
const wordless = (rest: TextPiece): TextPiece => ({ ...rest, text: '', logprobs: rest.logprobs && [] })

/** For who wants the answer in one piece. Its text belongs to the attempt: of a broken one nothing is left over. */
export function serveWholeText(timeouts: CallTimeouts, asked: TextAsked): Serve<WholeTextAnswer> {
  return async (response, context) => {
    const pieces: TextPiece[][] = Array.from({ length: asked.choices }, () => [])
    let size = 0
    const collect = async (piece: TextPiece) => {
      size += sizeOf(piece)
      if (size > LIMITS.nodeAnswerBytes)
        throw new AttemptFailure('provider_failed', 'node', { cause: new Error('more text than can be collected') })
      pieces[piece.choice]?.push(piece)
    }
    const answer = await serveText(timeouts, asked, collect)(response, context)
    return { ...answer, choices: answer.ends.map((end, index) => whole([...(pieces[index] ?? []), end.rest], end)) }
  }
}

const whole = (pieces: readonly TextPiece[], { finishReason, rest }: ChoiceEnd): WholeChoice => ({
  text: pieces.map(({ text }) => text).join(''),
  logprobs: rest.logprobs && pieces.flatMap(({ logprobs }) => logprobs ?? []),
  finishReason,
})

/** bytes a node's stream may have for each token ordered */
const tokenBytes = ({ logprobs }: TextAsked): number =>
  LIMITS.nodeTokenBytes + (logprobs === null ? 0 : (1 + logprobs) * LIMITS.nodeChanceBytes)

/** What a piece takes while it waits. */
const sizeOf = ({ text, logprobs }: TextPiece): number =>
  (logprobs ?? []).reduce((sum, logprob) => sum + logprobBytes(logprob), text.length)
