// What is said of an audit to the operator of its node (rule): which kind of thing was wrong, and never a word, a number or a place of an answer. Whoever offers without the
// model must not learn from it what the model says.
import type { Compared } from './suspicion.ts'

const WRONG: Readonly<Record<Compared, string>> = {
  text: 'Its text was not what other operators’ nodes of this model answer.',
  vectors: 'Its vectors were not those that other operators’ nodes of this model give.',
  tensors: 'Its tensors were not those that other operators’ nodes of this model give.',
  usage: 'It counted other tokens for the same answer than other operators’ nodes of this model.',
  receipt: 'Its receipt was not one for what it had sent.',
}

export const wrongSentence = (what: Compared): string => WRONG[what]

/** Of a suspension: what was found, and what to do. */
export const suspensionReason = (modelId: string, what: Compared): string =>
  `Audits found its answers for ${modelId} wrong several times in a row, and right too seldom between. The last time: ${WRONG[what]} Check that it loads the model’s own files and reports what it did, then ask the house to look again.`
