// What happens every minute: the rooms' own sweeps, side by side, none stopping another.
import { logError } from './core/errors.ts'
import { writeStatements } from './ledger/statement-flow.ts'
import { purgeDatabases } from './ledger/purge-book.ts'
import { sweepAccounts } from './ledger/sweep.ts'
import { createMarketCron } from './market/cron.ts'
import { createNotifyCron } from './notify/cron.ts'
import type { Services } from './services.ts'

export async function runCron(services: Services): Promise<void> {
  const sweeps = [
    sweepAccounts(services),
    purgeDatabases(services),
    writeStatements(services),
    createMarketCron(services)(),
    createNotifyCron(services)(),
  ]
  for (const outcome of await Promise.allSettled(sweeps)) {
    if (outcome.status === 'rejected') logError(outcome.reason, null)
  }
}
