// `npm start`: installs what is missing, then runs the market in this very process, so that a signal to it is a signal to everything.
import { ensureReady } from './prepare.mjs'

ensureReady()
console.log('Souk is starting …')
const { register } = await import('tsx/esm/api')
register()
await import('./main.ts')
