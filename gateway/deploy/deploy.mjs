// `npm run deploy`: installs what is missing, then deploys; `npm run deploy -- --dry-run` checks and builds without the network.
import { ensureInstalled } from '../local/install.mjs'

ensureInstalled()
const { register } = await import('tsx/esm/api')
register()
await import('./main.ts')
