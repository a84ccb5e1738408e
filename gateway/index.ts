// The Worker's entry: hands requests and crons to the app, and exports the guards to the runtime. No logic lives here.
import { createApp } from './app.ts'
import type { Bindings } from './core/env.ts'
import { logError, toResponse, GatewayError } from './core/errors.ts'
import { runCron } from './cron.ts'
import { createServices } from './services.ts'

export { AccountGuard } from './ledger/guard/account-guard.ts'
export { NodeGuard } from './market/guard/node-guard.ts'

let started: ReturnType<typeof start> | null = null

async function start(bindings: Bindings) {
  const services = await createServices(bindings)
  return { services, app: createApp(services) }
}

/** Once per isolate. A failed start is not kept: the next request tries again. */
function startOnce(bindings: Bindings): ReturnType<typeof start> {
  started ??= start(bindings).catch((error: unknown) => {
    started = null
    logError(error, null)
    throw new GatewayError('unavailable', { cause: error })
  })
  return started
}

export default {
  async fetch(request, bindings, context) {
    try {
      const { app } = await startOnce(bindings)
      return await app.fetch(request, bindings, context)
    } catch (error) {
      return toResponse(error, 'req_none')
    }
  },
  async scheduled({ cron }, bindings) {
    const { services } = await startOnce(bindings)
    await runCron(services, cron)
  },
} satisfies ExportedHandler<Bindings>
