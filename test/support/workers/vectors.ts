// The same promise as test/support/vectors.ts, for tests inside workerd: they see no file system, so vitest.config.ts reads the
// file and hands its text over as a binding (null when it is missing).
import { env } from 'cloudflare:workers'
import { describe, it } from 'vitest'

/** @param text the binding, for example `env.TEST_SIWE_VECTORS` */
export function describeBoundVectors(name: string, text: string | null, tests: (text: string) => void): void {
  if (text !== null) return void describe(`vectors/${name}`, () => tests(text))
  if (env.TEST_CI !== '1') return void it.skip(`needs vectors/${name}, which are not on this machine`)
  it(`needs vectors/${name}`, () => {
    throw new Error(`vectors/${name} are missing, and CI is set: put them in ../shared/vectors or set SOUK_VECTORS`)
  })
}
