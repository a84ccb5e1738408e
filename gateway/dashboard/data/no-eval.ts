// Imported before anything that has a schema: zod would otherwise try whether it may make functions out of text, which our content security policy
// forbids and the browser complains of.
import { config } from 'zod/v4/core'

config({ jitless: true })
