// What the address of the playground says: the model and how it is called, so that a link opens the same form.
import { SURFACES, type Surface } from './surface.ts'

export interface PlaygroundSearch {
  readonly model?: string
  readonly as?: Surface
}

export function readSearch(search: Record<string, unknown>): PlaygroundSearch {
  const surface = SURFACES.find((each) => each === search.as)
  return {
    ...(typeof search.model === 'string' && { model: search.model }),
    ...(surface && { as: surface }),
  }
}
