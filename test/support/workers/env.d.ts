import type { D1Migration } from '@cloudflare/vitest-pool-workers'
import type { Bindings } from '../../../gateway/core/env.ts'

declare global {
  namespace Cloudflare {
    interface Env extends Bindings {
      /** the second book */
      BOOK_1: D1Database
      TEST_REGISTRY: D1Migration[]
      TEST_BOOK: D1Migration[]
      /** the schema of the Open Inference Protocol as it was published; null when it is missing */
      TEST_OIP_YAML: string | null
      /** JSON of the files of vectors/siwe by name; null when they are missing */
      TEST_SIWE_VECTORS: string | null
      /** '1' where missing vectors are a failure */
      TEST_CI: string
      /** JSON: file name -> base64 of its bytes; null where the vectors are missing */
      TEST_JSON_SUITE: string | null
    }
  }
}
