// A text that several nodes agreed on, for a caller who streams: it comes in one piece for each choice, since nothing could be told before.
import type { TextPiece } from '../text/choices.ts'
import type { WholeTextAnswer } from '../text/text.ts'

/** Without what the last chunks say themselves: the end of each choice, and its tokens without text. */
export const agreedPieces = ({ choices, ends }: WholeTextAnswer): TextPiece[] =>
  choices.flatMap(({ text, logprobs }, choice) => {
    const inRest = ends[choice]?.rest.logprobs?.length ?? 0
    const spoken = logprobs && logprobs.slice(0, logprobs.length - inRest)
    return text === '' ? [] : [{ choice, text, logprobs: spoken, offset: 0 }]
  })
