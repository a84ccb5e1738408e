// Which callers' wishes a live offer cannot serve (rule): nothing is wrong with it, and yet these calls go elsewhere. Each is one sentence, which ends in what to do.
import type { Task } from '../../../protocol/model.ts'
import { PARAMETERS, type Parameter } from '../../../protocol/routing.ts'
import type { OfferStanding } from './node-status.ts'

/** @param collectsData as the node said it; null: it said nothing */
export function unservedWishes({ offer, model, collectsData }: OfferStanding): string[] {
  const wishes = [whyNotPinned(offer), whyKeeping(offer, collectsData), whyMissing(offer, model.task)]
  return wishes.flatMap((sentence) => (sentence === null ? [] : [`${model.id}: ${sentence}`]))
}

/** Only said where the gateway knows of others where they stand: where nobody says it, there is nothing to do. */
export function unknownRegion(offers: readonly OfferStanding[]): string | null {
  const isKnown = offers.some(({ rivals }) => rivals.some(({ region }) => region !== null))
  const isUnknown = offers.length > 0 && offers.every(({ offer }) => offer.region === null)
  if (!isKnown || !isUnknown) return null
  return 'It is not known on which continent it stands, so calls that name one are sent elsewhere. To do: start it anew, or let it say hello from its own machine.'
}

const whyNotPinned = ({ assurance }: OfferStanding['offer']): string | null =>
  assurance === 'pinned'
    ? null
    : 'it is declared and not pinned, so calls that ask for pinned nodes are sent elsewhere. To do: nothing, or serve the model’s own files (engine "onnx").'

function whyKeeping(offer: OfferStanding['offer'], said: boolean | null): string | null {
  if (!offer.collectsData) return null
  return said === null
    ? 'it does not say whether prompts are kept, so calls that forbid it are sent elsewhere. To do: if the server behind it keeps none, say "collectsData": false in config.json.'
    : 'it says that prompts are kept, so calls that forbid it are sent elsewhere. To do: nothing, while that is so.'
}

function whyMissing({ parameters }: OfferStanding['offer'], task: Task): string | null {
  const wanted = parametersOf(task)
  if (wanted.length === 0) return null
  if (parameters === null)
    return 'it does not say which fields of a request it honours, so calls that require them are sent elsewhere. To do: update its program.'
  const missing = wanted.filter((name) => !parameters.has(name))
  if (missing.length === 0) return null
  return `it does not honour ${missing.join(', ')}, so calls that require ${missing.length === 1 ? 'it' : 'them'} are sent elsewhere. To do: nothing, or another engine.`
}

/** What calls of a task may require. */
function parametersOf(task: Task): readonly Parameter[] {
  if (task === 'embeddings') return ['dimensions']
  return task === 'chat' ? PARAMETERS.filter((name) => name !== 'dimensions') : []
}
