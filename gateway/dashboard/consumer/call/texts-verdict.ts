// The salted hashes of a receipt, held against texts that only the caller has (pure): request and answer are pasted into the page and leave it never.
import type { Generation } from '../../../../protocol/generation.ts'
import { outputHash, requestHash, tensorRequestHash, type Receipt } from '../../../../protocol/receipt.ts'
import type { Ticket } from '../../../../protocol/ticket.ts'
import { open, right, wrong, type Check } from './check.ts'
import { readAnswer } from './pasted-answer.ts'
import { nodeBodies } from './pasted-request.ts'
import { tensorRequestOf } from './pasted-tensors.ts'

export interface Pasted {
  readonly request: string
  readonly answer: string
}

/** @param proved whose signatures hold */
export function checkTexts(
  pasted: Pasted,
  call: Pick<Generation, 'outcome' | 'parts'>,
  proved: { readonly ticket: Ticket; readonly receipt: Receipt },
): Check[] {
  const answer = pasted.answer === '' ? null : readAnswer(pasted.answer)
  return [
    ...(pasted.request.trim() === '' ? [] : [checkRequest(pasted.request, answer?.seed ?? null, proved)]),
    ...(answer === null ? [] : [checkAnswer(answer.outputs, call, proved)]),
  ]
}

function checkRequest(
  text: string,
  seed: number | null,
  { ticket, receipt }: { readonly ticket: Ticket; readonly receipt: Receipt },
): Check {
  const about = 'Your request'
  const tensors = tensorRequestOf(text, ticket.model)
  if (tensors !== null)
    return tensorRequestHash(ticket.salt, tensors) === receipt.request
      ? right(about, 'The node states the hash of exactly these tensors.')
      : wrong(about, 'The node states the hash of other tensors, or of another choice of outputs or parameters.')
  const bodies = nodeBodies(text, ticket, seed)
  if (bodies.length === 0) return open(about, 'This is no JSON: paste the body that you sent.')
  if (bodies.some((body) => hashOf(ticket.salt, body) === receipt.request))
    return right(about, 'The node states the hash of exactly this request.')
  if (receipt.continuedCharacters > 0)
    return open(
      about,
      'This node went on from what another had begun: it got your request and the beginning of the answer.',
    )
  return wrong(
    about,
    'The node states the hash of another request. If you gave no seed, paste the whole answer as well: it names the seed that was drawn.',
  )
}

function hashOf(salt: string, body: unknown): string | null {
  try {
    return requestHash(salt, body)
  } catch {
    return null
  }
}

function checkAnswer(
  outputs: readonly (string | Uint8Array)[],
  { outcome, parts }: Pick<Generation, 'outcome' | 'parts'>,
  { ticket, receipt }: { readonly ticket: Ticket; readonly receipt: Receipt },
): Check {
  const about = 'The answer'
  const own = outputs.map((output) => (typeof output === 'string' ? output.slice(receipt.continuedCharacters) : output))
  const isSame =
    own.length === receipt.outputs.length &&
    own.every((output, i) => outputHash(ticket.salt, output) === receipt.outputs[i])
  if (isSame)
    return right(
      about,
      receipt.continuedCharacters > 0
        ? `The node states the hash of exactly this text from character ${receipt.continuedCharacters + 1} on.`
        : 'The node states the hash of exactly this answer.',
    )
  if (outcome !== 'complete' || (parts?.length ?? 0) > 1)
    return open(
      about,
      'The hash is another one. Where an answer was cut, its node may have said more than reached you.',
    )
  return wrong(about, 'The node states the hash of another answer. A missing space or line break is enough.')
}
