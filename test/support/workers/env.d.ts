import type { D1Migration } from '@cloudflare/vitest-pool-workers'
import type { Bindings } from '../../../gateway/core/env.ts'

declare global {
  namespace Cloudflare {
    interface Env extends Bindings {
      TEST_REGISTRY: D1Migration[]
      TEST_BOOK: D1Migration[]
      /** '1' where missing vectors are a failure */
      TEST_CI: string
    }
  }
}
