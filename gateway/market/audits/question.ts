// One audit for several nodes (rule): the request that all of them get, as each of them gets it, and how its answers are read. Made after the shape of a call that came, where
// one is known that can be compared at all.
import { NODE_PATHS } from '../../../protocol/node.ts'
import { requestHash, tensorRequestHash } from '../../../protocol/receipt.ts'
import type { CallShape, Model, Offer } from '../market-port.ts'
import { tensorAudit, type TensorBody } from './audit-tensors.ts'
import {
  DEFAULT_SHAPES,
  DEFAULT_VECTOR_SHAPES,
  isImitable,
  isRepeatable,
  textAudit,
  textBody,
  type TextAudit,
} from './audit-text.ts'
import type { Question } from './ask.ts'
import { readTensors, readText, readVectors } from './read-answer.ts'
import type { Random } from './vocabulary.ts'

export type Audit =
  { readonly kind: 'words'; readonly request: TextAudit } | { readonly kind: 'tensors'; readonly request: TensorBody }

/** @param shapes of the model's calls. @returns null for a model of which nothing can be made up */
export function makeAudit(
  { manifest }: Model,
  shapes: readonly CallShape[],
  offer: Offer,
  random: Random,
): Audit | null {
  if (manifest.tensors) {
    const seen = shapes.filter(({ path }) => path === NODE_PATHS.infer)
    const request = tensorAudit(manifest, pick(seen, random)?.bodyBytes ?? null, random)
    return request && { kind: 'tensors', request }
  }
  const defaults = manifest.task === 'embeddings' ? DEFAULT_VECTOR_SHAPES : DEFAULT_SHAPES
  const seen = shapes.filter(isImitable)
  const fit = seen.filter((shape) => isRepeatable(shape, [offer]))
  const shape = pick(fit, random) ?? greedy(pick(seen, random)) ?? pick(defaults, random)
  return shape ? { kind: 'words', request: textAudit(shape, manifest, offer, random) } : null
}

/** Whether these nodes can be expected to answer it alike. */
export const canCompare = (audit: Audit, offers: readonly Offer[]): boolean =>
  audit.kind === 'tensors' || isRepeatable(audit.request, offers)

export function questionFor(audit: Audit, model: Model, offer: Offer): Question {
  const { manifest } = model
  if (audit.kind === 'tensors') {
    const { body, tensorBytesMax, inputBytes } = audit.request
    const { tensors } = manifest
    return {
      path: NODE_PATHS.infer,
      body,
      inputTokensMax: 0,
      outputTokensMax: 0,
      tensorBytesMax,
      inputTensorBytes: inputBytes,
      requestHash: (salt) => tensorRequestHash(salt, body),
      read: (response, reading) =>
        readTensors(response, model.id, tensors ?? { inputs: [], outputs: [], outputBytesMax: 0 }, reading),
    }
  }
  const { request } = audit
  const made = textBody(request, manifest, offer)
  const common = {
    ...made,
    path: request.path,
    inputTensorBytes: 0,
    requestHash: (salt: string) => requestHash(salt, JSON.parse(made.body)),
  }
  const { content, sampling } = request
  if ('input' in content) {
    const asked = typeof sampling.dimensions === 'number' ? sampling.dimensions : manifest.dimensions
    return { ...common, read: (response, reading) => readVectors(response, content.input.length, asked, reading) }
  }
  const prompts = 'prompt' in content && typeof content.prompt !== 'string' ? content.prompt.length : 1
  const choices = prompts * (typeof sampling.n === 'number' ? sampling.n : 1)
  return { ...common, read: (response, reading) => readText(response, choices, reading) }
}

/** For a node that draws by chance and honours no seed: without chance its answer can be compared. Where callers never ask so, it could tell. */
const greedy = (shape: CallShape | undefined): CallShape | undefined =>
  shape && { ...shape, sampling: { ...shape.sampling, temperature: 0 } }

const pick = <T>(list: readonly T[], random: Random): T | undefined => list[Math.floor(random() * list.length)]
