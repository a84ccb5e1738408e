// `npm run deploy`: installs what is missing, then deploys; `npm run deploy -- --dry-run` checks and builds without the network.
import { ensureReady } from '../local/prepare.mjs'

ensureReady()
const { register } = await import('tsx/esm/api')
register()
await import('./main.ts')
