// A worker thread does not inherit the loader of its parent, so this one line of plain JavaScript brings its own.
import { register } from 'tsx/esm/api'

register()
await import('./text-worker.ts')
