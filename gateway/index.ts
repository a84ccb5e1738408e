// The Worker's entry: hands requests and crons to the app, and exports the guards to the runtime. No logic lives here.
import type { Bindings } from './core/env.ts'

export { AccountGuard } from './ledger/account-guard.ts'
export { NodeGuard } from './market/node-guard.ts'

export default {
  fetch: () => new Response('souk'),
} satisfies ExportedHandler<Bindings>
