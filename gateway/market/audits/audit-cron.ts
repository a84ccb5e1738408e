// Every minute: what audits owe for days that are over is paid, and whose turn has come is examined. Both go on where the last minute stopped; neither stops the other.
import { logError } from '../../core/errors.ts'
import type { NodeGuards } from '../guard/node-guard.ts'
import type { Sanctions } from '../nodes/sanction-port.ts'
import type { ProbeNeeds } from '../admission/probe.ts'
import { createAuditBook } from './audit-book.ts'
import { createAuditPayBook } from './audit-day-book.ts'
import { payAudits, type PayAudit } from './audit-pay.ts'
import { createAuditRun, type AuditTraffic } from './audit-run.ts'
import { createCanaryBook } from './canary-book.ts'
import { createShapeBook } from './shape-book.ts'

export interface AuditCronNeeds extends Omit<ProbeNeeds, 'probeMs' | 'config'> {
  readonly config: ProbeNeeds['config'] & { readonly feeBps: number; readonly auditBps: number }
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
  readonly sanctions: Sanctions
  readonly auditTraffic: AuditTraffic
  readonly payAudit: PayAudit
  /** absent: real time */
  readonly wait?: (ms: number) => Promise<void>
}

export function createAuditCron(needs: AuditCronNeeds): () => Promise<void> {
  const { config, db } = needs
  const spending = createAuditPayBook(db)
  const run = createAuditRun({
    ...needs,
    book: createAuditBook(db),
    spending,
    canaries: createCanaryBook(db),
    shapes: createShapeBook(db),
    traffic: needs.auditTraffic,
    feeBps: config.feeBps,
    auditBps: config.auditBps,
    wait: needs.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
  })
  return async () => {
    await payAudits({ ...needs, book: spending }).catch((error: unknown) => logError(error, null))
    await spending.purge(needs.clock()).catch((error: unknown) => logError(error, null))
    await run()
  }
}
