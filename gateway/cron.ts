// What happens every minute: the rooms' own sweeps, side by side, none stopping another. Every trigger of wrangler.toml is an invocation of its
// own with its own 1,000 subrequests, so the work is divided among three spellings of "every minute": the accounts' sweep alone may take 770.
import { drizzle } from 'drizzle-orm/d1'
import { carryOutDue } from './auth/members.ts'
import { logError } from './core/errors.ts'
import { writeStatements } from './ledger/journal/statement-flow.ts'
import { recountDays } from './ledger/metering/recount-book.ts'
import { purgeDatabases } from './ledger/book/purge-book.ts'
import { unawaited } from './core/parameters.ts'
import { sweepAccounts } from './ledger/book/sweep.ts'
import { createAuditCron } from './market/audits/audit-cron.ts'
import { createMarketCron } from './market/cron.ts'
import { createHealthCron } from './market/health/health-cron.ts'
import { createNotifyCron } from './notify/cron.ts'
import type { Services } from './services.ts'

type Sweep = (services: Services) => Promise<unknown>

/** Trigger -> what it does. A test holds these against wrangler.toml. */
export const CRONS: Readonly<Record<string, readonly Sweep[]>> = {
  '* * * * *': [sweepAccounts, purgeDatabases],
  '*/1 * * * *': [(services) => createMarketCron(services)(), (services) => createNotifyCron(services)()],
  '0-59 * * * *': [
    writeStatements,
    recountDays,
    (services) => createHealthCron(services)(),
    audit,
    (services) => carryOutDue(drizzle(services.db), services.clock()),
  ],
}

/** At the fee and the budget that hold now. */
async function audit(services: Services): Promise<void> {
  const { feeBps, auditBps } = await services.parameters.now(unawaited)
  await createAuditCron({ ...services, config: { ...services.config, feeBps, auditBps } })()
}

/** @param cron as wrangler.toml spells it */
export async function runCron(services: Services, cron: string): Promise<void> {
  const sweeps = CRONS[cron]
  if (!sweeps) return logError(new Error(`nothing is to be done at "${cron}"`), null)
  for (const outcome of await Promise.allSettled(sweeps.map((sweep) => sweep(services)))) {
    if (outcome.status === 'rejected') logError(outcome.reason, null)
  }
}
