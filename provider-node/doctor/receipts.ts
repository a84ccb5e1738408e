// Receipts are the operator's money on the way: how many wait to be handed in, since when, and whether the store or the gateway could not take some.
import { readdir } from 'node:fs/promises'
import { receiptsFolder, readBacklog } from '../receipts/store.ts'
import { DOCTOR_LIMITS } from './doctor-limits.ts'
import type { Check } from './facts.ts'
import { codeOf, note, ok, span, wrong, type Finding } from './finding.ts'

export const checkReceipts: Check = async ({ home, now }) => {
  const folder = receiptsFolder(home)
  const backlog = await readBacklog(home).catch((cause: unknown) => codeOf(cause))
  if (typeof backlog === 'string')
    return [
      wrong(
        `the receipts in ${folder} cannot be read (${backlog})`,
        'run this as the user the node runs as; else look at the disk',
      ),
    ]
  const names = await readdir(folder).catch(() => [])
  const damaged = names.filter((name) => name.endsWith('.damaged')).length
  return backlogFindings({ ...backlog, damaged, folder }, now())
}

interface Backlog {
  readonly waiting: number
  /** ms since the Unix epoch */
  readonly oldestAt: number | null
  readonly rejected: number
  /** files that were set aside because some of their bytes were not readable */
  readonly damaged: number
  readonly folder: string
}

/** (rule) */
export function backlogFindings({ waiting, oldestAt, rejected, damaged, folder }: Backlog, now: number): Finding[] {
  const findings: Finding[] = []
  const age = oldestAt === null ? 0 : Math.max(0, now - oldestAt)
  const many = waiting === 1 ? '1 receipt waits' : `${waiting} receipts wait`
  if (waiting > 0 && age > DOCTOR_LIMITS.backlogMs)
    findings.push(
      wrong(
        `${many} since ${span(age)} to be handed in`,
        'start the node, and see the lines "gateway" and "clock": they are handed in when it answers',
      ),
    )
  if (damaged > 0)
    findings.push(
      note(
        `${damaged} file${damaged === 1 ? '' : 's'} of receipts could not be read whole; what was readable was kept and handed in`,
        `look at the disk; the files are ${folder}/*.damaged, and souk-node earnings shows what is missing`,
      ),
    )
  if (rejected > 0)
    findings.push(
      note(
        `${rejected} receipt${rejected === 1 ? ' was' : 's were'} refused by the gateway`,
        'souk-node earnings shows which calls they belong to',
      ),
    )
  if (findings.length > 0) return findings
  return [ok(waiting === 0 ? 'no receipt waits to be handed in' : `${many} to be handed in`)]
}
