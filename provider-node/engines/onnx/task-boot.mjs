// A worker thread does not inherit the loader of its parent, so this line of plain JavaScript brings its own.
import { register } from 'tsx/esm/api'

register()
await import('./task-worker.ts')
