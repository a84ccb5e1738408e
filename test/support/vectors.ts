// Tests that read conformance vectors from beside the repository. Where those are missing, CI fails and a clone elsewhere reports
// one skipped test that names them: a check that silently did not run is worse than none.
import { describe, it } from 'vitest'
import { openVectors, vectorsAreRequired, type Vectors } from './vector-files.ts'

/**
 * A `describe` whose tests exist only with their vectors.
 * @example describeVectors('ssrf-urls', (vectors) => { for (const url of vectors.list()) it(`refuses ${url}`, ...) })
 */
export function describeVectors(name: string, tests: (vectors: Vectors) => void): void {
  const vectors = openVectors(name)
  if (vectors) return void describe(`vectors/${name}`, () => tests(vectors))
  if (!vectorsAreRequired) return void it.skip(`needs vectors/${name}, which are not on this machine`)
  it(`needs vectors/${name}`, () => {
    throw new Error(`vectors/${name} are missing, and CI is set: put them in ../shared/vectors or set SOUK_VECTORS`)
  })
}
